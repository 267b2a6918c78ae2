package provenance

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hallmark-project/hallmark/bundle"
)

// Metadata is what buildkit wrote of a build beside its image
// (`docker buildx build --metadata-file`, or that of `docker buildx bake`).
type Metadata struct {
	digest string
	ref    string
	// documents are provenance predicates by platform; the empty one is of all.
	documents map[string]buildkitBuild
	others    []*Metadata // further images of a bake
}

// buildkitBuild is what is taken from buildkit's own provenance, of version 0.2 or 1. Its
// parameters stay out: build arguments may be secrets.
type buildkitBuild struct {
	materials         []Material
	started, finished time.Time
}

// MaxMetadata bounds a metadata file.
const MaxMetadata = 16 << 20

// maxMaterials bounds what one document may list.
const maxMaterials = 10_000

// ParseMetadata reads a metadata file. An error wraps [ErrBuild].
func ParseMetadata(data []byte) (*Metadata, error) {
	if err := bundle.CheckJSON(data); err != nil {
		return nil, fmt.Errorf("%w: the metadata: %w", ErrBuild, err)
	}
	m, err := parseMetadata(data)
	if err != nil || m.digest != "" {
		return m, err
	}
	var targets map[string]json.RawMessage // of a bake
	if err := bundle.Decode(data, &targets); err != nil {
		return nil, fmt.Errorf("%w: the metadata: %w", ErrBuild, err)
	}
	out := &Metadata{}
	for _, name := range slices.Sorted(maps.Keys(targets)) {
		if one, err := parseMetadata(targets[name]); err == nil && one.digest != "" {
			out.others = append(out.others, one)
		}
	}
	if len(out.others) == 0 {
		return nil, fmt.Errorf("%w: the metadata has no containerimage.digest: it was not written by buildkit, or the build wrote no image", ErrBuild)
	}
	return out, nil
}

func parseMetadata(data []byte) (*Metadata, error) {
	var members map[string]json.RawMessage
	if err := bundle.Decode(data, &members); err != nil {
		return nil, fmt.Errorf("%w: the metadata: %w", ErrBuild, err)
	}
	m := &Metadata{documents: map[string]buildkitBuild{}}
	for name, to := range map[string]*string{"containerimage.digest": &m.digest, "buildx.build.ref": &m.ref} {
		if raw, ok := members[name]; ok && json.Unmarshal(raw, to) != nil {
			return nil, fmt.Errorf("%w: the metadata: %s is no text", ErrBuild, name)
		}
	}
	for name, raw := range members {
		platform, ok := strings.CutPrefix(name, "buildx.build.provenance")
		if !ok {
			continue
		}
		b, err := parseBuildkit(raw)
		if err != nil {
			return nil, fmt.Errorf("%w (%.100q)", err, name)
		}
		m.documents[strings.TrimPrefix(platform, "/")] = b
	}
	return m, nil
}

// Describe adds to b what the metadata says of the image with a digest. Metadata of another
// image is an error that wraps [ErrBuild].
func (m *Metadata) Describe(b *Build, digest string) error {
	of := m.about(digest)
	if of == nil {
		return fmt.Errorf("%w: the metadata is of another build: it is about %s, and not about %s", ErrBuild, strings.Join(m.digests(), ", "), digest)
	}
	if of.ref != "" {
		if b.internal == nil {
			b.internal = map[string]any{}
		}
		b.internal["buildkit"] = map[string]string{"ref": of.ref}
	}
	for _, platform := range slices.Sorted(maps.Keys(of.documents)) {
		d := of.documents[platform]
		if b.Started.IsZero() || !d.started.IsZero() && d.started.Before(b.Started) {
			b.Started = d.started
		}
		if d.finished.After(b.Finished) {
			b.Finished = d.finished
		}
	}
	return nil
}

