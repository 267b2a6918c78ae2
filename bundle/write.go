package bundle

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
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
	head, tail, err := b.around()
	if err != nil {
		return nil, err
	}
	out := head
	if b.Envelope != nil {
		out = append(make([]byte, 0, len(head)+base64.StdEncoding.EncodedLen(len(b.Envelope.Payload))+len(tail)), head...)
		out = base64.StdEncoding.AppendEncode(out, b.Envelope.Payload)
	}
	return append(out, tail...), nil
}

// Reader reads what [Bundle.MarshalJSON] gives, without holding it: beside the payload, a
// large bundle needs next to no memory.
func (b *Bundle) Reader() (io.Reader, error) {
	head, tail, err := b.around()
	if err != nil {
		return nil, err
	}
	if b.Envelope == nil {
		return io.MultiReader(bytes.NewReader(head), bytes.NewReader(tail)), nil
	}
	return io.MultiReader(bytes.NewReader(head), &encodedText{content: b.Envelope.Payload}, bytes.NewReader(tail)), nil
}

// Reread is the bundle that somebody reads who reads b's JSON form. It shares the payload
// with b.
func (b *Bundle) Reread() (*Bundle, error) {
	head, tail, err := b.around()
	if err != nil {
		return nil, err
	}
	var payload *given
	if b.Envelope != nil {
		payload = &given{b.Envelope.Payload}
	}
	return parse(append(head, tail...), payload)
}

// around is the JSON form of a bundle of version 0.3, less the text of the payload, which
// stands in between.
func (b *Bundle) around() (head, tail []byte, err error) {
	if b.MediaType != MediaType || (b.Envelope == nil) == (b.MessageSignature == nil) || (b.KeyHint == nil) == (len(b.Certificates) != 1) {
		return nil, nil, errors.New("bundle: only a version 0.3 bundle with one content and one key or certificate can be written")
	}
	head = append(make([]byte, 0, 1024), `{"mediaType":"`+MediaType+`","verificationMaterial":`...)
	head = b.appendMaterial(head)
	if b.Envelope != nil {
		head = append(head, `,"dsseEnvelope":`+envelopeHead...)
		return head, append(b.Envelope.appendTail(nil), '}'), nil
	}
	head = append(head, `,"messageSignature":`...)
	return b.MessageSignature.appendJSON(head), []byte{'}'}, nil
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
