package oci

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/hallmark-project/hallmark/internal/testkit"
)

func detach(t *testing.T, s Store, on digest.Digest, list ...Descriptor) []Detached {
	t.Helper()
	var all []Detachment
	for _, d := range list {
		all = append(all, Detachment{on, d})
	}
	out, err := s.(Detacher).Detach(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func isDelete(r *http.Request) bool { return r.Method == http.MethodDelete }

func TestDetach(t *testing.T) {
	for name, test := range map[string]struct {
		options []testkit.Option
		want    Detached
		listed  int
		exists  bool
	}{
		"referrers API":       {nil, Removed, 1, false},
		"fallback tag":        {[]testkit.Option{testkit.WithoutReferrers()}, Removed, 1, false},
		"API, no deletes":     {[]testkit.Option{testkit.NoDeletes()}, Untouched, 2, true},
		"tag, no deletes":     {[]testkit.Option{testkit.WithoutReferrers(), testkit.NoDeletes()}, Unlisted, 1, true},
		"tag, no such route":  {[]testkit.Option{testkit.WithoutReferrers(), testkit.FailCode(isDelete, 404, "", nil, testkit.Always)}, Unlisted, 1, true},
		"delete answer lost":  {[]testkit.Option{testkit.WithoutReferrers(), testkit.Lost(isDelete, 1)}, Removed, 1, false},
		"list answer is lost": {[]testkit.Option{testkit.WithoutReferrers()}, Removed, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := testkit.Registry(t, test.options...)
			store, subject := pinned(t, newClient(t), s)
			old := attach(t, store, evidence(subject, "old"))[0]
			attach(t, store, evidence(subject, "new"))
			if name == "list answer is lost" {
				s.Use(testkit.Lost(testkit.Puts(testkit.FallbackTags), 1))
			}
			if got := detach(t, store, subject.Digest(), old); got[0] != test.want {
				t.Errorf("%s, want %s", got[0], test.want)
			}
			fresh, _ := open(t, newClient(t), s.Host+"/team/app")
			list, err := fresh.Referrers(t.Context(), subject.Digest())
			if err != nil || len(list) != test.listed {
				t.Errorf("listed: %v, %v", list, err)
			}
			if there := testkit.GetManifest(t, s, "team/app", old.Digest.String()) != nil; there != test.exists {
				t.Errorf("is it there: %v", there)
			}
		})
	}
}

// A right that is missing is an error: nothing may be said to be impossible that is
// forbidden to one user.
func TestDetachForbidden(t *testing.T) {
	s := testkit.Registry(t)
	store, subject := pinned(t, newClient(t), s)
	old := attach(t, store, evidence(subject, "old"))[0]
	s.Use(testkit.FailCode(isDelete, http.StatusForbidden, "DENIED", nil, testkit.Always))
	_, err := store.(Detacher).Detach(t.Context(), []Detachment{{subject.Digest(), old}})
	wantStatus(t, err, http.StatusForbidden)
}

// Taking one entry out of a list while others add theirs loses nobody's, and the entry
// does not come back.
func TestDetachAmongWriters(t *testing.T) {
	s := testkit.Registry(t, testkit.WithoutReferrers(), testkit.RandomPutDelay(settleShort/4))
	store, subject := pinned(t, newClient(t, shortTime), s)
	var old []Descriptor
	for i := range 3 {
		old = append(old, attach(t, store, evidence(subject, fmt.Sprint("old ", i)))...)
	}
	var wg sync.WaitGroup
	const writers = 6
	for i := range writers {
		w, _ := open(t, newClient(t, shortTime), s.Host+"/team/app")
		wg.Go(func() { attach(t, w, evidence(subject, fmt.Sprint("new ", i))) })
	}
	wg.Go(func() { detach(t, store, subject.Digest(), old...) })
	wg.Wait()
	fresh, _ := open(t, newClient(t), s.Host+"/team/app")
	list, err := fresh.Referrers(t.Context(), subject.Digest())
	if err != nil || len(digests(list)) != writers {
		t.Fatalf("%d entries, want %d: %v", len(list), writers, err)
	}
	for _, d := range old {
		if digests(list)[d.Digest] {
			t.Errorf("%s came back", d.Digest)
		}
	}
}

// From a layout go the blobs that nothing else names.
func TestDetachFromLayout(t *testing.T) {
	dir := t.TempDir()
	image := testkit.NewImage()
	testkit.WriteLayout(t, dir, "v1", image)
	store, subject := resolve(t, newClient(t), "oci:"+dir)
	gone := attach(t, store, evidence(subject, "gone"))[0]
	attach(t, store, evidence(subject, "stays"))
	shared := evidence(subject, "stays") // another manifest with the same layer
	shared.Artifact.Type = "application/vnd.example.other"
	other := attach(t, store, shared)[0]
	if got := detach(t, store, subject.Digest(), gone, other); got[0] != Removed || got[1] != Removed {
		t.Errorf("got %v", got)
	}
	for text, there := range map[string]bool{"gone": false, "stays": true, "{}": true} {
		if _, err := os.Stat(testkit.BlobFile(dir, digest.FromString(text))); (err == nil) != there {
			t.Errorf("blob %q: %v", text, err)
		}
	}
	wantListed(t, newClient(t), "oci:"+dir, 1)
	if _, err := FetchAll(t.Context(), store, subject.Manifest().Layers[0], 1<<20); err != nil {
		t.Error(err)
	}
}

// While somebody writes into a layout, blobs stay: they may be about to be named.
func TestDetachKeepsBlobsOfWriters(t *testing.T) {
	dir := t.TempDir()
	testkit.WriteLayout(t, dir, "v1", testkit.NewImage())
	c := newClient(t)
	store, subject := resolve(t, c, "oci:"+dir)
	gone := attach(t, store, evidence(subject, "gone"))[0]
	writer, err := openLayout(dir, &Written{})
	if err != nil {
		t.Fatal(err)
	}
	release, err := writer.keepBlobs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	old := writersTime
	writersTime = settleShort
	defer func() { writersTime = old }()
	if got := detach(t, store, subject.Digest(), gone); got[0] != Unlisted {
		t.Errorf("got %v", got)
	}
	if _, err := os.Stat(testkit.BlobFile(dir, gone.Digest)); err != nil {
		t.Error(err)
	}
	wantListed(t, c, "oci:"+dir, 0)
}

func TestDetachFromArchive(t *testing.T) {
	dir, archive := t.TempDir(), filepath.Join(t.TempDir(), "a.tar")
	testkit.WriteLayout(t, dir, "v1", testkit.NewImage())
	store, subject := resolve(t, newClient(t), "oci:"+dir)
	gone := attach(t, store, evidence(subject, "gone"))[0]
	testkit.TarLayout(t, dir, archive, "")
	packed, _ := open(t, newClient(t), "oci:"+archive)
	_, err := packed.(Detacher).Detach(t.Context(), []Detachment{{subject.Digest(), gone}})
	wantErr(t, err, ErrReadOnly)
}

// Which digests there is evidence of: what tags and a layout's entries tell.
func TestEvidenceSubjects(t *testing.T) {
	s := testkit.Registry(t, testkit.WithoutReferrers())
	store, subject := pinned(t, newClient(t), s)
	attach(t, store, evidence(subject, "x"))
	testkit.PushImage(t, s, "team/app:"+FallbackTag(digest.FromString("gone"))+".sig", testkit.NewImage())
	testkit.PushImage(t, s, "team/app:sha256-123", testkit.NewImage())
	found, err := store.(Enumerator).EvidenceSubjects(t.Context())
	if err != nil || len(found) != 2 {
		t.Errorf("%v, %v", found, err)
	}
	dir := t.TempDir()
	testkit.WriteLayout(t, dir, "v1", testkit.NewImage())
	local, about := resolve(t, newClient(t), "oci:"+dir)
	attach(t, local, evidence(about, "x"))
	found, err = local.(Enumerator).EvidenceSubjects(t.Context())
	if err != nil || len(found) != 1 || found[0] != about.Digest() {
		t.Errorf("%v, %v", found, err)
	}
}

func TestIsGone(t *testing.T) {
	for code, want := range map[string]bool{"MANIFEST_UNKNOWN": true, "NAME_UNKNOWN": false, "DENIED": false, "": false} {
		if got := IsGone(fmt.Errorf("x: %w", &StatusError{Status: http.StatusNotFound, Code: code})); got != want {
			t.Errorf("404 %s: %v", code, got)
		}
	}
	if IsGone(&StatusError{Status: http.StatusForbidden, Code: "MANIFEST_UNKNOWN"}) {
		t.Error("403 says that it is gone")
	}
}

// A list that names what somebody deleted does not keep others from attaching where the
// registry refuses such lists.
func TestAttachBesideDanglingEntries(t *testing.T) {
	s := testkit.Registry(t, testkit.WithoutReferrers())
	store, subject := pinned(t, newClient(t, shortTime), s)
	gone := attach(t, store, evidence(subject, "gone"))[0]
	there := attach(t, store, evidence(subject, "there"))[0]
	if deleted, err := store.(*repository).deleteManifest(t.Context(), gone.Digest); !deleted || err != nil {
		t.Fatal(deleted, err)
	}
	fresh, _ := open(t, newClient(t, shortTime), s.Host+"/team/app")
	added := attach(t, fresh, evidence(subject, "added"))[0]
	list, err := fresh.Referrers(t.Context(), subject.Digest())
	if got := digests(list); err != nil || len(got) != 2 || !got[there.Digest] || !got[added.Digest] {
		t.Errorf("listed: %v, %v", list, err)
	}
}

// A writer that had read the list before puts an entry back at the last moment: it does
// not stay, or readers would miss what it names.
func TestDetachLooksAgain(t *testing.T) {
	s := testkit.Registry(t, testkit.WithoutReferrers())
	store, subject := pinned(t, newClient(t), s)
	old := attach(t, store, evidence(subject, "old"))[0]
	stays := attach(t, store, evidence(subject, "stays"))[0]
	var once sync.Once
	s.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if isDelete(r) {
				once.Do(func() { testkit.PutFallback(t, s, "team/app", subject.Digest(), old, stays) })
			}
			next.ServeHTTP(w, r)
		})
	})
	if got := detach(t, store, subject.Digest(), old); got[0] != Removed {
		t.Errorf("got %v", got)
	}
	if got := testkit.FallbackEntries(t, s, "team/app", subject.Digest()); len(got) != 1 || got[0] != stays.Digest {
		t.Errorf("listed: %v", got)
	}
}
