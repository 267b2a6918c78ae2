package bundle_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"math/big"
	"net/url"
	"testing"

	"github.com/hallmark-project/hallmark/bundle"
	"github.com/hallmark-project/hallmark/internal/testkit/sigstore"
)

// TestParseCertificate: whom a certificate names, in every form.
func TestParseCertificate(t *testing.T) {
	world := sigstore.New(t)
	for name, c := range map[string]struct {
		identity sigstore.Identity
		want     string
	}{
		"address": {sigstore.Identity{Email: "dev@example.com"}, "dev@example.com"}, "URI": {sigstore.Identity{URI: "https://example.com/a@b"}, "https://example.com/a@b"},
		"user name": {sigstore.Identity{Username: "me!example.com"}, "me!example.com"},
	} {
		parts := world.Parts(sigstore.Request{Identity: c.identity, Issuer: "https://issuer.example", Extensions: sigstore.Extensions{
			sigstore.SourceRepositoryURI: "https://example.com/repo", sigstore.BuildTrigger: "push"}})
		cert, err := bundle.ParseCertificate(parts.Certificate.Raw)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if cert.Identity != c.want || cert.Issuer != "https://issuer.example" || cert.Claims.SourceRepository != "https://example.com/repo" || cert.Claims.BuildTrigger != "push" {
			t.Errorf("%s: %+v", name, cert)
		}
		if len(cert.X509.UnhandledCriticalExtensions) > 0 {
			t.Errorf("%s: extensions %v are not handled", name, cert.X509.UnhandledCriticalExtensions)
		}
	}
}

// TestCertificateNames: one that names nobody, or several, is refused.
func TestCertificateNames(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	uri := &url.URL{Scheme: "https", Host: "example.com"}
	for name, template := range map[string]*x509.Certificate{
		"nobody": {}, "two addresses": {EmailAddresses: []string{"a@example.com", "b@example.com"}},
		"an address and a URI": {EmailAddresses: []string{"a@example.com"}, URIs: []*url.URL{uri}},
	} {
		template.SerialNumber = big.NewInt(1)
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bundle.ParseCertificate(der); !errors.Is(err, bundle.ErrFormat) {
			t.Errorf("%s: got %v, want %v", name, err, bundle.ErrFormat)
		}
	}
	if _, err := bundle.ParseCertificate(make([]byte, 1<<20)); !errors.Is(err, bundle.ErrFormat) {
		t.Errorf("a megabyte: got %v", err)
	}
}

// TestBundleRoundTrip: what is read is written the same again.
func TestBundleRoundTrip(t *testing.T) {
	world := sigstore.New(t, sigstore.WithRekorV1(), sigstore.WithRekorV2())
	for name, r := range map[string]sigstore.Request{
		"envelope": {ExtraLogs: world.Logs[1:], TSAs: world.TSAs}, "file": {Artifact: []byte("x")}, "key": {Managed: true},
	} {
		b, err := bundle.Parse(world.Bundle(r))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		raw, err := b.MarshalJSON()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		again, err := bundle.Parse(raw)
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, raw)
		}
		second, err := again.MarshalJSON()
		if err != nil || string(second) != string(raw) || len(again.LogEntries) != len(b.LogEntries) || len(again.Timestamps) != len(b.Timestamps) {
			t.Errorf("%s: %v: not the same\n%s\n%s", name, err, raw, second)
		}
	}
}

// TestParseLogEntry: numbers are natural, and nothing is half read.
func TestParseLogEntry(t *testing.T) {
	for doc, ok := range map[string]bool{
		`{"logIndex":"1","treeSize":1}`: false, `{"logIndex":"1"}`: true, `{"logIndex":1}`: true, `{"logIndex":"-1"}`: false, `{"logIndex":-1}`: false,
		`{"logIndex":"1.5"}`: false, `{"logIndex":"99999999999999999999"}`: false, `{"integratedTime":"-1"}`: false, `{"inclusionProof":{"treeSize":"-1"}}`: false,
		`{"inclusionPromise":null,"logIndex":"1"}`: true, `{"inclusionProof":{"hashes":["AAAA",1]}}`: false, `{"logId":{"keyId":"?"}}`: false, `[]`: false,
	} {
		if _, err := bundle.ParseLogEntry([]byte(doc)); (err == nil) != ok {
			t.Errorf("%s: %v", doc, err)
		}
	}
}

// FuzzParseCertificate: a stranger's certificate never panics, and names one signer.
func FuzzParseCertificate(f *testing.F) {
	f.Add(sigstore.New(f).Parts(sigstore.Request{Identity: sigstore.Identity{Username: "me!example.com"}}).Certificate.Raw)
	f.Fuzz(func(t *testing.T, der []byte) {
		if cert, err := bundle.ParseCertificate(der); err == nil && cert.Identity == "" {
			t.Error("a certificate that names nobody")
		}
	})
}
