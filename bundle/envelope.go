package bundle

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// PayloadType is the DSSE payload type of an in-toto statement
// (https://github.com/in-toto/attestation/blob/main/spec/v1/envelope.md).
const PayloadType = "application/vnd.in-toto+json"

// maxSignatures caps the signatures read from one envelope.
const maxSignatures = 32

// ErrFormat is wrapped by every error about a document that is JSON but not the
// format it should be. The document must be refused.
var ErrFormat = errors.New("malformed evidence")

// Envelope is a DSSE envelope (https://github.com/secure-systems-lab/dsse),
// version 1. Payload is decoded; nothing is verified.
type Envelope struct {
	PayloadType string
	Payload     []byte
	Signatures  []Signature
}

// Signature is one signature of an [Envelope]. KeyID is a hint, unauthenticated.
type Signature struct {
	KeyID string
	Sig   []byte
}

// PAE returns the pre-authentication encoding of payloadType and payload, the
// bytes that a DSSE signature is made over, without copying the payload.
func PAE(payloadType string, payload []byte) io.Reader {
	head := "DSSEv1 " + strconv.Itoa(len(payloadType)) + " " + payloadType +
		" " + strconv.Itoa(len(payload)) + " "
	return io.MultiReader(strings.NewReader(head), bytes.NewReader(payload))
}

// ParseEnvelope reads a DSSE envelope from its JSON form.
func ParseEnvelope(data []byte) (*Envelope, error) { return parseEnvelope(data, nil) }

// parseEnvelope is ParseEnvelope; a payload that was taken out of data is put in again.
func parseEnvelope(data []byte, payload *given) (*Envelope, error) {
	members, err := Members(data)
	if err != nil {
		return nil, err
	}
	var e Envelope
	seen := fields{}
	for _, m := range members {
		switch seen.name(m.Key) {
		case "payloadType":
			e.PayloadType, err = text(m)
		case "payload":
			e.Payload, err = payload.of(m)
		case "signatures":
			e.Signatures, err = parseSignatures(m)
		default:
			err = unknown(m)
		}
		if err != nil {
			return nil, fmt.Errorf("DSSE envelope: %w", err)
		}
	}
	if err := seen.check("payloadType", "payload", "signatures"); err != nil {
		return nil, fmt.Errorf("DSSE envelope: %w", err)
	}
	return &e, nil
}

func parseSignatures(m Member) ([]Signature, error) {
	elements, err := Elements(m.Raw, maxSignatures)
	if err != nil {
		return nil, err
	}
	var out []Signature
	for _, raw := range elements {
		members, err := Members(raw)
		if err != nil {
			return nil, err
		}
		var sig Signature
		seen := fields{}
		for _, m := range members {
			switch seen.name(m.Key) {
			case "keyid":
				sig.KeyID, err = text(m)
			case "sig":
				sig.Sig, err = base64Text(m)
			case "cert", "extension": // cosign and witness write these; neither is used
			default:
				err = unknown(m)
			}
			if err != nil {
				return nil, err
			}
		}
		if err := seen.check("sig"); err != nil {
			return nil, err
		}
		out = append(out, sig)
	}
	return out, nil
}

// envelopeHead is what an envelope's JSON form begins with; the payload follows.
const envelopeHead = `{"payload":"`

// AppendJSON appends the envelope's JSON form to dst.
func (e *Envelope) AppendJSON(dst []byte) []byte {
	dst = append(dst, envelopeHead...)
	dst = base64.StdEncoding.AppendEncode(dst, e.Payload)
	return e.appendTail(dst)
}

// appendTail appends what follows the payload.
func (e *Envelope) appendTail(dst []byte) []byte {
	dst = append(dst, `","payloadType":`...)
	dst = appendString(dst, e.PayloadType)
	dst = append(dst, `,"signatures":[`...)
	for i, s := range e.Signatures {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '{')
		if s.KeyID != "" {
			dst = append(appendString(append(dst, `"keyid":`...), s.KeyID), ',')
		}
		dst = append(dst, `"sig":"`...)
		dst = base64.StdEncoding.AppendEncode(dst, s.Sig)
		dst = append(dst, `"}`...)
	}
	return append(dst, "]}"...)
}

// fields notes which members of an object were seen, under their lowerCamelCase
// name: protobuf's JSON form allows snake_case as well, but not both at once.
type fields map[string]int

func (f fields) name(key string) string {
	key = memberName(key)
	f[key]++
	return key
}

// memberName is the lowerCamelCase form of a name.
func memberName(key string) string {
	if strings.Contains(key, "_") {
		parts := strings.Split(key, "_")
		for i, p := range parts[1:] {
			if p != "" {
				parts[i+1] = strings.ToUpper(p[:1]) + p[1:]
			}
		}
		key = strings.Join(parts, "")
	}
	return key
}

func (f fields) check(required ...string) error {
	for name, n := range f {
		if n > 1 {
			return fmt.Errorf("%w: %q stands twice", ErrFormat, name)
		}
	}
	for _, name := range required {
		if f[name] == 0 {
			return fmt.Errorf("%w: %q is missing", ErrFormat, name)
		}
	}
	return nil
}

func unknown(m Member) error {
	return fmt.Errorf("%w: unknown member %q", ErrFormat, clip(m.Key))
}

// text reads a JSON string; null is not one.
func text(m Member) (string, error) {
	var s *string
	if err := json.Unmarshal(m.Raw, &s); err != nil || s == nil {
		return "", fmt.Errorf("%w: %q is no string", ErrFormat, clip(m.Key))
	}
	return *s, nil
}

// base64Text decodes a JSON string of base64, see [textDecoder], without an intermediate
// copy of the string.
func base64Text(m Member) ([]byte, error) {
	raw := bytes.TrimSpace(m.Raw)
	if len(raw) < 2 || raw[0] != '"' {
		return nil, fmt.Errorf("%w: %q is no string", ErrFormat, clip(m.Key))
	}
	raw = raw[1 : len(raw)-1]
	if bytes.IndexByte(raw, '\\') >= 0 { // "\/" is a legal way to write a slash
		s, err := text(m)
		if err != nil {
			return nil, err
		}
		raw = []byte(s)
	}
	d := textDecoder{out: make([]byte, 0, base64.StdEncoding.DecodedLen(len(raw)))}
	if !d.write(raw) || !d.end() {
		return nil, fmt.Errorf("%w: %q is no base64", ErrFormat, clip(m.Key))
	}
	return d.out, nil
}

func appendString(dst []byte, s string) []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil { // a string always encodes
		panic(err)
	}
	return append(dst, bytes.TrimSuffix(buf.Bytes(), []byte("\n"))...)
}
