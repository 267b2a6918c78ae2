package bundle

import (
	"bytes"
	"encoding/base64"
	"math/rand/v2"
	"testing"
)

// TestParseInPlace: the payload is the same as when it is decoded elsewhere, and what is no
// base64 is refused alike.
func TestParseInPlace(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2)) // the same bytes in every run
	for _, size := range []int{0, 1, 2, 3, 3071, 3072, 3073, 4096, 6143, 6144, 6145, 100_001} {
		payload := make([]byte, size)
		for i := range payload {
			payload[i] = byte(random.Uint32())
		}
		text := base64.StdEncoding.EncodeToString(payload)
		raw := []byte(`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":"x"}},"dsseEnvelope":{"payload":"` + text +
			`","payloadType":"t","signatures":[{"sig":"AAAA"}]}}`)
		want, err := Parse(bytes.Clone(raw))
		if err != nil || !bytes.Equal(want.Envelope.Payload, payload) {
			t.Fatalf("%d bytes: %v", size, err)
		}
		got, err := ParseInPlace(bytes.Clone(raw))
		if err != nil || !bytes.Equal(got.Envelope.Payload, payload) || !bytes.Equal(got.Envelope.Signatures[0].Sig, want.Envelope.Signatures[0].Sig) {
			t.Errorf("%d bytes in place: %v", size, err)
		}
	}
	long := base64.StdEncoding.EncodeToString(make([]byte, 3*4096))
	for _, bad := range []string{"A", "AB", "AAA", "A===", "AA=A", "AAAA=", "!!!!", long[:4092] + "AAA=" + long[4096:], long[:4092] + "AA==" + long[4096:], long + "A"} {
		raw := []byte(`{"payload":"` + bad + `","payloadType":"t","signatures":[{"sig":"AAAA"}]}`)
		_, elsewhere := parseEnvelope(bytes.Clone(raw), false)
		_, inPlace := parseEnvelope(bytes.Clone(raw), true)
		if elsewhere == nil || inPlace == nil {
			t.Errorf("%.20q…: %v, in place %v", bad, elsewhere, inPlace)
		}
	}
}
