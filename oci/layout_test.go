//go:build unix

package oci

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"github.com/opencontainers/go-digest"

	"github.com/hallmark-project/hallmark/internal/testkit"
)

// newLayout writes a layout of one tagged image.
func newLayout(t *testing.T) (dir string, image *testkit.Image) {
	t.Helper()
	dir, image = t.TempDir(), testkit.NewImage()
	testkit.WriteLayout(t, dir, "v1", image)
	return dir, image
}

func TestLayout(t *testing.T) {
	dir, image := newLayout(t)
	for _, text := range []string{"oci:" + dir, "oci:" + dir + ":v1", "oci:" + dir + "@" + image.Digest().String()} {
		_, subject := resolve(t, newClient(t), text)
		if subject.Digest() != image.Digest() || subject.Name() != "" || subject.String() != image.Digest().String() {
			t.Errorf("%s: %v", text, subject)
		}
	}
	store, subject := resolve(t, newClient(t), "oci:"+dir)
	attached := attach(t, store, evidence(subject, "one"), evidence(subject, "two"), evidence(subject, "one"))
	attach(t, store, evidence(subject, "two"))
	listed, err := store.Referrers(t.Context(), subject.Digest())
	if err != nil || len(listed) != 2 || !digests(listed)[attached[0].Digest] || listed[0].ArtifactType == "" || listed[0].Annotations == nil {
		t.Fatalf("%v, %v", listed, err)
	}
	m, _, err := FetchManifest(t.Context(), store, listed[0])
	if err != nil {
		t.Fatal(err)
	}
	if got, err := FetchAll(t.Context(), store, m.Layers[0], 100); err != nil || string(got) != "one" {
		t.Errorf("%q, %v", got, err)
	}
	// The evidence makes the image no second image.
	resolve(t, newClient(t), "oci:"+dir)
	for _, target := range []string{"absent", digest.FromString("absent").String()} {
		_, err = store.Resolve(t.Context(), target)
		wantErr(t, err, ErrNotFound)
	}
}

// Writers of separate stores take turns (the lock works within a process and across).
func TestFiftyLayoutWriters(t *testing.T) {
	t.Parallel()
	dir, _ := newLayout(t)
	_, subject := resolve(t, newClient(t), "oci:"+dir)
	attachAtOnce(t, 50, subject, func() Store {
		store, err := OpenLayout(dir)
		if err != nil {
			t.Fatal(err)
		}
		return store
	})
}

// Waiting for somebody else's lock ends with the context.
func TestLockedLayout(t *testing.T) {
	dir, _ := newLayout(t)
	store, subject := resolve(t, newClient(t), "oci:"+dir)
	lock := flock.New(filepath.Join(dir, ".index.json.lock"))
	if err := lock.Lock(); err != nil {
		t.Fatal(err)
	}
	defer lock.Unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := store.Attach(ctx, []Attachment{evidence(subject, "x")})
	wantErr(t, err, context.DeadlineExceeded)
}

// What others wrote into index.json survives, also what is not understood.
func TestIndexKeepsForeignMembers(t *testing.T) {
	dir, image := newLayout(t)
	foreign := `{"mediaType":"application/x-foreign","digest":"` + someDigest + `","size":12345678901,"x-note":{"a":[1,2.50]},"platform":{"os":"plan9","architecture":"mips"}}`
	raw := `{"schemaVersion":2,"x-member":{"n":12345678901234567890},"annotations":{"a":"b"},"manifests":[` + foreign + `,` +
		`{"mediaType":"` + image.MediaType + `","digest":"` + image.Digest().String() + `","size":` + itoa(len(image.Manifest)) + `}]}`
	overwrite(t, filepath.Join(dir, "index.json"), raw)
	store, subject := resolve(t, newClient(t), "oci:"+dir)
	attach(t, store, evidence(subject, "x"))
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(read(t, filepath.Join(dir, "index.json")), &doc); err != nil {
		t.Fatal(err)
	}
	var entries []json.RawMessage
	if err := json.Unmarshal(doc["manifests"], &entries); err != nil {
		t.Fatal(err)
	}
	if string(doc["x-member"]) != `{"n":12345678901234567890}` || string(doc["annotations"]) != `{"a":"b"}` || len(entries) != 3 || string(entries[0]) != foreign {
		t.Errorf("index.json: %s", doc)
	}
}

func itoa(n int) string { raw, _ := json.Marshal(n); return string(raw) }

