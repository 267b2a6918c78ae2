package interop

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
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
	"strings"
	"testing"
	"time"

	"cuelabs.dev/go/oci/ociregistry/ocimem"
	"cuelabs.dev/go/oci/ociregistry/ociserver"
)

// Media types of what is listed and read.
const (
	bundleType     = "application/vnd.dev.sigstore.bundle.v0.3+json"
	oldSignature   = "application/vnd.dev.cosign.artifact.sig.v1+json"
	indexType      = "application/vnd.oci.image.index.v1+json"
	manifestType   = "application/vnd.oci.image.manifest.v1+json"
	dockerListType = "application/vnd.docker.distribution.manifest.list.v2+json"
	predicateLabel = "dev.sigstore.bundle.predicateType"
	originalName   = "test/app" // the repository that every other one is mounted from
)

// registry is a running one that holds the test images.
type registry struct {
	name      string
	host      string
	referrers bool   // it has the referrers API
	storage   string // its folder, if it has one
	stop      func()

	pushed map[string]string // digest of each form of the test image
}

// startDistribution starts the registry of the distribution project: no referrers API.
func startDistribution() (*registry, error) {
	name, err := program("HALLMARK_PEERS", "registry")
	if err != nil {
		return nil, err
	}
	storage := filepath.Join(shop.dir, "distribution")
	config := filepath.Join(shop.dir, "distribution.yml")
	err = os.WriteFile(config, fmt.Appendf(nil, `version: 0.1
log: {level: info, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: %q}, delete: {enabled: true}, maintenance: {uploadpurging: {enabled: false}}}
http: {addr: "127.0.0.1:0"}
`, storage), 0o600)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(name, "serve", config)
	cmd.Env = environment(shop.dir)
	log, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop := func() {
		cmd.Process.Kill()
		cmd.Wait()
	}
	host, err := listening(log)
	return &registry{name: "distribution", host: host, storage: storage, stop: stop}, err
}

// listening reads a registry's log until it says where it listens, and goes on
// emptying it.
func listening(log io.Reader) (string, error) {
	found := make(chan string)
	said := regexp.MustCompile(`listening on (127\.0\.0\.1:\d+)`)
	go func() {
		defer close(found)
		lines := bufio.NewScanner(log)
		for lines.Scan() {
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

// startMemory starts a registry with the referrers API in this process.
func startMemory() (*registry, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: ociserver.New(ocimem.New(), nil), ReadHeaderTimeout: time.Minute}
	go server.Serve(l)
	return &registry{name: "ocimem", host: l.Addr().String(), referrers: true, stop: func() { server.Close() }}, nil
}

// push pushes the test image in both forms.
func (r *registry) push() error {
	images, err := imagesFolder()
	if err != nil {
		return err
	}
	script, err := filepath.Abs("../images/push.sh")
	if err != nil {
		return err
	}
	out, err := mustExecute(shop.dir, script, images, r.host)
	if err != nil {
		return err
	}
	r.pushed = map[string]string{}
	for row := range strings.Lines(out.stdout) {
		form, ref, _ := strings.Cut(strings.TrimSpace(row), " ")
		_, digest, _ := strings.Cut(ref, "@")
		r.pushed[form] = digest
	}
	if r.pushed["oci"] == "" || r.pushed["docker"] == "" {
		return fmt.Errorf("push.sh said: %s", out)
	}
	return nil
}

// everyRegistry runs a test on each registry, beside other tests.
func everyRegistry(t *testing.T, test func(t *testing.T, r *registry)) {
	needTools(t)
	t.Parallel()
	for _, start := range []func() (*registry, error){shop.distribution, shop.memory} {
		r, err := start()
		if err != nil {
			t.Fatal(err)
		}
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			test(t, r)
		})
	}
}

