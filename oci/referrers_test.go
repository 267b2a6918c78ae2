package oci

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/hallmark-project/hallmark/internal/testkit"
)

// withEvidence is a registry with an image that has n referrers, and its store.
func withEvidence(t *testing.T, n int, options ...testkit.Option) (*testkit.Server, Store, digest.Digest) {
	t.Helper()
	s := testkit.Registry(t, options...)
	image := testkit.NewImage()
	ref := testkit.PushImage(t, s, "team/app:v1", image)
	for i := range n {
		testkit.PushReferrer(t, s, "team/app", image.Descriptor(), "application/vnd.example.a", []byte(fmt.Sprint("evidence ", i)))
	}
	store, _ := open(t, newClient(t), ref)
	return s, store, image.Digest()
}

// go-containerregistry ignores Link and cuts the list short
// (https://github.com/google/go-containerregistry/issues/2446).
func TestReferrersPages(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, 2, 5, 7, 8, 100} {
		for _, absolute := range []bool{false, true} {
			s, store, d := withEvidence(t, 7)
			base := ""
			if absolute {
				base = s.URL
			}
			s.Use(testkit.PaginateReferrersAt(base, size))
			listed, err := store.Referrers(t.Context(), d)
			if err != nil || len(digests(listed)) != 7 {
				t.Errorf("pages of %d, absolute %t: %d entries, %v", size, absolute, len(listed), err)
			}
			if want := (7 + size - 1) / size; s.Count() != want {
				t.Errorf("pages of %d: %d requests, want %d", size, s.Count(), want)
			}
		}
	}
}

// A listing that was throttled, cut off, forbidden or is unreadable is an error and
// never an empty list: cosign v3 falls back silently and calls the image unsigned
// (https://github.com/giantswarm/retagger/issues/1237).
func TestListingFailsClosed(t *testing.T) {
	t.Parallel()
	status := func(code int) testkit.Middleware { return testkit.Fail(testkit.Referrers, code, nil, testkit.Always) }
	body := func(mediaType, text string) testkit.Middleware {
		return testkit.Answer(testkit.Referrers, mediaType, text, testkit.Always)
	}
	secondPage := func(r *http.Request) bool { return testkit.Referrers(r) && r.URL.RawQuery != "" }
	for name, options := range map[string][]testkit.Option{
		"400":                  {status(400)},
		"401":                  {status(401)},
		"403":                  {status(403)},
		"408":                  {status(408)},
		"429":                  {status(429)},
		"429 and UNSUPPORTED":  {testkit.FailCode(testkit.Referrers, 429, "UNSUPPORTED", nil, testkit.Always)},
		"403 and UNSUPPORTED":  {testkit.FailCode(testkit.Referrers, 403, "UNSUPPORTED", nil, testkit.Always)},
		"500":                  {status(500)},
		"503":                  {status(503)},
		"204":                  {status(204)},
		"cut":                  {testkit.CutBody(testkit.Referrers, 20, testkit.Always)},
		"second page 404":      {testkit.Fail(secondPage, 404, nil, testkit.Always), testkit.PaginateReferrers(1)},
		"second page 405":      {testkit.Fail(secondPage, 405, nil, testkit.Always), testkit.PaginateReferrers(1)},
		"second page 429":      {testkit.Fail(secondPage, 429, nil, testkit.Always), testkit.PaginateReferrers(1)},
		"second page cut":      {testkit.CutBody(secondPage, 20, testkit.Always), testkit.PaginateReferrers(1)},
		"web page":             {body("text/html", "<html>")},
		"web page that parses": {body("text/html", `{"schemaVersion":2,"manifests":[]}`)},
		"no content type":      {body("", `{"schemaVersion":2,"manifests":[]}`)},
		"garbage":              {body(MediaTypeIndex, "garbage")},
		"empty body":           {body(MediaTypeIndex, "")},
		"null":                 {body(MediaTypeIndex, "null")},
		"array":                {body(MediaTypeIndex, "[]")},
		"empty object":         {body(MediaTypeIndex, "{}")},
		"no manifests":         {body(MediaTypeIndex, `{"schemaVersion":2,"annotations":{"manifests":"x"}}`)},
		"manifests a string":   {body(MediaTypeIndex, `{"schemaVersion":2,"manifests":"none"}`)},
		"schema 1":             {body(MediaTypeIndex, `{"schemaVersion":1,"manifests":[]}`)},
		"an image":             {body(MediaTypeIndex, `{"schemaVersion":2,"mediaType":"`+MediaTypeManifest+`","manifests":[]}`)},
		"layers too":           {body(MediaTypeIndex, `{"schemaVersion":2,"layers":[],"manifests":[]}`)},
		"bad digest":           {body(MediaTypeIndex, `{"schemaVersion":2,"manifests":[{"digest":"sha256:xx","size":1}]}`)},
		"negative size":        {body(MediaTypeIndex, `{"schemaVersion":2,"manifests":[{"digest":"sha256:`+strings.Repeat("a", 64)+`","size":-1}]}`)},
		"error as 200":         {body("application/json", `{"errors":[{"code":"TOOMANYREQUESTS"}]}`)},
		"endless":              {testkit.EndlessBody(testkit.Referrers)},
		"next page, no link":   {testkit.RewriteHeader(testkit.Referrers, func(h http.Header) { h.Set("Link", "next page: 2") }, testkit.Always)},
		"loop":                 {testkit.NextPage("/v2/team/app/referrers/sha256:" + strings.Repeat("a", 64) + "?x=1")},
	} {
		t.Run(name, func(t *testing.T) {
			s, store, d := withEvidence(t, 3, options...)
			listed, err := store.Referrers(t.Context(), d)
			if err == nil {
				t.Fatalf("%d entries and no error", len(listed))
			}
			wantErr(t, err, ErrListing)
			if listed != nil {
				t.Errorf("%d entries beside the error", len(listed))
			}
			if n := s.CountOf(testkit.FallbackTags); n > 0 {
				t.Error("it fell back to the tag")
			}
			if n := s.Count(); n > 1+fetchTries {
				t.Errorf("%d requests", n)
			}
		})
	}
}

