package oci

import (
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
)

// Scheme tells where a [Reference] points.
type Scheme string

// The schemes of the subject grammar.
const (
	SchemeRegistry      Scheme = "registry"
	SchemeLayout        Scheme = "oci"
	SchemeDockerArchive Scheme = "docker-archive"
	SchemeDir           Scheme = "dir"
	SchemeFile          Scheme = "file"
	SchemeDigest        Scheme = "sha256" // the digest of a file that need not be here
)

// Reference is a subject as a person writes it, taken apart. It names a place, not
// content: only [Store.Resolve] turns one into a [Subject].
type Reference struct {
	Scheme Scheme
	// Registry and Repository are set for SchemeRegistry, such as
	// "registry.example.com:5000" and "team/app".
	Registry, Repository string
	// Path is set for every other scheme.
	Path string
	// Tag and Digest are what is asked for; Digest wins where both are given.
	Tag    string
	Digest digest.Digest
	// Implied says that nobody wrote Tag: it is "latest" because neither a tag nor a digest
	// was given.
	Implied bool

	text string
}

// ParseReference reads a subject:
//
//	registry.example.com/team/app:v1 | ...@sha256:…
//	oci:DIR[:TAG|@DIGEST]
//	docker-archive:FILE  dir:DIR  file:FILE
//
// A name without a registry is one of Docker Hub's, unless there is a file of that
// name, which was probably meant; a name without tag and digest means "latest", as
// with docker and cosign. Errors wrap [ErrReference].
func ParseReference(s string) (Reference, error) {
	ref, err := parseReference(s)
	if err != nil {
		return Reference{}, fmt.Errorf("%w %q: %w", ErrReference, clip(s), err)
	}
	ref.text = s
	return ref, nil
}

func parseReference(s string) (Reference, error) {
	if s == "" {
		return Reference{}, fmt.Errorf("it is empty")
	}
	scheme, rest, ok := strings.Cut(s, ":")
	if ok {
		switch Scheme(scheme) {
		case SchemeLayout:
			return parseLayout(rest)
		case SchemeDockerArchive, SchemeDir, SchemeFile:
			if rest == "" {
				return Reference{}, fmt.Errorf("a path must follow %q", scheme+":")
			}
			return Reference{Scheme: Scheme(scheme), Path: rest}, nil
		case SchemeDigest, "sha512":
			if d := digest.Digest(s); checkFileDigest(d) == nil {
				return Reference{Scheme: SchemeDigest, Digest: d}, nil
			}
		}
		if strings.HasPrefix(rest, "//") {
			return Reference{}, fmt.Errorf("an image name has no %s:// in front", scheme)
		}
	}
	return parseRegistry(s)
}

// digestSuffix is what looks like a digest at the end of a layout's path.
var digestSuffix = regexp.MustCompile(`^(.*)@([a-zA-Z0-9]+(?:[+._-][a-zA-Z0-9]+)*:[0-9a-zA-Z]*)$`)

// parseLayout splits DIR[:TAG|@DIGEST]. A path may hold colons itself, so what
// exists as a whole is a path. The digest wins over a tag.
func parseLayout(s string) (Reference, error) {
	ref := Reference{Scheme: SchemeLayout, Path: s}
	if s != "" && exists(s) {
		return ref, nil
	}
	if parts := digestSuffix.FindStringSubmatch(s); parts != nil {
		ref.Path, ref.Digest = parts[1], digest.Digest(parts[2])
		if err := checkDigest(ref.Digest); err != nil {
			return ref, err
		}
	}
	if i := strings.LastIndexByte(ref.Path, ':'); i >= 0 && !strings.ContainsAny(ref.Path[i+1:], `/\`) && !exists(ref.Path) {
		ref.Path, ref.Tag = ref.Path[:i], ref.Path[i+1:]
		if ref.Tag == "" {
			return ref, fmt.Errorf("the tag after the last colon is empty")
		}
	}
	if ref.Path == "" {
		return ref, fmt.Errorf("a folder or archive must follow %q", "oci:")
	}
	return ref, nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func parseRegistry(s string) (Reference, error) {
	named, err := reference.ParseNormalizedNamed(s)
	if err != nil {
		return Reference{}, fmt.Errorf("%w%s", err, looksLikePath(s))
	}
	if hint := looksLikePath(s); hint != "" && !strings.HasPrefix(s, reference.Domain(named)+"/") {
		return Reference{}, fmt.Errorf("it is no full image name%s", hint)
	}
	ref := Reference{Scheme: SchemeRegistry, Registry: reference.Domain(named), Repository: reference.Path(named)}
	if d, ok := named.(reference.Digested); ok {
		ref.Digest = d.Digest()
		if err := checkDigest(ref.Digest); err != nil {
			return ref, err
		}
	}
	if t, ok := named.(reference.Tagged); ok {
		ref.Tag = t.Tag()
	}
	if ref.Tag == "" && ref.Digest == "" {
		ref.Tag, ref.Implied = "latest", true
	}
	return ref, nil
}

func looksLikePath(s string) string {
	if exists(s) {
		return fmt.Sprintf(" (%s is a local path: write file:%s, oci:%s, dir:%s or docker-archive:%s)", s, s, s, s, s)
	}
	return ""
}

// String is the reference as it was written.
func (r Reference) String() string { return r.text }

// Place is the store that the reference points into, without tag and digest.
func (r Reference) Place() string {
	if r.Scheme == SchemeRegistry {
		return r.Registry + "/" + r.Repository
	}
	return string(r.Scheme) + ":" + r.Path
}

// Target is the tag or digest that [Store.Resolve] is to look up; the digest wins.
func (r Reference) Target() string {
	if r.Digest != "" {
		return r.Digest.String()
	}
	return r.Tag
}
