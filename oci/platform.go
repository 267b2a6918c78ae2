package oci

import (
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Annotations that buildkit puts on the children of an index that hold its
// unsigned attestations
// (https://github.com/moby/buildkit/blob/master/docs/attestations/attestation-storage.md).
const (
	buildkitType      = "vnd.docker.reference.type"
	buildkitDigest    = "vnd.docker.reference.digest"
	buildkitTypeValue = "attestation-manifest"
)

// Platform is one image of an index.
type Platform struct {
	Subject Subject
	Name    string // os/architecture[/variant], "unknown" where the index is silent
}

// Platforms lists the images of an index in its order, without buildkit's unsigned
// attestations. A single image gives nil. An index within an index is refused: its
// platforms would go unseen. So is an index without any image: what is asked of every
// platform would hold of none.
func (s Subject) Platforms() ([]Platform, error) {
	if !s.IsIndex() {
		return nil, nil
	}
	if s.manifest == nil {
		return nil, fmt.Errorf("%w: index %s was not read", ErrManifest, s.Digest())
	}
	var out []Platform
	for _, d := range s.manifest.Manifests {
		if s.manifest.isBuildkitAttestation(d) {
			continue
		}
		if IsIndex(d.MediaType) {
			return nil, fmt.Errorf("%w: index %s holds another index, %s, which is not supported", ErrManifest, s.Digest(), d.Digest)
		}
		if len(out) == MaxPlatforms {
			return nil, fmt.Errorf("%w: index %s has more than %d platforms", ErrManifest, s.Digest(), MaxPlatforms)
		}
		child := Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}
		out = append(out, Platform{
			Subject: Subject{name: s.name, descriptor: child},
			Name:    PlatformName(d.Platform),
		})
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%w: index %s holds no image", ErrManifest, s.Digest())
	}
	return out, nil
}

// BuildAttestation is an unsigned attestation manifest that buildkit put into an
// index, and the platform manifest that it speaks of.
type BuildAttestation struct {
	Descriptor Descriptor
	About      digest.Digest
}

// BuildAttestations lists what [Subject.Platforms] leaves out.
func (s Subject) BuildAttestations() []BuildAttestation {
	var out []BuildAttestation
	if s.manifest == nil {
		return nil
	}
	for _, d := range s.manifest.Manifests {
		if s.manifest.isBuildkitAttestation(d) {
			out = append(out, BuildAttestation{d, digest.Digest(d.Annotations[buildkitDigest])})
		}
	}
	return out
}

// isBuildkitAttestation wants all three signs: a child that merely says
// "unknown/unknown" could otherwise hide an image from SBOM and verification. The
// sibling must be an image, so that two children cannot hide each other.
func (m *Manifest) isBuildkitAttestation(d Descriptor) bool {
	if !IsManifest(d.MediaType) || !isUnknown(d.Platform) || d.Annotations[buildkitType] != buildkitTypeValue {
		return false
	}
	about := digest.Digest(d.Annotations[buildkitDigest])
	for _, sibling := range m.Manifests {
		if sibling.Digest == about && sibling.Digest != d.Digest && sibling.Annotations[buildkitType] == "" {
			return true
		}
	}
	return false
}

func isUnknown(p *ocispec.Platform) bool {
	return p != nil && p.OS == "unknown" && p.Architecture == "unknown"
}

// PlatformName writes a platform as os/architecture[/variant]. What an index says there
// is a stranger's text: characters that could steer a terminal are replaced.
func PlatformName(p *ocispec.Platform) string {
	if p == nil || p.OS == "" && p.Architecture == "" {
		return "unknown"
	}
	name := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		name += "/" + p.Variant
	}
	return printable(name)
}

// MatchPlatform reports whether a platform name is the one asked for. "amd64" and
// "linux/amd64" mean the same, "linux/arm64" matches "linux/arm64/v8", and
// "linux/arm" matches every variant of it.
func MatchPlatform(asked, name string) bool {
	a, n := strings.Split(normalPlatform(asked), "/"), strings.Split(normalPlatform(name), "/")
	if len(a) > len(n) {
		return false
	}
	for i := range a {
		if a[i] != n[i] {
			return false
		}
	}
	return true
}

func normalPlatform(s string) string {
	s = strings.ToLower(s)
	if !strings.Contains(s, "/") && s != "unknown" {
		s = "linux/" + s
	}
	s = strings.Replace(s, "/x86_64", "/amd64", 1)
	s = strings.Replace(s, "/aarch64", "/arm64", 1)
	if strings.HasSuffix(s, "/arm64/v8") { // v8 is what arm64 without a variant means
		s = strings.TrimSuffix(s, "/v8")
	}
	return s
}
