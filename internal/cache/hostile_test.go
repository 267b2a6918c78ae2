package cache

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
)

// file is where a thing lies on the disk.
func (s *Store) file(name string) string { return filepath.Join(s.dir, filepath.FromSlash(name)) }

// change rewrites a file in place.
func change(t *testing.T, name string, f func([]byte) []byte) {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err == nil {
		err = os.WriteFile(name, f(raw), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestDamagedBlobs: content that is not what its name says is never handed out, and is gone afterwards.
func TestDamagedBlobs(t *testing.T) {
	for _, size := range []int{4000, 2 * inMemory} {
		for name, damage := range map[string]func(t *testing.T, s *Store, file string){
			"flipped bit": func(t *testing.T, _ *Store, file string) {
				change(t, file, func(raw []byte) []byte { raw[len(raw)-1] ^= 1; return raw })
			},
			"forged": func(t *testing.T, _ *Store, file string) {
				change(t, file, func(raw []byte) []byte { return bytes.Repeat([]byte("x"), len(raw)) })
			},
			"swapped": func(t *testing.T, s *Store, file string) {
				other := keep(t, s, content(size, "another piece"))
				if err := os.Rename(s.file(blobName(other)), file); err != nil {
					t.Fatal(err)
				}
			},
			"link": func(t *testing.T, s *Store, file string) {
				target := filepath.Join(t.TempDir(), "target")
				if err := os.Rename(file, target); err != nil {
					t.Fatal(err)
				}
				if err := os.Symlink(target, file); err != nil {
					t.Fatal(err)
				}
			},
			"link within": func(t *testing.T, s *Store, file string) {
				if err := os.Rename(file, file+"x"); err != nil {
					t.Fatal(err)
				}
				if err := os.Symlink(filepath.Base(file)+"x", file); err != nil {
					t.Fatal(err)
				}
			},
			"pipe": func(t *testing.T, _ *Store, file string) {
				if err := os.Remove(file); err != nil {
					t.Fatal(err)
				}
				if err := syscall.Mkfifo(file, 0o600); err != nil {
					t.Fatal(err)
				}
			},
			"others can write to it": func(t *testing.T, _ *Store, file string) { chmod(t, file, 0o602) },
			"others can read it":     func(t *testing.T, _ *Store, file string) { chmod(t, file, 0o644) },
			"of another user": func(t *testing.T, _ *Store, file string) {
				needRoot(t)
				if err := os.Chown(file, 12345, 12345); err != nil {
					t.Fatal(err)
				}
			},
		} {
			t.Run(fmt.Sprint(name, " ", size), func(t *testing.T) {
				s := newStore(t)
				d := keep(t, s, content(size, "a piece"))
				damage(t, s, s.file(blobName(d)))
				if _, ok := s.Blob(d, int64(size)); ok {
					t.Fatal("it is there")
				}
				if _, err := os.Lstat(s.file(blobName(d))); !os.IsNotExist(err) {
					t.Errorf("it was not removed: %v", err)
				}
				keep(t, s, content(size, "a piece")) // it is fetched again
				if _, ok := read(t, s, d, size); !ok {
					t.Error("it is not there after it was kept again")
				}
			})
		}
	}
	t.Run("truncated", func(t *testing.T) {
		s := newStore(t)
		d := keep(t, s, []byte("some content"))
		change(t, s.file(blobName(d)), func(raw []byte) []byte { return raw[:5] })
		if _, ok := s.Blob(d, 12); ok {
			t.Error("it is there")
		}
		keep(t, s, []byte("some content"))
		if _, ok := read(t, s, d, 12); !ok {
			t.Error("it is not there after it was kept again")
		}
	})
}

// TestLinksOut: nothing outside of the folder is read, written or removed.
func TestLinksOut(t *testing.T) {
	outside := t.TempDir()
	d := digest.FromString("content")
	shard := filepath.Join(outside, d.Encoded()[:2])
	if err := os.MkdirAll(shard, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(shard, d.Encoded()), []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "cache")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{blobs, entries, drafts} {
		if err := os.Symlink(outside, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Open(dir, MinSize, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, ok := s.Blob(d, 7); ok {
		t.Error("content outside of the folder is there")
	}
	for i := range 100 {
		s.Put("kind", fmt.Sprint(i), content(MinSize/8, "answer"), 0)
	}
	body := s.Keep(digest.FromString("other"), 5, io.NopCloser(strings.NewReader("other")))
	_, _ = io.ReadAll(body)
	found, err := filepath.Glob(filepath.Join(outside, "*", "*"))
	if err != nil || len(found) != 1 {
		t.Errorf("outside of the folder: %v, %v", found, err)
	}
}

// TestForgedAnswers: an answer counts only if it is the one that was stored under this key.
func TestForgedAnswers(t *testing.T) {
	const answer = "the answer to the question"
	for name, forge := range map[string]func(raw []byte) []byte{
		"flipped bit":     func(raw []byte) []byte { raw[len(raw)-1] ^= 1; return raw },
		"truncated":       func(raw []byte) []byte { return raw[:len(raw)-1] },
		"header only":     func(raw []byte) []byte { return raw[:bytes.IndexByte(raw, '\n')+1] },
		"half a header":   func(raw []byte) []byte { return raw[:20] },
		"empty":           func([]byte) []byte { return nil },
		"longer":          func(raw []byte) []byte { return append(raw, 'x') },
		"another key":     replacing(`"key":"key"`, `"key":"kex"`),
		"another kind":    replacing(`"kind":"kind"`, `"kind":"kine"`),
		"another version": replacing(`cache/v1`, `cache/v2`),
		"huge size":       replacing(`"size":26`, `"size":9223372036854775807`),
		"negative size":   replacing(`"size":26`, `"size":-1`),
		"a member twice":  replacing(`{"schema"`, `{"kind":"kind","schema"`),
		"another member":  replacing(`{"schema"`, `{"x":1,"schema"`),
		"spaces":          replacing(`{"schema"`, `{ "schema"`),
		"expired":         replacing(`"size"`, `"expires":"2001-01-01T00:00:00Z","size"`),
		"no digest":       replacing(`"sha256:`, `"sha512:`),
		"an endless line": func(raw []byte) []byte { return append(bytes.Repeat([]byte(" "), 1<<20), raw...) },
		"another answer":  replacing(answer, strings.ToUpper(answer)),
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			s.Put("kind", "key", []byte(answer), 0)
			file := s.file(entryName("kind", "key"))
			if _, ok := s.Get("kind", "key", 100); !ok {
				t.Fatal("it is not there before it is forged")
			}
			before, _ := os.ReadFile(file)
			change(t, file, func(raw []byte) []byte { return forge(bytes.Clone(raw)) })
			if after, _ := os.ReadFile(file); bytes.Equal(before, after) {
				t.Fatal("nothing was forged")
			}
			if got, ok := s.Get("kind", "key", 100); ok {
				t.Fatalf("it counts: %q", got)
			}
			if _, err := os.Lstat(file); !os.IsNotExist(err) {
				t.Errorf("it was not removed: %v", err)
			}
		})
	}
	t.Run("the answer of another question", func(t *testing.T) {
		s := newStore(t)
		s.Put("kind", "key", []byte(answer), 0)
		s.Put("kind", "other", []byte("other answer"), 0)
		if err := os.Rename(s.file(entryName("kind", "other")), s.file(entryName("kind", "key"))); err != nil {
			t.Fatal(err)
		}
		if got, ok := s.Get("kind", "key", 100); ok {
			t.Errorf("it counts: %q", got)
		}
	})
}

func replacing(old, with string) func([]byte) []byte {
	return func(raw []byte) []byte { return bytes.Replace(raw, []byte(old), []byte(with), 1) }
}

func FuzzParseHeader(f *testing.F) {
	for _, h := range []header{
		{Schema: entrySchema, Kind: "kind", Key: "key", Written: time.Unix(1767225600, 0).UTC(), Size: 26, Digest: digest.FromString("x")},
		{Schema: entrySchema, Kind: "sbom", Key: `{"a":"<é>"}`, Expires: time.Unix(1767225600, 0).UTC(), Digest: digest.FromString("")},
	} {
		line, err := json.Marshal(h)
		if err != nil {
			f.Fatal(err)
		}
		if again, err := parseHeader(line); err != nil || again != h {
			f.Fatalf("a good header: %v, %v", again, err)
		}
		f.Add(line)
	}
	f.Add([]byte(`{"schema":"hallmark.cache/v1","size":-1}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		h, err := parseHeader(line)
		if err != nil {
			return
		}
		again, err := json.Marshal(h)
		if err != nil || !bytes.Equal(again, line) {
			t.Errorf("%q is read, and written as %q, %v", line, again, err)
		}
		if h.Size < 0 || h.Schema != entrySchema || len(line) >= maxHeader {
			t.Errorf("%q is read", line)
		}
	})
}
