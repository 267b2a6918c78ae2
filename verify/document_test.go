package verify_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/hallmark-project/hallmark/attest"
	"github.com/hallmark-project/hallmark/bundle"
	"github.com/hallmark-project/hallmark/internal/testkit"
	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/policy"
	"github.com/hallmark-project/hallmark/sign"
	"github.com/hallmark-project/hallmark/verify"
)

func nowhere(digest.Digest) string { return "https://nowhere.invalid/sbom" }

// refers attaches an SBOM and a statement that refers to it.
func (w *world) refers(by *sign.KeySigner, about oci.Subject, p attest.Predicate) digest.Digest {
	w.t.Helper()
	reference, document, err := attest.ByReference(p, nowhere)
	w.must(err)
	_, err = w.store.Attach(context.Background(), []oci.Attachment{{Subject: about, Artifact: document.Artifact}})
	w.must(err)
	w.vouch(by, about, reference)
	return document.Digest
}

// refersTo attaches a statement that refers to documents, and any content under its digest.
func (w *world) refersTo(by *sign.KeySigner, about oci.Subject, content string, documents ...bundle.Document) {
	w.t.Helper()
	w.rawBlob("", []byte(content))
	r := bundle.Reference{Attester: "https://example.com/attester", Documents: documents}
	w.vouch(by, about, attest.Predicate{Type: bundle.PredicateReference, JSON: r.AppendJSON(nil)})
}

// document names content by its digest.
func document(mediaType, content string) bundle.Document {
	return bundle.Document{MediaType: mediaType, Location: nowhere(""), Digest: map[string]string{"sha256": digest.FromString(content).Encoded()}}
}

const mediaSPDX = "application/spdx+json"

