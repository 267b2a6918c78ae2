package cache

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
)

// strange are things that can stand in the place of a folder or a file of the cache.
var strange = map[string]func(t *testing.T, name string){
	"others can write to it": func(t *testing.T, name string) { chmod(t, name, 0o770) },
	"the world can write":    func(t *testing.T, name string) { chmod(t, name, 0o702) },
	"of another user": func(t *testing.T, name string) {
		needRoot(t)
		if err := os.Chown(name, 12345, 12345); err != nil {
			t.Fatal(err)
		}
	},
	"link within": func(t *testing.T, name string) {
		if err := os.Rename(name, name+"x"); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Base(name)+"x", name); err != nil {
			t.Fatal(err)
		}
	},
	"pipe": func(t *testing.T, name string) {
		if err := os.RemoveAll(name); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mkfifo(name, 0o600); err != nil {
			t.Fatal(err)
		}
	},
}

// inTime fails where something hangs.
func inTime(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("it hangs")
	}
}

// TestStrangeFolders: what is in a folder that others can change, or that is none, does not count, and nothing is put there.
func TestStrangeFolders(t *testing.T) {
	answer := entryName("kind", "key")
	for how, spoil := range strange {
		for _, folder := range []string{blobs, entries, filepath.Dir(answer), drafts} {
			t.Run(how+" "+filepath.Dir(folder)+filepath.Base(folder), func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "cache")
				before := openStore(t, dir, DefaultSize)
				d := keep(t, before, []byte("content"))
				before.Put("kind", "key", []byte("answer"), 0)
				spoil(t, filepath.Join(dir, folder))
				var said error
				s, err := Open(dir, DefaultSize, func(err error) { said = err })
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				inTime(t, func() { useStrange(t, s, folder, d) })
				if !errors.Is(said, ErrUnsafe) {
					t.Errorf("said: %v", said)
				}
			})
		}
	}
}

// useStrange uses a cache with a folder that is not safe in all ways.
func useStrange(t *testing.T, s *Store, folder string, d digest.Digest) {
	t.Helper()
	_, isThere := s.Get("kind", "key", 100)
	if want := folder == blobs || folder == drafts; isThere != want {
		t.Errorf("the answer is there: %v, want %v", isThere, want)
	}
	_, isThere = s.Blob(d, 7)
	if want := folder != blobs; isThere != want {
		t.Errorf("the content is there: %v, want %v", isThere, want)
	}
	want := 1 // the content or the answer
	if folder == drafts {
		want = 2
	}
	if files, _ := s.Size(); files != want {
		t.Errorf("it holds %d files, want %d", files, want)
	}
	s.Put("kind", "key", []byte("another answer"), 0)
	if got, _ := s.Get("kind", "key", 100); (string(got) == "another answer") != (folder == blobs) {
		t.Errorf("after it was replaced: %q", got)
	}
	keep(t, s, []byte("more content"))
	if _, isThere := read(t, s, digest.FromString("more content"), 12); isThere != (folder != blobs && folder != drafts) {
		t.Errorf("more content is there: %v", isThere)
	}
	if err := s.Clear(); err != nil {
		t.Errorf("it cannot be emptied: %v", err)
	}
}

// TestStrangeFiles: a ledger or a lock that is no plain file of this user's is not used, holds nobody up, and leads to
// nothing outside of the folder.
func TestStrangeFiles(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "outside")
	ways := map[string]func(t *testing.T, name string){"link out": func(t *testing.T, name string) {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(outside, name); err != nil {
			t.Fatal(err)
		}
	}, "folder": func(t *testing.T, name string) {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(name, 0o700); err != nil {
			t.Fatal(err)
		}
	}}
	maps.Copy(ways, strange)
	for how, spoil := range ways {
		for _, file := range []string{ledger, lockFile} {
			t.Run(how+" "+file, func(t *testing.T) {
				var said error
				dir := t.TempDir()
				keep(t, openStore(t, dir, MinSize), []byte("content")) // makes both: the ledger was empty
				spoil(t, filepath.Join(dir, file))
				s, err := Open(dir, MinSize, func(err error) { said = err })
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				inTime(t, func() {
					for i := range 2 * MinSize / unit { // until there is something to tidy
						s.Put("kind", strconv.Itoa(i), []byte("answer"), 0)
					}
				})
				if said == nil {
					t.Error("nothing was said")
				}
				if got, ok := s.Get("kind", "1", 100); !ok || string(got) != "answer" {
					t.Errorf("what was kept is %q", got)
				}
				if _, err := os.Lstat(outside); !os.IsNotExist(err) {
					t.Errorf("something was made outside of the folder: %v", err)
				}
			})
		}
	}
}
