package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"

	"github.com/opencontainers/go-digest"

	"github.com/hallmark-project/hallmark/internal/peer"
)

// startDistribution starts the distribution project's registry, which keeps everything
// on disk, and returns its host.
func (b *bench) startDistribution() (string, error) {
	host, stop, err := peer.Distribution(filepath.Join(b.peers, "registry"), b.dir)
	if err == nil {
		b.stops = append(b.stops, stop)
	}
	return host, err
}

// startMemory starts a registry with the referrers API in this process, and returns its
// host.
func (b *bench) startMemory() (string, error) {
	host, stop, err := peer.Memory()
	if err == nil {
		b.stops = append(b.stops, stop)
	}
	return host, err
}

// putBlob uploads a small blob, putManifest a manifest.
func putBlob(host, repository string, content []byte) (digest.Digest, error) {
	d := digest.FromBytes(content)
	at, err := send(http.MethodPost, "http://"+host+"/v2/"+repository+"/blobs/uploads/", "", nil, http.StatusAccepted)
	if err != nil {
		return "", err
	}
	if at == nil {
		return "", errors.New("the registry names no upload location")
	}
	query := at.Query()
	query.Set("digest", d.String())
	at.RawQuery = query.Encode()
	_, err = send(http.MethodPut, at.String(), "application/octet-stream", content, http.StatusCreated)
	return d, err
}

func putManifest(host, repository, target, mediaType string, content []byte) error {
	_, err := send(http.MethodPut, "http://"+host+"/v2/"+repository+"/manifests/"+target, mediaType, content, http.StatusCreated)
	return err
}

// send returns where the answer's Location leads, if it has one.
func send(method, address, mediaType string, body []byte, want int) (*url.URL, error) {
	request, err := http.NewRequest(method, address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", mediaType)
	resp, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != want {
		return nil, fmt.Errorf("%s %s: %s: %s", method, address, resp.Status, answer)
	}
	at, err := resp.Location()
	if errors.Is(err, http.ErrNoLocation) {
		return nil, nil
	}
	return at, err
}
