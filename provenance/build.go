package provenance

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// ErrBuild says that what is known of a build is not enough for provenance, contradicts
// itself, or is not as its source should have it. Asking again will not help.
var ErrBuild = errors.New("no provenance can be written")

// PredicateType is the type of what [Build.Predicate] writes.
const PredicateType = "https://slsa.dev/provenance/v1"

// Build is what is known of a build.
type Build struct {
	// Kind is what the build was recognised as: one of [Kinds].
	Kind string
	// Type is the URI of the build type: how to read the parameters.
	Type string
	// Builder is the URI of who built and is trusted to say so.
	Builder string
	Source  Source
	// Parameters are given from outside and may change what is built, but for the source.
	Parameters map[string]string
	// Invocation is the URI or name of this run.
	Invocation        string
	Started, Finished time.Time
	// Materials are what went into the build besides the source.
	Materials []Material

	internal    map[string]any // what the platform itself says of the run
	workflowRef string         // of GitHub's workflow, which is not always that of the source
	merging     bool           // a merge request's ref, which the certificate may call otherwise
}

// Source is where the instructions and the software come from.
type Source struct {
	Repository string // a URL without user and password
	Ref        string // such as refs/heads/main; may be unknown
	Commit     string // in hexadecimal; may be unknown
	Path       string // of the instructions within the repository; may be unknown
}

// Material is something that went into a build.
type Material struct {
	URI    string            `json:"uri,omitempty"`
	Digest map[string]string `json:"digest,omitempty"`
	Name   string            `json:"name,omitempty"`
}

// predicate is SLSA provenance of version 1, its members in the order in which the
// specification names them.
type predicate struct {
	BuildDefinition buildDefinition `json:"buildDefinition"`
	RunDetails      runDetails      `json:"runDetails"`
}

type buildDefinition struct {
	BuildType            string         `json:"buildType"`
	ExternalParameters   map[string]any `json:"externalParameters"`
	InternalParameters   map[string]any `json:"internalParameters,omitempty"`
	ResolvedDependencies []Material     `json:"resolvedDependencies,omitempty"`
}

type runDetails struct {
	Builder struct {
		ID string `json:"id"`
	} `json:"builder"`
	Metadata *metadata `json:"metadata,omitempty"`
}

type metadata struct {
	InvocationID string     `json:"invocationId,omitempty"`
	StartedOn    *time.Time `json:"startedOn,omitempty"`
	FinishedOn   *time.Time `json:"finishedOn,omitempty"`
}

// Predicate writes the predicate about something that b and more materials went into. The
// same build gives the same bytes. An error wraps [ErrBuild] and says what is missing.
func (b *Build) Predicate(materials ...Material) ([]byte, error) {
	if err := b.complete(); err != nil {
		return nil, err
	}
	var p predicate
	p.BuildDefinition = buildDefinition{BuildType: b.Type, ExternalParameters: b.external(), InternalParameters: b.internal}
	p.BuildDefinition.ResolvedDependencies = b.dependencies(materials)
	p.RunDetails.Builder.ID = b.Builder
	if b.Invocation != "" || !b.Started.IsZero() || !b.Finished.IsZero() {
		p.RunDetails.Metadata = &metadata{b.Invocation, known(b.Started), known(b.Finished)}
	}
	return json.Marshal(p)
}

func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func (b *Build) complete() error {
	switch {
	case b.Type == "":
		return fmt.Errorf("%w: the build type is missing", ErrBuild)
	case b.Builder == "":
		return fmt.Errorf("%w: nothing says who the builder is: name it", ErrBuild)
	case b.Source.Repository == "" && len(b.Parameters) == 0:
		return fmt.Errorf("%w: nothing says what it was built from: name the source repository", ErrBuild)
	case b.Source.Repository == "" && b.Source.Commit != "":
		return fmt.Errorf("%w: there is a commit, and no repository that it is in: name the source", ErrBuild)
	}
	for _, uri := range []string{b.Type, b.Builder} {
		if err := checkURI(uri); err != nil {
			return err
		}
	}
	if b.Invocation != withoutUser(b.Invocation) {
		return fmt.Errorf("%w: the invocation %q holds a user or a password, which everybody could read", ErrBuild, withoutUser(b.Invocation))
	}
	return nil
}

// external are the external parameters. GitHub's build type has a form of its own for the
// source (https://actions.github.io/buildtypes/workflow/v1); the others have a member
// "source".
func (b *Build) external() map[string]any {
	out := map[string]any{}
	for name, value := range b.Parameters {
		out[name] = value
	}
	if b.Kind == GitHub {
		out["workflow"] = map[string]string{"ref": b.workflowRef, "repository": b.Source.Repository, "path": b.Source.Path}
		return out
	}
	if b.Source.Repository == "" {
		return out
	}
	source := map[string]string{"uri": "git+" + b.Source.Repository}
	if b.Source.Ref != "" {
		source["ref"] = b.Source.Ref
	}
	if b.Source.Path != "" {
		source["path"] = b.Source.Path
	}
	out["source"] = source
	return out
}

// dependencies are the source and the materials, each once.
func (b *Build) dependencies(more []Material) []Material {
	var out []Material
	if b.Source.Commit != "" {
		out = append(out, b.Source.material())
	}
	for _, m := range slices.Concat(b.Materials, more) {
		if !slices.ContainsFunc(out, m.same) {
			out = append(out, m)
		}
	}
	return out
}

func (s Source) material() Material {
	uri := "git+" + s.Repository
	if s.Ref != "" {
		uri += "@" + s.Ref
	}
	return Material{URI: uri, Digest: map[string]string{"gitCommit": s.Commit}}
}

func (m Material) same(other Material) bool {
	if m.URI != other.URI || len(m.Digest) != len(other.Digest) {
		return false
	}
	for algorithm, value := range m.Digest {
		if other.Digest[algorithm] != value {
			return false
		}
	}
	return true
}

// ParseMaterial reads URI=ALGORITHM:HEX.
func ParseMaterial(text string) (Material, error) {
	i := strings.LastIndexByte(text, '=')
	if i < 0 {
		return Material{}, fmt.Errorf("%w: material %q: want URI=sha256:DIGEST", ErrBuild, text)
	}
	uri, digest := text[:i], text[i+1:]
	algorithm, value, ok := strings.Cut(digest, ":")
	if !ok || !isHex(value) || !slices.Contains([]string{"sha256", "sha512", "sha1", "gitCommit"}, algorithm) {
		return Material{}, fmt.Errorf("%w: material %q: want URI=sha256:DIGEST", ErrBuild, text)
	}
	if err := checkURI(uri); err != nil {
		return Material{}, err
	}
	return Material{URI: uri, Digest: map[string]string{algorithm: value}}, nil
}

// maxURI is far more than any URI here has.
const maxURI = 4096

// checkURI wants an absolute URI that holds no password.
func checkURI(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" || len(text) > maxURI {
		return fmt.Errorf("%w: %.100q is no URI", ErrBuild, withoutUser(text))
	}
	if u.User != nil {
		return fmt.Errorf("%w: %q holds a user or a password, which everybody could read", ErrBuild, withoutUser(text))
	}
	return nil
}

// withoutUser is a text that may be a URL with a password, without it.
func withoutUser(text string) string {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return text
	}
	authority, path, slash := strings.Cut(rest, "/")
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		authority = authority[i+1:]
	}
	if slash {
		authority += "/"
	}
	return scheme + "://" + authority + path
}

func isHex(s string) bool {
	return s != "" && len(s) <= 128 && strings.Trim(s, "0123456789abcdef") == ""
}