// Materials are those of one platform, or all of them if platform is empty, of the image
// with a digest.
func (m *Metadata) Materials(digest, platform string) []Material {
	of := m.about(digest)
	if of == nil {
		return nil
	}
	var out []Material
	for _, name := range slices.Sorted(maps.Keys(of.documents)) {
		if platform == "" || name == "" || name == platform {
			out = append(out, of.documents[name].materials...)
		}
	}
	return out
}

func (m *Metadata) about(digest string) *Metadata {
	for _, one := range append([]*Metadata{m}, m.others...) {
		if one.digest != "" && one.digest == digest {
			return one
		}
	}
	return nil
}

func (m *Metadata) digests() []string {
	var out []string
	for _, one := range append([]*Metadata{m}, m.others...) {
		if one.digest != "" {
			out = append(out, fmt.Sprintf("%.80q", one.digest))
		}
	}
	return out
}

// BuildkitMaterials are the materials that a statement names which buildkit has put into
// an index beside an image. Nobody has signed it. An error wraps [ErrBuild].
func BuildkitMaterials(statement []byte) ([]Material, error) {
	s, err := bundle.ParseStatement(statement)
	if err != nil {
		return nil, fmt.Errorf("%w: buildkit's attestation: %w", ErrBuild, err)
	}
	if !strings.HasPrefix(s.PredicateType, "https://slsa.dev/provenance/") {
		return nil, nil
	}
	b, err := parseBuildkit(s.Predicate)
	return b.materials, err
}

func parseBuildkit(raw []byte) (buildkitBuild, error) {
	var v02 struct {
		Materials []Material `json:"materials"`
		Metadata  struct {
			Started  time.Time `json:"buildStartedOn"`
			Finished time.Time `json:"buildFinishedOn"`
		} `json:"metadata"`
		BuildDefinition struct {
			ResolvedDependencies []Material `json:"resolvedDependencies"`
		} `json:"buildDefinition"`
		RunDetails struct {
			Metadata struct {
				Started  time.Time `json:"startedOn"`
				Finished time.Time `json:"finishedOn"`
			} `json:"metadata"`
		} `json:"runDetails"`
	}
	if err := bundle.Decode(raw, &v02); err != nil {
		return buildkitBuild{}, fmt.Errorf("%w: buildkit's provenance: %w", ErrBuild, err)
	}
	b := buildkitBuild{v02.Materials, v02.Metadata.Started, v02.Metadata.Finished}
	if len(b.materials) == 0 {
		b.materials = v02.BuildDefinition.ResolvedDependencies
	}
	if b.started.IsZero() && b.finished.IsZero() {
		b.started, b.finished = v02.RunDetails.Metadata.Started, v02.RunDetails.Metadata.Finished
	}
	return b, checkMaterials(b.materials)
}

func checkMaterials(list []Material) error {
	if len(list) > maxMaterials {
		return fmt.Errorf("%w: buildkit's provenance lists %d materials, and %d are read", ErrBuild, len(list), maxMaterials)
	}
	for i, m := range list {
		list[i].URI = publicURI(m.URI)
		if err := checkURI(list[i].URI); err != nil {
			return err
		}
		for algorithm, value := range m.Digest {
			if !isHex(value) || len(algorithm) > 20 {
				return fmt.Errorf("%w: buildkit's provenance has a digest that is none: %.100q", ErrBuild, value)
			}
		}
	}
	return nil
}

// publicURI is what a material is called, without what may be a secret: the user of a git
// context, the query of a download. A git context as ssh users write it becomes a URI.
func publicURI(text string) string {
	if m := scpForm.FindStringSubmatch(text); m != nil && !strings.Contains(text, "://") && !strings.HasPrefix(text, "pkg:") {
		return "git+ssh://" + m[1] + "/" + m[2]
	}
	text = withoutUser(text)
	if strings.HasPrefix(text, "http://") || strings.HasPrefix(text, "https://") {
		rest, fragment, framed := strings.Cut(text, "#")
		rest, _, _ = strings.Cut(rest, "?")
		if text = rest; framed {
			text += "#" + fragment
		}
	}
	return text
}
