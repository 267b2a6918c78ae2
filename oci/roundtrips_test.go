package oci

import (
	"sync"
	"testing"
	"time"

	"github.com/hallmark-project/hallmark/internal/testkit"
)

// The registry's round trip is what users feel (DESIGN section 6): no step may come to
// cost another one unseen. Waiting for SettleTime does not count.
func TestRoundTrips(t *testing.T) {
	const delay = 50 * time.Millisecond
	attachOne := func(t *testing.T, store Store, subject Subject) {
		attach(t, store, evidence(subject, "one"))
	}
	attachEight := func(t *testing.T, store Store, subject Subject) {
		var all []Attachment
		for _, text := range []string{"a", "b", "c", "d", "e", "f", "g"} {
			all = append(all, evidence(subject, text))
		}
		attach(t, store, all...)
	}
	look := func(t *testing.T, store Store, subject Subject) {
		if _, err := ResolveWithEvidence(t.Context(), store, store, subject.Digest().String()); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Referrers(t.Context(), subject.Digest()); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name    string
		do      func(*testing.T, Store, Subject)
		options []testkit.Option
		want    int
	}{
		{"resolve and list", look, nil, 1},
		{"resolve and list by the fallback tag", look, []testkit.Option{testkit.WithoutReferrers()}, 2},
		{"attach", attachOne, nil, 2},                 // upload, put
		{"attach seven at once", attachEight, nil, 2}, // the same side by side
		{"attach with two requests an upload", attachOne, []testkit.Option{testkit.NoMonolithicPOST()}, 3},
		{"attach by the fallback tag", attachOne, []testkit.Option{testkit.WithoutReferrers()}, 6}, // and: no API, read, put, look
		{"sign", func(t *testing.T, store Store, subject Subject) {
			look(t, store, subject)
			attachOne(t, store, subject)
		}, nil, 3},
		{"verify", func(t *testing.T, store Store, subject Subject) {
			attachOne(t, store, subject)
			if _, err := ResolveWithEvidence(t.Context(), store, store, subject.Digest().String()); err != nil {
				t.Fatal(err)
			}
			readAll(t, store, subject)
		}, nil, 4}, // two to attach it; the image beside the list, the evidence with what it holds
	} {
		t.Run(test.name, func(t *testing.T) {
			var s *testkit.Server
			for range 3 { // on a busy machine, requests that are made at once may not overlap
				s = testkit.Registry(t, append(test.options, testkit.Delay(delay))...)
				store, subject := pinned(t, newClient(t, shortTime), s)
				if test.do(t, store, subject); s.Depth() == test.want {
					return
				}
			}
			t.Errorf("%d sequential round trips, want %d", s.Depth(), test.want)
			for _, r := range s.Requests() {
				t.Log(r.Method, r.Path, r.Status, r.Start.Format("05.000"), r.End.Sub(r.Start))
			}
		})
	}
}

// Nothing is fetched twice (https://github.com/sigstore/cosign/issues/5051).
func TestNothingTwice(t *testing.T) {
	s := testkit.Registry(t)
	c := newClient(t)
	store, subject := pinned(t, c, s)
	for _, text := range []string{"a", "b", "c"} {
		attach(t, store, evidence(subject, text))
	}
	s.Reset()
	fresh, _ := open(t, c, s.Host+"/team/app")
	if _, err := ResolveWithEvidence(t.Context(), fresh, fresh, subject.Digest().String()); err != nil {
		t.Fatal(err)
	}
	listed, err := fresh.Referrers(t.Context(), subject.Digest())
	if err != nil {
		t.Fatal(err)
	}
	if len(listed) != 3 {
		t.Errorf("listed: %v", listed)
	}
	readAll(t, fresh, subject)
	if twice := s.Twice(); len(twice) > 0 {
		t.Errorf("downloaded twice: %v", twice)
	}
	if got := len(s.Downloads()); got != 4 { // the image, three manifests with what they hold
		t.Errorf("%d downloads: %v", got, s.Downloads())
	}
}

// readAll reads every referrer, side by side.
func readAll(t *testing.T, store Store, subject Subject) {
	t.Helper()
	listed, err := store.Referrers(t.Context(), subject.Digest())
	if err != nil {
		t.Error(err)
	}
	var wg sync.WaitGroup
	for _, d := range listed {
		wg.Go(func() {
			m, _, err := FetchManifest(t.Context(), store, d)
			if err == nil {
				_, err = FetchAll(t.Context(), store, m.Layers[0], 1<<20)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}
