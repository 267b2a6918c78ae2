package oci

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/hallmark-project/hallmark/internal/testkit"
)

func TestResolve(t *testing.T) {
	s := testkit.Registry(t)
	index := testkit.NewIndex(testkit.Buildkit())
	ref := testkit.PushImage(t, s, "team/app:v1", index)
	for _, text := range []string{s.Host + "/team/app:v1", ref, s.Host + "/team/app:other@" + index.Digest().String()} {
		_, subject := resolve(t, newClient(t), text)
		if subject.Digest() != index.Digest() || !subject.IsIndex() || subject.Name() != s.Host+"/team/app" || !bytes.Equal(subject.Raw(), index.Manifest) {
			t.Errorf("%s: %v", text, subject)
		}
	}
	store, _ := open(t, newClient(t), ref)
	_, err := store.Resolve(t.Context(), "absent")
	wantErr(t, err, ErrNotFound)
	wantStatus(t, err, http.StatusNotFound)
}

// What is neither a tag nor a SHA-256 digest is not asked for: of sha512 the answer
// could not be checked, and a path would lead out of the repository.
func TestResolveBadTarget(t *testing.T) {
	s := testkit.Registry(t)
	store, _ := open(t, newClient(t), s.Host+"/team/app")
	for _, target := range []string{"", "../other/manifests/v1", "a?b", "v1/..", "sha256:abc", string(digest.SHA512.FromString("x")), "sha256:" + strings.Repeat("A", 64)} {
		_, err := store.Resolve(t.Context(), target)
		wantErr(t, err, ErrReference)
	}
	if n := s.Count(); n > 0 {
		t.Errorf("%d requests were made", n)
	}
}

// Answers that are not what they should be are no subject, whatever they are.
func TestResolveHostileAnswers(t *testing.T) {
	t.Parallel()
	image := testkit.NewImage()
	other := testkit.NewImage(testkit.File("x", "y"))
	var digestErr *DigestError
	var large *TooLargeError
	isDigest := func(err error) bool { return errors.As(err, &digestErr) }
	isManifest := func(err error) bool { return errors.Is(err, ErrManifest) }
	for name, test := range map[string]struct {
		fault testkit.Middleware
		want  func(error) bool
	}{
		"another image": {testkit.RewriteBody(testkit.Manifests, func([]byte) []byte { return other.Manifest }, testkit.Always), isDigest},
		"one bit":       {testkit.RewriteBody(testkit.Manifests, testkit.FlipBit, testkit.Always), isDigest},
		"truncated":     {testkit.RewriteBody(testkit.Manifests, func(b []byte) []byte { return b[:len(b)-1] }, testkit.Always), isDigest},
		"blanks":        {testkit.RewriteBody(testkit.Manifests, func(b []byte) []byte { return append(b, ' ') }, testkit.Always), isDigest},
		"a web page":    {testkit.Answer(testkit.Manifests, "text/html", "<html>log in</html>", testkit.Always), func(err error) bool { return isDigest(err) || isManifest(err) }},
		"endless":       {testkit.EndlessBody(testkit.Manifests), func(err error) bool { return errors.As(err, &large) }},
		"as an index":   {testkit.RewriteHeader(testkit.Manifests, func(h http.Header) { h.Set("Content-Type", MediaTypeIndex) }, testkit.Always), isManifest},
		"another digest": {testkit.RewriteHeader(testkit.Manifests, func(h http.Header) {
			h.Set("Docker-Content-Digest", other.Digest().String())
		}, testkit.Always), isDigest},
	} {
		t.Run(name, func(t *testing.T) {
			s := testkit.Registry(t, test.fault)
			ref := testkit.PushImage(t, s, "team/app:v1", image)
			for _, target := range []string{image.Digest().String(), "v1"} {
				if name == "another digest" && target != "v1" {
					continue // a header does not matter where the digest was given
				}
				store, _ := open(t, newClient(t), ref)
				_, err := store.Resolve(t.Context(), target)
				if !test.want(err) {
					t.Errorf("%s: got error %v", target, err)
				}
			}
			for _, r := range s.Requests() {
				if r.Out > 4*MaxManifest {
					t.Errorf("%d bytes were read", r.Out)
				}
			}
		})
	}
}

