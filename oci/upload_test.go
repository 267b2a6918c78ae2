package oci

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-project/hallmark/internal/testkit"
)

// noise is content that does not repeat.
func noise(n int, seed uint64) []byte {
	source := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	data := make([]byte, n)
	_, _ = source.Read(data) // never fails
	return data
}

func isPatch(r *http.Request) bool { return r.Method == http.MethodPatch }

// uploaded pushes content to a registry and wants it back whole.
func uploaded(t *testing.T, s *testkit.Server, content []byte) {
	t.Helper()
	store, _ := open(t, newClient(t), s.Host+"/team/app")
	b := BytesBlob("", content)
	if err := store.(*repository).pushBlob(t.Context(), b, ""); err != nil {
		t.Fatal(err)
	}
	got, err := FetchAll(t.Context(), store, b.Descriptor, 1<<30)
	if err != nil || !bytes.Equal(got, content) {
		t.Fatalf("%d of %d bytes came back, %v", len(got), len(content), err)
	}
}

// A large upload that broke off goes on in chunks, and a chunk whose answer was lost goes
// on where the registry is.
func TestUploadGoesOn(t *testing.T) {
	content := noise(chunkSize+chunkSize/2, 1)
	whole := testkit.Puts(testkit.Uploads)
	for name, faults := range map[string][]testkit.Option{
		"the whole breaks off": {testkit.Fail(whole, 500, nil, 2)},
		"an answer is lost":    {testkit.Fail(whole, 500, nil, 2), testkit.Lost(isPatch, 1)},
		"a chunk fails":        {testkit.Fail(whole, 500, nil, 2), testkit.Fail(isPatch, 503, nil, 2)},
		"proxy with a limit":   {testkit.ChunkedOnly(chunkSize)},
		"a smaller limit":      {testkit.ChunkedOnly(smallChunk)},
	} {
		t.Run(name, func(t *testing.T) {
			s := testkit.Registry(t, faults...)
			uploaded(t, s, content)
			if s.CountOf(isPatch) < 2 {
				t.Error("it did not go up in chunks")
			}
		})
	}
	t.Run("small and refused", func(t *testing.T) {
		s := testkit.Registry(t, testkit.ChunkedOnly(smallChunk))
		uploaded(t, s, content[:1000])
	})
}

// What an upload reads is checked before the request that makes a blob of it.
func TestUploadOfWrongContent(t *testing.T) {
	for name, faults := range map[string][]testkit.Option{
		"whole": nil, "chunks": {testkit.Fail(testkit.Puts(testkit.Uploads), 500, nil, 2)},
	} {
		t.Run(name, func(t *testing.T) {
			s := testkit.Registry(t, faults...)
			store, _ := open(t, newClient(t), s.Host+"/team/app")
			b := BytesBlob("", noise(chunkSize+10, 2))
			b.Open = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(noise(chunkSize+10, 3))), nil }
			if err := store.(*repository).pushBlob(t.Context(), b, ""); err == nil {
				t.Fatal("other content than the digest's was uploaded")
			}
			_, err := store.Stat(t.Context(), b.Descriptor.Digest)
			wantErr(t, err, ErrNotFound)
			if n := s.CountOf(testkit.Puts(testkit.Uploads)); name == "chunks" && n != 2 { // those that failed as a whole
				t.Errorf("%d requests would have made a blob of it", n)
			}
		})
	}
}

// PATCH adds to an upload: it is not repeated blindly.
func TestPatchIsNotRepeated(t *testing.T) {
	s := testkit.Registry(t, testkit.Fail(testkit.Any, 503, nil, testkit.Always))
	r, _ := open(t, newClient(t), s.Host+"/team/app")
	body := BytesBlob("", []byte("x"))
	resp, err := r.(*repository).do(t.Context(), request{method: http.MethodPatch, url: s.URL + "/v2/team/app/blobs/uploads/1", body: &body, push: true})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if s.Count() != 1 {
		t.Errorf("%d requests", s.Count())
	}
}

