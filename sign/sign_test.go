package sign

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/youmark/pkcs8"

	"github.com/hallmark-project/hallmark/bundle"
	"github.com/hallmark-project/hallmark/trust"
)

func secret(s string) PasswordFunc { return func() ([]byte, error) { return []byte(s), nil } }

// never fails the test if a password is asked for.
func never(t *testing.T) PasswordFunc {
	return func() ([]byte, error) { t.Error("a password was asked for"); return nil, nil }
}

func TestGenerateSignVerify(t *testing.T) {
	for _, algorithm := range Algorithms() {
		key, err := Generate(algorithm)
		if err != nil {
			t.Fatal(err)
		}
		s, err := NewKeySigner(string(algorithm), key)
		if err != nil {
			t.Fatal(err)
		}
		b, err := s.Sign(context.Background(), bundle.PayloadType, []byte("payload"))
		if err != nil {
			t.Fatal(err)
		}
		sig := b.Envelope.Signatures[0]
		if err := s.Public().Verify(bundle.PAE(bundle.PayloadType, []byte("payload")), sig.Sig); err != nil {
			t.Errorf("%s: %v", algorithm, err)
		}
		if *b.KeyHint != s.Public().Hint() || sig.KeyID != "" { // cosign refuses envelopes with a keyid
			t.Errorf("%s: hint %q, keyid %q", algorithm, *b.KeyHint, sig.KeyID)
		}
		sealed, err := EncryptPrivateKey(key, []byte("pw"))
		if err != nil {
			t.Fatal(err)
		}
		back, err := ParsePrivateKey(sealed, secret("pw"))
		if err != nil || !key.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(back.Public()) {
			t.Errorf("%s: read back: %v", algorithm, err)
		}
	}
	if _, err := Generate("dsa"); err == nil {
		t.Error("a DSA key")
	}
}

// faulty signs something else than it is asked to.
type faulty struct{ crypto.Signer }

func (f faulty) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return f.Signer.Sign(random, bytes.Repeat([]byte{1}, len(digest)), opts)
}

// TestFaultySigner: a signature that does not verify never leaves the signer.
func TestFaultySigner(t *testing.T) {
	key, err := Generate(ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewKeySigner("faulty", faulty{key})
	if err != nil {
		t.Fatal(err)
	}
	if b, err := s.Sign(context.Background(), bundle.PayloadType, []byte("payload")); !errors.Is(err, trust.ErrSignature) {
		t.Errorf("got %v, %v", b, err)
	}
}

func TestParsePrivateKey(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p8, err := x509.MarshalPKCS8PrivateKey(ecKey)
	if err != nil {
		t.Fatal(err)
	}
	sec1, err := x509.MarshalECPrivateKey(ecKey)
	if err != nil {
		t.Fatal(err)
	}
	p8enc, err := pkcs8.ConvertPrivateKeyToPKCS8(ecKey, []byte("pw"))
	if err != nil {
		t.Fatal(err)
	}
	old, err := x509.EncryptPEMBlock(rand.Reader, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey), []byte("pw"), x509.PEMCipherAES256) //nolint:staticcheck // a form that is read
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := EncryptPrivateKey(ecKey, []byte("pw"))
	if err != nil {
		t.Fatal(err)
	}
	encode := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	cosignOld := bytes.ReplaceAll(sealed, []byte("SIGSTORE"), []byte("COSIGN"))
	params := encode("EC PARAMETERS", []byte{6, 5, 43, 129, 4, 0, 34})

	for name, data := range map[string][]byte{
		"PKCS#8": encode("PRIVATE KEY", p8), "PKCS#1": encode("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey)),
		"SEC1": encode("EC PRIVATE KEY", sec1), "SEC1 behind parameters": append(params, encode("EC PRIVATE KEY", sec1)...),
	} {
		if _, err := ParsePrivateKey(data, never(t)); err != nil || IsEncrypted(data) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, data := range map[string][]byte{
		"sigstore": sealed, "cosign": cosignOld, "PKCS#8 encrypted": encode("ENCRYPTED PRIVATE KEY", p8enc), "OpenSSL's old form": pem.EncodeToMemory(old),
	} {
		if _, err := ParsePrivateKey(data, secret("pw")); err != nil || !IsEncrypted(data) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := ParsePrivateKey(data, secret("wrong")); !errors.Is(err, ErrPassword) {
			t.Errorf("%s with a wrong password: %v", name, err)
		}
		canceled := errors.New("nobody there")
		if _, err := ParsePrivateKey(data, func() ([]byte, error) { return nil, canceled }); !errors.Is(err, canceled) {
			t.Errorf("%s without a password: %v", name, err)
		}
	}
	public, err := x509.MarshalPKIXPublicKey(ecKey.Public())
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		data []byte
		want error
	}{
		"empty": {nil, ErrKeyFormat}, "text": {[]byte("hello"), ErrKeyFormat}, "public": {encode("PUBLIC KEY", public), ErrPublicKey},
		"certificate": {encode("CERTIFICATE", p8), ErrKeyFormat}, "garbage": {encode("PRIVATE KEY", []byte("x")), ErrKeyFormat},
		"too large": {append(sealed, make([]byte, maxKeyFile)...), ErrKeyFormat},
	} {
		if _, err := ParsePrivateKey(c.data, never(t)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestOpenSigner(t *testing.T) {
	key, err := Generate(ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	plain := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	file := filepath.Join(t.TempDir(), "plain.pem")
	if err := os.WriteFile(file, plain, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	if _, err := OpenSigner(ctx, file, never(t)); err != nil {
		t.Error(err)
	}
	// DESIGN promise 8: keys unprotected on disk are 0600.
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenSigner(ctx, file, never(t)); !errors.Is(err, ErrUnprotected) {
		t.Errorf("readable by the group: %v", err)
	}
	t.Setenv("TEST_KEY", string(plain))
	if _, err := OpenSigner(ctx, "env://TEST_KEY", never(t)); err != nil {
		t.Error(err)
	}
	for _, uri := range []string{"env://", "env://NO_SUCH_VARIABLE_HERE", file + ".no", "ftp://x"} {
		if _, err := OpenSigner(ctx, uri, never(t)); err == nil {
			t.Errorf("%s opened", uri)
		}
	}
	for _, uri := range []string{"awskms:///alias/x", "gcpkms://x", "azurekms://x", "hashivault://x", "pkcs11:token=x", "k8s://a/b", "gitlab://1", "github://a/b"} {
		if _, err := OpenSigner(ctx, uri, never(t)); !errors.Is(err, ErrProvider) {
			t.Errorf("%s: %v", uri, err)
		}
		if _, err := OpenPublic(ctx, uri); !errors.Is(err, ErrProvider) {
			t.Errorf("%s: %v", uri, err)
		}
	}
}

// TestNoSecretInErrors: neither key nor password shows in an error.
func TestNoSecretInErrors(t *testing.T) {
	t.Setenv("TEST_KEY", "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n")
	_, err := OpenSigner(context.Background(), "env://TEST_KEY", secret("hunter2"))
	if err == nil || strings.Contains(err.Error(), "c2VjcmV0") || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
}

func FuzzParsePrivateKey(f *testing.F) {
	key, err := Generate(ECDSAP256)
	if err != nil {
		f.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	f.Add([]byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if bytes.Contains(data, []byte("SIGSTORE")) || bytes.Contains(data, []byte("COSIGN")) {
			return // scrypt takes too long for fuzzing
		}
		key, err := ParsePrivateKey(data, secret("pw"))
		if err == nil && key == nil {
			t.Fatalf("%q: neither key nor error", data)
		}
	})
}
