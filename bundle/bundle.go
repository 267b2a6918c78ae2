package bundle

import (
	"encoding/base64"
	"errors"
	"fmt"
)

// Media types of the Sigstore bundle
// (https://github.com/sigstore/protobuf-specs/blob/main/protos/sigstore_bundle.proto).
const (
	// MediaType is the one that is written: version 0.3.
	MediaType = "application/vnd.dev.sigstore.bundle.v0.3+json"

	mediaTypeV01    = "application/vnd.dev.sigstore.bundle+json;version=0.1"
	mediaTypeV02    = "application/vnd.dev.sigstore.bundle+json;version=0.2"
	mediaTypeV03Old = "application/vnd.dev.sigstore.bundle+json;version=0.3"
)

const (
	maxCertificates = 16
	maxLogEntries   = 32
)

// IsMediaType reports whether s names a version of the Sigstore bundle that
// [Parse] reads.
func IsMediaType(s string) bool {
	switch s {
	case MediaType, mediaTypeV01, mediaTypeV02, mediaTypeV03Old:
		return true
	}
	return false
}

// Bundle is a parsed, unverified Sigstore bundle: who claims to have signed what.
// Exactly one of Envelope and MessageSignature is set, and exactly one of KeyHint
// (possibly empty text) and Certificates.
type Bundle struct {
	MediaType        string
	Envelope         *Envelope
	MessageSignature *MessageSignature

	KeyHint      *string  // hint at a public key, unauthenticated
	Certificates [][]byte // DER, leaf first

	LogEntries []LogEntry
	Timestamps [][]byte // RFC 3161 time-stamp responses, DER
}

// MessageSignature is a signature over an artifact itself rather than over a
// statement about it, as cosign sign-blob writes it.
type MessageSignature struct {
	Algorithm string // of Digest, such as SHA2_256; may be empty
	Digest    []byte // a claim: the signature decides
	Signature []byte
}

// LogEntry is an entry of a transparency log, unverified. Body is the
// canonicalized entry, nil where the log did not give it.
type LogEntry struct {
	Kind, Version string
	Body          []byte
	Raw           []byte // the whole entry as it stands in the bundle
}

// Parse reads a Sigstore bundle, versions 0.1 to 0.3, from its JSON form. Members
// that the format does not have are refused. The bundle shares memory with data.
func Parse(data []byte) (*Bundle, error) {
	members, err := Members(data)
	if err != nil {
		return nil, fmt.Errorf("sigstore bundle: %w", err)
	}
	var b Bundle
	seen := fields{}
	for _, m := range members {
		switch seen.name(m.Key) {
		case "mediaType":
			b.MediaType, err = text(m)
		case "verificationMaterial":
			err = b.parseMaterial(m.Raw)
		case "dsseEnvelope":
			b.Envelope, err = ParseEnvelope(m.Raw)
		case "messageSignature":
			b.MessageSignature, err = parseMessageSignature(m.Raw)
		default:
			err = unknown(m)
		}
		if err != nil {
			return nil, fmt.Errorf("sigstore bundle: %w", err)
		}
	}
	if err := b.check(seen); err != nil {
		return nil, fmt.Errorf("sigstore bundle: %w", err)
	}
	return &b, nil
}

func (b *Bundle) check(seen fields) error {
	if err := seen.check("mediaType", "verificationMaterial"); err != nil {
		return err
	}
	if !IsMediaType(b.MediaType) {
		return fmt.Errorf("%w: media type %q is not a version this reads", ErrFormat, clip(b.MediaType))
	}
	if (b.Envelope == nil) == (b.MessageSignature == nil) {
		return fmt.Errorf("%w: one of dsseEnvelope and messageSignature is wanted", ErrFormat)
	}
	// "a DSSE envelope in a bundle MUST contain exactly one signature"
	if b.Envelope != nil && len(b.Envelope.Signatures) != 1 {
		return fmt.Errorf("%w: %d signatures in the envelope, one is wanted", ErrFormat, len(b.Envelope.Signatures))
	}
	return nil
}

func (b *Bundle) parseMaterial(raw []byte) error {
	members, err := Members(raw)
	if err != nil {
		return err
	}
	seen := fields{}
	content := 0
	for _, m := range members {
		switch seen.name(m.Key) {
		case "publicKey":
			content++
			b.KeyHint, err = parseHint(m.Raw)
		case "certificate":
			content++
			err = b.parseCertificate(m.Raw)
		case "x509CertificateChain":
			content++
			err = b.parseChain(m.Raw)
		case "tlogEntries":
			err = b.parseLogEntries(m.Raw)
		case "timestampVerificationData":
			err = b.parseTimestamps(m.Raw)
		default:
			err = unknown(m)
		}
		if err != nil {
			return fmt.Errorf("verification material: %w", err)
		}
	}
	if content != 1 {
		return fmt.Errorf("%w: verification material wants one of publicKey, certificate and x509CertificateChain, has %d", ErrFormat, content)
	}
	return seen.check()
}

