package oci

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Manifest is a parsed manifest or index, OCI or Docker schema 2. An index has
// Manifests, every other one Config and Layers.
type Manifest struct {
	MediaType    string
	ArtifactType string
	Config       Descriptor
	Layers       []Descriptor
	Manifests    []Descriptor
	Subject      *Descriptor
	Annotations  map[string]string
}

// ParseManifest reads a manifest whose media type was said to be mediaType; empty
// means that nothing was said. What the document says of itself must agree, and one
// document must not be readable both as an image and as an index
// (GHSA-77vh-xpmg-72qh). Errors wrap [ErrManifest].
func ParseManifest(mediaType string, raw []byte) (*Manifest, error) {
	var doc struct {
		SchemaVersion int               `json:"schemaVersion"`
		MediaType     string            `json:"mediaType"`
		ArtifactType  string            `json:"artifactType"`
		Config        *Descriptor       `json:"config"`
		Layers        []Descriptor      `json:"layers"`
		Manifests     []Descriptor      `json:"manifests"`
		Subject       *Descriptor       `json:"subject"`
		Annotations   map[string]string `json:"annotations"`
		FSLayers      json.RawMessage   `json:"fsLayers"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrManifest, err)
	}
	if err := checkMembers(raw); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrManifest, err)
	}
	if doc.SchemaVersion != 2 {
		return nil, fmt.Errorf("%w: schema version %d, only 2 is supported", ErrManifest, doc.SchemaVersion)
	}
	switch {
	case doc.MediaType != "" && mediaType != "" && doc.MediaType != mediaType:
		return nil, fmt.Errorf("%w: it says it is %q but was given as %q", ErrManifest, clip(doc.MediaType), clip(mediaType))
	case doc.MediaType != "":
		mediaType = doc.MediaType
	case mediaType == "" && doc.Manifests != nil:
		mediaType = MediaTypeIndex
	case mediaType == "":
		mediaType = MediaTypeManifest
	}
	m := &Manifest{MediaType: mediaType, ArtifactType: doc.ArtifactType, Layers: doc.Layers,
		Manifests: doc.Manifests, Subject: doc.Subject, Annotations: doc.Annotations}
	if doc.Config != nil {
		m.Config = *doc.Config
	}
	switch {
	case IsIndex(mediaType):
		if doc.Layers != nil || doc.Config != nil || doc.FSLayers != nil {
			return nil, fmt.Errorf("%w: an index with layers", ErrManifest)
		}
		if len(doc.Manifests) > MaxReferrers {
			return nil, fmt.Errorf("%w: %d manifests in an index", ErrManifest, len(doc.Manifests))
		}
	case IsManifest(mediaType):
		if doc.Manifests != nil || doc.FSLayers != nil || doc.Config == nil {
			return nil, fmt.Errorf("%w: an image manifest wants a config and layers and no manifests", ErrManifest)
		}
	default:
		return nil, fmt.Errorf("%w: media type %q is not supported", ErrManifest, clip(mediaType))
	}
	return m, m.checkDescriptors()
}

// maxMembers caps the members of one object of a manifest; real ones have a dozen
// annotations.
const maxMembers = 1_000

// foldName makes names equal that encoding/json takes for the same member: it folds
// case as Unicode does, so that "ſ" is an "s".
func foldName(name string) string {
	return strings.Map(func(r rune) rune {
		for {
			next := unicode.SimpleFold(r)
			if next <= r { // the smallest of its orbit
				return next
			}
			r = next
		}
	}, name)
}

// checkMembers refuses a document that has a member twice, or twice but for case: of
// which one another reader would see, nothing is known. The JSON is known to be valid.
func checkMembers(raw []byte) error {
	type level struct {
		seen map[string]bool // nil for an array
		key  bool            // a member's name comes next
	}
	var levels []level
	for d := json.NewDecoder(bytes.NewReader(raw)); ; {
		token, err := d.Token()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		top := len(levels) - 1
		if name, ok := token.(string); ok && top >= 0 && levels[top].key {
			name = foldName(name)
			if len(levels[top].seen) == maxMembers {
				return fmt.Errorf("an object of more than %d members", maxMembers)
			}
			if levels[top].seen[name] {
				return fmt.Errorf("%q stands twice", clip(name))
			}
			levels[top].seen[name], levels[top].key = true, false
			continue
		}
		switch token {
		case json.Delim('{'):
			levels = append(levels, level{map[string]bool{}, true})
			continue
		case json.Delim('['):
			levels = append(levels, level{})
			continue
		case json.Delim('}'), json.Delim(']'):
			levels = levels[:top]
		}
		if top = len(levels) - 1; top >= 0 { // a value has ended
			levels[top].key = levels[top].seen != nil
		}
	}
}

func (m *Manifest) checkDescriptors() error {
	check := func(d Descriptor) error {
		if err := checkDigest(d.Digest); err != nil {
			return fmt.Errorf("%w: %w", ErrManifest, err)
		}
		if d.Size < 0 {
			return fmt.Errorf("%w: %s has size %d", ErrManifest, d.Digest, d.Size)
		}
		return nil
	}
	all := append(append([]Descriptor{}, m.Layers...), m.Manifests...)
	if !IsIndex(m.MediaType) {
		all = append(all, m.Config)
	}
	if m.Subject != nil {
		all = append(all, *m.Subject)
	}
	for _, d := range all {
		if err := check(d); err != nil {
			return err
		}
	}
	return nil
}

// FetchManifest reads and parses the manifest that d names.
func FetchManifest(ctx context.Context, f Fetcher, d Descriptor) (*Manifest, []byte, error) {
	raw, err := FetchAll(ctx, f, d, MaxManifest)
	if err != nil {
		return nil, nil, err
	}
	m, err := ParseManifest(d.MediaType, raw)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", d.Digest, err)
	}
	return m, raw, nil
}

// LoadManifest returns s with its manifest read, if it was not yet.
func LoadManifest(ctx context.Context, f Fetcher, s Subject) (Subject, error) {
	if s.manifest != nil {
		return s, nil
	}
	_, raw, err := FetchManifest(ctx, f, s.descriptor)
	if err != nil {
		return Subject{}, err
	}
	return newSubject(s.name, s.descriptor, raw)
}

// Artifact is content to be attached to a subject: one layer under an OCI 1.1
// artifact manifest.
type Artifact struct {
	Type        string // artifactType of the manifest
	Layer       Blob
	Annotations map[string]string
}

var versioned2 = specs.Versioned{SchemaVersion: 2}

// emptyJSON is the config of an artifact that has none.
var emptyJSON = []byte("{}")

// pack writes the manifest that attaches a to subject.
func (a Artifact) pack(subject Descriptor) (Descriptor, []byte, error) {
	layer, err := embed(a.Layer)
	if err != nil {
		return Descriptor{}, nil, err
	}
	manifest := ocispec.Manifest{
		Versioned:    versioned2,
		MediaType:    MediaTypeManifest,
		ArtifactType: a.Type,
		Config:       describe(mediaTypeEmpty, emptyJSON),
		Layers:       []Descriptor{layer},
		Subject:      &subject,
		Annotations:  a.Annotations,
	}
	raw, err := json.Marshal(manifest)
	if err != nil {
		return Descriptor{}, nil, err
	}
	d := describe(MediaTypeManifest, raw)
	d.ArtifactType, d.Annotations = a.Type, a.Annotations
	return d, raw, nil
}
