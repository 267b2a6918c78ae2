package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/hallmark-project/hallmark/test/bench/layout"
)

// TestGoalsAreMeasured: every goal is about something that is measured, under that name.
func TestGoalsAreMeasured(t *testing.T) {
	b := &bench{options: options{only: regexp.MustCompile("")}, caches: true}
	var titles []string
	for _, o := range b.operations() {
		if slices.Contains(titles, o.title()) {
			t.Errorf("%q is measured twice", o.title())
		}
		titles = append(titles, o.title())
		if o.peer == "" || o.ours == nil || o.theirs == nil {
			t.Errorf("%q lacks a side", o.title())
		}
	}
	for _, g := range goals() {
		if !slices.Contains(titles, g.name) {
			t.Errorf("%q is about %q, which nothing measures", g.text, g.name)
		}
	}
}

func TestGoalRows(t *testing.T) {
	figures := table{{"a", wallSeconds, 1, 2, "cosign", 0.5}, {"a", peakMB, 150, 60, "cosign", 2.5}}
	for _, c := range []struct {
		goal goal
		want string
	}{
		{goal{name: "a", metric: wallSeconds, most: 0.5}, "met"}, {goal{name: "a", metric: wallSeconds, most: 0.49}, "missed"},
		{goal{name: "a", metric: peakMB, most: 200, absolute: true}, "met"}, {goal{name: "a", metric: peakMB, most: 100, absolute: true}, "missed"},
		{goal{name: "b", metric: peakMB, most: 1}, "not measured"},
	} {
		if row := c.goal.row(figures); row[3] != c.want {
			t.Errorf("%+v: %q, want %s", c.goal, row, c.want)
		}
	}
}

func TestTable(t *testing.T) {
	of := func(wall time.Duration, peak int64) sample { return sample{usage: usage{Wall: wall, Peak: peak}} }
	var figures table
	figures.add(operation{name: "x", peer: byCosign, oursOf: 10},
		[]sample{of(3*time.Second, 3e6), of(time.Second, 1e6), of(2*time.Second, 2e6)}, []sample{of(4*time.Second, 8e6)})
	if f, _ := figures.find("x", wallSeconds); f.Ours != 2 || f.Peer != 4 || f.Ratio != 0.5 {
		t.Errorf("%+v", f)
	}
	if _, there := figures.find("x", requests); there || len(figures) != 3 {
		t.Errorf("requests of what has no registry: %+v", figures)
	}
	s := of(10*time.Second, 5).per(10)
	if s.Wall != time.Second || s.Peak != 5 {
		t.Errorf("%+v", s)
	}
	if rows := figures.rows(); len(rows) != 1 || rows[0][2] != "2.000 / 4.000 (0.50)" {
		t.Errorf("%q", rows)
	}
}

// TestByHand: what people wrote stays, and a page that could lose it is left alone.
func TestByHand(t *testing.T) {
	for page, want := range map[string]string{
		"": "\n", "head\n" + handBegins + "\nwords\n" + handEnds + "\n": "words\n",
	} {
		if got, err := byHand(page); err != nil || got != want {
			t.Errorf("%q: %q, %v, want %q", page, got, err, want)
		}
	}
	for _, page := range []string{"words", handBegins + "\nwords", "words\n" + handEnds} {
		if got, err := byHand(page); err == nil {
			t.Errorf("%q: %q", page, got)
		}
	}
}

// TestOrder: what commands take is added up, and one that fails is an error with what it
// said.
func TestOrder(t *testing.T) {
	shell := func(text string) []string { return []string{"/bin/sh", "-c", text} }
	used, err := order{Dir: t.TempDir(), Commands: [][]string{shell("sleep 0.1"), shell("sleep 0.1")}}.run()
	if err != nil || used.Wall < 200*time.Millisecond || used.Peak < 1<<17 {
		t.Errorf("%+v, %v", used, err)
	}
	_, err = order{Dir: t.TempDir(), Commands: [][]string{shell("echo because >&2; exit 3")}}.run()
	if err == nil || !strings.Contains(err.Error(), "because") {
		t.Errorf("%v", err)
	}
	if _, err = (order{Dir: t.TempDir(), Codes: []int{3}, Commands: [][]string{shell("exit 3")}}).run(); err != nil {
		t.Error(err)
	}
}

// TestBigImage: the big image has its layers, real files among them, and the digests that
// it says.
func TestBigImage(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	var diffID digest.Digest
	layer, err := layout.Dir(from).Blob(ocispec.MediaTypeImageLayerGzip, func(out io.Writer) error {
		var plain bytes.Buffer
		w := tar.NewWriter(&plain)
		err := errors.Join(w.WriteHeader(&tar.Header{Name: "etc/", Typeflag: tar.TypeDir, Mode: 0o755}),
			w.WriteHeader(&tar.Header{Name: "etc/file", Mode: 0o644, Size: 50_000}))
		_, writeErr := w.Write(make([]byte, 50_000))
		err = errors.Join(err, writeErr, w.Close())
		diffID = digest.FromBytes(plain.Bytes())
		packed := gzip.NewWriter(out)
		_, writeErr = packed.Write(plain.Bytes())
		return errors.Join(err, writeErr, packed.Close())
	})
	if err == nil {
		err = layout.Dir(from).Image("v1", []ocispec.Descriptor{layer}, []digest.Digest{diffID})
	}
	if err != nil {
		t.Fatal(err)
	}
	const size = 2_000_000
	if err := writeBigImage(to, from, size); err != nil {
		t.Fatal(err)
	}
	files, err := layersOf(to)
	if err != nil || len(files) != bigLayers {
		t.Fatalf("%d layers, %v", len(files), err)
	}
	var whole int64
	names := map[string]bool{}
	for _, name := range files {
		raw, err := os.ReadFile(name)
		if err != nil || digest.FromBytes(raw).Encoded() != filepath.Base(name) {
			t.Fatalf("%s: %v", name, err)
		}
		unpacked, err := gzip.NewReader(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		for in := tar.NewReader(unpacked); ; {
			h, err := in.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			whole += h.Size
			names[h.Name] = true
		}
	}
	if whole < size || whole > size*11/10 || !names["etc/file"] || !names["opt/part-9-0/etc/file"] || !names["opt/data-3/0.bin"] {
		t.Errorf("%d bytes in %v", whole, names)
	}
}
