package chaos

import (
	"archive/tar"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/hallmark-project/hallmark/internal/testkit"
)

// What is in registries and layouts is read here by other code than hallmark's: a
// mistake that it makes twice would not show otherwise.

// store is a repository or a layout, read without hallmark.
type store interface {
	manifest(d digest.Digest) ([]byte, error)
	blob(d digest.Digest) ([]byte, error)
	// referrers are what is listed for a subject, as it is listed.
	referrers(subject digest.Digest) ([]ocispec.Descriptor, error)
}

// document is an image manifest or an index.
type document struct {
	MediaType    string               `json:"mediaType"`
	ArtifactType string               `json:"artifactType"`
	Config       *ocispec.Descriptor  `json:"config"`
	Layers       []ocispec.Descriptor `json:"layers"`
	Manifests    []ocispec.Descriptor `json:"manifests"`
	Subject      *ocispec.Descriptor  `json:"subject"`
	Annotations  map[string]string    `json:"annotations"`
}

// holdings are all that belongs to an image: every manifest and blob by digest, whose
// content was checked, and the referrers of each manifest.
type holdings struct {
	content   map[digest.Digest][]byte
	referrers map[digest.Digest][]digest.Digest
}

// take reads all that belongs to an image: children, configs, layers, and what refers
// to any of it. An error says what is missing, false or listed twice.
func take(s store, root digest.Digest) (holdings, error) {
	h := holdings{map[digest.Digest][]byte{}, map[digest.Digest][]digest.Digest{}}
	return h, h.takeManifest(s, root)
}

func (h holdings) takeManifest(s store, d digest.Digest) error {
	if _, done := h.content[d]; done {
		return nil
	}
	raw, err := s.manifest(d)
	if err != nil {
		return err
	}
	if digest.FromBytes(raw) != d {
		return fmt.Errorf("manifest %s holds something else", d)
	}
	h.content[d] = raw
	var doc document
	if err := json.Unmarshal(raw, &doc); err != nil {
		return fmt.Errorf("manifest %s: %w", d, err)
	}
	blobs := doc.Layers
	if doc.Config != nil {
		blobs = append(blobs, *doc.Config)
	}
	for _, b := range blobs {
		if err := h.takeBlob(s, b); err != nil {
			return fmt.Errorf("of manifest %s: %w", d, err)
		}
	}
	for _, child := range doc.Manifests {
		if err := h.takeManifest(s, child.Digest); err != nil {
			return fmt.Errorf("of index %s: %w", d, err)
		}
	}
	return h.takeReferrers(s, d)
}

func (h holdings) takeBlob(s store, d ocispec.Descriptor) error {
	if _, done := h.content[d.Digest]; done {
		return nil
	}
	raw, err := s.blob(d.Digest)
	if err != nil {
		return err
	}
	if digest.FromBytes(raw) != d.Digest || int64(len(raw)) != d.Size {
		return fmt.Errorf("blob %s holds something else", d.Digest)
	}
	h.content[d.Digest] = raw
	return nil
}

func (h holdings) takeReferrers(s store, subject digest.Digest) error {
	listed, err := s.referrers(subject)
	if err != nil {
		return err
	}
	for _, d := range listed {
		if slices.Contains(h.referrers[subject], d.Digest) {
			return fmt.Errorf("referrer %s of %s is listed twice", d.Digest, subject)
		}
		h.referrers[subject] = append(h.referrers[subject], d.Digest)
		if err := h.takeManifest(s, d.Digest); err != nil {
			return fmt.Errorf("listed as a referrer of %s: %w", subject, err)
		}
		if size := int64(len(h.content[d.Digest])); size != d.Size {
			return fmt.Errorf("referrer %s of %s is listed with %d bytes and has %d", d.Digest, subject, d.Size, size)
		}
	}
	return nil
}

// statements are the types of the statements that refer to a subject, with how often
// each is there.
func (h holdings) statements(subject digest.Digest) (map[string]int, error) {
	out := map[string]int{}
	for _, referrer := range h.referrers[subject] {
		var doc document
		if err := json.Unmarshal(h.content[referrer], &doc); err != nil {
			return nil, err
		}
		if doc.Subject == nil || doc.Subject.Digest != subject || len(doc.Layers) != 1 {
			return nil, fmt.Errorf("referrer %s is not one statement about %s", referrer, subject)
		}
		kind, err := predicateType(h.content[doc.Layers[0].Digest], subject)
		if err != nil {
			return nil, fmt.Errorf("referrer %s: %w", referrer, err)
		}
		out[kind]++
	}
	return out, nil
}

