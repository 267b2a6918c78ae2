package oci

import (
	"fmt"

	"github.com/opencontainers/go-digest"
)

// Subject is a thing pinned by digest: what evidence is about. The zero value is
// no subject. Only Resolve of a [Store], [Subject.Platforms], [FileSubject] and
// [DigestSubject] make one, so that nothing past them can be talked into another tag.
type Subject struct {
	name       string
	descriptor Descriptor
	raw        []byte
	manifest   *Manifest
	longer     digest.Digest // SHA-512, of a file
}

// Name is the repository that the subject was asked for in, such as
// "registry.example.com/team/app"; empty for a layout.
func (s Subject) Name() string { return s.name }

// Digest is the digest of the subject's manifest, or of its bytes for a file.
func (s Subject) Digest() digest.Digest { return s.descriptor.Digest }

// Digests are all digests that a statement may name the subject by: the one that pins it,
// and for a file the SHA-512 as well, which npm's statements give.
func (s Subject) Digests() []digest.Digest {
	if s.longer == "" {
		return []digest.Digest{s.descriptor.Digest}
	}
	return []digest.Digest{s.descriptor.Digest, s.longer}
}

// Descriptor describes the subject: media type, digest, size and nothing else.
func (s Subject) Descriptor() Descriptor { return s.descriptor }

// Manifest is the parsed manifest or index; nil for a file, and for a platform
// until [LoadManifest] has read it.
func (s Subject) Manifest() *Manifest { return s.manifest }

// Raw are the bytes of the manifest, whose digest is [Subject.Digest]. They must
// not be changed.
func (s Subject) Raw() []byte { return s.raw }

// IsIndex reports whether the subject is an index of several platforms.
func (s Subject) IsIndex() bool { return IsIndex(s.descriptor.MediaType) }

// String is the name with the digest.
func (s Subject) String() string {
	if s.name == "" {
		return s.descriptor.Digest.String()
	}
	return s.name + "@" + s.descriptor.Digest.String()
}

// newSubject checks raw against its media type and makes it a subject.
func newSubject(name string, d Descriptor, raw []byte) (Subject, error) {
	m, err := ParseManifest(d.MediaType, raw)
	if err != nil {
		return Subject{}, fmt.Errorf("%s: %w", d.Digest, err)
	}
	d = Descriptor{MediaType: m.MediaType, Digest: d.Digest, Size: int64(len(raw))}
	return Subject{name: name, descriptor: d, raw: raw, manifest: m}, nil
}
