package pki

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestKeysAreMadeOnceAndKeptPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key.pem")
	first, err := ECDSAKey(path)
	if err != nil {
		t.Fatal(err)
	}
	second, err := ECDSAKey(path)
	if err != nil || !first.Equal(second) {
		t.Errorf("a second start has another key (%v)", err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if _, err := Ed25519Key(path); err == nil || !strings.Contains(err.Error(), "start anew") {
		t.Errorf("a key of another kind is taken, or no remedy is said: %v", err)
	}
	if err := os.WriteFile(path, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := RSAKey(path); err == nil || !strings.Contains(err.Error(), "PKCS#8") {
		t.Errorf("a file without a key: %v", err)
	}
}

func TestChains(t *testing.T) {
	dir := t.TempDir()
	root, err := ECDSAKey(filepath.Join(dir, "root.pem"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := ECDSAKey(filepath.Join(dir, "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().Truncate(time.Second)
	code, err := CodeSigningChain(filepath.Join(dir, "code.pem"), root, key, now)
	if err != nil {
		t.Fatal(err)
	}
	again, err := CodeSigningChain(filepath.Join(dir, "code.pem"), root, key, now.Add(time.Hour))
	if err != nil || !code[0].Equal(again[0]) || !code[1].Equal(again[1]) {
		t.Errorf("a second start has another chain (%v)", err)
	}
	verify(t, code, x509.ExtKeyUsageCodeSigning)
	if !code[0].IsCA {
		t.Error("the intermediate is no authority")
	}

	stamp, err := TimestampChain(filepath.Join(dir, "tsa.pem"), root, key, now)
	if err != nil {
		t.Fatal(err)
	}
	verify(t, stamp, x509.ExtKeyUsageTimeStamping)
	for _, extension := range stamp[0].Extensions {
		if extension.Id.Equal(oidExtKeyUsage) && !extension.Critical {
			t.Error("the extended key usage is not critical, as RFC 3161 wants it")
		}
	}
	if _, err := TimestampChain(filepath.Join(dir, "tsa.pem"), root, root, now); err == nil {
		t.Error("a chain for another key is taken")
	}
}

func verify(t *testing.T, chain []*x509.Certificate, usage x509.ExtKeyUsage) {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(chain[1])
	if _, err := chain[0].Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{usage}}); err != nil {
		t.Error(err)
	}
}
