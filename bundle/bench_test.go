package bundle

import (
	"bytes"
	"testing"
)

// smallBundle is a signature of an image, as a registry holds it.
func smallBundle(b *testing.B) []byte {
	b.Helper()
	payload, err := AppendStatement(nil, Subject{Name: "registry.example.com/team/app", Digest: map[string]string{"sha256": "ab"}}, PredicateSignature, []byte(`{}`))
	if err != nil {
		b.Fatal(err)
	}
	raw, err := New(&Envelope{PayloadType: PayloadType, Payload: payload, Signatures: []Signature{{Sig: bytes.Repeat([]byte{7}, 71)}}}, "").MarshalJSON()
	if err != nil {
		b.Fatal(err)
	}
	return raw
}

// BenchmarkParseSignature reads what verifying an image reads most often.
func BenchmarkParseSignature(b *testing.B) {
	raw := smallBundle(b)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		parsed, err := Parse(raw)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := ParseStatement(parsed.Envelope.Payload); err != nil {
			b.Fatal(err)
		}
	}
}
