package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"time"

	"cuelabs.dev/go/oci/ociregistry/ocimem"
	"cuelabs.dev/go/oci/ociregistry/ociserver"
	"github.com/opencontainers/go-digest"
)

// startDistribution starts the distribution project's registry, which keeps everything
// on disk, and returns its host.
func (b *bench) startDistribution() (string, error) {
	config := b.path("distribution.yml")
	err := os.WriteFile(config, fmt.Appendf(nil, `version: 0.1
log: {level: info, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: %q}, maintenance: {uploadpurging: {enabled: false}}}
http: {addr: "127.0.0.1:0"}
`, b.path("distribution")), 0o600)
	if err != nil {
		return "", err
	}
	cmd := exec.Command(filepath.Join(b.peers, "registry"), "serve", config)
	cmd.Env = []string{"OTEL_TRACES_EXPORTER=none", "HOME=" + b.dir}
	log, err := cmd.StderrPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	b.stops = append(b.stops, func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return listening(log)
}

// listening reads a registry's log until it says where it listens, and goes on
// emptying it.
func listening(log io.Reader) (string, error) {
	found := make(chan string, 1)
	said := regexp.MustCompile(`listening on (127\.0\.0\.1:\d+)`)
	go func() {
		defer close(found)
		for lines := bufio.NewScanner(log); lines.Scan(); {
			if m := said.FindStringSubmatch(lines.Text()); m != nil {
				found <- m[1]
			}
		}
	}()
	select {
	case host, ok := <-found:
		if ok {
			return host, nil
		}
	case <-time.After(time.Minute):
	}
	return "", errors.New("the registry does not say where it listens")
}

// startMemory starts a registry with the referrers API in this process, and returns its
// host.
func (b *bench) startMemory() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	server := &http.Server{Handler: ociserver.New(ocimem.New(), nil), ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(l) }()
	b.stops = append(b.stops, func() { _ = server.Close() })
	return l.Addr().String(), nil
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
