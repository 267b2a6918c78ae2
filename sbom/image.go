package sbom

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/anchore/syft/syft/source"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Image is a container image of one platform. manifest describes the manifest and raw is its bytes, OCI or Docker schema
// 2; the configuration and layers come through f, each layer exactly once.
func Image(f Fetcher, manifest ocispec.Descriptor, raw []byte) Source {
	return imageSource{fetcher: f, desc: manifest, raw: raw}
}

type imageSource struct {
	fetcher Fetcher
	desc    ocispec.Descriptor
	raw     []byte
}

func (s imageSource) open(ctx context.Context, j *job) (*content, error) {
	m, err := s.manifest(j.limits)
	if err != nil {
		return nil, err
	}
	rawConfig, err := s.config(ctx, m.Config, j.limits)
	if err != nil {
		return nil, fmt.Errorf("image configuration %s: %w", m.Config.Digest, err)
	}
	img := &image{
		identity:  s.desc.Digest,
		mediaType: types.MediaType(m.MediaType),
		manifest:  s.raw,
		rawConfig: rawConfig,
	}
	for i, d := range m.Layers {
		img.layers = append(img.layers, &layer{
			index: i, digest: d.Digest, size: d.Size, mediaType: types.MediaType(d.MediaType),
			open: func(ctx context.Context) (io.ReadCloser, error) { return s.fetcher.Fetch(ctx, d) },
		})
	}
	return readImage(ctx, img, j)
}

// manifestTypes maps a manifest's media type to the configuration's that goes with it.
var manifestTypes = map[string]string{
	ocispec.MediaTypeImageManifest:      ocispec.MediaTypeImageConfig,
	string(types.DockerManifestSchema2): string(types.DockerConfigJSON),
}

// manifest checks the bytes against their descriptor and reads them.
func (s imageSource) manifest(l Limits) (*ocispec.Manifest, error) {
	if err := exceeds("ManifestBytes", int64(len(s.raw)), l.ManifestBytes); err != nil {
		return nil, err
	}
	if err := checkDigest(s.desc, s.raw); err != nil {
		return nil, fmt.Errorf("manifest %s: %w", s.desc.Digest, err)
	}
	var m ocispec.Manifest
	if err := json.Unmarshal(s.raw, &m); err != nil {
		return nil, fmt.Errorf("%w: manifest %s: %w", ErrNotImage, s.desc.Digest, err)
	}
	if m.MediaType == "" { // optional in OCI manifests
		m.MediaType = s.desc.MediaType
	}
	if m.MediaType == "" {
		m.MediaType = ocispec.MediaTypeImageManifest
	}
	if err := checkManifest(&m); err != nil {
		return nil, fmt.Errorf("manifest %s: %w", s.desc.Digest, err)
	}
	return &m, exceeds("Layers", len(m.Layers), l.Layers)
}

// checkManifest refuses what is no image, and layers that cannot be read, before anything is fetched.
func checkManifest(m *ocispec.Manifest) error {
	if _, ok := manifestTypes[m.MediaType]; !ok {
		return fmt.Errorf("%w: its media type is %q", ErrNotImage, m.MediaType)
	}
	// registries hold OCI manifests with Docker configurations and the reverse; both are images
	known := []string{ocispec.MediaTypeImageConfig, string(types.DockerConfigJSON)}
	if !slices.Contains(known, m.Config.MediaType) {
		return fmt.Errorf("%w: its configuration is %q", ErrNotImage, m.Config.MediaType)
	}
	for i, d := range m.Layers {
		if err := checkLayerDescriptor(d); err != nil {
			return &LayerError{Index: i, Digest: d.Digest, Err: err}
		}
	}
	return checkDescriptor(m.Config)
}

func checkDescriptor(d ocispec.Descriptor) error {
	if err := d.Digest.Validate(); err != nil {
		return fmt.Errorf("%w: digest %q: %w", ErrMalformed, d.Digest, err)
	}
	if d.Size < 0 {
		return fmt.Errorf("%w: size %d", ErrMalformed, d.Size)
	}
	return nil
}