func parseHint(raw []byte) (*string, error) {
	hint := ""
	err := eachMember(raw, func(name string, m Member) (err error) {
		if name != "hint" {
			return unknown(m)
		}
		hint, err = text(m)
		return err
	})
	if err == nil && len(hint) > maxName {
		err = fmt.Errorf("%w: a key hint of %d bytes", ErrFormat, len(hint))
	}
	return &hint, err
}

func (b *Bundle) parseCertificate(raw []byte) error {
	return eachMember(raw, func(name string, m Member) error {
		if name != "rawBytes" {
			return unknown(m)
		}
		der, err := base64Text(m)
		b.Certificates = append(b.Certificates, der)
		return err
	})
}

func (b *Bundle) parseChain(raw []byte) error {
	return eachMember(raw, func(name string, m Member) error {
		if name != "certificates" {
			return unknown(m)
		}
		return eachElement(m.Raw, maxCertificates, b.parseCertificate)
	})
}

func (b *Bundle) parseLogEntries(raw []byte) error {
	return eachElement(raw, maxLogEntries, func(raw []byte) error {
		entry := LogEntry{Raw: raw}
		err := eachMember(raw, func(name string, m Member) (err error) {
			switch name {
			case "kindVersion":
				entry.Kind, entry.Version, err = parseKind(m.Raw)
			case "canonicalizedBody":
				entry.Body, err = base64Text(m)
			case "logIndex", "logId", "integratedTime", "inclusionPromise", "inclusionProof":
			default:
				err = unknown(m)
			}
			return err
		})
		b.LogEntries = append(b.LogEntries, entry)
		return err
	})
}

func parseKind(raw []byte) (kind, version string, err error) {
	err = eachMember(raw, func(name string, m Member) (err error) {
		switch name {
		case "kind":
			kind, err = text(m)
		case "version":
			version, err = text(m)
		default:
			err = unknown(m)
		}
		return err
	})
	return kind, version, err
}

func (b *Bundle) parseTimestamps(raw []byte) error {
	return eachMember(raw, func(name string, m Member) error {
		if name != "rfc3161Timestamps" {
			return unknown(m)
		}
		return eachElement(m.Raw, maxLogEntries, func(raw []byte) error {
			return eachMember(raw, func(name string, m Member) error {
				if name != "signedTimestamp" {
					return unknown(m)
				}
				der, err := base64Text(m)
				b.Timestamps = append(b.Timestamps, der)
				return err
			})
		})
	})
}

func parseMessageSignature(raw []byte) (*MessageSignature, error) {
	var sig MessageSignature
	err := eachMember(raw, func(name string, m Member) (err error) {
		switch name {
		case "signature":
			sig.Signature, err = base64Text(m)
		case "messageDigest":
			err = eachMember(m.Raw, func(name string, m Member) (err error) {
				switch name {
				case "algorithm":
					sig.Algorithm, err = text(m)
				case "digest":
					sig.Digest, err = base64Text(m)
				default:
					err = unknown(m)
				}
				return err
			})
		default:
			err = unknown(m)
		}
		return err
	})
	if err == nil && len(sig.Signature) == 0 {
		err = fmt.Errorf("%w: message signature without a signature", ErrFormat)
	}
	return &sig, err
}

// eachMember calls f with each member of an object under its lowerCamelCase name.
func eachMember(raw []byte, f func(name string, m Member) error) error {
	members, err := Members(raw)
	if err != nil {
		return err
	}
	seen := fields{}
	for _, m := range members {
		if err := f(seen.name(m.Key), m); err != nil {
			return err
		}
	}
	return seen.check()
}

func eachElement(raw []byte, limit int, f func(raw []byte) error) error {
	elements, err := Elements(raw, limit)
	if err != nil {
		return err
	}
	for _, e := range elements {
		if err := f(e); err != nil {
			return err
		}
	}
	return nil
}

// MarshalJSON writes a bundle of version 0.3 that is signed with a key: the form
// that [New] makes. The same bundle always gives the same bytes.
func (b *Bundle) MarshalJSON() ([]byte, error) {
	if b.Envelope == nil || b.KeyHint == nil || b.MediaType != MediaType {
		return nil, errors.New("bundle: only a version 0.3 bundle with an envelope and a key hint can be written")
	}
	out := make([]byte, 0, base64.StdEncoding.EncodedLen(len(b.Envelope.Payload))+1024)
	out = append(out, `{"mediaType":"`+MediaType+`","verificationMaterial":{"publicKey":{"hint":`...)
	out = appendString(out, *b.KeyHint)
	out = append(out, `}},"dsseEnvelope":`...)
	out = b.Envelope.AppendJSON(out)
	return append(out, '}'), nil
}

// New makes a version 0.3 bundle of an envelope signed with the key that hint
// points at.
func New(e *Envelope, hint string) *Bundle {
	return &Bundle{MediaType: MediaType, Envelope: e, KeyHint: &hint}
}