// TestReference: an SBOM that a statement refers to counts as one that it holds, and nothing
// else does.
func TestReference(t *testing.T) {
	content := string(spdx.JSON)
	statement := `{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":"00"}}],"predicateType":"https://spdx.dev/Document","predicate":` + content + `}`
	again := string((&bundle.Reference{Attester: "a:b", Documents: []bundle.Document{document(mediaSPDX, content)}}).AppendJSON(nil))
	with := func(mediaType, content string) func(w *world) {
		return func(w *world) { w.refersTo(w.alice, w.amd64, content, document(mediaType, content)) }
	}
	changed := func(change func(d *bundle.Document)) func(w *world) {
		return func(w *world) {
			d := document(mediaSPDX, content)
			change(&d)
			w.refersTo(w.alice, w.amd64, content, d)
		}
	}
	for _, c := range []struct {
		name    string
		arrange func(w *world)
		require string
		want    error
		cause   string
	}{
		{name: "an SBOM", arrange: func(w *world) { w.refers(w.alice, w.amd64, spdx) }, require: "spdx"},
		{name: "of another format", arrange: func(w *world) { w.refers(w.alice, w.amd64, cyclonedx) }, require: "spdx", want: verify.ErrMissing, cause: "reference"},
		{name: "of that format", arrange: func(w *world) { w.refers(w.alice, w.amd64, cyclonedx) }, require: "cyclonedx"},
		{name: "syft's", arrange: with("application/vnd.syft+json", `{"artifacts":[],"schema":{"version":"16"}}`), require: "syft"},
		{name: "SPDX 3", arrange: with(mediaSPDX, `{"@context":"https://spdx.org/rdf/3.0.1/spdx-context.jsonld","@graph":[{}]}`), require: "spdx"},
		{name: "as a reference", arrange: func(w *world) { w.refers(w.alice, w.amd64, spdx) }, require: "reference"},
		{name: "as a signature", arrange: func(w *world) { w.refers(w.alice, w.amd64, spdx) }, require: "signature", want: verify.ErrMissing},
		{name: "by a stranger", arrange: func(w *world) { w.refers(w.mallory, w.amd64, spdx) }, require: "spdx", want: verify.ErrRejected, cause: "signature"},
		{name: "about another image", arrange: func(w *world) {
			r, _, err := attest.ByReference(spdx, nowhere)
			w.must(err)
			w.attach(w.amd64, w.signed(w.alice, bundle.PayloadType, w.payload(w.arm64, r)), r.Type)
		}, require: "spdx", want: verify.ErrRejected, cause: "it is about"},
		{name: "a document of another format", arrange: with(mediaSPDX, string(cyclonedx.JSON)), require: "spdx", want: verify.ErrRejected, cause: "is cyclonedx"},
		{name: "a document of another format does not count as that", arrange: with(mediaSPDX, string(cyclonedx.JSON)), require: "cyclonedx", want: verify.ErrMissing},
		{name: "a document of no format", arrange: with(mediaSPDX, `{}`), require: "spdx", want: verify.ErrRejected, cause: "neither"},
		{name: "no JSON", arrange: with(mediaSPDX, content+"x"), require: "spdx", want: verify.ErrRejected, cause: "follows"},
		{name: "a member twice", arrange: with(mediaSPDX, strings.Replace(content, "{", `{"spdxVersion":"SPDX-2.2",`, 1)), require: "spdx", want: verify.ErrRejected, cause: "twice"},
		{name: "a statement", arrange: with(mediaSPDX, statement), require: "spdx", want: verify.ErrRejected},
		{name: "a reference", arrange: with(mediaSPDX, again), require: "spdx", want: verify.ErrRejected},
		{name: "a reference by its media type", arrange: with("application/vnd.in-toto+json", again), require: "spdx", want: verify.ErrMissing},
		{name: "an unknown media type", arrange: with("application/octet-stream", content), require: "spdx", want: verify.ErrMissing},
		{name: "a media type with parameters", arrange: with(mediaSPDX+";version=2.3", content), require: "spdx", want: verify.ErrMissing},
		{name: "two documents", arrange: func(w *world) {
			w.refersTo(w.alice, w.amd64, content, document(mediaSPDX, content), document(mediaSPDX, content))
		}, require: "spdx", want: verify.ErrRejected, cause: "2 documents"},
		{name: "another document beside it", arrange: func(w *world) {
			w.refersTo(w.alice, w.amd64, content, document("text/plain", content), document(mediaSPDX, content))
		}, require: "spdx", want: verify.ErrRejected, cause: "2 documents"},
		{name: "no digest", arrange: changed(func(d *bundle.Document) { d.Digest = nil }), require: "spdx", want: verify.ErrRejected, cause: "no SHA-256"},
		{name: "SHA-512 only", arrange: changed(func(d *bundle.Document) {
			d.Digest = map[string]string{"sha512": digest.SHA512.FromString(content).Encoded()}
		}), require: "spdx",
			want: verify.ErrRejected, cause: "no SHA-256"},
		{name: "a SHA-256 that is none", arrange: changed(func(d *bundle.Document) { d.Digest["sha256"] = "../../../index.json" }), require: "spdx", want: verify.ErrRejected, cause: "none"},
		{name: "a SHA-256 in upper case", arrange: changed(func(d *bundle.Document) { d.Digest["sha256"] = strings.ToUpper(d.Digest["sha256"]) }), require: "spdx", want: verify.ErrRejected},
		{name: "it is not there", arrange: changed(func(d *bundle.Document) { d.Digest["sha256"] = strings.Repeat("0", 64) }), require: "spdx", want: verify.ErrInconclusive, cause: "refers to"},
		{name: "it was changed", arrange: func(w *world) {
			w.change(w.refers(w.alice, w.amd64, spdx), bytes.ToUpper)
		}, require: "spdx", want: verify.ErrInconclusive},
		{name: "it was cut off", arrange: func(w *world) {
			w.change(w.refers(w.alice, w.amd64, spdx), func(raw []byte) []byte { return raw[1:] })
		}, require: "spdx", want: verify.ErrInconclusive},
		{name: "it was changed, and another is there", arrange: func(w *world) {
			w.change(w.refers(w.alice, w.amd64, spdx), bytes.ToUpper)
			w.vouch(w.alice, w.amd64, spdx)
		}, require: "spdx"},
		{name: "it is too large", arrange: func(w *world) {
			w.refers(w.alice, w.amd64, attest.Predicate{Type: typeSPDX, JSON: []byte(content + strings.Repeat(" ", pieceLimit))})
		}, require: "spdx", want: verify.ErrInconclusive, cause: "limit"},
		{name: "labelled as something else", arrange: func(w *world) {
			r, d, err := attest.ByReference(spdx, nowhere)
			w.must(err)
			_, err = w.store.Attach(context.Background(), []oci.Attachment{{Subject: w.amd64, Artifact: d.Artifact}})
			w.must(err)
			w.attach(w.amd64, w.signed(w.alice, bundle.PayloadType, w.payload(w.amd64, r)), "https://example.com/other")
		}, require: "spdx"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			c.arrange(w)
			w.reopen()
			result, report, err := verify.Verify(context.Background(), w.amd64, w.sources(), trusting(w.alice), require(t, c.require), verify.Options{Limits: verify.Limits{PieceBytes: pieceLimit}})
			if c.want == nil && err != nil || !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v\n%s", err, c.want, dump(report))
			}
			if c.cause != "" && !strings.Contains(err.Error(), c.cause) {
				t.Errorf("got %v, want the cause %q", err, c.cause)
			}
			if (result == nil) != (c.want != nil) {
				t.Errorf("result %v beside %v", result, err)
			}
		})
	}
}

