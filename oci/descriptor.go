package oci

import (
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Descriptor names content by media type, digest and size.
type Descriptor = ocispec.Descriptor

// Media types of manifests that are read.
const (
	MediaTypeManifest       = ocispec.MediaTypeImageManifest
	MediaTypeIndex          = ocispec.MediaTypeImageIndex
	MediaTypeDockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	MediaTypeDockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
	mediaTypeEmpty          = ocispec.MediaTypeEmptyJSON
)

// Caps on what is read into memory. A document over its cap is refused with
// [TooLargeError] before it is read to its end.
const (
	// MaxManifest is the size of one manifest or index. Registries refuse more than 4 MiB.
	MaxManifest = 4 << 20
	// MaxReferrersPage is the size of one page of a referrers listing, and of a
	// fallback index.
	MaxReferrersPage = 32 << 20
	// MaxReferrers is how many referrers of one subject are listed.
	MaxReferrers = 50_000
	// MaxReferrersPages is how many pages of a listing are followed.
	MaxReferrersPages = 10_000
	// MaxListing is the size of all pages of a listing together.
	MaxListing = 128 << 20
	// MaxPlatforms is how many manifests one index may name.
	MaxPlatforms = 1_000
	maxErrorBody = 64 << 10
	// maxEmptyPages is how many pages without an entry may follow each other.
	maxEmptyPages = 100
)

// IsIndex reports whether mediaType is that of an index of several manifests.
func IsIndex(mediaType string) bool {
	return mediaType == MediaTypeIndex || mediaType == MediaTypeDockerList
}

// IsManifest reports whether mediaType is that of a manifest of one image or
// artifact.
func IsManifest(mediaType string) bool {
	return mediaType == MediaTypeManifest || mediaType == MediaTypeDockerManifest
}

// checkDigest accepts SHA-256 alone: it is what statements are made about.
func checkDigest(d digest.Digest) error {
	if err := d.Validate(); err != nil {
		return fmt.Errorf("digest %q: %w", clip(string(d)), err)
	}
	if d.Algorithm() != digest.SHA256 {
		return fmt.Errorf("digest %q: only sha256 is supported", clip(string(d)))
	}
	return nil
}

// checkFileDigest is checkDigest for files, which statements may name by SHA-512 too.
func checkFileDigest(d digest.Digest) error {
	if d.Algorithm() == digest.SHA512 && d.Validate() == nil {
		return nil
	}
	return checkDigest(d)
}

// FallbackTag is the tag that lists referrers of d where a registry has no
// referrers API: "sha256-<hex>".
func FallbackTag(d digest.Digest) string {
	return strings.Replace(d.String(), ":", "-", 1)
}

func clip(s string) string {
	const most = 120
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
