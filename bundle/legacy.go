package bundle

import (
	"fmt"
	"maps"
	"slices"
)

// Formats of cosign before version 3, which keeps evidence under tags.
const (
	// MediaTypeSimpleSigning is a layer of a ".sig" tag.
	MediaTypeSimpleSigning = "application/vnd.dev.cosign.simplesigning.v1+json"
	// MediaTypeEnvelope is a layer of an ".att" tag: a DSSE envelope.
	MediaTypeEnvelope = "application/vnd.dsse.envelope.v1+json"
)

// simpleSigningType is what critical.type says
// (https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md).
const simpleSigningType = "cosign container image signature"

// SimpleSigning is the payload of a legacy cosign signature, unverified.
type SimpleSigning struct {
	Digest    string // critical.image.docker-manifest-digest, with its algorithm
	Reference string // critical.identity.docker-reference, may be empty
}

// ParseSimpleSigning reads a legacy cosign payload. Another type than cosign's
// is refused: atomic and podman signatures share the form but not the meaning.
func ParseSimpleSigning(payload []byte) (*SimpleSigning, error) {
	var s SimpleSigning
	var kind string
	critical, err := only(payload, "critical")
	if err != nil {
		return nil, fmt.Errorf("simple signing payload: %w", err)
	}
	for _, m := range critical {
		switch m.Key {
		case "type":
			kind, err = text(m)
		case "image":
			s.Digest, err = textIn(m.Raw, "docker-manifest-digest")
		case "identity":
			s.Reference, err = textIn(m.Raw, "docker-reference")
		default:
			err = unknown(m)
		}
		if err != nil {
			return nil, fmt.Errorf("simple signing payload: %w", err)
		}
	}
	if kind != simpleSigningType {
		return nil, fmt.Errorf("simple signing payload: %w: type %q, want %q", ErrFormat, clip(kind), simpleSigningType)
	}
	if len(s.Reference) > maxName || len(s.Digest) > maxName {
		return nil, fmt.Errorf("simple signing payload: %w: a name of more than %d bytes", ErrFormat, maxName)
	}
	if s.Digest == "" {
		return nil, fmt.Errorf("simple signing payload: %w: no digest", ErrFormat)
	}
	return &s, nil
}

// only returns the members of the object under name in data.
func only(data []byte, name string) ([]Member, error) {
	members, err := Members(data)
	if err != nil {
		return nil, err
	}
	for _, m := range members {
		if m.Key == name {
			return Members(m.Raw)
		}
	}
	return nil, fmt.Errorf("%w: %q is missing", ErrFormat, name)
}

func textIn(data []byte, name string) (string, error) {
	members, err := Members(data)
	if err != nil {
		return "", err
	}
	for _, m := range members {
		if m.Key == name {
			return text(m)
		}
	}
	return "", nil
}

func sortedKeys(m map[string]string) []string {
	return slices.Sorted(maps.Keys(m))
}