// predicateType reads the type out of a bundle, whose statement has to be about the
// subject.
func predicateType(raw []byte, subject digest.Digest) (string, error) {
	var bundle struct {
		Envelope struct {
			Payload string `json:"payload"`
		} `json:"dsseEnvelope"`
	}
	if err := json.Unmarshal(raw, &bundle); err != nil {
		return "", err
	}
	payload, err := base64.StdEncoding.DecodeString(bundle.Envelope.Payload)
	if err != nil {
		return "", err
	}
	var statement struct {
		PredicateType string `json:"predicateType"`
		Subject       []struct {
			Digest map[string]string `json:"digest"`
		} `json:"subject"`
	}
	if err := json.Unmarshal(payload, &statement); err != nil {
		return "", err
	}
	if len(statement.Subject) != 1 || statement.Subject[0].Digest["sha256"] != subject.Encoded() {
		return "", fmt.Errorf("its statement is not about %s", subject)
	}
	return statement.PredicateType, nil
}

// lacks says what of h is missing in a copy, by digest; nothing if all is there.
func (h holdings) lacks(copied holdings) error {
	for d := range h.content {
		if _, there := copied.content[d]; !there {
			return fmt.Errorf("the copy lacks %s", d)
		}
	}
	for _, subject := range slices.Sorted(maps.Keys(h.referrers)) {
		want, got := slices.Sorted(slices.Values(h.referrers[subject])), slices.Sorted(slices.Values(copied.referrers[subject]))
		if !slices.Equal(want, got) {
			return fmt.Errorf("the copy lists %d referrers of %s, the original %d: %s against %s", len(got), subject, len(want), got, want)
		}
	}
	return nil
}

// repository is one in a registry.
type repository struct {
	*registry
	name string
}

// ref names an image in the repository, ref through a proxy the same by another host.
func (r repository) ref(d digest.Digest) string { return r.host + "/" + r.name + "@" + d.String() }
func (r repository) through(p *Proxy, d digest.Digest) string {
	return p.Host + "/" + r.name + "@" + d.String()
}
func (r repository) address(what string) string {
	return "http://" + r.host + "/v2/" + r.name + "/" + what
}
func (r repository) manifest(d digest.Digest) ([]byte, error) {
	return r.get("manifests/" + d.String())
}
func (r repository) blob(d digest.Digest) ([]byte, error) { return r.get("blobs/" + d.String()) }

var errMissing = errors.New("is not there")

func (r repository) get(what string) ([]byte, error) {
	request, err := http.NewRequest(http.MethodGet, r.address(what), nil)
	if err != nil {
		return nil, err
	}
	request.Header["Accept"] = []string{ocispec.MediaTypeImageManifest, ocispec.MediaTypeImageIndex, "*/*"}
	resp, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return nil, err
	case resp.StatusCode == http.StatusNotFound:
		return nil, fmt.Errorf("%s %w", what, errMissing)
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%s: %s: %s", what, resp.Status, raw)
	}
	return raw, nil
}

func (r repository) referrers(subject digest.Digest) ([]ocispec.Descriptor, error) {
	what := "referrers/" + subject.String()
	if !r.registry.referrers {
		what = "manifests/" + strings.Replace(subject.String(), ":", "-", 1)
	}
	raw, err := r.get(what)
	if errors.Is(err, errMissing) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list ocispec.Index
	err = json.Unmarshal(raw, &list)
	return list.Manifests, err
}

// push puts an image, with all of its children, into the repository.
func (r repository) push(image *testkit.Image, tag string) error {
	for d, content := range image.Blobs {
		if err := r.pushBlob(d, content); err != nil {
			return err
		}
	}
	for _, child := range image.Children {
		if err := r.push(child, ""); err != nil {
			return err
		}
	}
	if tag == "" {
		tag = image.Digest().String()
	}
	_, err := send(http.MethodPut, r.address("manifests/"+tag), image.MediaType, image.Manifest, http.StatusCreated)
	return err
}

func (r repository) pushBlob(d digest.Digest, content []byte) error {
	resp, err := send(http.MethodPost, r.address("blobs/uploads/"), "", nil, http.StatusAccepted)
	if err != nil {
		return err
	}
	at, err := resp.Location()
	if err != nil {
		return err
	}
	query := at.Query()
	query.Set("digest", d.String())
	at.RawQuery = query.Encode()
	_, err = send(http.MethodPut, at.String(), "application/octet-stream", content, http.StatusCreated)
	return err
}