// A next page elsewhere is not asked for: another host could leave out what it likes.
func TestNextPageElsewhere(t *testing.T) {
	elsewhere := testkit.Handler(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", MediaTypeIndex)
		fmt.Fprint(w, `{"schemaVersion":2,"manifests":[]}`)
	}))
	for _, link := range []string{elsewhere.URL + "/v2/team/app/referrers/x", "//" + elsewhere.Host + "/x", "ftp:/x"} {
		_, store, d := withEvidence(t, 1, testkit.NextPage(link))
		_, err := store.Referrers(t.Context(), d)
		wantErr(t, err, ErrListing)
	}
	if elsewhere.Count() > 0 {
		t.Error("it was asked for")
	}
}

// The same for the fallback tag.
func TestFallbackFailsClosed(t *testing.T) {
	t.Parallel()
	tag := testkit.Gets(testkit.FallbackTags)
	for name, fault := range map[string]testkit.Middleware{
		"401":       testkit.Fail(tag, 401, nil, testkit.Always),
		"403":       testkit.Fail(tag, 403, nil, testkit.Always),
		"429":       testkit.Fail(tag, 429, nil, testkit.Always),
		"500":       testkit.Fail(tag, 500, nil, testkit.Always),
		"cut":       testkit.CutBody(tag, 20, testkit.Always),
		"one bit":   testkit.RewriteBody(tag, testkit.FlipBit, testkit.Always),
		"web page":  testkit.Answer(tag, "text/html", "<html>", testkit.Always),
		"an image":  testkit.Answer(tag, MediaTypeManifest, string(testkit.NewImage(testkit.File("a", "b")).Manifest), testkit.Always),
		"endless":   testkit.EndlessBody(tag),
		"list":      testkit.Answer(tag, MediaTypeDockerList, `{"schemaVersion":2,"manifests":[]}`, testkit.Always),
		"no member": testkit.Answer(tag, MediaTypeIndex, `{"schemaVersion":2}`, testkit.Always),
	} {
		t.Run(name, func(t *testing.T) {
			s := testkit.Registry(t, testkit.WithoutReferrers(), fault)
			store, subject := pinned(t, newClient(t), s)
			attached := testkit.PushReferrer(t, s, "team/app", subject.Descriptor(), "application/vnd.example.a", []byte("x"))
			testkit.PutFallback(t, s, "team/app", subject.Digest(), attached)
			listed, err := store.Referrers(t.Context(), subject.Digest())
			wantErr(t, err, ErrListing)
			if listed != nil {
				t.Errorf("%d entries beside the error", len(listed))
			}
		})
	}
}