func overwrite(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// A layout in an archive is read in place and not written to.
func TestLayoutArchive(t *testing.T) {
	dir, image := newLayout(t)
	store, subject := resolve(t, newClient(t), "oci:"+dir)
	attach(t, store, evidence(subject, "x"))
	for _, prefix := range []string{"", "./"} {
		file := filepath.Join(t.TempDir(), "layout.tar")
		testkit.TarLayout(t, dir, file, prefix)
		before := read(t, file)
		store, subject := resolve(t, newClient(t), "oci:"+file+":v1")
		if subject.Digest() != image.Digest() {
			t.Error(subject)
		}
		if listed, err := store.Referrers(t.Context(), subject.Digest()); err != nil || len(listed) != 1 {
			t.Errorf("%v, %v", listed, err)
		}
		if got, err := FetchAll(t.Context(), store, subject.Manifest().Layers[0], 1<<20); err != nil || digest.FromBytes(got) != subject.Manifest().Layers[0].Digest {
			t.Error(err)
		}
		_, err := store.Attach(t.Context(), []Attachment{evidence(subject, "y")})
		wantErr(t, err, ErrReadOnly)
		if !bytes.Equal(before, read(t, file)) {
			t.Error("the archive was changed")
		}
	}
}

// Archives that could be read in two ways are not read.
func TestBadArchives(t *testing.T) {
	dir, _ := newLayout(t)
	index := read(t, filepath.Join(dir, "index.json"))
	header := func(name string, size int) *tar.Header {
		return &tar.Header{Name: name, Mode: 0o644, Size: int64(size), Typeflag: tar.TypeReg}
	}
	for name, write := range map[string]func(*tar.Writer) error{
		"twice": func(w *tar.Writer) error {
			version := []byte(`{"imageLayoutVersion":"1.0.0"}`)
			if err := w.WriteHeader(header("oci-layout", len(version))); err != nil {
				return err
			}
			if _, err := w.Write(version); err != nil {
				return err
			}
			for _, n := range []string{"index.json", "./index.json"} {
				if err := w.WriteHeader(header(n, len(index))); err != nil {
					return err
				}
				if _, err := w.Write(index); err != nil {
					return err
				}
			}
			return nil
		},
		"links": func(w *tar.Writer) error {
			return w.WriteHeader(&tar.Header{Name: "oci-layout", Linkname: "/etc/hostname", Typeflag: tar.TypeSymlink})
		},
		"empty": func(*tar.Writer) error { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			w := tar.NewWriter(&out)
			if err := errors.Join(write(w), w.Close()); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "x.tar")
			overwrite(t, file, out.String())
			_, err := OpenLayout(file)
			wantErr(t, err, ErrLayout)
		})
	}
	for name, content := range map[string]string{"gzip": "\x1f\x8b\x08garbage", "text": "garbage", "nothing": ""} {
		file := filepath.Join(t.TempDir(), name)
		overwrite(t, file, content)
		_, err := OpenLayout(file)
		wantErr(t, err, ErrLayout)
	}
	whole := filepath.Join(t.TempDir(), "cut.tar")
	testkit.TarLayout(t, dir, whole, "")
	overwrite(t, whole, string(read(t, whole)[:1000]))
	_, err := OpenLayout(whole)
	wantErr(t, err, ErrLayout)
}

func TestBadLayouts(t *testing.T) {
	for name, spoil := range map[string]func(dir string) error{
		"no folder":         os.RemoveAll,
		"no oci-layout":     func(dir string) error { return os.Remove(filepath.Join(dir, "oci-layout")) },
		"no index.json":     func(dir string) error { return os.Remove(filepath.Join(dir, "index.json")) },
		"another version":   write("oci-layout", `{"imageLayoutVersion":"2.0.0"}`),
		"garbage version":   write("oci-layout", `x`),
		"garbage index":     write("index.json", `x`),
		"no manifests":      write("index.json", `{"schemaVersion":2}`),
		"an image as index": write("index.json", `{"schemaVersion":2,"config":{},"manifests":[]}`),
		"bad digest":        write("index.json", `{"schemaVersion":2,"manifests":[{"digest":"x"}]}`),
		"index a pipe":      pipe("index.json"),
		"version a pipe":    pipe("oci-layout"),
		"index a folder": func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, "index.json")), os.Mkdir(filepath.Join(dir, "index.json"), 0o755))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir, _ := newLayout(t)
			if err := spoil(dir); err != nil {
				t.Fatal(err)
			}
			_, err := OpenLayout(dir)
			wantErr(t, err, ErrLayout)
		})
	}
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{fifo, os.DevNull} {
		_, err := OpenLayout(name)
		wantErr(t, err, ErrLayout)
		wantText(t, err, "no regular file")
	}
}

func write(name, content string) func(string) error {
	return func(dir string) error { return os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644) }
}

func pipe(name string) func(string) error {
	return func(dir string) error {
		return errors.Join(os.Remove(filepath.Join(dir, name)), syscall.Mkfifo(filepath.Join(dir, name), 0o644))
	}
}

