package oci

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hallmark-project/hallmark/internal/testkit"
)

// What is attached is listed, on every sort of registry, and attaching it again adds
// nothing.
func TestAttach(t *testing.T) {
	t.Parallel()
	for name, options := range map[string][]testkit.Option{
		"referrers API":    nil,
		"fallback tag":     {testkit.WithoutReferrers()},
		"no OCI-Subject":   {testkit.Quirky()},
		"ECR":              {testkit.WithoutReferrers(), testkit.ECR()},
		"ETags":            {testkit.WithoutReferrers(), testkit.ETags()},
		"ETags ignored":    {testkit.WithoutReferrers(), testkit.ETagsIgnored()},
		"weak ETags":       {testkit.WithoutReferrers(), testkit.ETagsWeak()},
		"lost answers":     {testkit.WithoutReferrers(), testkit.Lost(testkit.Puts(testkit.Any), 2)},
		"pages of one":     {testkit.PaginateReferrers(1)},
		"throttled upload": {testkit.Fail(testkit.Uploads, 503, nil, 1)},
	} {
		t.Run(name, func(t *testing.T) {
			s := testkit.Registry(t, options...)
			store, subject := pinned(t, newClient(t), s)
			first := attach(t, store, evidence(subject, "one"), evidence(subject, "two"))
			again := attach(t, store, evidence(subject, "one"), evidence(subject, "one"))
			if first[0].Digest != again[0].Digest {
				t.Error("the same evidence got two digests")
			}
			for _, open := range []Store{store, reopen(t, s)} {
				listed, err := open.Referrers(t.Context(), subject.Digest())
				if err != nil {
					t.Fatal(err)
				}
				if len(listed) != 2 || !digests(listed)[first[0].Digest] || !digests(listed)[first[1].Digest] {
					t.Errorf("listed: %v", listed)
				}
				if name != "no OCI-Subject" && (listed[0].ArtifactType == "" || listed[0].Annotations == nil) {
					t.Errorf("entry without artifactType or annotations: %v", listed[0])
				}
			}
		})
	}
}

func reopen(t testing.TB, s *testkit.Server) Store {
	store, _ := open(t, newClient(t), s.Host+"/team/app:v1")
	return store
}

// A registry that tells of the API by OCI-Subject is asked by the API afterwards, even
// where the repository was not there at first and so its listing answered 404.
func TestNewEvidenceRepository(t *testing.T) {
	s := testkit.Registry(t)
	client := newClient(t)
	_, subject := pinned(t, client, s)
	other, _ := open(t, client, s.Host+"/team/evidence")
	if listed, err := other.Referrers(t.Context(), subject.Digest()); err != nil || len(listed) > 0 {
		t.Fatal(listed, err)
	}
	attach(t, other, evidence(subject, "one"))
	if listed, err := other.Referrers(t.Context(), subject.Digest()); err != nil || len(listed) != 1 {
		t.Fatalf("listed after attaching: %v, %v", listed, err)
	}
}

// A 404 that speaks of the repository is not remembered as "no API": somebody else may
// make it. One that does not say of what it speaks is, until OCI-Subject shows better.
func TestAPIStateAfter404(t *testing.T) {
	s := testkit.Registry(t)
	image := testkit.NewImage()
	store, _ := open(t, newClient(t), s.Host+"/team/evidence")
	if listed, err := store.Referrers(t.Context(), image.Digest()); err != nil || len(listed) > 0 {
		t.Fatal(listed, err)
	}
	testkit.PushReferrer(t, s, "team/evidence", image.Descriptor(), "text/plain", []byte("x"))
	if listed, err := store.Referrers(t.Context(), image.Digest()); err != nil || len(listed) != 1 {
		t.Errorf("somebody else attached: %v, %v", listed, err)
	}

	s = testkit.Registry(t, testkit.FailCode(testkit.Referrers, http.StatusNotFound, "", nil, 1))
	store, subject := pinned(t, newClient(t), s)
	if listed, err := store.Referrers(t.Context(), subject.Digest()); err != nil || len(listed) > 0 {
		t.Fatal(listed, err)
	}
	attach(t, store, evidence(subject, "x"))
	if listed, err := store.Referrers(t.Context(), subject.Digest()); err != nil || len(listed) != 1 {
		t.Errorf("after OCI-Subject: %v, %v", listed, err)
	}
}