// Lists that are empty and say so.
func TestEmptyListings(t *testing.T) {
	for name, options := range map[string][]testkit.Option{
		"null":             {testkit.Answer(testkit.Referrers, MediaTypeIndex, `{"schemaVersion":2,"manifests":null}`, testkit.Always)},
		"application/json": {testkit.Answer(testkit.Referrers, "application/json; charset=utf-8", `{"schemaVersion":2,"manifests":[]}`, testkit.Always)},
		"API":              nil,
		"no API":           {testkit.WithoutReferrers()},
		"ECR":              {testkit.WithoutReferrers(), testkit.ECR()},
		"GitLab":           {testkit.WithoutReferrers(), testkit.GitLab()},
	} {
		t.Run(name, func(t *testing.T) {
			_, store, d := withEvidence(t, 0, options...)
			if listed, err := store.Referrers(t.Context(), d); err != nil || len(listed) != 0 {
				t.Errorf("%v, %v", listed, err)
			}
		})
	}
}

// GitLab answers the fallback tag with the subject: the platforms of an index are not
// its referrers (https://github.com/oras-project/oras-go/issues/1396).
func TestGitLabIndex(t *testing.T) {
	s := testkit.Registry(t, testkit.WithoutReferrers(), testkit.GitLab())
	index := testkit.NewIndex()
	store, subject := resolve(t, newClient(t), testkit.PushImage(t, s, "team/app:v1", index))
	if listed, err := store.Referrers(t.Context(), subject.Digest()); err != nil || len(listed) != 0 {
		t.Errorf("%v, %v", listed, err)
	}
}

// Listings that would not end do.
func TestEndlessListings(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		page string
		most int
	}{
		"empty pages": {`{"schemaVersion":2,"manifests":[]}`, 2 * maxEmptyPages},
		"full pages":  {`{"schemaVersion":2,"manifests":[` + strings.TrimSuffix(strings.Repeat(`{"mediaType":"m","digest":"sha256:`+strings.Repeat("a", 64)+`","size":1},`, 20_000), ",") + `]}`, 3},
		"large pages": {`{"schemaVersion":2,"manifests":[],"x":"` + strings.Repeat("x", 20<<20) + `"}`, 7},
	} {
		t.Run(name, func(t *testing.T) {
			pages := 0
			s := testkit.Handler(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				pages++
				w.Header().Set("Content-Type", MediaTypeIndex)
				w.Header().Set("Link", fmt.Sprintf(`<?page=%d>; rel="next"`, pages))
				w.Write([]byte(test.page))
			}))
			store, _ := open(t, newClient(t), s.Host+"/team/app")
			_, err := store.Referrers(t.Context(), digest.FromString("x"))
			wantErr(t, err, ErrListing)
			if pages > test.most {
				t.Errorf("%d pages", pages)
			}
		})
	}
}

// Ten thousand referrers of one image stay usable.
func TestManyReferrers(t *testing.T) {
	t.Parallel()
	const n = 10_000
	for name, options := range map[string][]testkit.Option{
		"API": nil, "pages": {testkit.PaginateReferrers(1000)}, "fallback": {testkit.WithoutReferrers()},
	} {
		t.Run(name, func(t *testing.T) {
			s := testkit.Registry(t, options...)
			store, subject := pinned(t, newClient(t), s)
			entries := make([]Descriptor, n)
			for i := range n {
				a := Artifact{Type: "application/vnd.example.a", Layer: BytesBlob("text/plain", []byte(fmt.Sprint(i))), Annotations: map[string]string{"n": fmt.Sprint(i)}}
				d, raw, err := a.pack(subject.Descriptor())
				if err != nil {
					t.Fatal(err)
				}
				entries[i] = d
				if i < 2 || len(options) == 0 || name == "pages" {
					if i == 0 {
						testkit.PushBlob(t, s, "team/app", emptyJSON)
					}
					testkit.PushBlob(t, s, "team/app", []byte(fmt.Sprint(i)))
				}
				testkit.PushManifest(t, s, "team/app", d.Digest.String(), d.MediaType, raw)
			}
			if name == "fallback" {
				testkit.PutFallback(t, s, "team/app", subject.Digest(), entries...)
			}
			start := time.Now()
			attach(t, store, evidence(subject, "one more"))
			listed, err := store.Referrers(t.Context(), subject.Digest())
			if err != nil || len(digests(listed)) != n+1 {
				t.Fatalf("%d entries, %v", len(listed), err)
			}
			t.Logf("attach and list: %s", time.Since(start))
		})
	}
}

