package sigstore

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"testing"
	"time"
)

func verifyChain(leaf *x509.Certificate, chain []*x509.Certificate, usage x509.ExtKeyUsage, at time.Time) error {
	roots, middle := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(chain[len(chain)-1])
	for _, c := range chain[:len(chain)-1] {
		middle.AddCert(c)
	}
	_, err := leaf.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: middle, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{usage},
	})
	return err
}

func TestCertificate(t *testing.T) {
	w := New(t)
	uri := "https://github.com/octo/app/.github/workflows/x.yml@refs/heads/main"
	for _, id := range []Identity{{Email: "a@example.com"}, {URI: uri}, {Username: "me!example.com"}} {
		cert := w.Parts(Request{Identity: id, Extensions: Extensions{BuildSignerURI: uri, GitHubWorkflowTrigger: "push"}}).Certificate
		cert.UnhandledCriticalExtensions = nil // of an otherName, which crypto/x509 does not read
		if err := verifyChain(cert, w.CA.Chain(), x509.ExtKeyUsageCodeSigning, Epoch.Add(time.Minute)); err != nil {
			t.Errorf("%v: %v", id, err)
		}
		if err := verifyChain(cert, w.CA.Chain(), x509.ExtKeyUsageCodeSigning, Epoch.Add(11*time.Minute)); err == nil {
			t.Errorf("%v: valid after its time", id)
		}
		if got := string(extension(cert, fulcioOID(2))); got != "push" {
			t.Errorf("extension 2 is %q, wanted as raw text", got)
		}
		var text string
		if _, err := asn1.Unmarshal(extension(cert, fulcioOID(9)), &text); err != nil || text != uri {
			t.Errorf("extension 9 is %q, %v", text, err)
		}
		if id.URI != "" && (len(cert.URIs) != 1 || cert.URIs[0].String() != uri) {
			t.Errorf("names %v", cert.URIs)
		}
	}
}

func extension(cert *x509.Certificate, id asn1.ObjectIdentifier) []byte {
	for _, e := range cert.Extensions {
		if e.Id.Equal(id) {
			return e.Value
		}
	}
	return nil
}

// embeddedSCT checks the first SCT of a certificate by RFC 6962, from the certificate's
// bytes alone: it takes the list out of the extensions again.
func embeddedSCT(t *testing.T, cert *x509.Certificate, issuer *x509.Certificate, log *CTLog) bool {
	t.Helper()
	var list []byte
	if _, err := asn1.Unmarshal(extension(cert, oidSCTs), &list); err != nil {
		t.Fatal(err)
	}
	sct := list[4:]
	id := log.ID()
	if sct[0] != 0 || string(sct[1:33]) != string(id[:]) {
		return false
	}
	size := int(sct[45])<<8 | int(sct[46])
	message := precertificate(sct[33:41], withoutSCTs(t, cert.RawTBSCertificate), issuer)
	sum := sha256.Sum256(message)
	return ecdsa.VerifyASN1(log.Public().(*ecdsa.PublicKey), sum[:], sct[47:47+size])
}

func withoutSCTs(t *testing.T, tbs []byte) []byte {
	t.Helper()
	var fields []asn1.RawValue
	if _, err := asn1.Unmarshal(tbs, &fields); err != nil {
		t.Fatal(err)
	}
	last := &fields[len(fields)-1]
	var extensions, kept []asn1.RawValue
	if _, err := asn1.Unmarshal(last.Bytes, &extensions); err != nil {
		t.Fatal(err)
	}
	for _, e := range extensions {
		var id asn1.ObjectIdentifier
		if _, err := asn1.Unmarshal(e.Bytes, &id); err != nil {
			t.Fatal(err)
		}
		if !id.Equal(oidSCTs) {
			kept = append(kept, e)
		}
	}
	*last = explicit(3, der(kept))
	return der(fields)
}

func TestSCT(t *testing.T) {
	w := New(t)
	log := w.CTLogs[0]
	issue := func(s ...SCT) *x509.Certificate { return w.Parts(Request{SCTs: s}).Certificate }
	if !embeddedSCT(t, w.Parts(Request{}).Certificate, w.CA.Intermediate, log) {
		t.Error("the default SCT does not verify")
	}
	for name, cert := range map[string]*x509.Certificate{
		"key": issue(SCT{Log: log, WrongKey: true}), "certificate": issue(SCT{Log: log, OtherCert: true}),
		"log": issue(SCT{Log: NewCTLog("other", log.Valid)}),
	} {
		if embeddedSCT(t, cert, w.CA.Intermediate, log) {
			t.Errorf("the SCT of another %s verifies", name)
		}
	}
	if extension(w.Parts(Request{NoSCT: true}).Certificate, oidSCTs) != nil {
		t.Error("an SCT where none was wanted")
	}
}