const pieceLimit = 64 << 10

// change changes a blob where it lies.
func (w *world) change(d digest.Digest, change func([]byte) []byte) {
	w.t.Helper()
	file := testkit.BlobFile(w.dir, d)
	raw, err := os.ReadFile(file)
	w.must(err)
	w.must(os.WriteFile(file, change(raw), 0o644))
}

// TestReferenceIsToldOf: evidence is what was signed, and the SBOM is named beside it.
func TestReferenceIsToldOf(t *testing.T) {
	w := newWorld(t)
	d := w.refers(w.alice, w.amd64, spdx)
	result, report, err := w.verify(w.amd64, require(t, "spdx"))
	if err != nil {
		t.Fatal(err)
	}
	v := result.Verified()[0]
	want := verify.Document{PredicateType: typeSPDX, MediaType: mediaSPDX, Digest: d, Size: int64(len(spdx.JSON))}
	if v.PredicateType != bundle.PredicateReference || v.Document == nil || *v.Document != want || v.Evidence == d || v.Payload == d {
		t.Errorf("verified %+v with the document %+v", v, v.Document)
	}
	for _, e := range report.Evidence {
		if e.Counts && (e.Document == nil || *e.Document != want) {
			t.Errorf("the report says %+v of the document", e.Document)
		}
	}
	if checks := report.Requirements[0].On[0].Checks; len(checks) != 1 || checks[0].Check != verify.CheckDocument || checks[0].Against != d.String() || checks[0].Outcome != verify.Passed {
		t.Errorf("the checks are %+v", checks)
	}
}

// TestReferenceIsNotFollowed: what a statement says of where a document is to be had is
// never asked, whether the document is there or not.
func TestReferenceIsNotFollowed(t *testing.T) {
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		_, _ = w.Write(spdx.JSON)
	}))
	defer server.Close()
	w := newWorld(t)
	d := document(mediaSPDX, string(spdx.JSON))
	d.Location = server.URL + "/sbom.json"
	r := bundle.Reference{Attester: server.URL, Documents: []bundle.Document{d}}
	w.vouch(w.alice, w.amd64, attest.Predicate{Type: bundle.PredicateReference, JSON: r.AppendJSON(nil)})
	if _, _, err := w.verify(w.amd64, require(t, "spdx")); !errors.Is(err, verify.ErrInconclusive) {
		t.Errorf("without the document: %v", err)
	}
	w.rawBlob("", spdx.JSON)
	w.reopen()
	if _, _, err := w.verify(w.amd64, require(t, "spdx")); err != nil {
		t.Errorf("with the document: %v", err)
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("%d requests were sent to where the statement says", n)
	}
}

