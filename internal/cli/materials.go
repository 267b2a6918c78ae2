package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/provenance"
)

// Labels and annotations that name the image that an image is made from
// (https://specs.opencontainers.org/image-spec/annotations/).
const (
	labelBaseName   = "org.opencontainers.image.base.name"
	labelBaseDigest = "org.opencontainers.image.base.digest"
)

// Bounds of what is read of an image to find its materials.
const (
	maxImageConfig = 8 << 20
	maxStatement   = 16 << 20
)

// shownMaterials are the materials that images tell of themselves: their base image by
// labels, and what buildkit put into the index. An index has those of all its platforms.
func shownMaterials(ctx context.Context, t *target) (map[string][]provenance.Material, error) {
	images, err := imagesOf(t.subject, nil)
	if err != nil {
		return nil, err
	}
	found := make([][]provenance.Material, len(images))
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(surveysAtOnce)
	for i, image := range images {
		group.Go(func() (err error) {
			found[i], err = imageMaterials(gctx, t, image.Subject)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	out := map[string][]provenance.Material{}
	for i, image := range images {
		out[image.Subject.Digest().String()] = found[i]
		if t.subject.IsIndex() {
			of := t.subject.Digest().String()
			out[of] = append(out[of], found[i]...)
		}
	}
	return out, nil
}

func imageMaterials(ctx context.Context, t *target, image oci.Subject) ([]provenance.Material, error) {
	loaded, err := oci.LoadManifest(ctx, t.images, image)
	if err != nil {
		return nil, err
	}
	base, err := baseImage(ctx, t.images, loaded)
	if err != nil {
		return nil, err
	}
	for _, attestation := range t.subject.BuildAttestations() {
		if attestation.About != image.Digest() {
			continue
		}
		more, err := buildkitMaterials(ctx, t.images, attestation.Descriptor)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", attestation.Descriptor.Digest, err)
		}
		base = append(base, more...)
	}
	return base, nil
}

// buildkitMaterials reads what buildkit says of the build of one platform.
func buildkitMaterials(ctx context.Context, store oci.Store, d oci.Descriptor) (out []provenance.Material, err error) {
	m, _, err := oci.FetchManifest(ctx, store, d)
	if err != nil {
		return nil, err
	}
	for _, layer := range m.Layers {
		if !strings.HasPrefix(layer.Annotations["in-toto.io/predicate-type"], "https://slsa.dev/provenance/") {
			continue
		}
		statement, err := oci.FetchAll(ctx, store, layer, maxStatement)
		if err != nil {
			return nil, err
		}
		more, err := provenance.BuildkitMaterials(statement)
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	return out, nil
}

// baseImage is the image that another says it is made from, if it says so by digest.
func baseImage(ctx context.Context, store oci.Store, image oci.Subject) ([]provenance.Material, error) {
	m := image.Manifest()
	if base := baseMaterial(m.Annotations); base != nil {
		return base, nil
	}
	if m.Config.Digest == "" {
		return nil, nil
	}
	content, err := oci.FetchAll(ctx, store, m.Config, maxImageConfig)
	if err != nil {
		return nil, err
	}
	var config struct {
		Config struct {
			Labels map[string]string `json:"Labels"`
		} `json:"config"`
	}
	if json.Unmarshal(content, &config) != nil {
		return nil, nil // no image configuration, so nothing is said
	}
	return baseMaterial(config.Config.Labels), nil
}

// baseName is what a label may name: a reference, with a tag or without.
var baseName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]*(/[A-Za-z0-9._-]+)*(:[A-Za-z0-9._-]+)?$`)

func baseMaterial(labels map[string]string) []provenance.Material {
	d := digest.Digest(labels[labelBaseDigest])
	if d.Validate() != nil {
		return nil
	}
	m := provenance.Material{Digest: map[string]string{d.Algorithm().String(): d.Encoded()}}
	name, _, _ := strings.Cut(labels[labelBaseName], "@")
	if len(name) > 512 || !baseName.MatchString(name) {
		m.Name = "base image"
		return []provenance.Material{m}
	}
	repository, tag := name, ""
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		repository, tag = name[:i], name[i+1:]
	}
	short := repository[strings.LastIndexByte(repository, '/')+1:]
	m.URI = "pkg:oci/" + strings.ToLower(short) + "@" + url.QueryEscape(d.String()) + "?repository_url=" + url.QueryEscape(repository)
	if tag != "" {
		m.URI += "&tag=" + url.QueryEscape(tag)
	}
	return []provenance.Material{m}
}
