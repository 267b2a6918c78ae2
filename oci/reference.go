package oci

import (
	"fmt"
	"os"
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

	text string
}

// ParseReference reads a subject:
//
//	registry.example.com/team/app:v1 | ...@sha256:…
//	oci:DIR[:TAG|@DIGEST]
//	docker-archive:FILE  dir:DIR  file:FILE
//
// A name without a registry is one of Docker Hub's, a name without tag and digest
// means "latest", as with docker and cosign. Errors wrap [ErrReference].
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
				return Reference{}, fmt.Errorf("a path must follow %s:", scheme)
			}
			return Reference{Scheme: Scheme(scheme), Path: rest}, nil
		}
		if strings.HasPrefix(rest, "//") {
			return Reference{}, fmt.Errorf("an image name has no %s:// in front", scheme)
		}
	}
	return parseRegistry(s)
}

// parseLayout splits DIR[:TAG|@DIGEST]. A path may hold colons itself, so what
// exists as a whole is a path.
func parseLayout(s string) (Reference, error) {
	if s == "" {
		return Reference{}, fmt.Errorf("a folder or archive must follow oci:")
	}
	ref := Reference{Scheme: SchemeLayout, Path: s}
	if path, d, ok := strings.Cut(s, "@sha256:"); ok {
		ref.Path, ref.Digest = path, digest.Digest("sha256:"+d)
		return ref, checkDigest(ref.Digest)
	}
	if _, err := os.Lstat(s); err == nil {
		return ref, nil
	}
	if i := strings.LastIndexByte(s, ':'); i > 0 && !strings.ContainsAny(s[i+1:], `/\`) {
		ref.Path, ref.Tag = s[:i], s[i+1:]
		if ref.Tag == "" {
			return ref, fmt.Errorf("the tag after the last colon is empty")
		}
	}
	return ref, nil
}

func parseRegistry(s string) (Reference, error) {
	named, err := reference.ParseNormalizedNamed(s)
	if err != nil {
		return Reference{}, fmt.Errorf("%w%s", err, looksLikePath(s))
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
		ref.Tag = "latest"
	}
	return ref, nil
}

func looksLikePath(s string) string {
	if _, err := os.Lstat(s); err == nil {
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