// TestReferenceOnIndex: what an SBOM on an index does not say of its platforms, one that is
// referred to does not say either.
func TestReferenceOnIndex(t *testing.T) {
	w := newWorld(t)
	w.refers(w.alice, w.index, spdx)
	if _, _, err := w.verify(w.index, require(t, "spdx")); !errors.Is(err, verify.ErrRejected) || !strings.Contains(err.Error(), "on the index only") {
		t.Errorf("on the index only: %v", err)
	}
	p := require(t, "spdx")
	p.AcceptIndexSBOM = true
	if _, _, err := w.verify(w.index, p); err != nil {
		t.Errorf("accepted there: %v", err)
	}
	w.refers(w.alice, w.amd64, spdx)
	if _, _, err := w.verify(w.index, require(t, "spdx")); err == nil {
		t.Error("one of two platforms was enough")
	}
	w.refers(w.alice, w.arm64, spdx)
	if _, _, err := w.verify(w.index, require(t, "spdx")); err != nil {
		t.Errorf("on each platform: %v", err)
	}
}

// TestReferenceInFile: evidence in a file refers to what the store of the image holds; where
// there is no store, nothing is known.
func TestReferenceInFile(t *testing.T) {
	w := newWorld(t)
	r, d, err := attest.ByReference(spdx, nowhere)
	w.must(err)
	content, err := w.signed(w.alice, bundle.PayloadType, w.payload(w.amd64, r)).MarshalJSON()
	w.must(err)
	file := verify.Bundles([]string{"evidence"}, [][]byte{content})
	judge := func(sources ...verify.Source) error {
		_, _, err := verify.Verify(context.Background(), w.amd64, sources, trusting(w.alice), require(t, "spdx"), verify.Options{})
		return err
	}
	if err := judge(file); !errors.Is(err, verify.ErrInconclusive) {
		t.Errorf("without a store: %v", err)
	}
	if err := judge(file, verify.Attached(w.store)); !errors.Is(err, verify.ErrInconclusive) {
		t.Errorf("without the document: %v", err)
	}
	w.rawBlob("", spdx.JSON)
	if err := judge(file, verify.Attached(w.store)); err != nil {
		t.Errorf("with it: %v", err)
	}
	if d.Digest != digest.FromBytes(spdx.JSON) {
		t.Errorf("the document is %s", d.Digest)
	}
}

// saysByReference attaches an SBOM of the amd64 image and a statement that refers to it.
func (c *court) saysByReference(by *sign.KeySigner, sbom string) {
	c.t.Helper()
	c.refers(by, c.amd64, attest.Predicate{Type: typeSPDX, JSON: []byte(sbom)})
}

