package testkit

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Media types of Docker schema 2.
const (
	dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	dockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
	dockerConfig   = "application/vnd.docker.container.image.v1+json"
	dockerLayer    = "application/vnd.docker.image.rootfs.diff.tar.gzip"
)

// Image is an image or an index with all that belongs to it. The same options give
// the same bytes, on every machine.
type Image struct {
	MediaType string
	Manifest  []byte
	Blobs     map[digest.Digest][]byte // config and layers
	Children  []*Image                 // of an index
	Platform  *ocispec.Platform
}

// Digest is the digest of the manifest.
func (i *Image) Digest() digest.Digest { return digest.FromBytes(i.Manifest) }

// Descriptor describes the manifest.
func (i *Image) Descriptor() ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: i.MediaType, Digest: i.Digest(), Size: int64(len(i.Manifest)), Platform: i.Platform}
}

// ImageOption changes what [NewImage] and [NewIndex] make.
type ImageOption func(*recipe)

type recipe struct {
	docker, buildkit bool
	files            map[string]string
	platforms        []ocispec.Platform
}

// Docker makes Docker schema 2 documents instead of OCI ones.
func Docker() ImageOption { return func(r *recipe) { r.docker = true } }

// Buildkit adds to an index one unsigned attestation for each platform, as docker
// buildx build does by itself.
func Buildkit() ImageOption { return func(r *recipe) { r.buildkit = true } }

// File adds a file to the image's only layer. Images with other files have other
// digests.
func File(name, content string) ImageOption {
	return func(r *recipe) { r.files[name] = content }
}

// For sets the platforms: of an image the first one, linux/amd64 by default; of an
// index all, linux/amd64 and linux/arm64 by default.
func For(platforms ...ocispec.Platform) ImageOption {
	return func(r *recipe) { r.platforms = platforms }
}

func newRecipe(options []ImageOption) recipe {
	r := recipe{
		files: map[string]string{"etc/os-release": "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12\"\n"},
		platforms: []ocispec.Platform{
			{OS: "linux", Architecture: "amd64"}, {OS: "linux", Architecture: "arm64", Variant: "v8"},
		},
	}
	for _, o := range options {
		o(&r)
	}
	return r
}

// NewImage makes a small image of one layer.
func NewImage(options ...ImageOption) *Image {
	r := newRecipe(options)
	return r.image(r.platforms[0])
}

// NewIndex makes an index of small images, one for each platform.
func NewIndex(options ...ImageOption) *Image {
	r := newRecipe(options)
	index := &Image{MediaType: r.mediaType(ocispec.MediaTypeImageIndex, dockerList)}
	var entries []ocispec.Descriptor
	add := func(child *Image, annotations map[string]string) {
		d := child.Descriptor()
		d.Annotations = annotations
		entries, index.Children = append(entries, d), append(index.Children, child)
	}
	for _, p := range r.platforms {
		add(r.image(p), nil)
	}
	if r.buildkit {
		for _, child := range slices.Clone(index.Children) {
			add(r.attestation(child), map[string]string{
				"vnd.docker.reference.type":   "attestation-manifest",
				"vnd.docker.reference.digest": child.Digest().String(),
			})
		}
	}
	index.Manifest = mustJSON(ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: index.MediaType, Manifests: entries})
	return index
}

func (r recipe) mediaType(oci, docker string) string {
	if r.docker {
		return docker
	}
	return oci
}

func (r recipe) image(p ocispec.Platform) *Image {
	files := maps.Clone(r.files)
	files["etc/platform"] = p.OS + "/" + p.Architecture + "\n"
	plain := tarOf(files)
	created := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	config := mustJSON(ocispec.Image{
		Created: &created, Platform: p,
		RootFS: ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{digest.FromBytes(plain)}},
	})
	return r.assemble(&p, r.mediaType(ocispec.MediaTypeImageConfig, dockerConfig), config,
		r.mediaType(ocispec.MediaTypeImageLayerGzip, dockerLayer), gzipOf(plain))
}

// attestation is what buildkit adds for a child: an in-toto statement that nobody
// signed.
func (r recipe) attestation(child *Image) *Image {
	statement := mustJSON(map[string]any{
		"_type": "https://in-toto.io/Statement/v0.1", "predicateType": "https://slsa.dev/provenance/v0.2",
		"subject":   []any{map[string]any{"name": "image", "digest": map[string]string{"sha256": child.Digest().Encoded()}}},
		"predicate": map[string]any{"buildType": "https://mobyproject.org/buildkit@v1"},
	})
	unknown := &ocispec.Platform{OS: "unknown", Architecture: "unknown"}
	config := mustJSON(map[string]any{"architecture": "unknown", "os": "unknown", "config": map[string]any{}})
	return r.assemble(unknown, r.mediaType(ocispec.MediaTypeImageConfig, dockerConfig), config, "application/vnd.in-toto+json", statement)
}

func (r recipe) assemble(p *ocispec.Platform, configType string, config []byte, layerType string, layer []byte) *Image {
	image := &Image{
		MediaType: r.mediaType(ocispec.MediaTypeImageManifest, dockerManifest), Platform: p,
		Blobs: map[digest.Digest][]byte{digest.FromBytes(config): config, digest.FromBytes(layer): layer},
	}
	image.Manifest = mustJSON(ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: image.MediaType,
		Config: describe(configType, config), Layers: []ocispec.Descriptor{describe(layerType, layer)},
	})
	return image
}

func describe(mediaType string, content []byte) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(content), Size: int64(len(content))}
}

func tarOf(files map[string]string) []byte {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		must(w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(files[name])), ModTime: time.Unix(0, 0)}))
		_, err := w.Write([]byte(files[name]))
		must(err)
	}
	must(w.Close())
	return out.Bytes()
}

// gzipOf stores without compression, whose result could change with Go's version.
func gzipOf(content []byte) []byte {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.NoCompression)
	must(err)
	_, err = w.Write(content)
	must(err)
	must(w.Close())
	return out.Bytes()
}

func mustJSON(v any) []byte {
	raw, err := json.Marshal(v)
	must(err)
	return raw
}

func must(err error) {
	if err != nil {
		panic(err) // nothing here depends on the world outside
	}
}