// Faults that pass do not fail a command.
func TestResolvePassingFaults(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]testkit.Middleware{
		"one bit":         testkit.RewriteBody(testkit.Manifests, testkit.FlipBit, 2),
		"body cut":        testkit.CutBody(testkit.Manifests, 10, 2),
		"connection lost": testkit.Lost(testkit.Manifests, 1),
		"500":             testkit.Fail(testkit.Manifests, 500, nil, 1),
		"503":             testkit.Fail(testkit.Manifests, 503, http.Header{"Retry-After": {"0"}}, 1),
		"429":             testkit.Fail(testkit.Manifests, 429, nil, 1),
	} {
		t.Run(name, func(t *testing.T) {
			s := testkit.Registry(t, fault)
			ref := testkit.PushImage(t, s, "team/app:v1", testkit.NewImage())
			resolve(t, newClient(t), ref)
		})
	}
}

// Every answer that is no success keeps its status, and what is asked again is asked
// as often as was said.
func TestStatus(t *testing.T) {
	t.Parallel()
	for status, tries := range map[int]int{400: 1, 401: 1, 403: 1, 404: 1, 405: 1, 410: 1, 429: 3, 500: 3, 501: 1, 503: 3} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			s := testkit.Registry(t, testkit.FailCode(testkit.Any, status, "CODE\x1b[2J", nil, testkit.Always))
			store, _ := open(t, newClient(t, func(_ *Client, o *Options) { o.Retries = 2 }), s.Host+"/team/app")
			_, err := store.Resolve(t.Context(), "v1")
			wantStatus(t, err, status)
			if s.Count() != tries {
				t.Errorf("%d requests, want %d", s.Count(), tries)
			}
			if strings.Contains(err.Error(), "\x1b") {
				t.Errorf("a stranger's text can steer the terminal: %q", err)
			}
		})
	}
}

// Retry-After is obeyed within a bound. Beyond it the answer stands at once, with the
// wait in it: 25 jobs blocked for 45 minutes help nobody
// (https://github.com/sigstore/rekor/issues/2808).
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	s := testkit.Registry(t, testkit.Fail(testkit.Any, 429, http.Header{"Retry-After": {"1"}}, 1))
	ref := testkit.PushImage(t, s, "team/app:v1", testkit.NewImage())
	start := time.Now()
	resolve(t, newClient(t), ref)
	if took := time.Since(start); took < time.Second {
		t.Errorf("asked again after %s", took)
	}
	s.Use(testkit.Fail(testkit.Any, 429, http.Header{"Retry-After": {"3600"}}, testkit.Always))
	s.Reset()
	store, ref2 := open(t, newClient(t), ref)
	_, err := store.Resolve(t.Context(), ref2.Target())
	wantStatus(t, err, 429)
	wantText(t, err, "1h0m0s")
	if s.Count() != 1 {
		t.Errorf("%d requests", s.Count())
	}
}

// blob is a store with one blob and its descriptor.
func blob(t *testing.T, s *testkit.Server, size int) (Store, Descriptor, []byte) {
	t.Helper()
	content := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	testkit.PushBlob(t, s, "team/app", content)
	store, _ := open(t, newClient(t), s.Host+"/team/app")
	return store, describe("application/octet-stream", content), content
}

func TestFetchHostileBlobs(t *testing.T) {
	t.Parallel()
	var digestErr *DigestError
	for name, fault := range map[string]testkit.Middleware{
		"one bit":   testkit.RewriteBody(testkit.Blobs, testkit.FlipBit, testkit.Always),
		"truncated": testkit.RewriteBody(testkit.Blobs, func(b []byte) []byte { return b[:100] }, testkit.Always),
		"too long":  testkit.RewriteBody(testkit.Blobs, func(b []byte) []byte { return append(b, 'x') }, testkit.Always),
		"endless":   testkit.EndlessBody(testkit.Blobs),
		"empty":     testkit.Answer(testkit.Blobs, "text/plain", "", testkit.Always),
	} {
		t.Run(name, func(t *testing.T) {
			s := testkit.Registry(t, fault)
			store, d, _ := blob(t, s, 1<<16)
			_, err := FetchAll(t.Context(), store, d, 1<<20)
			if !errors.As(err, &digestErr) {
				t.Errorf("got error %v", err)
			}
			if s.Count() > fetchTries {
				t.Errorf("%d requests", s.Count())
			}
			for _, r := range s.Requests() {
				if r.Out > 8<<20 { // what the kernel's buffers take is not read
					t.Errorf("%d bytes were sent", r.Out)
				}
			}
		})
	}
}

