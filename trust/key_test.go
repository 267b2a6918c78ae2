package trust

import (
	"bytes"
	"crypto"
	"crypto/dsa" //nolint:staticcheck // a kind of key that must be refused
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
)

func ecKey(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func trusted(t testing.TB, public crypto.PublicKey) Key {
	t.Helper()
	k, err := NewKey("test", public)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestHashGoesWithTheKey: a P-384 key verifies SHA-384 and nothing else; the evidence
// has no say in it.
func TestHashGoesWithTheKey(t *testing.T) {
	message := []byte("message")
	key := ecKey(t, elliptic.P384())
	k := trusted(t, key.Public())
	right := sha512.Sum384(message)
	wrong := sha256.Sum256(message)
	sig, err := ecdsa.SignASN1(rand.Reader, key, right[:])
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Verify(bytes.NewReader(message), sig); err != nil {
		t.Error(err)
	}
	if sig, err = ecdsa.SignASN1(rand.Reader, key, wrong[:]); err != nil {
		t.Fatal(err)
	}
	if err := k.Verify(bytes.NewReader(message), sig); !errors.Is(err, ErrSignature) {
		t.Errorf("SHA-256 with P-384: %v", err)
	}
}

// TestRSAPadding: PSS is not what is registered for these keys.
func TestRSAPadding(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte("message"))
	sig, err := rsa.SignPSS(rand.Reader, key, crypto.SHA256, sum[:], nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := trusted(t, key.Public()).Verify(strings.NewReader("message"), sig); !errors.Is(err, ErrSignature) {
		t.Errorf("PSS: %v", err)
	}
}

// TestEd25519Forms: cosign 3 signs envelopes with the pre-hashed form and verifies
// the pure one; both are read.
func TestEd25519Forms(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k := trusted(t, public)
	message := []byte("message")
	sum := sha512.Sum512(message)
	hashed, err := private.Sign(nil, sum[:], &ed25519.Options{Hash: crypto.SHA512})
	if err != nil {
		t.Fatal(err)
	}
	for name, sig := range map[string][]byte{"pure": ed25519.Sign(private, message), "pre-hashed": hashed} {
		if err := k.Verify(bytes.NewReader(message), sig); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := k.Verify(strings.NewReader("massage"), sig); !errors.Is(err, ErrSignature) {
			t.Errorf("%s over another message: %v", name, err)
		}
		if err := k.Verify(bytes.NewReader(message), sig[:63]); !errors.Is(err, ErrSignature) {
			t.Errorf("%s cut off: %v", name, err)
		}
	}
}

func TestRefusedKeys(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Skip("this Go makes no small RSA keys:", err)
	}
	for name, public := range map[string]crypto.PublicKey{
		"small RSA": small.Public(), "P-224": ecKey(t, elliptic.P224()).Public(), "DSA": &dsa.PublicKey{}, "nothing": nil,
	} {
		if _, err := NewKey(name, public); !errors.Is(err, ErrKeyKind) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := (Key{}).Verify(strings.NewReader(""), nil); err == nil {
		t.Error("the zero key verifies")
	}
}

func TestParseKey(t *testing.T) {
	k := trusted(t, ecKey(t, elliptic.P256()).Public())
	other := trusted(t, ecKey(t, elliptic.P256()).Public())
	back, err := ParseKey("name", k.PEM())
	if err != nil || back.Fingerprint() != k.Fingerprint() || back.Hint() != k.Hint() || back.Name != "name" {
		t.Errorf("got %+v, %v", back, err)
	}
	private := pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED SIGSTORE PRIVATE KEY", Bytes: []byte("x")})
	for name, c := range map[string]struct {
		data []byte
		want error
	}{
		"empty":         {nil, ErrKeyFormat},
		"text":          {[]byte("hello"), ErrKeyFormat},
		"private":       {private, ErrPrivateKey},
		"certificate":   {pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}), ErrKeyFormat},
		"garbage":       {pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")}), ErrKeyFormat},
		"two keys":      {append(k.PEM(), other.PEM()...), ErrKeyFormat},
		"text after it": {append(k.PEM(), "more"...), ErrKeyFormat},
		"too large":     {append(k.PEM(), make([]byte, maxPEM)...), ErrKeyFormat},
	} {
		if _, err := ParseKey(name, c.data); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pkcs1 := pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&rsaKey.PublicKey)})
	if k, err := ParseKey("pkcs1", pkcs1); err != nil || k.Algorithm() != "rsa-2048-pkcs1v15-sha256" {
		t.Errorf("PKCS#1: %v, %v", k.Algorithm(), err)
	}
}

func FuzzParseKey(f *testing.F) {
	k := trusted(f, ecKey(f, elliptic.P256()).Public())
	f.Add(k.PEM())
	f.Add([]byte("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		k, err := ParseKey("fuzz", data)
		if err == nil && k.Algorithm() == "none" {
			t.Fatalf("%q is a key without an algorithm", data)
		}
	})
}
