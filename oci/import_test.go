package oci

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/hallmark-project/hallmark/internal/testkit"
)

func importTo(t *testing.T, c *Client, text string) Import {
	t.Helper()
	ref, err := ParseReference(text)
	if err != nil {
		t.Fatal(err)
	}
	i, err := c.Import(ref)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// bring imports an image of one platform under a tag, with evidence.
func bring(t *testing.T, i Import, tag string, image *testkit.Image, evidence ...string) {
	t.Helper()
	m, err := ParseManifest("", image.Manifest)
	if err != nil {
		t.Fatal(err)
	}
	push := func(b Blob) {
		if _, err := i.Push(t.Context(), b, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range append(m.Layers, m.Config) {
		push(BytesBlob("", image.Blobs[d.Digest]))
	}
	d := describe(m.MediaType, image.Manifest)
	if err := i.Put(t.Context(), d, image.Manifest); err != nil {
		t.Fatal(err)
	}
	c := Commit{Referrers: map[digest.Digest][]Descriptor{}, Tags: []Tag{{Name: tag, Manifest: d, Raw: image.Manifest}}}
	for _, text := range evidence {
		a := Artifact{Type: "application/vnd.example", Layer: BytesBlob("text/plain", []byte(text))}
		push(a.Layer)
		push(BytesBlob("", emptyJSON))
		e, raw, err := a.pack(d)
		if err != nil {
			t.Fatal(err)
		}
		if err := i.Put(t.Context(), e, raw); err != nil {
			t.Fatal(err)
		}
		c.Referrers[d.Digest] = append(c.Referrers[d.Digest], e)
	}
	if err := i.Commit(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if err := i.Close(); err != nil {
		t.Fatal(err)
	}
}

func wantListed(t *testing.T, c *Client, text string, n int) {
	t.Helper()
	store, subject := resolve(t, c, text)
	list, err := store.Referrers(t.Context(), subject.Digest())
	if err != nil || len(list) != n {
		t.Errorf("%s: %d pieces of evidence, want %d: %v", text, len(list), n, err)
	}
	for _, d := range list {
		if _, _, err := FetchManifest(t.Context(), store, d); err != nil {
			t.Error(err)
		}
	}
}

// filesOf are the names in a folder, lock files and folders left out.
func filesOf(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && d.Name() != lockName {
			out = append(out, strings.TrimPrefix(name, dir+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestImportIntoLayouts(t *testing.T) {
	one, two := testkit.NewImage(testkit.File("a", "1")), testkit.NewImage(testkit.File("a", "2"))
	for _, name := range []string{"layout", "layout.tar"} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t)
			place := "oci:" + filepath.Join(t.TempDir(), name)
			bring(t, importTo(t, c, place), "v1", one, "x", "y")
			bring(t, importTo(t, c, place), "v2", two, "z")
			wantListed(t, c, place+":v1", 2)
			wantListed(t, c, place+":v2", 1)
			before := filesOf(t, filepath.Dir(strings.TrimPrefix(place, "oci:")))

			bring(t, importTo(t, c, place), "v1", one, "x") // again: nothing doubles
			wantListed(t, c, place+":v1", 2)
			if after := filesOf(t, filepath.Dir(strings.TrimPrefix(place, "oci:"))); len(after) != len(before) {
				t.Errorf("files %v became %v", before, after)
			}
			bring(t, importTo(t, c, place), "v1", two) // the tag moves; what it named stays
			if _, subject := resolve(t, c, place+":v1"); subject.Digest() != two.Digest() {
				t.Errorf("v1 is %s", subject.Digest())
			}
			wantListed(t, c, place+"@"+one.Digest().String(), 2)
		})
	}
}

// An import that is given up leaves a layout as it was.
func TestImportGivenUp(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"layout", "layout.tar"} {
		c := newClient(t)
		i := importTo(t, c, "oci:"+filepath.Join(dir, name))
		if _, err := i.Push(t.Context(), BytesBlob("", []byte("x")), nil); err != nil {
			t.Fatal(err)
		}
		if err := i.Close(); err != nil {
			t.Error(err)
		}
	}
	for _, name := range filesOf(t, dir) {
		if strings.Contains(name, ".tar") || strings.Contains(name, partsFolder) {
			t.Errorf("%s stayed", name)
		}
	}
}

// A blob that a killed run had begun is completed, not begun anew, unless what is there is
// something else; other leftovers go.
func TestPartsOfKilledRuns(t *testing.T) {
	content := noise(3<<20, 7)
	s := testkit.Registry(t)
	d := Descriptor{Digest: testkit.PushBlob(t, s, "team/app", content), Size: int64(len(content))}
	for name, test := range map[string]struct {
		part  []byte
		bytes int64 // at most, from the registry
	}{
		"half": {content[:2<<20], 1<<20 + 1}, "all": {content, 1}, "nothing": {nil, 3<<20 + 1},
		"something else": {noise(2<<20, 8), 4<<20 + 1}, "too much": {append(bytes.Clone(content), 'x'), 3<<20 + 1},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t)
			dir := filepath.Join(t.TempDir(), "layout")
			if err := createLayout(dir); err != nil {
				t.Fatal(err)
			}
			parts := filepath.Join(dir, partsFolder)
			if err := os.MkdirAll(parts, 0o755); err != nil {
				t.Fatal(err)
			}
			for file, data := range map[string][]byte{d.Digest.Encoded() + ".part": test.part, strings.Repeat("0", 64) + ".part": content} {
				if err := os.WriteFile(filepath.Join(parts, file), data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(filepath.Join(dir, ".tmp-123"), []byte("{"), 0o600); err != nil {
				t.Fatal(err)
			}
			s.Reset()
			origin, _ := open(t, c, s.Host+"/team/app")
			i := importTo(t, c, "oci:"+dir)
			if _, err := i.Push(t.Context(), BlobOf(t.Context(), origin, d), origin); err != nil {
				t.Fatal(err)
			}
			if err := i.Commit(t.Context(), Commit{}); err != nil {
				t.Fatal(err)
			}
			if err := i.Close(); err != nil {
				t.Fatal(err)
			}
			if has, err := i.Has(t.Context(), d); !has || err != nil {
				t.Errorf("is it there: %v, %v", has, err)
			}
			for _, file := range filesOf(t, dir) {
				if strings.Contains(file, ".part") || strings.Contains(file, ".tmp") || strings.Contains(file, partsFolder) {
					t.Errorf("%s stayed", file)
				}
			}
			var moved int64
			for _, r := range s.Requests() {
				moved += r.Out
			}
			if moved > test.bytes {
				t.Errorf("%d bytes came from the registry, want %d at most", moved, test.bytes)
			}
		})
	}
}

// Imports into one place at once lose nothing.
func TestImportsAtOnce(t *testing.T) {
	for _, name := range []string{"layout", "layout.tar"} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t)
			place := "oci:" + filepath.Join(t.TempDir(), name)
			image := testkit.NewImage()
			var wg sync.WaitGroup
			texts := []string{"a", "b", "c", "d", "e", "f"}
			for _, text := range texts {
				i := importTo(t, c, place)
				wg.Go(func() { bring(t, i, "v1", image, text) })
			}
			wg.Wait()
			wantListed(t, c, place+":v1", len(texts))
		})
	}
}