// A registry with the API that answers 404 for a digest nobody knows must not pass for
// one without it: what is attached to the next digest would go unseen.
func TestUnknownDigestIsNoMissingAPI(t *testing.T) {
	unknown := testkit.NewImage(testkit.File("never", "pushed")).Digest()
	s := testkit.Registry(t, testkit.FailCode(testkit.PathHas(unknown.String()), http.StatusNotFound, "MANIFEST_UNKNOWN", nil, testkit.Always))
	store, subject := pinned(t, newClient(t), s)
	testkit.PushReferrer(t, s, "team/app", subject.Descriptor(), "text/plain", []byte("x"))
	if listed, err := store.Referrers(t.Context(), unknown); err != nil || len(listed) > 0 {
		t.Fatal(listed, err)
	}
	if listed, err := store.Referrers(t.Context(), subject.Digest()); err != nil || len(listed) != 1 {
		t.Errorf("the next digest: %v, %v", listed, err)
	}
}

// One answer that loses the list between reading and putting must not lose the entries
// of others: they were listed a moment ago.
func TestListThatIsLostOnce(t *testing.T) {
	s := testkit.Registry(t, testkit.WithoutReferrers())
	client := newClient(t)
	store, subject := pinned(t, client, s)
	attach(t, store, evidence(subject, "first"))
	other, _ := open(t, newClient(t), s.Host+"/team/app")
	if _, err := other.Referrers(t.Context(), subject.Digest()); err != nil {
		t.Fatal(err)
	}
	s.Use(testkit.FailCode(testkit.Gets(testkit.FallbackTags), http.StatusNotFound, "MANIFEST_UNKNOWN", nil, 1))
	attach(t, other, evidence(subject, "second"))
	if entries := testkit.FallbackEntries(t, s, "team/app", subject.Digest()); len(entries) != 2 {
		t.Errorf("%d entries, want 2", len(entries))
	}
}

// A list that was asked for before Attach must not answer a Referrers after it.
func TestPrefetchedListIsNotStale(t *testing.T) {
	s := testkit.Registry(t)
	client := newClient(t)
	_, subject := pinned(t, client, s)
	store, _ := open(t, client, s.Host+"/team/app")
	if _, err := ResolveWithEvidence(t.Context(), store, store, subject.Digest().String()); err != nil {
		t.Fatal(err)
	}
	attach(t, store, evidence(subject, "one"))
	if listed, err := store.Referrers(t.Context(), subject.Digest()); err != nil || len(listed) != 1 {
		t.Fatalf("listed: %v, %v", listed, err)
	}
}

// What is no image takes no evidence: the zero Subject and files.
func TestAttachToNothing(t *testing.T) {
	s := testkit.Registry(t)
	store, _ := open(t, newClient(t), s.Host+"/team/app")
	for _, subject := range []Subject{{}, {descriptor: describe("", []byte("a file"))}} {
		_, err := store.Attach(t.Context(), []Attachment{evidence(subject, "x")})
		wantErr(t, err, ErrReference)
	}
	if n := s.Count(); n > 0 {
		t.Errorf("%d requests were made", n)
	}
}

// No update is lost without the referrers API, where other tools lose some and say
// nothing (https://github.com/sigstore/cosign/issues/2432,
// https://github.com/google/go-containerregistry/issues/2205).
func TestFiftyWriters(t *testing.T) {
	puts, settle, change := time.Second, SettleTime, realTime
	if testing.Short() {
		puts, settle, change = 150*time.Millisecond, 500*time.Millisecond, shortTime
	}
	t.Parallel()
	s := testkit.Registry(t, testkit.WithoutReferrers(), testkit.RandomPutDelay(puts))
	_, subject := pinned(t, newClient(t), s)
	start := time.Now()
	attachAtOnce(t, 50, subject, func() Store {
		store, _ := open(t, newClient(t, change), s.Host+"/team/app")
		return store
	})
	t.Logf("50 writers with T = %s: %s, %d requests, %d puts of the list", settle, time.Since(start), s.Count(), s.CountOf(testkit.Puts(testkit.FallbackTags)))
}