// TestReferenceRules: a policy asks the SBOM itself.
func TestReferenceRules(t *testing.T) {
	banned := "sbom: {packages: {banned: [{package: 'pkg:npm/evil@<2', reason: theft}]}}"
	clean, bad := sbomOf("pkg:npm/good@1 MIT"), sbomOf("pkg:npm/evil@1.5 MIT")
	condition := "sbom: {formats: [spdx], conditions: ['predicate.packages.size() == 1 && predicateType == \"https://spdx.dev/Document\" && statement._type != \"\"']}"
	runAll(t, []ruling{
		{name: "clean", arrange: func(c *court) { c.saysByReference(c.alice, clean) }, rule: banned},
		{name: "banned", arrange: func(c *court) { c.saysByReference(c.alice, bad) }, rule: banned, verdict: verify.ErrRejected, cause: "pkg:npm/evil@1.5 is banned by"},
		{name: "banned by another", arrange: func(c *court) {
			c.says(c.alice, typeSPDX, clean)
			c.saysByReference(c.bob, bad)
		}, rule: banned, verdict: verify.ErrRejected, cause: "says otherwise"},
		{name: "banned by a stranger", arrange: func(c *court) {
			c.saysByReference(c.alice, clean)
			c.saysByReference(c.mallory, bad)
		}, rule: banned},
		{name: "one that is not what it is called", arrange: func(c *court) {
			c.says(c.alice, typeSPDX, clean)
			c.refersTo(c.bob, c.amd64, "{}", document(mediaSPDX, "{}"))
		}, rule: banned, verdict: verify.ErrRejected, cause: "cannot be read"},
		{name: "one that is gone", arrange: func(c *court) {
			c.says(c.alice, typeSPDX, clean)
			c.refersTo(c.bob, c.amd64, "{}", document(mediaSPDX, bad))
		}, rule: banned, verdict: verify.ErrInconclusive, cause: "refers to"},
		{name: "by whom it is not asked", arrange: func(c *court) { c.saysByReference(c.bob, clean) }, rule: "sbom: {by: [alice]}", verdict: verify.ErrRejected, cause: "of whom this is not asked"},
		{name: "a condition holds", arrange: func(c *court) { c.saysByReference(c.alice, clean) }, rule: condition},
		{name: "a condition does not", arrange: func(c *court) { c.saysByReference(c.alice, sbomOf()) }, rule: condition, verdict: verify.ErrRejected, cause: "condition"},
		{name: "by two", arrange: func(c *court) {
			c.says(c.alice, typeSPDX, clean)
			c.saysByReference(c.bob, clean)
		}, rule: "sbom: {atLeast: 2}"},
		{name: "by one, twice", arrange: func(c *court) {
			c.says(c.alice, typeSPDX, clean)
			c.saysByReference(c.alice, clean)
		}, rule: "sbom: {atLeast: 2}", verdict: verify.ErrRejected},
	})
}

// TestReferenceReplaced: of the same signer and format, the newer stands for the older,
// whether it is held or referred to; an SBOM of another format is none of its business.
func TestReferenceReplaced(t *testing.T) {
	banned := "sbom: {packages: {banned: [{package: 'pkg:npm/evil@<2', reason: theft}]}}"
	clean, bad := sbomOf("pkg:npm/good@1 MIT"), sbomOf("pkg:npm/evil@1.5 MIT")
	refer := func(c *court, p attest.Predicate) {
		r, d, err := attest.ByReference(p, nowhere)
		c.must(err)
		_, err = c.store.Attach(context.Background(), []oci.Attachment{{Subject: c.amd64, Artifact: d.Artifact}})
		c.must(err)
		c.ciSays(bundle.PredicateReference, string(r.JSON), nil)
		c.sigstore.Advance(time.Hour)
	}
	cyclone := attest.Predicate{Type: typeCycloneDX, JSON: []byte(`{"bomFormat":"CycloneDX","specVersion":"1.6","components":[]}`)}
	runAll(t, []ruling{
		{name: "by a clean one", arrange: func(c *court) {
			c.ciSays(typeSPDX, bad, nil)
			c.sigstore.Advance(time.Hour)
			refer(c, attest.Predicate{Type: typeSPDX, JSON: []byte(clean)})
		}, rule: banned},
		{name: "by one of another format", arrange: func(c *court) {
			refer(c, attest.Predicate{Type: typeSPDX, JSON: []byte(bad)})
			refer(c, cyclone)
		}, rule: banned, verdict: verify.ErrRejected},
	})
}

// TestFindDocuments: whoever adds evidence finds an SBOM that is referred to; one that is
// gone is not there, and one that cannot be read is no reason to conclude anything.
func TestFindDocuments(t *testing.T) {
	w := newWorld(t)
	d := w.refers(w.alice, w.amd64, spdx)
	look := func() ([]verify.Verified, error) {
		w.reopen()
		return verify.FindDocuments(context.Background(), w.amd64, w.sources(), trusting(w.alice), policy.Policy{}, []policy.Type{policy.TypeOf(typeSPDX)}, func([]verify.Verified) bool { return false })
	}
	if found, err := look(); err != nil || len(found) != 1 || found[0].Document == nil || found[0].Document.Digest != d {
		t.Errorf("found %+v: %v", found, err)
	}
	if found, err := look(); err != nil || found[0].Says() != typeSPDX || found[0].PredicateType != bundle.PredicateReference {
		t.Errorf("it says %+v: %v", found, err)
	}
	found, err := verify.Find(context.Background(), w.amd64, w.sources(), trusting(w.alice), policy.Policy{}, nil, func([]verify.Verified) bool { return false })
	if err != nil || len(found) != 1 || found[0].Document != nil || found[0].Refers == nil || found[0].Refers.Digest != d || found[0].Says() != typeSPDX {
		t.Errorf("without looking at documents: %+v: %v", found, err)
	}
	w.change(d, bytes.ToUpper)
	if _, err := look(); !errors.Is(err, verify.ErrInconclusive) {
		t.Errorf("changed: %v", err)
	}
	w.must(os.Remove(testkit.BlobFile(w.dir, d)))
	if found, err := look(); err != nil || len(found) != 1 || found[0].Document != nil {
		t.Errorf("gone: %+v: %v", found, err)
	}
}

