package attest

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hallmark-project/hallmark/bundle"
	"github.com/hallmark-project/hallmark/oci"
)

// predicates has a good document for each type, and one member without which it is
// not of that type.
var predicates = map[string]struct{ uri, good, needs string }{
	"spdx":                             {"https://spdx.dev/Document", `{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT"}`, "spdxVersion"},
	"spdxjson":                         {"https://spdx.dev/Document", `{"spdxVersion":"SPDX-2.2","SPDXID":"SPDXRef-DOCUMENT"}`, "SPDXID"},
	"https://spdx.dev/Document/v2.3":   {"https://spdx.dev/Document/v2.3", `{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT"}`, "spdxVersion"},
	"cyclonedx":                        {"https://cyclonedx.org/bom", `{"bomFormat":"CycloneDX","specVersion":"1.6"}`, "bomFormat"},
	"syft":                             {"https://syft.dev/bom", `{"artifacts":[],"descriptor":{"name":"syft"},"schema":{"version":"16.0.0"}}`, "artifacts"},
	"slsaprovenance":                   {"https://slsa.dev/provenance/v1", `{"buildDefinition":{"buildType":"https://example.com/b","externalParameters":{"a":1}},"runDetails":{"builder":{"id":"https://example.com/builder"}}}`, "runDetails"},
	"slsaprovenance02":                 {"https://slsa.dev/provenance/v0.2", `{"builder":{"id":"https://example.com/builder"},"buildType":"https://example.com/b"}`, "builder"},
	"https://slsa.dev/provenance/v0.2": {"https://slsa.dev/provenance/v0.2", `{"builder":{"id":"https://example.com/builder"},"buildType":"https://example.com/b"}`, "buildType"},
	"vuln":                             {"https://cosign.sigstore.dev/attestation/vuln/v1", `{"scanner":{"uri":"pkg:x","result":{}},"metadata":{"scanFinishedOn":"2026-01-01T00:00:00Z"}}`, "scanFinishedOn"},
	"openvex":                          {"https://openvex.dev/ns", `{"@context":"https://openvex.dev/ns/v0.2.0","@id":"x","author":"y","statements":[{}]}`, "statements"},
	"vsa":                              {"https://slsa.dev/verification_summary/v1", `{"verifier":{"id":"x"},"timeVerified":"2026-01-01T00:00:00Z","resourceUri":"y","policy":{},"verificationResult":"PASSED"}`, "verificationResult"},
	"test-result":                      {"https://in-toto.io/attestation/test-result/v0.1", `{"result":"PASSED","configuration":[]}`, "result"},
	"link":                             {"https://in-toto.io/attestation/link/v0.3", `{"name":"build","command":["make"]}`, "name"},
	"reference":                        {"https://in-toto.io/attestation/reference/v0.1", `{"attester":{"id":"a:b"},"references":[{"downloadLocation":"c:d","mediaType":"e/f"}]}`, "downloadLocation"},
}

func TestPredicates(t *testing.T) {
	for name, c := range predicates {
		p, err := NewPredicate(name, []byte(c.good))
		if err != nil || p.Type != c.uri || string(p.JSON) != c.good {
			t.Errorf("%s: got %s, %v", name, p.Type, err)
		}
		bad := strings.Replace(c.good, `"`+c.needs+`"`, `"other"`, 1)
		if _, err := NewPredicate(name, []byte(bad)); !errors.Is(err, ErrPredicate) {
			t.Errorf("%s without %s: %v", name, c.needs, err)
		}
		for _, junk := range []string{``, `[]`, `null`, `"x"`, `{}`, `{"a":1,"a":2}`, c.good + "x", strings.Repeat(`{"a":`, 64<<10)} {
			if p, err := NewPredicate(name, []byte(junk)); err == nil {
				t.Errorf("%s: %.20q is one, of type %s", name, junk, p.Type)
			}
		}
		for other, o := range predicates {
			if o.uri == c.uri || strings.HasPrefix(o.uri, c.uri) || strings.HasPrefix(c.uri, o.uri) || strings.Contains(c.uri, "slsa.dev/provenance") && strings.Contains(o.uri, "slsa.dev/provenance") {
				continue
			}
			if _, err := NewPredicate(name, []byte(o.good)); err == nil && name != "link" {
				t.Errorf("a document of %s passes for %s", other, name)
			}
		}
	}
	if _, err := NewPredicate("https://slsa.dev/provenance/v1", []byte(predicates["slsaprovenance02"].good)); !errors.Is(err, ErrPredicate) {
		t.Errorf("provenance 0.2 passes for version 1: %v", err)
	}
	if _, err := NewPredicate("signature", []byte(`{}`)); !errors.Is(err, ErrPredicate) {
		t.Errorf("a signature by way of attest: %v", err)
	}
	if p, err := NewPredicate("https://example.com/own", []byte(`[1]`)); err != nil || p.Type != "https://example.com/own" {
		t.Errorf("a type of one's own: %v", err)
	}
	if _, err := NewPredicate("https://example.com/own", []byte(`{`)); !errors.Is(err, ErrPredicate) {
		t.Errorf("a type of one's own without JSON: %v", err)
	}
}

func TestStatement(t *testing.T) {
	file := filepath.Join(t.TempDir(), "app.tgz")
	if err := os.WriteFile(file, []byte("content"), 0o644); err != nil {
		t.Fatal(err)
	}
	subject, err := oci.FileSubject(file)
	if err != nil {
		t.Fatal(err)
	}
	predicate := []byte("{ \"big\" : 12345678901234567890 }\n")
	payload, err := Statement(subject, Predicate{Type: "https://example.com/t", JSON: predicate})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"app.tgz","digest":{"sha256":"` + subject.Digest().Encoded() +
		`"}}],"predicateType":"https://example.com/t","predicate":` + string(predicate) + `}`
	if string(payload) != want {
		t.Errorf("got %s", payload)
	}
	testGiven(t, subject, []byte(" "+want+"\n"))
	s, err := bundle.ParseStatement(payload)
	if err != nil || !bytes.Equal(s.Predicate, predicate) {
		t.Errorf("predicate %q, %v", s.Predicate, err)
	}
}

// testGiven: what another tool wrote is kept byte for byte, and is about its own subject
// only.
func testGiven(t *testing.T, subject oci.Subject, statement []byte) {
	t.Helper()
	p, err := GivenStatement(statement)
	if err != nil {
		t.Fatal(err)
	}
	if payload, err := Statement(subject, p); err != nil || !bytes.Equal(payload, statement) {
		t.Errorf("got %s, %v", payload, err)
	}
	other, err := GivenStatement(bytes.Replace(statement, []byte(subject.Digest().Encoded()), bytes.Repeat([]byte("0"), 64), 1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Statement(subject, other); !errors.Is(err, ErrPredicate) {
		t.Errorf("a statement about something else: %v", err)
	}
	for _, bad := range []string{"{}", `"predicateType":"spdx"`, `"predicateType":"` + bundle.PredicateSignature + `"`, `"predicateType":"https://spdx.dev/Document"`} {
		if _, err := GivenStatement(bytes.Replace(statement, []byte(`"predicateType":"https://example.com/t"`), []byte(bad), 1)); !errors.Is(err, ErrPredicate) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