// The same with a registry that honours If-Match.
func TestFiftyWritersWithETags(t *testing.T) {
	t.Parallel()
	s := testkit.Registry(t, testkit.WithoutReferrers(), testkit.ETags())
	_, subject := pinned(t, newClient(t), s)
	attachAtOnce(t, 50, subject, func() Store {
		store, _ := open(t, newClient(t, realTime), s.Host+"/team/app")
		return store
	})
	if n := s.CountOf(func(r *http.Request) bool { return r.Header.Get("If-Match") != "" }); n == 0 {
		t.Error("no put was conditional")
	}
}

// With the API nobody waits for anybody.
func TestFiftyWritersWithAPI(t *testing.T) {
	t.Parallel()
	s := testkit.Registry(t)
	_, subject := pinned(t, newClient(t), s)
	attachAtOnce(t, 50, subject, func() Store {
		store, _ := open(t, newClient(t, realTime), s.Host+"/team/app")
		return store
	})
}

// A writer that read before our put and writes after it drops our entry; seeing the
// entry right after the put proves nothing.
func TestForeignWriterIsRepaired(t *testing.T) {
	t.Parallel()
	s := testkit.Registry(t, testkit.WithoutReferrers())
	store, subject := pinned(t, newClient(t, shortTime), s)
	foreign := testkit.PushReferrer(t, s, "team/app", subject.Descriptor(), "application/vnd.example.foreign", []byte("foreign"))
	var once atomic.Bool
	s.Use(after(testkit.Puts(testkit.FallbackTags), func() {
		if once.CompareAndSwap(false, true) {
			time.AfterFunc(20*time.Millisecond, func() { testkit.PutFallback(t, s, "team/app", subject.Digest(), foreign) })
		}
	}))
	own := attach(t, store, evidence(subject, "own"))
	got := testkit.FallbackEntries(t, s, "team/app", subject.Digest())
	if !slices.Contains(got, own[0].Digest) || !slices.Contains(got, foreign.Digest) {
		t.Errorf("listed: %v", got)
	}
}

// after calls f when a matching request was answered.
func after(match testkit.Matcher, f func()) testkit.Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r)
			if match(r) {
				f()
			}
		})
	}
}

// Entries of others that a race dropped are put back, unless their manifests are gone:
// somebody pruned them.
func TestDroppedEntriesOfOthers(t *testing.T) {
	t.Parallel()
	s := testkit.Registry(t, testkit.WithoutReferrers())
	store, subject := pinned(t, newClient(t, shortTime), s)
	kept := testkit.PushReferrer(t, s, "team/app", subject.Descriptor(), "application/vnd.example.a", []byte("kept"))
	pruned := plain(describe(MediaTypeManifest, []byte("pruned")))
	testkit.PushManifest(t, s, "team/app", pruned.Digest.String(), MediaTypeManifest, []byte("pruned"))
	testkit.PutFallback(t, s, "team/app", subject.Digest(), kept, pruned)
	var once atomic.Bool
	s.Use(after(testkit.Puts(testkit.FallbackTags), func() {
		if once.CompareAndSwap(false, true) {
			s.Direct(newRequest(t, http.MethodDelete, "/v2/team/app/manifests/"+pruned.Digest.String()))
			testkit.PutFallback(t, s, "team/app", subject.Digest())
		}
	}))
	own := attach(t, store, evidence(subject, "own"))
	got := testkit.FallbackEntries(t, s, "team/app", subject.Digest())
	if !slices.Contains(got, own[0].Digest) || !slices.Contains(got, kept.Digest) || slices.Contains(got, pruned.Digest) {
		t.Errorf("listed: %v; own %s, kept %s, pruned %s", got, own[0].Digest, kept.Digest, pruned.Digest)
	}
}