// counting is a store that counts what is fetched from it.
type counting struct {
	oci.Store
	fetched atomic.Int64
}

func (s *counting) Fetch(ctx context.Context, d oci.Descriptor) (io.ReadCloser, error) {
	s.fetched.Add(1)
	return s.Store.Fetch(ctx, d)
}

// TestLabelsDecideWhatIsFetched: of many referrers, those that are labelled as asked for are
// fetched, and no others as long as they do.
func TestLabelsDecideWhatIsFetched(t *testing.T) {
	for _, asked := range []struct {
		name    string
		fetches int64 // a manifest and a bundle, for a reference the document besides
	}{{"spdx", 2}, {"cyclonedx", 3}, {"test-result", 2}} {
		w := newWorld(t)
		w.vouch(w.alice, w.amd64, spdx)
		w.refers(w.alice, w.amd64, cyclonedx)
		w.vouch(w.alice, w.amd64, testResult)
		var others []oci.Attachment
		for i := range 200 {
			a := oci.Artifact{Type: "application/vnd.example", Layer: oci.BytesBlob("application/vnd.example", fmt.Append(nil, i))}
			if i%2 == 0 {
				a.Type, a.Annotations = bundle.MediaType, map[string]string{"dev.sigstore.bundle.predicateType": fmt.Sprintf("https://example.com/%d", i%7)}
			}
			others = append(others, oci.Attachment{Subject: w.amd64, Artifact: a})
		}
		_, err := w.store.Attach(context.Background(), others)
		w.must(err)
		w.reopen()
		store := &counting{Store: w.store}
		_, report, err := verify.Verify(context.Background(), w.amd64, []verify.Source{verify.Attached(store)}, trusting(w.alice), require(t, asked.name), verify.Options{})
		if err != nil {
			t.Fatalf("%v\n%s", err, dump(report))
		}
		if n := store.fetched.Load(); n != asked.fetches {
			t.Errorf("%s: %d fetches, want %d", asked.name, n, asked.fetches)
		}
	}
}

// TestRank: the likeliest first, and an unlikely label is put off, never left out.
func TestRank(t *testing.T) {
	types := []policy.Type{policy.TypeOf(typeSPDX)}
	for _, c := range []struct {
		candidate verify.Candidate
		types     []policy.Type
		want      int
	}{
		{verify.Candidate{Likely: true, Hint: typeSPDX}, types, 0},
		{verify.Candidate{Likely: true, Hint: bundle.PredicateReference}, types, 1},
		{verify.Candidate{Likely: true, Hint: bundle.PredicateReference}, []policy.Type{policy.TypeOf(typeTestResult)}, 3},
		{verify.Candidate{Likely: true, Hint: bundle.PredicateReference}, []policy.Type{policy.TypeOf(bundle.PredicateReference)}, 0},
		{verify.Candidate{Likely: true}, types, 2},
		{verify.Candidate{Likely: true, Hint: typeCycloneDX}, types, 3},
		{verify.Candidate{Hint: typeSPDX}, types, 3},
		{verify.Candidate{}, types, 3},
	} {
		if got := c.candidate.Rank(c.types); got != c.want {
			t.Errorf("%+v among %v: %d, want %d", c.candidate, c.types, got, c.want)
		}
	}
}
