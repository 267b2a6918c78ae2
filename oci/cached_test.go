package oci

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/hallmark-project/hallmark/internal/cache"
	"github.com/hallmark-project/hallmark/internal/testkit"
)

// openCache opens the cache in a folder, as each run does.
func openCache(t testing.TB, dir string) *cache.Store {
	t.Helper()
	c, err := cache.Open(dir, cache.DefaultSize, func(err error) { t.Errorf("not kept: %v", err) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// cacheFolder is a folder for a cache.
func cacheFolder(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// caching makes a client use a cache.
func caching(c Cache, fresh bool) func(*Client, *Options) {
	return func(_ *Client, o *Options) { o.Cache, o.Fresh = c, fresh }
}

// kept is where the cache keeps content.
func kept(dir string, d digest.Digest) string {
	return filepath.Join(dir, "blobs", d.Encoded()[:2], d.Encoded())
}

// TestFetchFromCache: what a run fetched, the next does not fetch again; but layers of images.
func TestFetchFromCache(t *testing.T) {
	t.Parallel()
	dir := cacheFolder(t)
	s := testkit.Registry(t)
	image := testkit.NewImage()
	ref := testkit.PushImage(t, s, "team/app:v1", image)
	attached := testkit.PushReferrer(t, s, "team/app", image.Descriptor(), "application/vnd.example.a", []byte("evidence"))
	read := func() {
		store, subject := resolve(t, newClient(t, caching(openCache(t, dir), false)), ref)
		m, _, err := FetchManifest(t.Context(), store, attached)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range append([]Descriptor{m.Layers[0], subject.Manifest().Config}, subject.Manifest().Layers...) {
			if _, err := FetchAll(t.Context(), store, d, 1<<20); err != nil {
				t.Fatal(err)
			}
		}
	}
	layers := len(image.Blobs) - 1
	for run, want := range []int{4 + layers, 1 + layers, 1 + layers} {
		s.Reset()
		if read(); s.Count() != want {
			t.Errorf("run %d: %d requests, want %d\n%v", run+1, s.Count(), want, s.Requests())
		}
	}
}

// TestDamagedCache: content of the cache that does not match its digest is fetched again.
func TestDamagedCache(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func([]byte) []byte{
		"flipped bit": func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
		"truncated":   func(b []byte) []byte { return b[:len(b)/2] },
		"forged":      func([]byte) []byte { return []byte("forged!!") },
		"empty":       func([]byte) []byte { return nil },
	} {
		for _, size := range []int{8, 3 << 20} {
			dir := cacheFolder(t)
			s := testkit.Registry(t)
			want := make([]byte, size)
			d := Descriptor{MediaType: "application/vnd.example.a", Digest: testkit.PushBlob(t, s, "team/app", want), Size: int64(size)}
			fetch := func() {
				t.Helper()
				store, _ := open(t, newClient(t, caching(openCache(t, dir), false)), s.Host+"/team/app")
				got, err := FetchAll(t.Context(), store, d, 4<<20)
				if err != nil || string(got) != string(want) {
					t.Errorf("%s: %d bytes, %v", name, len(got), err)
				}
			}
			fetch()
			raw, err := os.ReadFile(kept(dir, d.Digest))
			if err == nil {
				err = os.WriteFile(kept(dir, d.Digest), damage(raw), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			s.Reset()
			if fetch(); s.Count() != 1 {
				t.Errorf("%s, %d bytes: %d requests, want 1", name, size, s.Count())
			}
			s.Reset()
			if fetch(); s.Count() != 0 {
				t.Errorf("%s, %d bytes: %d requests after it was fetched again", name, size, s.Count())
			}
		}
	}
}

// lyingCache gives anything for anything.
type lyingCache struct{ answer string }

func (lyingCache) Blob(_ digest.Digest, size int64) (io.ReadCloser, bool) {
	return io.NopCloser(io.LimitReader(zeros{}, size)), true
}
func (lyingCache) Keep(_ digest.Digest, _ int64, body io.ReadCloser) io.ReadCloser { return body }
func (c lyingCache) Get(string, string, int64) ([]byte, bool)                      { return []byte(c.answer), true }
func (lyingCache) Put(string, string, []byte, time.Duration)                       {}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestLyingCache: bytes out of a cache are checked like those of a registry.
func TestLyingCache(t *testing.T) {
	t.Parallel()
	s := testkit.Registry(t)
	d := Descriptor{Digest: testkit.PushBlob(t, s, "team/app", []byte("content")), Size: 7}
	store, _ := open(t, newClient(t, caching(lyingCache{}, false)), s.Host+"/team/app")
	var wrong *DigestError
	if got, err := FetchAll(t.Context(), store, d, 100); !errors.As(err, &wrong) {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestFresh: who writes reads from the registry, and leaves what it read to others.
func TestFresh(t *testing.T) {
	t.Parallel()
	dir := cacheFolder(t)
	s := testkit.Registry(t)
	d := Descriptor{Digest: testkit.PushBlob(t, s, "team/app", []byte("content")), Size: 7}
	for i, c := range []struct {
		fresh bool
		want  int
	}{{true, 1}, {true, 1}, {false, 0}} {
		s.Reset()
		store, _ := open(t, newClient(t, caching(openCache(t, dir), c.fresh)), s.Host+"/team/app")
		if _, err := FetchAll(t.Context(), store, d, 100); err != nil || s.Count() != c.want {
			t.Errorf("run %d: %d requests, want %d, %v", i+1, s.Count(), c.want, err)
		}
	}
}

// TestSubjectIsAskedFor: that a digest was there once does not mean that it is.
func TestSubjectIsAskedFor(t *testing.T) {
	t.Parallel()
	dir := cacheFolder(t)
	s := testkit.Registry(t)
	image := testkit.NewImage()
	testkit.PushImage(t, s, "team/app:v1", image)
	c := newClient(t, caching(openCache(t, dir), false))
	store, _ := open(t, c, s.Host+"/team/app")
	if _, err := FetchAll(t.Context(), store, image.Descriptor(), MaxManifest); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(kept(dir, image.Digest())); err != nil {
		t.Fatal("the manifest is not in the cache:", err)
	}
	for _, status := range []int{http.StatusNotFound, http.StatusForbidden} {
		s.Use(testkit.Fail(testkit.Manifests, status, nil, testkit.Always))
		for _, client := range []*Client{c, newClient(t, caching(openCache(t, dir), false))} {
			store, _ := open(t, client, s.Host+"/team/app")
			if subject, err := store.Resolve(t.Context(), image.Digest().String()); err == nil {
				t.Errorf("%d: %s is there", status, subject)
			}
		}
	}
}

// TestReferrersAPIAppears: that a registry had no referrers API a moment ago, and nothing under the fallback tag, does not
// mean that nothing is attached.
func TestReferrersAPIAppears(t *testing.T) {
	t.Parallel()
	dir := cacheFolder(t)
	s, _, d := withEvidence(t, 1)
	s.Use(testkit.Fail(testkit.Referrers, http.StatusNotFound, nil, 1))
	for run, want := range []int{0, 1, 1} {
		store, _ := open(t, newClient(t, caching(openCache(t, dir), false)), s.Host+"/team/app")
		listed, err := store.Referrers(t.Context(), d)
		if err != nil || len(listed) != want {
			t.Errorf("run %d: %d entries, want %d, %v", run+1, len(listed), want, err)
		}
	}
	if again, _ := openCache(t, dir).Get(kindReferrers, "http://"+s.Host, 100); string(again) != answerPresent {
		t.Errorf("it is remembered as %q", again)
	}
}

// TestReferrersAPIGoes: a registry that had the API an hour ago and has not any more keeps its lists under tags.
func TestReferrersAPIGoes(t *testing.T) {
	t.Parallel()
	dir := cacheFolder(t)
	s := testkit.Registry(t, testkit.WithoutReferrers())
	image := testkit.NewImage()
	testkit.PushImage(t, s, "team/app:v1", image)
	attached := testkit.PushReferrer(t, s, "team/app", image.Descriptor(), "application/vnd.example.a", []byte("evidence"))
	testkit.PutFallback(t, s, "team/app", image.Digest(), attached)
	for _, answer := range []string{answerPresent, answerAbsent, "forged", ""} {
		openCache(t, dir).Put(kindReferrers, "http://"+s.Host, []byte(answer), time.Hour)
		store, _ := open(t, newClient(t, caching(openCache(t, dir), false)), s.Host+"/team/app")
		if listed, err := store.Referrers(t.Context(), image.Digest()); err != nil || len(listed) != 1 {
			t.Errorf("%q is remembered: %d entries, %v", answer, len(listed), err)
		}
	}
	if again, _ := openCache(t, dir).Get(kindReferrers, "http://"+s.Host, 100); string(again) != answerAbsent {
		t.Errorf("it is remembered as %q", again)
	}
}

// TestForeseenFallback: a list under a tag costs no round trip more where no API is expected, and a list that could not be
// read is still an error.
func TestForeseenFallback(t *testing.T) {
	t.Parallel()
	const delay = 150 * time.Millisecond
	dir := cacheFolder(t)
	s, _, d := withEvidence(t, 0, testkit.WithoutReferrers(), testkit.Delay(delay))
	for run, want := range []int{2, 1} {
		s.Reset()
		store, _ := open(t, newClient(t, caching(openCache(t, dir), false)), s.Host+"/team/app")
		if listed, err := store.Referrers(t.Context(), d); err != nil || len(listed) != 0 || s.Depth() != want {
			t.Errorf("run %d: %d entries, %d sequential requests, want %d, %v", run+1, len(listed), s.Depth(), want, err)
		}
	}
	for _, broken := range []testkit.Matcher{testkit.FallbackTags, testkit.Referrers} {
		s, _, d := withEvidence(t, 0, testkit.WithoutReferrers())
		openCache(t, dir).Put(kindReferrers, "http://"+s.Host, []byte(answerAbsent), time.Hour)
		s.Use(testkit.Fail(broken, http.StatusTooManyRequests, nil, testkit.Always))
		store, _ := open(t, newClient(t, caching(openCache(t, dir), false)), s.Host+"/team/app")
		if listed, err := store.Referrers(t.Context(), d); !errors.Is(err, ErrListing) {
			t.Errorf("throttled: %d entries, %v", len(listed), err)
		}
	}
}

// TestCacheTakesWhatIsWhole: what breaks off is not kept, and what is large neither.
func TestCacheTakesWhatIsWhole(t *testing.T) {
	t.Parallel()
	dir := cacheFolder(t)
	s := testkit.Registry(t)
	content := []byte("some content that is read by half")
	d := Descriptor{Digest: testkit.PushBlob(t, s, "team/app", content), Size: int64(len(content))}
	store, _ := open(t, newClient(t, caching(openCache(t, dir), false)), s.Host+"/team/app")
	body, err := store.Fetch(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.ReadFull(body, make([]byte, 5))
	body.Close()
	if _, err := os.Stat(kept(dir, d.Digest)); err == nil {
		t.Error("half of it is kept")
	}
	for _, large := range []Descriptor{
		{MediaType: "application/vnd.oci.image.layer.v1.tar+gzip", Size: 1}, {MediaType: "application/vnd.docker.image.rootfs.diff.tar.gzip", Size: 1},
		{MediaType: "application/vnd.dev.sigstore.bundle.v0.3+json", Size: maxCachedBlob + 1},
	} {
		if cacheable(large) {
			t.Errorf("%s of %d bytes is kept", large.MediaType, large.Size)
		}
	}
	for _, small := range []string{MediaTypeManifest, "application/vnd.oci.image.config.v1+json", "application/vnd.dev.sigstore.bundle.v0.3+json", ""} {
		if !cacheable(Descriptor{MediaType: small, Size: maxCachedBlob}) {
			t.Errorf("%s is not kept", small)
		}
	}
}

func BenchmarkFetchFromCache(b *testing.B) {
	s := testkit.Registry(b)
	content := make([]byte, 64<<10)
	d := Descriptor{Digest: testkit.PushBlob(b, s, "team/app", content), Size: int64(len(content))}
	for _, c := range []struct {
		name  string
		cache Cache
	}{{"registry", nil}, {"cache", openCache(b, cacheFolder(b))}} {
		store, _ := open(b, newClient(b, caching(c.cache, false)), s.Host+"/team/app")
		b.Run(fmt.Sprint("from ", c.name), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := FetchAll(b.Context(), store, d, 1<<20); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