func newRequest(t *testing.T, method, path string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A put that its sender gave up and that lands later is no acknowledged one: entries
// that stand by it settle from when they were seen.
func TestPutThatLandsLate(t *testing.T) {
	t.Parallel()
	s := testkit.Registry(t, testkit.WithoutReferrers(), testkit.LatePut(testkit.FallbackTags, 180*time.Millisecond, 1))
	store, subject := pinned(t, newClient(t, shortTime), s)
	start := time.Now()
	own := attach(t, store, evidence(subject, "own"))
	if got := testkit.FallbackEntries(t, s, "team/app", subject.Digest()); len(got) != 1 || got[0] != own[0].Digest {
		t.Errorf("listed: %v", got)
	}
	// Given up at 2/3 T, seen T later, and again T after that.
	if took := time.Since(start); took < 2*200*time.Millisecond {
		t.Errorf("done after %s: the late put was taken for one that had been answered", took)
	}
}

// The entries of a run that was cut off are found at once, and settle too.
func TestEntriesFoundAtOnceSettle(t *testing.T) {
	t.Parallel()
	s := testkit.Registry(t, testkit.WithoutReferrers())
	store, subject := pinned(t, newClient(t, shortTime), s)
	attach(t, store, evidence(subject, "own"))
	s.Reset()
	start := time.Now()
	attach(t, store, evidence(subject, "own"))
	if took := time.Since(start); took < 200*time.Millisecond {
		t.Errorf("done after %s, before the entries had settled", took)
	}
	if n := s.CountOf(testkit.Puts(testkit.FallbackTags)); n != 0 {
		t.Errorf("the list was put %d times though nothing was missing", n)
	}
}

// Proxies behind which no condition holds must not keep evidence out.
func TestIfMatchThatNeverHolds(t *testing.T) {
	t.Parallel()
	conditional := func(r *http.Request) bool { return r.Header.Get("If-Match") != "" }
	s := testkit.Registry(t, testkit.WithoutReferrers(), testkit.Fail(conditional, http.StatusPreconditionFailed, nil, testkit.Always), testkit.ETags())
	store, subject := pinned(t, newClient(t, shortTime), s)
	attach(t, store, evidence(subject, "one"))
	attach(t, store, evidence(subject, "two"))
	if got := testkit.FallbackEntries(t, s, "team/app", subject.Digest()); len(got) != 2 {
		t.Errorf("listed: %v", got)
	}
	if n := s.CountOf(conditional); n != 1 {
		t.Errorf("%d conditional puts, want 1", n)
	}
}

// Members and entries of the fallback list that are not ours survive.
func TestFallbackListKeepsForeignMembers(t *testing.T) {
	t.Parallel()
	s := testkit.Registry(t, testkit.WithoutReferrers())
	store, subject := pinned(t, newClient(t), s)
	testkit.PushManifest(t, s, "team/app", FallbackTag(subject.Digest()), MediaTypeIndex,
		[]byte(`{"schemaVersion":2,"mediaType":"`+MediaTypeIndex+`","x-foreign":{"n":12345678901234567890},"annotations":{"a":"b"},"manifests":null}`))
	attach(t, store, evidence(subject, "own"))
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(testkit.GetManifest(t, s, "team/app", FallbackTag(subject.Digest())), &doc); err != nil {
		t.Fatal(err)
	}
	if string(doc["x-foreign"]) != `{"n":12345678901234567890}` || string(doc["annotations"]) != `{"a":"b"}` {
		t.Errorf("list: %s", doc)
	}
}

// A registry that neither lists referrers nor keeps the fallback tag cannot take
// evidence, and says so instead of being overwritten forty times.
func TestAttachToGitLab(t *testing.T) {
	s := testkit.Registry(t, testkit.WithoutReferrers(), testkit.GitLab())
	store, subject := pinned(t, newClient(t), s)
	_, err := store.Attach(t.Context(), []Attachment{evidence(subject, "one")})
	wantErr(t, err, ErrListing)
	if n := s.CountOf(testkit.Puts(testkit.FallbackTags)); n != 1 {
		t.Errorf("the list was put %d times, want once", n)
	}
}

// A registry that accepts a referrer and never lists it must not pass for done.
func TestAcceptedButNotListed(t *testing.T) {
	s := testkit.Registry(t, testkit.Answer(testkit.Referrers, MediaTypeIndex, `{"schemaVersion":2,"manifests":[]}`, testkit.Always),
		testkit.RewriteHeader(testkit.Puts(testkit.Manifests), func(h http.Header) { h.Del("OCI-Subject") }, testkit.Always))
	store, subject := pinned(t, newClient(t), s)
	_, err := store.Attach(t.Context(), []Attachment{evidence(subject, "one")})
	wantErr(t, err, ErrListing)
}

// Contention ends with an error that says that the evidence itself is there.
func TestContention(t *testing.T) {
	t.Parallel()
	s := testkit.Registry(t, testkit.WithoutReferrers())
	store, subject := pinned(t, newClient(t), s)
	s.Use(after(testkit.Puts(testkit.FallbackTags), func() { testkit.PutFallback(t, s, "team/app", subject.Digest()) }))
	_, err := store.Attach(t.Context(), []Attachment{evidence(subject, "one")})
	wantErr(t, err, ErrContended)
}

// An upload location on another host gets the content but no credentials.
func TestUploadElsewhere(t *testing.T) {
	var elsewhere *testkit.Server
	s := testkit.Registry(t, testkit.NoMonolithicPOST(), testkit.BasicAuth("user", "secret"), testkit.RewriteHeader(testkit.Uploads, func(h http.Header) {
		if l := h.Get("Location"); l != "" && !strings.Contains(l, "://") {
			h.Set("Location", elsewhere.URL+l)
		}
	}, testkit.Always))
	elsewhere = testkit.Handler(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		resp := s.Direct(r)
		w.WriteHeader(resp.StatusCode)
	}))
	testkit.DockerLogin(t, s.Host, "user", "secret")
	store, subject := pinned(t, withCredentials(t), s)
	attach(t, store, evidence(subject, "one"))
	if elsewhere.Count() != 2 {
		t.Errorf("%d uploads elsewhere, want 2", elsewhere.Count())
	}
	noSecrets(t, elsewhere)
}