// Content that is missing, damaged or no file at all is an error, for a listing too,
// and nothing waits for the other end of a pipe.
func TestLayoutBlobs(t *testing.T) {
	for name, spoil := range map[string]func(file string) error{
		"missing": os.Remove,
		"one bit": func(file string) error {
			raw, err := os.ReadFile(file)
			return errors.Join(err, os.WriteFile(file, testkit.FlipBit(raw), 0o644))
		},
		"longer": func(file string) error {
			raw, err := os.ReadFile(file)
			return errors.Join(err, os.WriteFile(file, append(raw, ' '), 0o644))
		},
		"a pipe":   func(file string) error { return errors.Join(os.Remove(file), syscall.Mkfifo(file, 0o644)) },
		"a device": func(file string) error { return errors.Join(os.Remove(file), os.Symlink("/dev/zero", file)) },
	} {
		t.Run(name, func(t *testing.T) {
			dir, image := newLayout(t)
			store, subject := resolve(t, newClient(t), "oci:"+dir)
			attached := attach(t, store, evidence(subject, "x"))
			if err := errors.Join(spoil(testkit.BlobFile(dir, image.Digest())), spoil(testkit.BlobFile(dir, attached[0].Digest))); err != nil {
				t.Fatal(err)
			}
			fresh, err := OpenLayout(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, target := range []string{"v1", "", image.Digest().String()} {
				if _, err := fresh.Resolve(t.Context(), target); err == nil {
					t.Errorf("%q was resolved", target)
				}
			}
			listed, err := fresh.Referrers(t.Context(), subject.Digest())
			wantErr(t, err, ErrListing)
			if listed != nil {
				t.Error("a list beside the error")
			}
			if name == "a device" {
				return // the link would be replaced, as it should be
			}
			if _, err := fresh.Attach(t.Context(), []Attachment{evidence(subject, "x")}); err != nil {
				t.Errorf("evidence that was damaged is not written again: %v", err)
			}
		})
	}
}

func TestAmbiguousLayout(t *testing.T) {
	dir := t.TempDir()
	one, two := testkit.NewImage(), testkit.NewImage(testkit.File("x", "y"))
	testkit.WriteLayout(t, dir, "v1", one, two)
	store, err := OpenLayout(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{"", "v1"} {
		_, err := store.Resolve(t.Context(), target)
		wantErr(t, err, ErrReference)
	}
	if _, err := store.Resolve(t.Context(), two.Digest().String()); err != nil {
		t.Error(err)
	}
	// An image that cannot be read must not make the other the only one.
	if err := os.Remove(testkit.BlobFile(dir, one.Digest())); err != nil {
		t.Fatal(err)
	}
	fresh, err := OpenLayout(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = fresh.Resolve(t.Context(), "")
	wantErr(t, err, ErrReference)
	testkit.WriteLayout(t, dir, "")
	_, err = fresh.Resolve(t.Context(), "")
	wantErr(t, err, ErrNotFound)
}

// A folder that cannot be written to is left as it was.
func TestUnwritableLayout(t *testing.T) {
	dir, _ := newLayout(t)
	store, subject := resolve(t, newClient(t), "oci:"+dir)
	before := read(t, filepath.Join(dir, "index.json"))
	// A folder where a file should go is in the way for root as well.
	if err := os.Mkdir(filepath.Join(dir, ".index.json.lock"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Attach(t.Context(), []Attachment{evidence(subject, "x")}); err == nil {
		t.Error("attached")
	}
	if os.Geteuid() != 0 {
		for _, d := range []string{dir, filepath.Join(dir, "blobs", "sha256")} {
			if err := os.Chmod(d, 0o555); err != nil {
				t.Fatal(err)
			}
			defer os.Chmod(d, 0o755)
		}
		if _, err := store.Attach(t.Context(), []Attachment{evidence(subject, "y")}); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("got error %v", err)
		}
	}
	if !bytes.Equal(before, read(t, filepath.Join(dir, "index.json"))) {
		t.Error("index.json was changed")
	}
	err := filepath.WalkDir(dir, func(name string, _ fs.DirEntry, err error) error {
		if ok, _ := filepath.Match(".tmp-*", filepath.Base(name)); ok {
			t.Errorf("%s is left over", name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestFileSubject(t *testing.T) {
	file := filepath.Join(t.TempDir(), "app.bin")
	overwrite(t, file, "content")
	subject, err := FileSubject(file)
	if err != nil || subject.Digest() != digest.FromString("content") || subject.Name() != "app.bin" || subject.Descriptor().Size != 7 {
		t.Fatal(subject, err)
	}
	overwrite(t, file, "changed")
	body, err := OpenFile(file, subject)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	var digestErr *DigestError
	if _, err := bytes.NewBuffer(nil).ReadFrom(body); !errors.As(err, &digestErr) {
		t.Errorf("a file that has changed since was read: %v", err)
	}
}
