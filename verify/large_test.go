package verify_test

import (
	"context"
	"errors"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/opencontainers/go-digest"

	"github.com/hallmark-project/hallmark/attest"
	"github.com/hallmark-project/hallmark/bundle"
	"github.com/hallmark-project/hallmark/internal/testkit"
	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/verify"
)

// TestLargeEvidence: verifying a large SBOM needs its memory once, whether a statement holds
// it or refers to it.
func TestLargeEvidence(t *testing.T) {
	const size = 40 << 20
	large := attest.Predicate{Type: typeSPDX, JSON: []byte(`{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","comment":"` + strings.Repeat("x", size) + `"}`)}
	for name, arrange := range map[string]func(w *world){
		"held":        func(w *world) { w.vouch(w.alice, w.amd64, large) },
		"referred to": func(w *world) { w.refers(w.alice, w.amd64, large) },
	} {
		w := newWorld(t)
		arrange(w)
		w.reopen()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, report, err := w.verify(w.amd64, require(t, "spdx"))
		runtime.ReadMemStats(&after)
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, dump(report))
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > size*5/4 {
			t.Errorf("%s: %d bytes are allocated for an SBOM of %d", name, n, size)
		}
	}
}

// TestDamagedOnce: what does not match its digest is asked for again.
func TestDamagedOnce(t *testing.T) {
	for name, p := range map[string]func(w *world){
		"a bundle":   func(w *world) { w.vouch(w.alice, w.amd64, spdx) },
		"a document": func(w *world) { w.refers(w.alice, w.amd64, spdx) },
	} {
		for damaged, want := range map[int]error{1: nil, 2: nil, 3: verify.ErrInconclusive} {
			w := newWorld(t)
			p(w)
			w.reopen()
			store := &damaging{Store: w.store, left: map[digest.Digest]int{}, times: damaged}
			_, _, err := verify.Verify(context.Background(), w.amd64, []verify.Source{verify.Attached(store)}, trusting(w.alice), require(t, "spdx"), verify.Options{})
			if want == nil && err != nil || !errors.Is(err, want) {
				t.Errorf("%s, damaged %d times: %v", name, damaged, err)
			}
		}
	}
}

// damaging is a store that damages each blob a few times.
type damaging struct {
	oci.Store
	left  map[digest.Digest]int
	times int
}

func (s *damaging) Fetch(ctx context.Context, d oci.Descriptor) (io.ReadCloser, error) {
	body, err := s.Store.Fetch(ctx, d)
	if err != nil || oci.IsManifest(d.MediaType) || s.left[d.Digest] == s.times {
		return body, err
	}
	s.left[d.Digest]++
	return io.NopCloser(io.MultiReader(io.LimitReader(body, 10), iotest.ErrReader(&oci.DigestError{Want: d.Digest}))), nil
}

// TestFresh: a bundle that was just made is judged as its written form would be.
func TestFresh(t *testing.T) {
	w := newWorld(t)
	b := w.signed(w.alice, bundle.PayloadType, w.payload(w.amd64, spdx))
	raw, err := b.MarshalJSON()
	w.must(err)
	judge := func(b *bundle.Bundle) (*verify.Report, error) {
		_, report, err := verify.Verify(context.Background(), w.amd64, []verify.Source{verify.Fresh("fresh", b)}, trusting(w.alice), require(t, "spdx"), verify.Options{})
		return report, err
	}
	report, err := judge(b)
	if err != nil || report.Evidence[0].Digest != digest.FromBytes(raw) {
		t.Errorf("%v\n%s", err, dump(report))
	}
	if _, err := judge(w.signed(w.mallory, bundle.PayloadType, w.payload(w.amd64, spdx))); !errors.Is(err, verify.ErrRejected) {
		t.Errorf("by another: %v", err)
	}
	b.Envelope.Signatures = append(b.Envelope.Signatures, b.Envelope.Signatures[0])
	if _, err := judge(b); !errors.Is(err, verify.ErrRejected) {
		t.Errorf("with two signatures: %v", err)
	}
	b.MediaType = "another"
	if _, err := judge(b); !errors.Is(err, verify.ErrInconclusive) {
		t.Errorf("one that cannot be written: %v", err)
	}
}

// TestFiles: evidence in a file is read when it is wanted; one that cannot be read is not
// one that is not there.
func TestFiles(t *testing.T) {
	w := newWorld(t)
	raw, err := w.signed(w.alice, bundle.PayloadType, w.payload(w.amd64, spdx)).MarshalJSON()
	w.must(err)
	d := digest.FromBytes(raw)
	w.rawBlob("", raw)
	name := testkit.BlobFile(w.dir, d)
	for _, c := range []struct {
		name string
		file verify.File
		want error
	}{
		{"good", verify.File{Name: "a", Size: int64(len(raw)), Open: func() (io.ReadCloser, error) { return os.Open(name) }}, nil},
		{"of unknown size", verify.File{Name: "a", Open: func() (io.ReadCloser, error) { return os.Open(name) }}, nil},
		{"gone", verify.File{Name: "a", Open: func() (io.ReadCloser, error) { return os.Open(name + "x") }}, verify.ErrInconclusive},
		{"broken", verify.File{Name: "a", Open: func() (io.ReadCloser, error) {
			return io.NopCloser(io.MultiReader(strings.NewReader(string(raw)), iotest.ErrReader(io.ErrUnexpectedEOF))), nil
		}}, verify.ErrInconclusive},
		{"no bundle", verify.File{Name: "a", Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(string(raw[1:]))), nil }}, verify.ErrRejected},
	} {
		_, report, err := verify.Verify(context.Background(), w.amd64, []verify.Source{verify.Files([]verify.File{c.file})}, trusting(w.alice), require(t, "spdx"), verify.Options{})
		if c.want == nil && (err != nil || report.Evidence[0].Digest != d) || !errors.Is(err, c.want) {
			t.Errorf("%s: %v\n%s", c.name, err, dump(report))
		}
	}
}