// A blob that the registry says it mounted must be there.
func TestMount(t *testing.T) {
	for name, test := range map[string]struct {
		habit testkit.Middleware
		moved bool
	}{
		"can": {testkit.MountsAlways(), false}, "cannot": {testkit.MountsNever(), true}, "says so falsely": {testkit.MountsFalsely(), true},
		"refuses": {testkit.Fail(testkit.PathHas("never"), 500, nil, 0), true},
	} {
		t.Run(name, func(t *testing.T) {
			s := testkit.Registry(t, test.habit)
			if name == "refuses" {
				s.Use(testkit.FailCode(func(r *http.Request) bool { return r.URL.Query().Get("mount") != "" }, 403, "DENIED", nil, testkit.Always))
			}
			c := newClient(t)
			content := noise(5000, 4)
			d := testkit.PushBlob(t, s, "team/app", content)
			origin, _ := open(t, c, s.Host+"/team/app")
			ref, err := ParseReference(s.Host + "/team/other")
			if err != nil {
				t.Fatal(err)
			}
			to, err := c.Import(ref)
			if err != nil {
				t.Fatal(err)
			}
			blob := Descriptor{Digest: d, Size: int64(len(content))}
			moved, err := to.Push(t.Context(), BlobOf(t.Context(), origin, blob), origin)
			if err != nil || moved != test.moved {
				t.Fatalf("moved %v, %v", moved, err)
			}
			if has, err := to.Has(t.Context(), blob); !has || err != nil {
				t.Errorf("is it there: %v, %v", has, err)
			}
		})
	}
}

// The limiter sends fewer requests at once when a registry asks for it, and holds them
// back as long as it asks.
func TestLimiter(t *testing.T) {
	limit := &testkit.Limit{AtOnce: 8}
	s := testkit.Registry(t, limit.Middleware(), testkit.Delay(5*time.Millisecond))
	image := testkit.NewImage()
	testkit.PushImage(t, s, "team/app:v1", image)
	store, _ := open(t, newClient(t, func(c *Client, o *Options) {
		if c == nil {
			o.Retries = 6
		}
	}), s.Host+"/team/app")
	ask := func(n int) {
		var wg sync.WaitGroup
		for range n {
			wg.Go(func() {
				if _, err := store.Resolve(t.Context(), image.Digest().String()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	ask(60)
	first := limit.Violations()
	if first == 0 || first > 3*maxInFlight {
		t.Errorf("%d requests above the limit", first)
	}
	ask(60)
	if more := limit.Violations() - first; more > 2 {
		t.Errorf("%d requests above the limit at first, %d later: nothing was learnt", first, more)
	}
}

// A request that feeds another one does not wait for its end.
func TestFeedingRequestsDoNotWait(t *testing.T) {
	l := newLimiter()
	l.limit = 1
	if _, err := l.enter(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := l.enter(feeding(t.Context())); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := l.enter(ctx); err == nil {
		t.Error("a second place of one")
	}
	l.leave(feeding(t.Context()), time.Now(), nil)
	l.leave(t.Context(), time.Now(), nil)
	if _, err := l.enter(t.Context()); err != nil || l.inFlight != 1 {
		t.Errorf("%d in flight, %v", l.inFlight, err)
	}
}

// Errors say how often was asked.
func TestTries(t *testing.T) {
	s := testkit.Registry(t, testkit.Fail(testkit.Any, 503, nil, testkit.Always))
	store, _ := open(t, newClient(t), s.Host+"/team/app")
	_, err := store.Resolve(t.Context(), "v1")
	wantText(t, err, "(asked 2 times)")
	s = testkit.Registry(t, testkit.Lost(testkit.Any, testkit.Always))
	store, _ = open(t, newClient(t), s.Host+"/team/app")
	_, err = store.Resolve(t.Context(), "v1")
	wantText(t, err, "(asked 2 times)")
}

// A manifest that was damaged on its way is sent again, under a digest and under a tag.
func TestDamagedManifest(t *testing.T) {
	for _, target := range []string{"digest", "v2"} {
		t.Run(target, func(t *testing.T) {
			s := testkit.Registry(t, damagedOnce(testkit.Puts(testkit.Manifests)))
			image := testkit.NewImage()
			for _, content := range image.Blobs {
				testkit.PushBlob(t, s, "team/app", content)
			}
			store, _ := open(t, newClient(t), s.Host+"/team/app")
			name := target
			if name == "digest" {
				name = image.Digest().String()
			}
			if _, err := store.(*repository).putManifest(t.Context(), name, plain(image.Descriptor()), image.Manifest, nil); err != nil {
				t.Fatal(err)
			}
			if subject, err := store.Resolve(t.Context(), name); err != nil || subject.Digest() != image.Digest() {
				t.Errorf("%s, %v", subject, err)
			}
		})
	}
}

// damagedOnce flips a bit of the first body that matches, on its way in.
func damagedOnce(match testkit.Matcher) testkit.Middleware {
	var once sync.Once
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if match(r) {
				once.Do(func() {
					body, err := io.ReadAll(r.Body)
					if err != nil {
						return
					}
					at := bytes.LastIndexByte(body, 'm') // in the middle of a name: still JSON
					body[at] ^= 1
					r.Body = io.NopCloser(bytes.NewReader(body))
				})
			}
			next.ServeHTTP(w, r)
		})
	}
}