// Only what is, or may become, a layout is written into.
func TestImportRefuses(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "precious"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := newClient(t)
	i := importTo(t, c, "oci:"+dir)
	_, err := i.Push(t.Context(), BytesBlob("", []byte("x")), nil)
	wantErr(t, err, ErrLayout)
	if got := filesOf(t, dir); len(got) != 1 {
		t.Errorf("files: %v", got)
	}
	file := filepath.Join(dir, "precious")
	ref, err := ParseReference("oci:" + file)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Import(ref)
	wantErr(t, err, ErrLayout)
	for _, text := range []string{"file:" + file, "dir:" + dir} {
		ref, err := ParseReference(text)
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Import(ref)
		wantErr(t, err, ErrReference)
	}
}

// Content that does not match its digest gets into no layout.
func TestImportChecksDigests(t *testing.T) {
	for _, name := range []string{"layout", "layout.tar"} {
		c := newClient(t)
		dir := t.TempDir()
		i := importTo(t, c, "oci:"+filepath.Join(dir, name))
		b := BytesBlob("", []byte("promised"))
		b.Open = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("delivers")), nil }
		_, err := i.Push(t.Context(), b, nil)
		wantText(t, err, "does not match its digest")
		if has, _ := i.Has(context.Background(), b.Descriptor); has {
			t.Error("it is there")
		}
		_ = i.Close()
	}
}