// descriptor is an entry of an index or a list of referrers, or a manifest's layer.
type descriptor struct {
	MediaType    string            `json:"mediaType"`
	Digest       string            `json:"digest"`
	Size         int               `json:"size"`
	ArtifactType string            `json:"artifactType,omitempty"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	Platform     *struct {
		OS           string `json:"os"`
		Architecture string `json:"architecture"`
	} `json:"platform,omitempty"`
}

// manifest is an image manifest or an index.
type manifest struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	ArtifactType  string            `json:"artifactType,omitempty"`
	Config        *descriptor       `json:"config,omitempty"`
	Layers        []descriptor      `json:"layers,omitempty"`
	Manifests     []descriptor      `json:"manifests,omitempty"`
	Subject       *descriptor       `json:"subject,omitempty"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

// image is the test image in a repository that one test has for itself.
type image struct {
	t         *testing.T
	registry  *registry
	name      string
	digest    string // of the index
	platforms []platform
}

type platform struct{ name, digest string }

// image mounts the test image into a new repository. form is oci or docker.
func (r *registry) image(t *testing.T, form string) image {
	t.Helper()
	name := "t/" + strings.ToLower(regexp.MustCompile(`[^A-Za-z0-9/]+`).ReplaceAllString(t.Name(), "-"))
	i := image{t: t, registry: r, name: name, digest: r.pushed[form]}
	raw := r.read(t, originalName, "manifests/"+i.digest, indexType, dockerListType)
	index := decode[manifest](t, raw)
	for _, m := range index.Manifests {
		i.mount(m)
		i.platforms = append(i.platforms, platform{m.Platform.OS + "/" + m.Platform.Architecture, m.Digest})
	}
	i.put("manifests/"+i.digest, index.MediaType, raw)
	return i
}

// mount brings a platform's manifest and blobs over from the original repository.
func (i image) mount(from descriptor) {
	i.t.Helper()
	raw := i.registry.read(i.t, originalName, "manifests/"+from.Digest, from.MediaType)
	m := decode[manifest](i.t, raw)
	for _, blob := range append(m.Layers, *m.Config) {
		query := url.Values{"mount": {blob.Digest}, "from": {originalName}}
		status, _ := i.registry.do(i.t, http.MethodPost, i.name, "blobs/uploads/?"+query.Encode(), nil, nil)
		if status != http.StatusCreated {
			i.t.Fatalf("mounting %s: status %d", blob.Digest, status)
		}
	}
	i.put("manifests/"+from.Digest, from.MediaType, raw)
}

// ref is the index, platform that of one platform, by digest.
func (i image) ref() string             { return i.at(i.digest) }
func (i image) at(digest string) string { return i.registry.host + "/" + i.name + "@" + digest }
func (i image) platform(n int) string   { return i.at(i.platforms[n].digest) }

// digests are the index and its platforms.
func (i image) digests() []string {
	out := []string{i.digest}
	for _, p := range i.platforms {
		out = append(out, p.digest)
	}
	return out
}

// attached lists the referrers of a digest: by the API, or under the fallback tag.
func (i image) attached(digest string) []descriptor {
	i.t.Helper()
	what := "referrers/" + digest
	if !i.registry.referrers {
		what = "manifests/" + fallbackTag(digest)
	}
	status, raw := i.registry.do(i.t, http.MethodGet, i.name, what, http.Header{"Accept": {indexType}}, nil)
	if status == http.StatusNotFound {
		return nil
	}
	if status != http.StatusOK {
		i.t.Fatalf("%s: status %d: %s", what, status, raw)
	}
	return decode[manifest](i.t, raw).Manifests
}

// countAttached counts all that is attached to the index and its platforms.
func (i image) countAttached() int {
	i.t.Helper()
	n := 0
	for _, digest := range i.digests() {
		n += len(i.attached(digest))
	}
	return n
}

func fallbackTag(digest string) string { return strings.Replace(digest, ":", "-", 1) }

// bundle reads the bundle that a referrer holds.
func (i image) bundle(referrer descriptor) (manifest, []byte) {
	i.t.Helper()
	m := decode[manifest](i.t, i.registry.read(i.t, i.name, "manifests/"+referrer.Digest, manifestType))
	if len(m.Layers) != 1 {
		i.t.Fatalf("referrer %s has %d layers", referrer.Digest, len(m.Layers))
	}
	return m, i.registry.read(i.t, i.name, "blobs/"+m.Layers[0].Digest)
}

func (i image) put(what, mediaType string, content []byte) {
	i.t.Helper()
	status, body := i.registry.do(i.t, http.MethodPut, i.name, what, http.Header{"Content-Type": {mediaType}}, content)
	if status != http.StatusCreated {
		i.t.Fatalf("PUT %s: status %d: %s", what, status, body)
	}
}

// putBlob uploads a blob and returns its digest.
func (i image) putBlob(content []byte) string {
	i.t.Helper()
	digest := digestOf(content)
	response, err := http.Post("http://"+i.registry.host+"/v2/"+i.name+"/blobs/uploads/", "", nil)
	if err != nil {
		i.t.Fatal(err)
	}
	response.Body.Close()
	at, err := response.Location()
	if err != nil {
		i.t.Fatal(err)
	}
	query := at.Query()
	query.Set("digest", digest)
	at.RawQuery = query.Encode()
	status, body := send(i.t, http.MethodPut, at.String(), http.Header{"Content-Type": {"application/octet-stream"}}, content)
	if status != http.StatusCreated {
		i.t.Fatalf("PUT blob: status %d: %s", status, body)
	}
	return digest
}

func digestOf(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// read gets something that must be there.
func (r *registry) read(t *testing.T, repository, what string, accept ...string) []byte {
	t.Helper()
	status, body := r.do(t, http.MethodGet, repository, what, http.Header{"Accept": accept}, nil)
	if status != http.StatusOK {
		t.Fatalf("GET %s %s: status %d: %s", repository, what, status, body)
	}
	return body
}

func (r *registry) do(t *testing.T, method, repository, what string, header http.Header, content []byte) (int, []byte) {
	t.Helper()
	return send(t, method, "http://"+r.host+"/v2/"+repository+"/"+what, header, content)
}

func send(t *testing.T, method, address string, header http.Header, content []byte) (int, []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, address, bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		request.Header = header
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, body
}

func decode[T any](t *testing.T, raw []byte) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("%v in %.200s", err, raw)
	}
	return v
}
