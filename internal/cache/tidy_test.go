package cache

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
)

// onDisk is how many bytes the files of a cache have.
func onDisk(t testing.TB, dir string) (bytes int64) {
	t.Helper()
	err := filepath.Walk(dir, func(_ string, info os.FileInfo, err error) error {
		if os.IsNotExist(err) { // removed meanwhile
			return nil
		}
		if err == nil && info.Mode().IsRegular() && info.Name() != ledger {
			bytes += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return bytes
}

// TestSizeIsCapped: the cache stays below its size, and what was used last stays longest.
func TestSizeIsCapped(t *testing.T) {
	const most = 4 << 20
	s := openStore(t, t.TempDir(), most)
	now := time.Now()
	s.now = func() time.Time { return now }
	favourite := keep(t, s, content(100<<10, "the favourite"))
	for i := range 200 {
		now = now.Add(2 * time.Hour)
		if _, ok := read(t, s, favourite, 100<<10); !ok {
			t.Fatalf("what is used all the time was removed at %d", i)
		}
		name := s.file(blobName(keep(t, s, content(100<<10, fmt.Sprintf("piece %d\n", i)))))
		if err := os.Chtimes(name, now, now); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if size := onDisk(t, s.Dir()); size > most {
			t.Fatalf("after %d pieces it has %d bytes, %d at most", i, size, most)
		}
	}
	if size := onDisk(t, s.Dir()); size < most/2 {
		t.Errorf("it has %d bytes left of %d: far too much was removed", size, most)
	}
	last := digest.FromBytes(content(100<<10, "piece 199\n"))
	if _, ok := read(t, s, last, 100<<10); !ok {
		t.Error("what came last is not there")
	}
}

// TestManySmallFiles: their number is bounded too.
func TestManySmallFiles(t *testing.T) {
	s := openStore(t, t.TempDir(), MinSize)
	for i := range 3 * MinSize / unit {
		s.Put("kind", strconv.Itoa(i), []byte("x"), 0)
	}
	if files, _ := s.held(); len(files) > MinSize/unit || len(files) < MinSize/unit/2 {
		t.Errorf("%d files, %d at most", len(files), MinSize/unit)
	}
}

// TestTooLarge: one thing does not push out everything else.
func TestTooLarge(t *testing.T) {
	s := openStore(t, t.TempDir(), MinSize)
	d := keep(t, s, []byte("small"))
	large := keep(t, s, content(MinSize/2, "large"))
	s.Put("kind", "key", content(MinSize/2, "large"), 0)
	if _, ok := s.Blob(large, MinSize/2); ok {
		t.Error("half of the cache is one thing")
	}
	if _, ok := s.Get("kind", "key", MinSize); ok {
		t.Error("half of the cache is one answer")
	}
	if _, ok := s.Blob(d, 5); !ok {
		t.Error("what is small is gone")
	}
}

// TestTidyLeavesOthersAlone: only what a cache put there itself is removed, and what writers that ended have left.
func TestTidyLeavesOthersAlone(t *testing.T) {
	s := openStore(t, t.TempDir(), MinSize)
	write := func(name string, age time.Duration) string {
		file := s.file(name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, time.Now().Add(-age), time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
		return file
	}
	stay := []string{write("notes.txt", 1000*time.Hour), write(path.Join(blobs, "notes.txt"), 1000*time.Hour),
		write(path.Join(blobs, "ab", "notes.txt"), 1000*time.Hour), write(path.Join(drafts, "young"), 0)}
	old := write(path.Join(drafts, "old"), 2*draftAge)
	for i := range 2 * MinSize / unit {
		s.Put("kind", strconv.Itoa(i), []byte("x"), 0)
	}
	for _, file := range stay {
		if _, err := os.Lstat(file); err != nil {
			t.Errorf("it was removed: %v", err)
		}
	}
	if _, err := os.Lstat(old); !os.IsNotExist(err) {
		t.Errorf("what a writer left that ended is still there: %v", err)
	}
}

// TestReadWhileEvicted: what was opened is read to its end, whatever becomes of the file.
func TestReadWhileEvicted(t *testing.T) {
	s := newStore(t)
	want := content(3<<20, "a long piece")
	d := keep(t, s, want)
	body, ok := s.Blob(d, int64(len(want)))
	if !ok {
		t.Fatal("it is not there")
	}
	defer body.Close()
	if err := os.Remove(s.file(blobName(d))); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(body); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// TestLostLedger: a cache that does not know what it holds looks.
func TestLostLedger(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, 64<<20)
	for i := range 20 {
		keep(t, s, content(200<<10, fmt.Sprint("piece ", i)))
	}
	if err := os.Remove(s.file(ledger)); err != nil {
		t.Fatal(err)
	}
	smaller := openStore(t, dir, MinSize)
	keep(t, smaller, []byte("one more"))
	if size := onDisk(t, dir); size > MinSize {
		t.Errorf("it has %d bytes, %d at most", size, MinSize)
	}
}

const asProcess = "HALLMARK_TEST_CACHE_PROCESS"

func TestMain(m *testing.M) {
	if dir := os.Getenv(asProcess); dir != "" {
		os.Exit(useAsProcess(dir, true))
	}
	os.Exit(m.Run())
}

// processSize is the size of the cache that processes share.
const processSize = 2 << 20

// useAsProcess writes and reads a cache that other processes use too: whatever is there is right, and something is there
// if it was filled before. It returns an exit code.
func useAsProcess(dir string, filled bool) int {
	failed := 0
	complain := func(format string, args ...any) { failed = 1; fmt.Printf(format+"\n", args...) }
	s, err := Open(dir, processSize, func(err error) { complain("not kept: %v", err) })
	if err != nil {
		complain("%v", err)
		return 1
	}
	hits := 0
	for i := range 150 {
		want := content((i%7+1)*10_000, fmt.Sprintf("piece %d\n", i))
		d := digest.FromBytes(want)
		if body, ok := s.Blob(d, int64(len(want))); ok {
			hits++
			if got, err := io.ReadAll(body); err != nil || !bytes.Equal(got, want) {
				complain("piece %d is wrong: %v", i, err)
			}
			body.Close()
		} else {
			body := s.Keep(d, int64(len(want)), io.NopCloser(bytes.NewReader(want)))
			_, _ = io.Copy(io.Discard, body)
			body.Close()
		}
		key := strconv.Itoa(i % 10)
		if got, ok := s.Get("kind", key, 1<<20); ok && !bytes.Equal(got, content(5000, "answer "+key)) {
			complain("the answer to %s is %.20q", key, got)
		}
		s.Put("kind", key, content(5000, "answer "+key), time.Minute)
	}
	if hits == 0 && filled {
		complain("nothing of what other processes kept was there")
	}
	return failed
}

// TestProcesses: many processes write, read and evict at once, and none ever sees anything that is not right.
func TestProcesses(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	useAsProcess(dir, false)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), asProcess+"="+dir)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("process %d: %v\n%s", i, err, out)
			}
		})
	}
	wg.Wait()
	// What was written while somebody looked may come on top until the next time.
	if size := onDisk(t, dir); size > processSize*5/4 {
		t.Errorf("it has %d bytes, about %d at most", size, processSize)
	}
}

func BenchmarkBlob(b *testing.B) {
	s := openStore(b, b.TempDir(), DefaultSize)
	for _, size := range []int{1 << 10, 6 << 20} {
		d := keep(b, s, content(size, "a piece of evidence"))
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				body, ok := s.Blob(d, int64(size))
				if !ok {
					b.Fatal("it is not there")
				}
				_, _ = io.Copy(io.Discard, body)
				body.Close()
			}
		})
	}
}

func BenchmarkKeep(b *testing.B) {
	for _, size := range []int{1 << 10, 6 << 20} {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			s := openStore(b, b.TempDir(), DefaultSize)
			piece := content(size, "a piece of evidence")
			d := digest.FromBytes(piece)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				body := s.Keep(d, int64(size), io.NopCloser(bytes.NewReader(piece)))
				_, _ = io.Copy(io.Discard, body)
				body.Close()
			}
		})
	}
}
