package sbom

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Images that share layers read them once between them, and say what they say alone.
func TestSharedLayers(t *testing.T) {
	base, python, node := gzLayer(t, debianFiles()...), gzLayer(t, pythonFiles()...), gzLayer(t, nodeFiles()...)
	images := []*testImage{ociImage(t, base, python), ociImage(t, base, node), ociImage(t, base, entryLayer(t), base), ociImage(t, python, base)}
	store := newMemory()
	var want [][]Document
	for _, img := range images {
		want = append(want, mustGenerate(t, img.source(), allFormats))
		for d, raw := range img.store.blobs {
			store.blobs[d] = raw
		}
	}
	for _, at := range []string{"one after the other", "at once"} {
		temp := t.TempDir()
		t.Setenv("TMPDIR", temp)
		store.fetches = map[digest.Digest]int{}
		shared := &Shared{}
		o := allFormats
		o.Shared = shared
		var all sync.WaitGroup
		for i, img := range images {
			describe := func() {
				docs, err := Generate(t.Context(), Image(store, img.manifest, img.raw), o)
				if err != nil {
					t.Error(err)
					return
				}
				for n, d := range docs {
					if !bytes.Equal(d.Bytes, want[i][n].Bytes) {
						t.Errorf("%s: image %d has another %s", at, i, d.Format)
					}
				}
			}
			if at == "at once" {
				all.Go(describe)
			} else {
				describe()
			}
		}
		all.Wait()
		for _, b := range []blob{base, python, node} {
			if n := store.fetches[b.digest()]; n != 1 {
				t.Errorf("%s: a layer was fetched %d times", at, n)
			}
		}
		check(t, shared.Close())
		if left, _ := filepath.Glob(filepath.Join(temp, "*")); len(left) > 0 {
			t.Errorf("%s: left behind %v", at, left)
		}
	}
}

func entryLayer(t *testing.T) blob { return gzLayer(t, entry{name: "a", body: "a"}) }

// What one image's trouble is does not become another's; what is the layer's becomes everybody's.
func TestSharedTrouble(t *testing.T) {
	good, bad := gzLayer(t, debianFiles()...), gzLayer(t, nodeFiles()...)
	one, two := ociImage(t, good, bad), ociImage(t, good)
	one.store.blobs[bad.digest()] = flipped(bad.raw, len(bad.raw)/2)
	o := oneFormat
	o.Shared = &Shared{}
	t.Setenv("TMPDIR", t.TempDir())
	for range 2 {
		_, err := Generate(t.Context(), one.source(), o)
		var named *LayerError
		if !errors.As(err, &named) || named.Index != 1 {
			t.Errorf("got %v", err)
		}
		docs, err := Generate(t.Context(), two.source(), o)
		if err != nil || docs[0].Packages != 2 {
			t.Errorf("the other image: %v", err)
		}
	}
	few := o
	few.Limits.LayerEntries = 3
	if _, err := Generate(t.Context(), two.source(), few); !errors.Is(err, ErrLimit) {
		t.Errorf("a layer that another image has paid for: %v", err)
	}
	liar := gzLayer(t, debianFiles()...)
	liar.diffID = digest.FromString("another")
	if _, err := Generate(t.Context(), ociImage(t, liar).source(), o); !errors.Is(err, ErrMismatch) {
		t.Errorf("a layer with another diff_id: %v", err)
	}
	check(t, o.Shared.Close())
	if left, _ := os.ReadDir(os.Getenv("TMPDIR")); len(left) > 0 {
		t.Errorf("left behind %v", left)
	}
}

// What a layer costs does not depend on who reads it.
func TestSharedCosts(t *testing.T) {
	raw := sparseTar("30000000")
	img := ociImage(t, blob{ocispec.MediaTypeImageLayer, raw, digest.FromBytes(raw)})
	for _, limit := range []Limits{{TotalBytes: 1 << 20}, {NameBytes: 5}, {LayerEntries: 1, TotalBytes: 40 << 20}} {
		o := oneFormat
		o.Shared, o.Limits = &Shared{}, limit
		t.Setenv("TMPDIR", t.TempDir())
		_, first := Generate(t.Context(), img.source(), o)
		generous := o
		generous.Limits = Limits{}
		if _, err := Generate(t.Context(), img.source(), generous); err != nil {
			t.Error(err)
		}
		_, second := Generate(t.Context(), img.source(), o)
		if errors.Is(first, ErrLimit) != errors.Is(second, ErrLimit) {
			t.Errorf("%+v: first %v, then %v", limit, first, second)
		}
		check(t, o.Shared.Close())
	}
}

// The files of all layers together stay below TotalBytes, also those that are mostly holes.
func TestSparseLayersTogether(t *testing.T) {
	var blobs []blob
	for i := range 8 {
		raw := append(sparseTar("30000000"), make([]byte, 512*(i+1))...)
		blobs = append(blobs, blob{ocispec.MediaTypeImageLayer, raw, digest.FromBytes(raw)})
	}
	o := oneFormat
	o.Limits = Limits{LayerBytes: 32 << 20, TotalBytes: 32 << 20}
	if _, err := generateIn(t, t.Context(), ociImage(t, blobs...).source(), o); !errors.Is(err, ErrLimit) {
		t.Errorf("got %v", err)
	}
}

// Somebody who does not want to wait for a hole of gigabytes does not have to, and nothing stays behind.
func TestCancelledInAHole(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	raw := sparseTar("15000000000")
	img := ociImage(t, blob{ocispec.MediaTypeImageLayer, raw, digest.FromBytes(raw)})
	o := oneFormat
	o.Shared = &Shared{}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := Generate(ctx, img.source(), o); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it took %v", took)
	}
	check(t, o.Shared.Close())
	if left, _ := os.ReadDir(temp); len(left) > 0 {
		t.Errorf("left behind %v", left)
	}
	again := o // after Close, layers are simply not shared
	again.Limits.LayerBytes = 1 << 20
	if _, err := Generate(t.Context(), img.source(), again); !errors.Is(err, ErrLimit) {
		t.Errorf("after Close: %v", err)
	}
}

// What is kept for other images has bounds.
func TestSharedIsBounded(t *testing.T) {
	img := ociImage(t, gzLayer(t, nodeFiles()...))
	s := &Shared{held: layerCost{entries: sharedEntries + 1}}
	o := oneFormat
	o.Shared = s
	for range 2 {
		if _, err := Generate(t.Context(), img.source(), o); err != nil {
			t.Fatal(err)
		}
	}
	if n := img.store.fetches[img.layers[0].Digest]; n != 2 || len(s.layers) != 0 {
		t.Errorf("fetched %d times, %d layers are kept", n, len(s.layers))
	}
	check(t, s.Close())
}
