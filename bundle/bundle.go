package bundle

import (
	"bytes"
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

	chain bool // the certificates came as a chain
}

// MessageSignature is a signature over an artifact itself rather than over a
// statement about it, as cosign sign-blob writes it.
type MessageSignature struct {
	Algorithm string // of Digest, such as SHA2_256; may be empty
	Digest    []byte // a claim: the signature decides
	Signature []byte
}

// SignatureBytes is the one signature of the bundle, nil if it has none.
func (b *Bundle) SignatureBytes() []byte {
	switch {
	case b.MessageSignature != nil:
		return b.MessageSignature.Signature
	case b.Envelope != nil && len(b.Envelope.Signatures) == 1:
		return b.Envelope.Signatures[0].Sig
	}
	return nil
}

// Parse reads a Sigstore bundle, versions 0.1 to 0.3, from its JSON form. Members
// that the format does not have are refused. The bundle shares memory with data.
func Parse(data []byte) (*Bundle, error) { return parse(data, nil) }

// parse is Parse; a payload that was taken out of data is put in again.
func parse(data []byte, payload *given) (*Bundle, error) {
	var b Bundle
	err := eachMember(data, func(name string, m Member) (err error) {
		switch name {
		case "mediaType":
			b.MediaType, err = text(m)
		case "verificationMaterial":
			err = b.parseMaterial(m.Raw)
		case "dsseEnvelope":
			b.Envelope, err = parseEnvelope(m.Raw, payload)
		case "messageSignature":
			b.MessageSignature, err = parseMessageSignature(m.Raw)
		default:
			err = unknown(m)
		}
		return err
	})
	if err == nil {
		err = b.check()
	}
	if err != nil {
		return nil, fmt.Errorf("sigstore bundle: %w", err)
	}
	return &b, nil
}

func (b *Bundle) check() error {
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
	return b.checkMaterial()
}

// checkMaterial holds the material to the version's rules: from 0.2 on a log entry has
// an inclusion proof, from 0.3 on a certificate stands alone.
func (b *Bundle) checkMaterial() error {
	if b.KeyHint == nil && len(b.Certificates) == 0 {
		return fmt.Errorf("%w: there is neither a key hint nor a certificate", ErrFormat)
	}
	if b.chain && b.MediaType != mediaTypeV01 && b.MediaType != mediaTypeV02 {
		return fmt.Errorf("%w: a bundle of this version has one certificate, not a chain", ErrFormat)
	}
	for i, entry := range b.LogEntries {
		if entry.Proof == nil && (b.MediaType != mediaTypeV01 || len(entry.Promise) == 0) {
			return fmt.Errorf("%w: log entry %d has no inclusion proof", ErrFormat, i)
		}
	}
	return nil
}

func (b *Bundle) parseMaterial(raw []byte) error {
	content := 0
	err := eachMember(raw, func(name string, m Member) (err error) {
		switch name {
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
		return err
	})
	if err == nil && content != 1 {
		err = fmt.Errorf("%w: one of publicKey, certificate and x509CertificateChain is wanted, there are %d", ErrFormat, content)
	}
	if err != nil {
		return fmt.Errorf("verification material: %w", err)
	}
	return nil
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
	b.chain = true
	return eachMember(raw, func(name string, m Member) error {
		if name != "certificates" {
			return unknown(m)
		}
		return eachElement(m.Raw, maxCertificates, b.parseCertificate)
	})
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

// eachMember calls f with each member of an object under its lowerCamelCase name. A
// member that is null is none, as in protobuf's JSON form.
func eachMember(raw []byte, f func(name string, m Member) error) error {
	members, err := Members(raw)
	if err != nil {
		return err
	}
	seen := fields{}
	for _, m := range members {
		name := seen.name(m.Key)
		if string(bytes.TrimSpace(m.Raw)) == "null" {
			continue
		}
		if err := f(name, m); err != nil {
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