// layerTypes are the layers that are tar archives. How they are compressed is seen from their first bytes, as
// container runtimes do it.
var layerTypes = []string{
	ocispec.MediaTypeImageLayer,
	ocispec.MediaTypeImageLayerGzip,
	ocispec.MediaTypeImageLayerZstd,
	string(types.DockerLayer),
	string(types.DockerUncompressedLayer),
	"application/vnd.docker.image.rootfs.diff.tar.zstd", // buildkit
}

func checkLayerDescriptor(d ocispec.Descriptor) error {
	foreign := strings.HasPrefix(d.MediaType, "application/vnd.oci.image.layer.nondistributable.") ||
		strings.HasPrefix(d.MediaType, "application/vnd.docker.image.rootfs.foreign.")
	if foreign {
		return fmt.Errorf("%w: %s", ErrForeignLayer, d.MediaType)
	}
	if !slices.Contains(layerTypes, d.MediaType) {
		return fmt.Errorf("%w: %q", ErrLayerType, d.MediaType)
	}
	return checkDescriptor(d)
}

// config fetches the image configuration. Its digest is checked here too, because everything else hangs on it.
func (s imageSource) config(ctx context.Context, d ocispec.Descriptor, l Limits) ([]byte, error) {
	if err := exceeds("ConfigBytes", d.Size, l.ConfigBytes); err != nil {
		return nil, err
	}
	rc, err := s.fetcher.Fetch(ctx, d)
	if err != nil {
		return nil, fmt.Errorf("fetch: %w", err)
	}
	defer rc.Close()
	raw, err := io.ReadAll(io.LimitReader(rc, d.Size+1))
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	return raw, checkDigest(d, raw)
}

func checkDigest(d ocispec.Descriptor, raw []byte) error {
	if err := checkDescriptor(d); err != nil {
		return err
	}
	if d.Size != int64(len(raw)) {
		return fmt.Errorf("%w: %d bytes instead of %d", ErrMismatch, len(raw), d.Size)
	}
	if got := d.Digest.Algorithm().FromBytes(raw); got != d.Digest {
		return fmt.Errorf("%w: found %s", ErrMismatch, got)
	}
	return nil
}

// image is a container image, from wherever its layers come.
type image struct {
	identity  digest.Digest // what the document calls the image
	mediaType types.MediaType
	manifest  []byte // nil in a docker archive, which has none
	rawConfig []byte
	config    *v1.ConfigFile
	layers    []*layer
}

// parseConfig reads the configuration and gives each layer the digest that its content must have.
func (i *image) parseConfig() error {
	config, err := v1.ParseConfigFile(bytes.NewReader(i.rawConfig))
	if err != nil {
		return fmt.Errorf("%w: image configuration: %w", ErrMalformed, err)
	}
	if len(config.RootFS.DiffIDs) != len(i.layers) {
		return fmt.Errorf("%w: the configuration lists %d layers, the manifest %d",
			ErrMismatch, len(config.RootFS.DiffIDs), len(i.layers))
	}
	for n, id := range config.RootFS.DiffIDs {
		i.layers[n].diffID = id
	}
	i.config = config
	return nil
}

// created is the configuration's time, zero when it claims none.
func (i *image) created() time.Time { return i.config.Created.UTC() }

// metadata is what syft says of an image.
func (i *image) metadata() source.ImageMetadata {
	m := source.ImageMetadata{
		ID: digest.SHA256.FromBytes(i.rawConfig).String(), UserInput: i.identity.String(),
		MediaType: string(i.mediaType), RawConfig: i.rawConfig,
		OS: i.config.OS, Architecture: i.config.Architecture, Variant: i.config.Variant, Labels: i.config.Config.Labels,
		Layers: make([]source.LayerMetadata, len(i.layers)),
	}
	if i.manifest != nil {
		m.RawManifest, m.ManifestDigest = i.manifest, i.identity.String()
	}
	for n, l := range i.layers {
		m.Layers[n] = source.LayerMetadata{MediaType: string(l.mediaType), Digest: l.diffID.String(), Size: l.content}
		m.Size += l.content
	}
	return m
}
