package bundle

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func sample() *Bundle {
	payload, err := AppendStatement(nil, Subject{Name: "registry.example.com/app", Digest: map[string]string{"sha256": strings.Repeat("ab", 32)}},
		"https://example.com/t", []byte(`{"n":12345678901234567890}`))
	if err != nil {
		panic(err)
	}
	return New(&Envelope{PayloadType: PayloadType, Payload: payload, Signatures: []Signature{{Sig: []byte{1, 2, 3}}}}, "hint=")
}

// TestWriteAndParse: what is written is what cosign v3 writes, to the letter, and
// reads back as it was.
func TestWriteAndParse(t *testing.T) {
	raw, err := sample().MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	head := `{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":"hint="}},"dsseEnvelope":{"payload":"`
	tail := `","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"AQID"}]}}`
	if !strings.HasPrefix(string(raw), head) || !strings.HasSuffix(string(raw), tail) {
		t.Errorf("got %s", raw)
	}
	b, err := Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	again, err := b.MarshalJSON()
	if err != nil || !bytes.Equal(raw, again) {
		t.Errorf("written again: %s, %v", again, err)
	}
	if err := CheckJSON(raw); err != nil {
		t.Error(err)
	}
}

// TestPAE is the example of the DSSE specification
// (https://github.com/secure-systems-lab/dsse/blob/master/protocol.md).
func TestPAE(t *testing.T) {
	got, err := io.ReadAll(PAE("http://example.com/HelloWorld", []byte("hello world")))
	if want := "DSSEv1 29 http://example.com/HelloWorld 11 hello world"; err != nil || string(got) != want {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestParseRefuses(t *testing.T) {
	good, err := sample().MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string][2]string{
		"unknown member":            {`{"mediaType"`, `{"x":1,"mediaType"`},
		"unknown version":           {`v0.3+json`, `v0.4+json`},
		"no media type":             {`"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json",`, ``},
		"no signature":              {`[{"sig":"AQID"}]`, `[]`},
		"two signatures":            {`[{"sig":"AQID"}]`, `[{"sig":"AQID"},{"sig":"AQID"}]`},
		"signature twice":           {`{"sig":"AQID"}`, `{"sig":"AQID","sig":"AQID"}`},
		"bad base64":                {`"AQID"`, `"AQI"`},
		"base64 with trailing bits": {`"AQID"`, `"AQJ="`},
		"null":                      {`"AQID"`, `null`},
		"no material":               {`"publicKey":{"hint":"hint="}`, ``},
		"two materials":             {`"publicKey"`, `"certificate":{"rawBytes":"AQID"},"publicKey"`},
		"snake and camel":           {`"payloadType":`, `"payload_type":"x","payloadType":`},
		"both contents":             {`"dsseEnvelope"`, `"messageSignature":{"signature":"AQID"},"dsseEnvelope"`},
		"endless hint":              {`"hint="`, `"` + strings.Repeat("x", maxName+1) + `"`},
		"no content":                {`,"dsseEnvelope":`, `,"timestampVerificationData":`},
		"something behind":          {`"}]}}`, `"}]}}x`},
	} {
		doc := strings.Replace(string(good), edit[0], edit[1], 1)
		if doc == string(good) {
			t.Fatalf("%s: the edit changed nothing", name)
		}
		if b, err := Parse([]byte(doc)); !errors.Is(err, ErrFormat) && !errors.Is(err, ErrJSON) {
			t.Errorf("%s: got %+v, %v", name, b, err)
		}
	}
}

func TestStatement(t *testing.T) {
	digest := strings.Repeat("ab", 32)
	predicate := []byte(" {\"big\": 12345678901234567890, \"html\": \"<&>\"}\n")
	raw, err := AppendStatement(nil, Subject{Name: "a/b", Digest: map[string]string{"sha256": digest}}, "https://example.com/t", predicate)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ParseStatement(raw)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(s.Predicate, predicate) {
		t.Errorf("predicate %q, want %q", s.Predicate, predicate)
	}
	if _, ok := s.Names("sha256", digest); !ok {
		t.Error("the subject is not found")
	}
	for _, other := range [][2]string{{"sha256", strings.ToUpper(digest)}, {"sha512", digest}, {"sha256", digest[:62]}, {"sha256", ""}, {"", digest}} {
		if _, ok := s.Names(other[0], other[1]); ok {
			t.Errorf("%v is found", other)
		}
	}
	if _, err := AppendStatement(nil, Subject{}, "t", []byte(`{"a":1}, "predicateType":"x"`)); !errors.Is(err, ErrJSON) {
		t.Errorf("a predicate that is no JSON value was spliced in: %v", err)
	}
	for name, doc := range map[string]string{
		"type":            strings.Replace(string(raw), "Statement/v1", "Statement/v2", 1),
		"no subject":      `{"_type":"` + StatementV1 + `","subject":[],"predicateType":"t","predicate":{}}`,
		"no digest":       `{"_type":"` + StatementV1 + `","subject":[{"name":"x"}],"predicateType":"t","predicate":{}}`,
		"no predicate":    `{"_type":"` + StatementV1 + `","subject":[{"digest":{"sha256":"ab"}}],"predicateType":"t"}`,
		"other case":      strings.Replace(string(raw), `"predicateType"`, `"PredicateType"`, 1),
		"subjects":        `{"_type":"` + StatementV1 + `","subject":[` + strings.Repeat(`{"digest":{"a":"b"}},`, MaxSubjects) + `{"digest":{"a":"b"}}],"predicateType":"t","predicate":{}}`,
		"endless type":    strings.Replace(string(raw), "https://example.com/t", strings.Repeat("x", maxName+1), 1),
		"digest a number": strings.Replace(string(raw), `"`+digest+`"`, `12`, 1),
	} {
		if s, err := ParseStatement([]byte(doc)); err == nil {
			t.Errorf("%s: accepted as %+v", name, s)
		}
	}
}

func TestSimpleSigning(t *testing.T) {
	good := `{"critical":{"identity":{"docker-reference":"r/a"},"image":{"docker-manifest-digest":"sha256:ab"},"type":"cosign container image signature"},"optional":{"creator":"x"}}`
	s, err := ParseSimpleSigning([]byte(good))
	if err != nil || s.Digest != "sha256:ab" || s.Reference != "r/a" {
		t.Errorf("got %+v, %v", s, err)
	}
	for _, edit := range [][2]string{{"cosign container", "atomic container"}, {`"critical"`, `"uncritical"`}, {"sha256:ab", ""},
		{`"type"`, `"more":1,"type"`}} {
		if s, err := ParseSimpleSigning([]byte(strings.Replace(good, edit[0], edit[1], 1))); err == nil {
			t.Errorf("%v: accepted as %+v", edit, s)
		}
	}
}

// TestConformanceBundlesParse reads the bundles of the conformance suite, where they
// are at hand: whatever else is wrong with them, most parse.
func TestConformanceBundlesParse(t *testing.T) {
	dir := os.Getenv("SIGSTORE_CONFORMANCE_DIR")
	if dir == "" {
		t.Skip("SIGSTORE_CONFORMANCE_DIR names no folder with sigstore-conformance cases")
	}
	files, err := filepath.Glob(filepath.Join(dir, "bundle-verify", "*", "bundle.sigstore.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no bundles in %s: %v", dir, err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Parse(raw)
		if fails := strings.HasSuffix(filepath.Dir(file), "_fail"); err != nil && !fails {
			t.Errorf("%s: %v", filepath.Base(filepath.Dir(file)), err)
		}
	}
}

func FuzzParse(f *testing.F) {
	raw, err := sample().MarshalJSON()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte(`{"mediaType":"application/vnd.dev.sigstore.bundle+json;version=0.1","verificationMaterial":{"x509CertificateChain":{"certificates":[{"rawBytes":"AQID"}]},"tlogEntries":[{"canonicalizedBody":"e30="}]},"messageSignature":{"signature":"AQID"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := Parse(data)
		if err != nil {
			return
		}
		if (b.Envelope == nil) == (b.MessageSignature == nil) || b.KeyHint != nil && b.Certificates != nil {
			t.Fatalf("%q: %+v", data, b)
		}
		if b.Envelope != nil && len(b.Envelope.Signatures) != 1 {
			t.Fatalf("%q: %d signatures", data, len(b.Envelope.Signatures))
		}
	})
}

func FuzzStatement(f *testing.F) {
	f.Add(sample().Envelope.Payload)
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := ParseStatement(data)
		if err != nil {
			return
		}
		again, err := AppendStatement(nil, s.Subjects[0], s.PredicateType, s.Predicate)
		if err != nil {
			t.Fatalf("%q: %v", data, err)
		}
		back, err := ParseStatement(again)
		if err != nil || !bytes.Equal(back.Predicate, s.Predicate) || back.PredicateType != s.PredicateType {
			t.Fatalf("%q: %+v, %v", again, back, err)
		}
	})
}

func FuzzSimpleSigning(f *testing.F) {
	f.Add([]byte(`{"critical":{"identity":{"docker-reference":"r/a"},"image":{"docker-manifest-digest":"sha256:ab"},"type":"cosign container image signature"},"optional":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, err := ParseSimpleSigning(data); err == nil && s.Digest == "" {
			t.Fatalf("%q: no digest", data)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	payload, err := AppendStatement(nil, Subject{Digest: map[string]string{"sha256": "ab"}}, "t",
		[]byte(`[`+strings.Repeat(`{"name":"package","version":"1.2.3","files":[1,2,3]},`, 100_000)+`0]`))
	if err != nil {
		b.Fatal(err)
	}
	raw, err := New(&Envelope{PayloadType: PayloadType, Payload: payload, Signatures: []Signature{{Sig: []byte{1}}}}, "").MarshalJSON()
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		bundle, err := Parse(raw)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := ParseStatement(bundle.Envelope.Payload); err != nil {
			b.Fatal(err)
		}
	}
}
