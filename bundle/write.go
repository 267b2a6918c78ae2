package bundle

import (
	"encoding/base64"
	"errors"
)

// New makes a version 0.3 bundle of an envelope signed with the key that hint
// points at.
func New(e *Envelope, hint string) *Bundle {
	return &Bundle{MediaType: MediaType, Envelope: e, KeyHint: &hint}
}

// NewCertified makes a version 0.3 bundle of an envelope signed with the key that a
// certificate, in DER form, speaks of.
func NewCertified(e *Envelope, certificate []byte) *Bundle {
	return &Bundle{MediaType: MediaType, Envelope: e, Certificates: [][]byte{certificate}}
}

// NewMessage makes a version 0.3 bundle of a signature over a file itself: with the key
// that hint points at, or the one that a certificate speaks of.
func NewMessage(m *MessageSignature, hint *string, certificate []byte) *Bundle {
	b := &Bundle{MediaType: MediaType, MessageSignature: m, KeyHint: hint}
	if hint == nil {
		b.Certificates = [][]byte{certificate}
	}
	return b
}

// MarshalJSON writes a bundle of version 0.3. The same bundle always gives the same
// bytes.
func (b *Bundle) MarshalJSON() ([]byte, error) {
	if b.MediaType != MediaType || (b.Envelope == nil) == (b.MessageSignature == nil) || (b.KeyHint == nil) == (len(b.Certificates) != 1) {
		return nil, errors.New("bundle: only a version 0.3 bundle with one content and one key or certificate can be written")
	}
	size := 1024
	if b.Envelope != nil {
		size += base64.StdEncoding.EncodedLen(len(b.Envelope.Payload))
	}
	out := append(make([]byte, 0, size), `{"mediaType":"`+MediaType+`","verificationMaterial":`...)
	out = b.appendMaterial(out)
	if b.Envelope != nil {
		out = append(out, `,"dsseEnvelope":`...)
		out = b.Envelope.AppendJSON(out)
	} else {
		out = append(out, `,"messageSignature":`...)
		out = b.MessageSignature.appendJSON(out)
	}
	return append(out, '}'), nil
}

func (b *Bundle) appendMaterial(out []byte) []byte {
	if b.KeyHint != nil {
		out = append(out, `{"publicKey":{"hint":`...)
		out = appendString(out, *b.KeyHint)
	} else {
		out = append(out, `{"certificate":{"rawBytes":`...)
		out = appendBase64(out, b.Certificates[0])
	}
	out = append(out, '}')
	if len(b.LogEntries) > 0 {
		out = append(out, `,"tlogEntries":[`...)
		for i := range b.LogEntries {
			if i > 0 {
				out = append(out, ',')
			}
			out = b.LogEntries[i].appendJSON(out)
		}
		out = append(out, ']')
	}
	if len(b.Timestamps) > 0 {
		out = append(out, `,"timestampVerificationData":{"rfc3161Timestamps":[`...)
		for i, stamp := range b.Timestamps {
			if i > 0 {
				out = append(out, ',')
			}
			out = append(out, `{"signedTimestamp":`...)
			out = append(appendBase64(out, stamp), '}')
		}
		out = append(out, `]}`...)
	}
	return append(out, '}')
}

func (s *MessageSignature) appendJSON(out []byte) []byte {
	out = append(out, `{"messageDigest":{"algorithm":`...)
	out = appendString(out, s.Algorithm)
	out = append(out, `,"digest":`...)
	out = appendBase64(out, s.Digest)
	out = append(out, `},"signature":`...)
	return append(appendBase64(out, s.Signature), '}')
}