func send(method, address, mediaType string, content []byte, want int) (*http.Response, error) {
	request, err := http.NewRequest(method, address, bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", mediaType)
	resp, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != want {
		err = fmt.Errorf("%s %s: %s: %s", method, address, resp.Status, raw)
	}
	return resp, err
}

// layout is an image layout: a folder, or what an archive of one holds.
type layout struct {
	dir   string
	files map[string][]byte
}

// openLayout looks at a layout folder, or a tar archive of one.
func openLayout(name string) (layout, error) {
	info, err := os.Stat(name)
	if err != nil {
		return layout{}, err
	}
	if info.IsDir() {
		return layout{dir: name}, nil
	}
	file, err := os.Open(name)
	if err != nil {
		return layout{}, err
	}
	defer file.Close()
	l := layout{files: map[string][]byte{}}
	for r := tar.NewReader(file); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return l, nil
		}
		if err != nil {
			return layout{}, fmt.Errorf("%s: %w", name, err)
		}
		raw, err := io.ReadAll(r)
		if err != nil {
			return layout{}, fmt.Errorf("%s: %w", name, err)
		}
		if header.Typeflag == tar.TypeReg {
			l.files[strings.TrimPrefix(header.Name, "./")] = raw
		}
	}
}

func (l layout) read(name string) ([]byte, error) {
	if l.dir != "" {
		return os.ReadFile(filepath.Join(l.dir, filepath.FromSlash(name)))
	}
	raw, there := l.files[name]
	if !there {
		return nil, fmt.Errorf("%s %w", name, errMissing)
	}
	return raw, nil
}

// names are those of all files.
func (l layout) names() ([]string, error) {
	if l.dir == "" {
		return slices.Collect(maps.Keys(l.files)), nil
	}
	var out []string
	err := filepath.WalkDir(l.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		inside, err := filepath.Rel(l.dir, path)
		out = append(out, filepath.ToSlash(inside))
		return err
	})
	return out, err
}

func (l layout) blob(d digest.Digest) ([]byte, error) {
	return l.read("blobs/" + d.Algorithm().String() + "/" + d.Encoded())
}

func (l layout) manifest(d digest.Digest) ([]byte, error) { return l.blob(d) }

func (l layout) index() (ocispec.Index, error) {
	raw, err := l.read(ocispec.ImageIndexFile)
	if err != nil {
		return ocispec.Index{}, err
	}
	var index ocispec.Index
	if err := json.Unmarshal(raw, &index); err != nil {
		return ocispec.Index{}, fmt.Errorf("index.json: %w: %.200q", err, raw)
	}
	return index, nil
}

func (l layout) referrers(subject digest.Digest) ([]ocispec.Descriptor, error) {
	index, err := l.index()
	if err != nil {
		return nil, err
	}
	var out []ocispec.Descriptor
	for _, d := range index.Manifests {
		raw, err := l.manifest(d.Digest)
		if err != nil {
			return nil, err
		}
		var doc document
		if err := json.Unmarshal(raw, &doc); err != nil {
			return nil, err
		}
		if doc.Subject != nil && doc.Subject.Digest == subject {
			out = append(out, d)
		}
	}
	return out, nil
}

// check says what is wrong with a layout: its two files can be read, and all that
// index.json lists is there, whole, with all that belongs to it.
func (l layout) check() error {
	raw, err := l.read(ocispec.ImageLayoutFile)
	if err != nil {
		return err
	}
	if !bytes.Contains(raw, []byte(ocispec.ImageLayoutVersion)) {
		return fmt.Errorf("oci-layout holds %q", raw)
	}
	index, err := l.index()
	if err != nil {
		return err
	}
	for _, d := range index.Manifests {
		if _, err := take(l, d.Digest); err != nil {
			return fmt.Errorf("listed in index.json: %w", err)
		}
	}
	return nil
}

// strays are files that do not belong in a layout. The lock that its writers share
// stays: by its name everybody finds it.
func (l layout) strays() ([]string, error) {
	names, err := l.names()
	var out []string
	for _, name := range names {
		hex, isBlob := strings.CutPrefix(name, "blobs/sha256/")
		switch {
		case name == ocispec.ImageIndexFile, name == ocispec.ImageLayoutFile, name == ".index.json.lock":
		case isBlob && digest.NewDigestFromEncoded(digest.SHA256, hex).Validate() == nil:
		default:
			out = append(out, name)
		}
	}
	return out, err
}