// A descriptor's size is a stranger's claim as well.
func TestFetchLimits(t *testing.T) {
	s := testkit.Registry(t)
	store, d, _ := blob(t, s, 1<<16)
	var large *TooLargeError
	if _, err := FetchAll(t.Context(), store, d, d.Size-1); !errors.As(err, &large) {
		t.Errorf("over the limit: %v", err)
	}
	if s.Count() != 0 {
		t.Error("what is over the limit was asked for")
	}
	for _, size := range []int64{-1, -1 << 62} {
		bad := d
		bad.Size = size
		if _, err := FetchAll(t.Context(), store, bad, 1<<20); !errors.Is(err, ErrManifest) {
			t.Errorf("size %d: %v", size, err)
		}
		if _, err := store.Fetch(t.Context(), bad); !errors.Is(err, ErrManifest) {
			t.Errorf("size %d: %v", size, err)
		}
	}
	sha512 := Descriptor{Digest: digest.SHA512.FromString("x"), Size: 1}
	if _, err := store.Fetch(t.Context(), sha512); err == nil {
		t.Error("sha512 was asked for")
	}
}

// A body that breaks off goes on from there, with Range, and without where the
// registry does not serve ranges.
func TestFetchResumes(t *testing.T) {
	const size = 1 << 20
	ignoreRange := testkit.Middleware(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Header.Del("Range")
			next.ServeHTTP(w, r)
		})
	})
	wrongRange := testkit.RewriteHeader(testkit.Blobs, func(h http.Header) {
		if h.Get("Content-Range") != "" {
			h.Set("Content-Range", "bytes 0-10/11")
		}
	}, testkit.Always)
	for name, test := range map[string]struct {
		options []testkit.Option
		good    bool
	}{
		"with Range":    {nil, true},
		"Range ignored": {[]testkit.Option{ignoreRange}, true},
		"wrong Range":   {[]testkit.Option{wrongRange}, false},
	} {
		t.Run(name, func(t *testing.T) {
			cut := testkit.CutBody(func(r *http.Request) bool { return testkit.Blobs(r) && r.Method == http.MethodGet }, size/2, 2)
			s := testkit.Registry(t, append([]testkit.Option{cut}, test.options...)...)
			store, d, content := blob(t, s, size)
			body, err := store.Fetch(t.Context(), d)
			if err != nil {
				t.Fatal(err)
			}
			defer body.Close()
			got, err := io.ReadAll(body)
			if test.good != (err == nil) || test.good && !bytes.Equal(got, content) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
}

// A body that breaks off each time ends, and the error is of the network.
func TestFetchNeverWhole(t *testing.T) {
	s := testkit.Registry(t, testkit.CutBody(testkit.Blobs, 0, testkit.Always))
	store, d, _ := blob(t, s, 1<<16)
	_, err := FetchAll(t.Context(), store, d, 1<<20)
	var request *RequestError
	if !errors.As(err, &request) {
		t.Errorf("got error %v", err)
	}
	if s.Count() > 1+fetchTries {
		t.Errorf("%d requests", s.Count())
	}
}

// A registry that gives nothing, or takes nothing in, is not waited for without end.
func TestStalledBody(t *testing.T) {
	quick := func(c *Client, _ *Options) {
		if c != nil {
			c.idle = 50 * time.Millisecond
		}
	}
	s := testkit.Registry(t, testkit.Stall(testkit.Any, 10, testkit.Always))
	ref := testkit.PushImage(t, s, "team/app:v1", testkit.NewImage())
	store, r := open(t, newClient(t, quick), ref)
	start := time.Now()
	_, err := store.Resolve(t.Context(), r.Target())
	var request *RequestError
	if !errors.As(err, &request) || !request.Timeout() {
		t.Errorf("got error %v", err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
}

// Neither is one that gives a byte now and then.
func TestDrippingBody(t *testing.T) {
	s := testkit.Handler(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			io.WriteString(w, " ")
			http.NewResponseController(w).Flush()
			time.Sleep(10 * time.Millisecond)
		}
	}))
	c := newClient(t)
	c.idle = 60 * time.Millisecond
	store, _ := open(t, c, s.Host+"/team/app")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, err := store.Resolve(ctx, "v1")
	var request *RequestError
	if !errors.As(err, &request) || !request.Timeout() {
		t.Errorf("got error %v", err)
	}
}

// A slow reader is not a slow registry: only time spent waiting for bytes counts.
func TestSlowReader(t *testing.T) {
	s := testkit.Registry(t)
	store, d, _ := blob(t, s, 1<<20)
	store.(*repository).client.idle = 100 * time.Millisecond
	body, err := store.Fetch(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if _, err := io.ReadFull(body, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond)
	if _, err := io.Copy(io.Discard, body); err != nil {
		t.Error(err)
	}
	if s.Count() != 1 {
		t.Errorf("%d requests: the body was given up and asked for again", s.Count())
	}
}

// Cancelling ends everything, also a wait for another try.
func TestCancel(t *testing.T) {
	s := testkit.Registry(t, testkit.Fail(testkit.Any, 429, http.Header{"Retry-After": {"20"}}, testkit.Always))
	store, _ := open(t, newClient(t), s.Host+"/team/app")
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	start := time.Now()
	_, err := store.Resolve(ctx, "v1")
	wantErr(t, err, context.Canceled)
	if time.Since(start) > time.Second {
		t.Error("it went on after the end of its context")
	}
	// A wait that would outlast the time there is tells nobody more than the answer does.
	ctx, cancel = context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	fresh, _ := open(t, newClient(t), s.Host+"/team/app")
	start = time.Now()
	_, err = fresh.Resolve(ctx, "v1")
	wantText(t, err, "429")
	if time.Since(start) > 5*time.Second {
		t.Error("it waited for a try that could not come in time")
	}
}

func TestRedirects(t *testing.T) {
	image := testkit.NewImage()
	t.Run("loop", func(t *testing.T) {
		s := testkit.Registry(t, testkit.Redirect(testkit.Any, ""))
		store, _ := open(t, newClient(t), s.Host+"/team/app")
		_, err := store.Resolve(t.Context(), "v1")
		wantText(t, err, "redirects")
		if s.Count() > maxRedirects+1 {
			t.Errorf("%d requests", s.Count())
		}
	})
	t.Run("https to http", func(t *testing.T) {
		plain := testkit.Registry(t)
		testkit.PushImage(t, plain, "team/app:v1", image)
		s := testkit.Registry(t, testkit.TLS(), testkit.Redirect(testkit.Any, plain.URL))
		store, _ := open(t, newClient(t, func(_ *Client, o *Options) { o.CAFile = s.CAFile }), s.Host+"/team/app")
		_, err := store.Resolve(t.Context(), "v1")
		wantText(t, err, "refusing a redirect from https")
		if plain.Count() != 0 {
			t.Error("the request was sent in the clear")
		}
	})
	t.Run("upload", func(t *testing.T) {
		elsewhere := testkit.Registry(t)
		s := testkit.Registry(t, testkit.Redirect(testkit.Puts(testkit.Manifests), elsewhere.URL))
		store, subject := pinned(t, newClient(t), s)
		_, err := store.Attach(t.Context(), []Attachment{evidence(subject, "x")})
		wantText(t, err, "refusing to send")
		if elsewhere.Count() != 0 {
			t.Error("the upload was sent on")
		}
	})
}

// An error names no secret of a URL: query, user, fragment.
func TestErrorsHideURLSecrets(t *testing.T) {
	t.Parallel()
	absent := testkit.Registry(t)
	for _, to := range []string{absent.URL + "/v2/x/blobs/" + someDigest + "?signature=secret&path=", "http://user:secret@127.0.0.1:1/?signature=secret#"} {
		s := testkit.Registry(t, testkit.Redirect(testkit.Gets(testkit.Blobs), to))
		store, d, _ := blob(t, s, 16)
		_, err := FetchAll(t.Context(), store, d, 1<<20)
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("got error %v", err)
		}
	}
}

func TestNoRegistryThere(t *testing.T) {
	store, _ := open(t, newClient(t, func(_ *Client, o *Options) { o.Retries = -1 }), "127.0.0.1:1/team/app")
	_, err := store.Resolve(t.Context(), "v1")
	var request *RequestError
	if !errors.As(err, &request) {
		t.Errorf("got error %v", err)
	}
}
