package cache

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
)

func openStore(t testing.TB, dir string, max int64) *Store {
	t.Helper()
	s, err := Open(dir, max, func(err error) { t.Errorf("not kept: %v", err) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func newStore(t testing.TB) *Store {
	t.Helper()
	return openStore(t, filepath.Join(t.TempDir(), "cache"), DefaultSize)
}

// keep puts content into a cache as a reader of a registry does.
func keep(t testing.TB, s *Store, content []byte) digest.Digest {
	t.Helper()
	d := digest.FromBytes(content)
	body := s.Keep(d, int64(len(content)), io.NopCloser(bytes.NewReader(content)))
	got, err := io.ReadAll(body)
	if err != nil || !bytes.Equal(got, content) {
		t.Fatalf("what is kept is read as %d bytes, want %d: %v", len(got), len(content), err)
	}
	body.Close()
	return d
}

// read is content out of a cache.
func read(t testing.TB, s *Store, d digest.Digest, size int) ([]byte, bool) {
	t.Helper()
	body, ok := s.Blob(d, int64(size))
	if !ok {
		return nil, false
	}
	defer body.Close()
	content, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return content, true
}

// sizes of content on both sides of what is read into memory.
var sizes = []int{0, 1, 1 << 10, inMemory, inMemory + 1, 3 << 20}

func content(size int, seed string) []byte {
	return bytes.Repeat([]byte(seed), size/len(seed)+1)[:size]
}

func TestBlobs(t *testing.T) {
	s := newStore(t)
	for _, size := range sizes {
		want := content(size, "a piece of content\n")
		d := keep(t, s, want)
		got, ok := read(t, s, d, size)
		if !ok || !bytes.Equal(got, want) {
			t.Errorf("%d bytes: there %v, the same %v", size, ok, bytes.Equal(got, want))
		}
		if _, ok := s.Blob(d, int64(size)+1); ok {
			t.Errorf("%d bytes are there with another size", size)
		}
	}
	if _, ok := s.Blob(digest.FromString("something else"), 14); ok {
		t.Error("what was never kept is there")
	}
	for _, d := range []digest.Digest{"", "sha256:../../x", digest.Digest("sha512:" + strings.Repeat("a", 128))} {
		if _, ok := s.Blob(d, 1); ok {
			t.Errorf("%q is there", d)
		}
	}
}

// TestCutShort: what did not arrive whole is not kept, and leaves nothing behind.
func TestCutShort(t *testing.T) {
	s := newStore(t)
	whole := content(5000, "whole")
	d := digest.FromBytes(whole)
	for name, use := range map[string]func(io.ReadCloser){
		"closed before its end": func(body io.ReadCloser) { _, _ = io.ReadFull(body, make([]byte, 100)) },
		"read to its size only": func(body io.ReadCloser) { _, _ = io.ReadFull(body, make([]byte, len(whole))) },
		"never read":            func(io.ReadCloser) {},
	} {
		body := s.Keep(d, int64(len(whole)), io.NopCloser(bytes.NewReader(whole)))
		use(body)
		body.Close()
		checkGone(t, s, name, d, len(whole))
	}
	for name, source := range map[string]io.Reader{
		"broken off":         io.MultiReader(bytes.NewReader(whole[:4000]), errorReader{}),
		"ended early":        bytes.NewReader(whole[:4000]),
		"longer than it was": bytes.NewReader(append(whole, 'x')),
	} {
		body := s.Keep(d, int64(len(whole)), io.NopCloser(source))
		_, _ = io.Copy(io.Discard, body)
		body.Close()
		checkGone(t, s, name, d, len(whole))
	}
	if left := s.list(drafts); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

type errorReader struct{}

func (errorReader) Read([]byte) (int, error) { return 0, errors.New("the connection broke") }

func checkGone(t *testing.T, s *Store, name string, d digest.Digest, size int) {
	t.Helper()
	if _, ok := s.Blob(d, int64(size)); ok {
		t.Errorf("%s: it is there", name)
	}
}

func TestAnswers(t *testing.T) {
	s := newStore(t)
	now := time.Now()
	s.now = func() time.Time { return now }
	s.Put("kind", "key", []byte("answer"), time.Hour)
	s.Put("kind", "other key", nil, 0)
	if got, ok := s.Get("kind", "key", 6); !ok || string(got) != "answer" {
		t.Errorf("got %q, %v", got, ok)
	}
	if got, ok := s.Get("kind", "other key", 0); !ok || len(got) != 0 {
		t.Errorf("an empty answer is %q, %v", got, ok)
	}
	for _, other := range [][2]string{{"kind", "no such key"}, {"other kind", "key"}, {"kindkey", ""}, {"kin", "dkey"}} {
		if _, ok := s.Get(other[0], other[1], 100); ok {
			t.Errorf("%q has an answer", other)
		}
	}
	if _, ok := s.Get("kind", "key", 5); ok {
		t.Error("an answer beyond the limit is given")
	}
	s.PutParts("kind", "key", time.Hour, []byte("an"), nil, []byte("other"))
	if got, _ := s.Get("kind", "key", 100); string(got) != "another" {
		t.Errorf("after it was replaced: %q", got)
	}
	for _, key := range []string{"\xff", strings.Repeat("k", maxKey)} {
		s.Put("kind", key, []byte("answer"), 0)
		if _, ok := s.Get("kind", key, 100); ok {
			t.Errorf("a key of %d bytes that cannot be written down has an answer", len(key))
		}
	}
	now = now.Add(2 * time.Hour)
	if _, ok := s.Get("kind", "key", 100); ok {
		t.Error("an answer that has expired is given")
	}
	if _, ok := s.Get("kind", "other key", 100); !ok {
		t.Error("an answer that never expires is not given")
	}
	now = now.Add(-4 * time.Hour)
	if _, ok := s.Get("kind", "other key", 100); ok {
		t.Error("an answer from the future is given")
	}
}

// TestNoCache: a nil store is a cache of nothing.
func TestNoCache(t *testing.T) {
	var s *Store
	s.Put("kind", "key", []byte("x"), 0)
	if _, ok := s.Get("kind", "key", 10); ok {
		t.Error("it has an answer")
	}
	d := keep(t, s, []byte("content"))
	if _, ok := s.Blob(d, 7); ok {
		t.Error("it has content")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestModes: nobody else can read what is in the cache.
func TestModes(t *testing.T) {
	s := newStore(t)
	keep(t, s, []byte("content"))
	s.Put("kind", "key", []byte("answer"), 0)
	files := 0
	err := filepath.Walk(s.Dir(), func(name string, info os.FileInfo, err error) error {
		want := os.FileMode(0o600)
		if err == nil && info.IsDir() {
			want = 0o700
		}
		if files++; err == nil && info.Mode().Perm() != want {
			t.Errorf("%s has mode %o, want %o", name, info.Mode().Perm(), want)
		}
		return err
	})
	if err != nil || files < 8 {
		t.Errorf("%d files and folders, %v", files, err)
	}
}

// TestBadFolders: a folder that others can change is refused, whatever is in it.
func TestBadFolders(t *testing.T) {
	make700 := func(t *testing.T) string {
		dir := filepath.Join(t.TempDir(), "cache")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	for name, c := range map[string]struct {
		spoil func(t *testing.T, dir string) string
		want  error
	}{
		"others can write": {func(t *testing.T, dir string) string { return dir + chmod(t, dir, 0o702) }, ErrUnsafe},
		"group can write":  {func(t *testing.T, dir string) string { return dir + chmod(t, dir, 0o720) }, ErrUnsafe},
		"a link to such": {func(t *testing.T, dir string) string {
			chmod(t, dir, 0o777)
			return link(t, dir)
		}, ErrUnsafe},
		"of another user": {func(t *testing.T, dir string) string {
			needRoot(t)
			if err := os.Chown(dir, 12345, 12345); err != nil {
				t.Fatal(err)
			}
			return dir
		}, ErrUnsafe},
		"of whom this is not": {func(t *testing.T, dir string) string {
			me = func() int { return os.Geteuid() + 1 }
			t.Cleanup(func() { me = os.Geteuid })
			return dir
		}, ErrUnsafe},
		"a link of another user": {func(t *testing.T, dir string) string {
			needRoot(t)
			name := link(t, dir)
			if err := os.Lchown(name, 12345, 12345); err != nil {
				t.Fatal(err)
			}
			return name
		}, ErrUnsafe},
		"a file": {func(t *testing.T, dir string) string {
			name := filepath.Join(dir, "file")
			if err := os.WriteFile(name, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			return name
		}, ErrFolder},
		"a link to nowhere": {func(t *testing.T, dir string) string { return link(t, filepath.Join(dir, "nothing")) }, ErrFolder},
		"read-only above":   {func(*testing.T, string) string { return "/proc/hallmark" }, ErrFolder},
	} {
		t.Run(name, func(t *testing.T) {
			dir := c.spoil(t, make700(t))
			s, err := Open(dir, DefaultSize, nil)
			if !errors.Is(err, c.want) || s != nil {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if errors.Is(err, ErrUnsafe) && !strings.Contains(err.Error(), dir) {
				t.Errorf("the folder is not named: %v", err)
			}
		})
	}
	t.Run("a link to a good one", func(t *testing.T) {
		openStore(t, link(t, make700(t)), DefaultSize)
	})
	t.Run("others can read", func(t *testing.T) {
		dir := make700(t)
		openStore(t, dir+chmod(t, dir, 0o755), DefaultSize)
	})
	t.Run("too small", func(t *testing.T) {
		if _, err := Open(make700(t), MinSize-1, nil); !errors.Is(err, ErrFolder) {
			t.Errorf("got %v", err)
		}
	})
}

func chmod(t *testing.T, name string, mode os.FileMode) string {
	t.Helper()
	if err := os.Chmod(name, mode); err != nil {
		t.Fatal(err)
	}
	return ""
}

func link(t *testing.T, to string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(to, name); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestReadOnly: a cache that cannot be written to is read all the same, and says once why nothing is added.
func TestReadOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	d := keep(t, openStore(t, dir, DefaultSize), []byte("content"))
	for _, name := range []string{drafts, ledger} { // what root cannot write to either
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, drafts), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	said := 0
	s, err := Open(dir, DefaultSize, func(error) { said++ })
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for range 3 {
		keep(t, s, []byte("more content"))
		s.Put("kind", "key", []byte("answer"), 0)
	}
	if _, ok := s.Blob(digest.FromString("more content"), 12); ok {
		t.Error("it was kept")
	}
	if got, ok := read(t, s, d, 7); !ok || string(got) != "content" {
		t.Errorf("what was there before: %q, %v", got, ok)
	}
	if said != 1 {
		t.Errorf("said %d times, want once", said)
	}
}

// TestFullDisk: what could not be written is not there by half, and nothing is left of it.
func TestFullDisk(t *testing.T) {
	said := 0
	s, err := Open(filepath.Join(t.TempDir(), "cache"), DefaultSize, func(error) { said++ })
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	want := []byte("some content")
	d := digest.FromBytes(want)
	body := s.Keep(d, int64(len(want)), io.NopCloser(bytes.NewReader(want)))
	body.(*keeping).into.file.Close() // writing fails from now on
	if got, err := io.ReadAll(body); err != nil || !bytes.Equal(got, want) {
		t.Errorf("who reads notices: %q, %v", got, err)
	}
	body.Close()
	checkGone(t, s, "not written", d, len(want))
	if left := s.list(drafts); len(left) > 0 || said != 1 {
		t.Errorf("left behind: %v; said %d times", left, said)
	}
}

func TestClear(t *testing.T) {
	s := newStore(t)
	keep(t, s, []byte("content"))
	s.Put("kind", "key", []byte("answer"), 0)
	if files, bytes := s.Size(); files != 2 || bytes < 13 {
		t.Errorf("it holds %d files, %d bytes", files, bytes)
	}
	if err := s.Clear(); err != nil {
		t.Fatal(err)
	}
	if files, bytes := s.Size(); files != 0 || bytes != 0 {
		t.Errorf("it holds %d files, %d bytes after it was emptied", files, bytes)
	}
	keep(t, s, []byte("content"))
	if _, ok := read(t, s, digest.FromString("content"), 7); !ok {
		t.Error("nothing is kept after it was emptied")
	}
}

// needRoot skips what only root can do: give files away.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("HALLMARK_NO_SKIP") != "" {
		t.Fatal("HALLMARK_NO_SKIP is set, and only root gives files away")
	}
	t.Skip("only root gives files away")
}
