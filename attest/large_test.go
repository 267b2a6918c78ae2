package attest

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/hallmark-project/hallmark/bundle"
	"github.com/hallmark-project/hallmark/oci"
)

func subjectOf(t *testing.T) oci.Subject {
	t.Helper()
	subject, err := oci.DigestSubject(digest.FromString("subject"))
	if err != nil {
		t.Fatal(err)
	}
	return subject
}

// TestStatementInPlace: a predicate that was read gives the same statement, however it is
// written and whatever size it was said to have.
func TestStatementInPlace(t *testing.T) {
	subject := subjectOf(t)
	for _, length := range []int{0, 1, 100, 70_000, 200_000} {
		text := `{"a":"` + strings.Repeat("x", length) + `"}`
		for _, size := range []int64{0, 1, int64(len(text)), int64(len(text)) + 1000} {
			p, err := ReadPredicate("https://example.com/type", iotest.HalfReader(strings.NewReader(text)), size)
			if err != nil || string(p.JSON) != text {
				t.Fatalf("%d bytes, said to be %d: %v", len(text), size, err)
			}
			want, err := Statement(subject, p)
			if err != nil {
				t.Fatal(err)
			}
			d, err := StatementDigest(subject, p)
			if err != nil || d != digest.FromBytes(want) {
				t.Errorf("the digest is %s, want that of the statement: %v", d, err)
			}
			got, err := StatementInPlace(subject, p)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes, said to be %d, in place: %.300s, want %.300s: %v", len(text), size, got, want, err)
			}
			if size == int64(len(text)) && &got[len(got)-1-len(text)] != &p.JSON[0] {
				t.Error("the predicate was copied")
			}
		}
	}
}

// TestStatementElsewhere: where there is no room around it, or somebody else wrote the
// statement, the statement is the same.
func TestStatementElsewhere(t *testing.T) {
	subject := subjectOf(t)
	for _, p := range []Predicate{Signature(), {Type: "https://example.com/" + strings.Repeat("x", roomBefore), JSON: []byte("{}"), checked: true, buffer: make([]byte, roomBefore+2, roomBefore+100)}} {
		want, err := Statement(subject, p)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := StatementInPlace(subject, p); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%.100s, want %.100s: %v", got, want, err)
		}
		if d, err := StatementDigest(subject, p); err != nil || d != digest.FromBytes(want) {
			t.Errorf("the digest is %s: %v", d, err)
		}
	}
	bad := Predicate{Type: "https://example.com/type", JSON: []byte("{")}
	if _, err := StatementInPlace(subject, bad); err == nil {
		t.Error("a predicate that is no JSON is in a statement")
	}
	if _, err := StatementDigest(subject, bad); err == nil {
		t.Error("a predicate that is no JSON has a statement")
	}
}

func TestReadPredicateErrors(t *testing.T) {
	broken := errors.New("broken")
	if _, err := ReadPredicate("spdx", iotest.ErrReader(broken), 10); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if _, err := ReadPredicate("spdx", strings.NewReader(`{}`), 2); !errors.Is(err, ErrPredicate) {
		t.Errorf("got %v", err)
	}
}

// TestByReference: the same SBOM gives the same artifact and the same predicate, and nothing
// but an SBOM gives any.
func TestByReference(t *testing.T) {
	sbom := predicates["cyclonedx"].good
	p, err := NewPredicate("cyclonedx", []byte(sbom))
	if err != nil {
		t.Fatal(err)
	}
	at := func(d digest.Digest) string { return "https://example.com/" + d.Encoded() }
	reference, document, err := ByReference(p, at)
	if err != nil {
		t.Fatal(err)
	}
	d := digest.FromString(sbom)
	want := `{"attester":{"id":"https://github.com/hallmark-project/hallmark"},"references":[{"downloadLocation":"https://example.com/` + d.Encoded() +
		`","digest":{"sha256":"` + d.Encoded() + `"},"mediaType":"application/vnd.cyclonedx+json"}]}`
	if reference.Type != bundle.PredicateReference || string(reference.JSON) != want {
		t.Errorf("the predicate is %s %s", reference.Type, reference.JSON)
	}
	if document.Digest != d || document.Artifact.Type != "application/vnd.cyclonedx+json" || document.Artifact.Layer.Descriptor.MediaType != document.Artifact.Type ||
		document.Artifact.Layer.Descriptor.Digest != d || len(document.Artifact.Annotations) > 0 || document.PredicateType != p.Type {
		t.Errorf("the document is %+v", document)
	}
	for _, name := range []string{"test-result", "reference", "vuln"} {
		other, err := NewPredicate(name, []byte(predicates[name].good))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := ByReference(other, at); !errors.Is(err, ErrPredicate) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := ByReference(Signature(), at); !errors.Is(err, ErrPredicate) {
		t.Errorf("a signature: %v", err)
	}
}

// TestBlob: what is attached is the bundle's JSON form, as often as it is read.
func TestBlob(t *testing.T) {
	b := bundle.New(&bundle.Envelope{PayloadType: bundle.PayloadType, Payload: []byte(strings.Repeat("payload", 10_000)), Signatures: []bundle.Signature{{Sig: []byte("s")}}}, "hint")
	want, err := b.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	artifact, err := Artifact(b, Predicate{Type: "https://example.com/type"}, time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	if d := artifact.Layer.Descriptor; d.Digest != digest.FromBytes(want) || d.Size != int64(len(want)) || d.MediaType != bundle.MediaType {
		t.Errorf("described as %+v", d)
	}
	for range 2 {
		in, err := artifact.Layer.Open()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(in); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes, want %d: %v", len(got), len(want), err)
		}
	}
	if _, err := Artifact(&bundle.Bundle{}, Predicate{}, time.Unix(0, 0)); err == nil {
		t.Error("a bundle of nothing can be attached")
	}
}
