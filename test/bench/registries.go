package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"

	"github.com/hallmark-project/hallmark/internal/peer"
)

// original is the repository that every other one is mounted from.
const original = "bench/app"

// registry is a running one with a proxy before it.
type registry struct {
	name      string
	backend   string // host, past the proxy
	host      string // of the proxy
	proxy     *proxy
	index     string            // digest of the test image
	platforms map[string]string // digest by architecture
	made      int               // repositories so far
	prepared  map[string]string // references that operations share
}

func newRegistry(name string) *registry { return &registry{name: name, prepared: map[string]string{}} }

// start starts it with a proxy before it, and pushes the test image.
func (r *registry) start(b *bench) error {
	var backend string
	var stop func()
	var err error
	if r.name == "distribution" { // the distribution project's: no referrers API
		backend, stop, err = peer.Distribution(filepath.Join(b.peers, "registry"), b.dir)
	} else { // one in this process, with the referrers API
		backend, stop, err = peer.Memory()
	}
	if err != nil {
		return err
	}
	b.stops = append(b.stops, stop)
	if err := r.behindProxy(b, backend); err != nil {
		return err
	}
	return r.push(b)
}

func (r *registry) behindProxy(b *bench, backend string) error {
	p, host, stop, err := startProxy(backend)
	if err != nil {
		return err
	}
	b.stops = append(b.stops, stop)
	r.backend, r.host, r.proxy = backend, host, p
	return nil
}

// push pushes the test image into the original repository.
func (r *registry) push(b *bench) error {
	source, err := b.layout()
	if err != nil {
		return err
	}
	err = b.execute(b.skopeo, "copy", "--quiet", "--all", "--preserve-digests", "--dest-tls-verify=false", "--digestfile", "digest",
		"oci:"+source+":"+imageTag, "docker://"+r.backend+"/"+original+":v1")
	if err != nil {
		return err
	}
	digest, err := os.ReadFile(filepath.Join(b.dir, "digest"))
	if err != nil {
		return err
	}
	r.index, r.platforms = string(bytes.TrimSpace(digest)), map[string]string{}
	_, err = r.fresh() // which finds out about the platforms
	return err
}

// content is what has to be known of a manifest or an index.
type content struct {
	Config    *link  `json:"config"`
	Layers    []link `json:"layers"`
	Manifests []link `json:"manifests"`
}

type link struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
	Platform  struct {
		Architecture string `json:"architecture"`
	} `json:"platform"`
}

// fresh mounts the image into a new repository, past the proxy, and returns the
// reference to its index through the proxy.
func (r *registry) fresh() (string, error) {
	r.made++
	name := fmt.Sprintf("bench/run-%d", r.made)
	const indexType = "application/vnd.oci.image.index.v1+json"
	raw, index, err := r.read(r.index, indexType)
	if err != nil {
		return "", err
	}
	for _, m := range index.Manifests {
		r.platforms[m.Platform.Architecture] = m.Digest
		if err := r.mount(name, m); err != nil {
			return "", err
		}
	}
	_, err = r.do(http.MethodPut, name+"/manifests/"+r.index, indexType, raw, http.StatusCreated)
	return r.host + "/" + name + "@" + r.index, err
}

func (r *registry) mount(name string, m link) error {
	raw, image, err := r.read(m.Digest, m.MediaType)
	if err != nil {
		return err
	}
	if image.Config == nil {
		return fmt.Errorf("%s has no configuration", m.Digest)
	}
	for _, blob := range append(image.Layers, *image.Config) {
		query := url.Values{"mount": {blob.Digest}, "from": {original}}
		if _, err := r.do(http.MethodPost, name+"/blobs/uploads/?"+query.Encode(), "", nil, http.StatusCreated); err != nil {
			return err
		}
	}
	_, err = r.do(http.MethodPut, name+"/manifests/"+m.Digest, m.MediaType, raw, http.StatusCreated)
	return err
}

func (r *registry) read(digest, mediaType string) ([]byte, content, error) {
	var c content
	raw, err := r.do(http.MethodGet, original+"/manifests/"+digest, mediaType, nil, http.StatusOK)
	if err == nil {
		err = json.Unmarshal(raw, &c)
	}
	return raw, c, err
}

// do asks the registry past the proxy. The media type is that of the body, or of the
// answer.
func (r *registry) do(method, what, mediaType string, body []byte, want int) ([]byte, error) {
	request, err := http.NewRequest(method, "http://"+r.backend+"/v2/"+what, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", mediaType)
	request.Header.Set("Content-Type", mediaType)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != want {
		err = fmt.Errorf("%s %s: status %d: %s", method, what, response.StatusCode, answer)
	}
	return answer, err
}