// A registry must not be able to have something written to another one in the user's
// name.
func TestUploadElsewhereWithItsOwnCredentials(t *testing.T) {
	elsewhere := testkit.Registry(t, testkit.BasicAuth("user", "secret"))
	s := testkit.Registry(t, testkit.NoMonolithicPOST(), testkit.RewriteHeader(testkit.Uploads, func(h http.Header) {
		h.Set("Location", elsewhere.URL+"/v2/team/app/blobs/uploads/1")
	}, testkit.Always))
	testkit.DockerLogin(t, elsewhere.Host, "user", "secret")
	store, subject := pinned(t, withCredentials(t), s)
	_, err := store.Attach(t.Context(), []Attachment{evidence(subject, "one")})
	wantStatus(t, err, http.StatusUnauthorized)
	noSecrets(t, elsewhere)
}

// The digest is added to an upload location, whose own query stays as it was: it may
// be signed.
func TestUploadLocation(t *testing.T) {
	d := describe("", []byte("x")).Digest
	for location, want := range map[string]string{
		"/v2/a/blobs/uploads/1":                 "http://h/v2/a/blobs/uploads/1?digest=",
		"/v2/a/blobs/uploads/1?_state=b%3d;c&a": "http://h/v2/a/blobs/uploads/1?_state=b%3d;c&a&digest=",
		"http://other/x?y=1":                    "http://other/x?y=1&digest=",
	} {
		resp := &http.Response{Header: http.Header{"Location": {location}}, Request: newRequest(t, http.MethodPost, "http://h/v2/a/blobs/uploads/")}
		got, err := uploadLocation(resp)
		got = finishing(got, d)
		if err != nil || !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, %v", location, got, err)
		}
	}
	secure := &http.Response{Header: http.Header{"Location": {"http://h/x"}}, Request: newRequest(t, http.MethodPost, "https://h/v2/a/blobs/uploads/")}
	if _, err := uploadLocation(secure); err == nil {
		t.Error("an upload from https to http was accepted")
	}
}