// A listing begun beforehand serves one call, ends with its context, and is not taken
// for the answer where its own context ended it.
func TestPrefetch(t *testing.T) {
	t.Run("once", func(t *testing.T) {
		s, store, d := withEvidence(t, 1)
		if _, err := ResolveWithEvidence(t.Context(), store, store, d.String()); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if listed, err := store.Referrers(t.Context(), d); err != nil || len(listed) != 1 {
				t.Fatal(listed, err)
			}
		}
		if n := s.CountOf(testkit.Referrers); n != 2 {
			t.Errorf("%d listings", n)
		}
	})
	t.Run("another context", func(t *testing.T) {
		_, store, d := withEvidence(t, 1, testkit.DelayOf(testkit.Referrers, 100*time.Millisecond, 1))
		ctx, cancel := context.WithCancel(t.Context())
		if _, err := ResolveWithEvidence(ctx, store, store, d.String()); err != nil {
			t.Fatal(err)
		}
		cancel()
		if listed, err := store.Referrers(t.Context(), d); err != nil || len(listed) != 1 {
			t.Errorf("%v, %v", listed, err)
		}
	})
	t.Run("throttled", func(t *testing.T) {
		_, store, d := withEvidence(t, 1, testkit.Fail(testkit.Referrers, 429, nil, testkit.Always))
		if _, err := ResolveWithEvidence(t.Context(), store, store, d.String()); err != nil {
			t.Fatal(err)
		}
		_, err := store.Referrers(t.Context(), d)
		wantErr(t, err, ErrListing)
	})
	t.Run("not resolved", func(t *testing.T) {
		_, store, _ := withEvidence(t, 0, testkit.DelayOf(testkit.Referrers, time.Minute, testkit.Always))
		_, err := ResolveWithEvidence(t.Context(), store, store, digest.FromString("absent").String())
		wantErr(t, err, ErrNotFound)
		if len(store.(*repository).prefetched) != 0 {
			t.Error("the listing is kept")
		}
		for range 100 {
			if !running("listReferrers") {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Error("the listing goes on though nobody will ask for it")
	})
}

// running reports whether a goroutine is in a function.
func running(name string) bool {
	stacks := make([]byte, 1<<20)
	return strings.Contains(string(stacks[:runtime.Stack(stacks, true)]), name)
}

// RFC 8288: a URL may hold commas, a parameter quotes and blanks. What cannot be read
// might have been the next page.
func TestNextLink(t *testing.T) {
	for header, want := range map[string]string{
		``:                                   "",
		`<a>; rel="next"`:                    "a",
		`<a>;rel=next`:                       "a",
		`<a> ; REL = "Next"`:                 "a",
		`<a,b?c=1,2>; rel="next"`:            "a,b?c=1,2",
		`<p>; rel="prev", <n>; rel="next"`:   "n",
		`<p>; rel="prev",<n>;x=y;rel="next"`: "n",
		`<n>; title="a, b; c"; rel="next"`:   "n",
		`<n>; rel="last next"`:               "n",
		`<n>; rel="nextish"`:                 "",
		`<n>; rel="prev"; title="rel=next"`:  "",
		`<n>`:                                "",
		`n; rel="next"`:                      "error",
		`<n; rel="next"`:                     "error",
		`garbage`:                            "error",
	} {
		got, err := nextLink([]string{header})
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%s: %q, want %q", header, got, want)
		}
	}
}

// The error of a cut-off body is of the network, and keeps what was found out.
func TestCutListingIsRequestError(t *testing.T) {
	_, store, d := withEvidence(t, 3, testkit.CutBody(testkit.Referrers, 20, testkit.Always))
	_, err := store.Referrers(t.Context(), d)
	var request *RequestError
	if !errors.As(err, &request) {
		t.Errorf("got error %v", err)
	}
}

// Links to pages are bounded: each is remembered, to find a loop.
func TestEndlessLink(t *testing.T) {
	s := testkit.Registry(t, testkit.NextPage("/v2/team/app/referrers/x?"+strings.Repeat("x", maxLink)))
	store, subject := pinned(t, newClient(t), s)
	if listed, err := store.Referrers(t.Context(), subject.Digest()); !errors.Is(err, ErrListing) || !strings.Contains(err.Error(), "a link to the next page of") {
		t.Errorf("got %v, %v", listed, err)
	}
}
