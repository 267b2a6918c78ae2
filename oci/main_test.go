package oci

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/hallmark-project/hallmark/internal/testkit"
)

// newClient is an anonymous client that neither waits nor retries for long.
func newClient(t testing.TB, change ...func(*Client, *Options)) *Client {
	t.Helper()
	o := Options{Anonymous: true, Retries: 1}
	for _, f := range change {
		f(nil, &o)
	}
	c, err := NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	c.clock = &skipClock{}
	for _, f := range change {
		f(c, &o)
	}
	return c
}

// skipClock is a clock whose sleeps take no time but count.
type skipClock struct{ slept atomic.Int64 }

func (c *skipClock) Now() time.Time { return time.Now().Add(time.Duration(c.slept.Load())) }

func (c *skipClock) Sleep(ctx context.Context, d time.Duration) error {
	c.slept.Add(int64(d))
	return ctx.Err()
}

// realTime makes a client keep the protocol's own times.
func realTime(c *Client, _ *Options) {
	if c != nil {
		c.clock, c.settle = wallClock{}, SettleTime
	}
}

const settleShort = 500 * time.Millisecond

// shortTime makes a client keep the protocol with a shorter T.
func shortTime(c *Client, _ *Options) {
	if c != nil {
		c.clock, c.settle = wallClock{}, settleShort
	}
}

// open opens the repository or layout that text names.
func open(t testing.TB, c *Client, text string) (Store, Reference) {
	t.Helper()
	ref, err := ParseReference(text)
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.Open(ref)
	if err != nil {
		t.Fatal(err)
	}
	return s, ref
}

// resolve opens text and resolves it.
func resolve(t testing.TB, c *Client, text string) (Store, Subject) {
	t.Helper()
	store, ref := open(t, c, text)
	subject, err := store.Resolve(t.Context(), ref.Target())
	if err != nil {
		t.Fatal(err)
	}
	return store, subject
}

// pinned pushes an image to a server and opens it by digest.
func pinned(t testing.TB, c *Client, s *testkit.Server) (Store, Subject) {
	t.Helper()
	image := testkit.NewImage()
	ref := testkit.PushImage(t, s, "team/app:v1", image)
	store, _ := open(t, c, ref)
	subject, err := newSubject(s.Host+"/team/app", plain(image.Descriptor()), image.Manifest)
	if err != nil {
		t.Fatal(err)
	}
	return store, subject
}

func evidence(subject Subject, text string) Attachment {
	return Attachment{Subject: subject, Artifact: Artifact{
		Type: "application/vnd.example.evidence", Layer: BytesBlob("application/vnd.example.evidence", []byte(text)),
		Annotations: map[string]string{"org.example.text": text},
	}}
}

func attach(t testing.TB, s Store, a ...Attachment) []Descriptor {
	t.Helper()
	out, err := s.Attach(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func digests(list []Descriptor) map[digest.Digest]bool {
	out := map[digest.Digest]bool{}
	for _, d := range list {
		out[d.Digest] = true
	}
	return out
}

// attachAtOnce attaches n pieces from n stores at once and wants all of them listed.
func attachAtOnce(t *testing.T, n int, subject Subject, open func() Store) {
	t.Helper()
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		store := open()
		wg.Go(func() {
			_, errs[i] = store.Attach(t.Context(), []Attachment{evidence(subject, fmt.Sprint("piece ", i))})
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	listed, err := open().Referrers(t.Context(), subject.Digest())
	if err != nil {
		t.Fatal(err)
	}
	if got := len(digests(listed)); got != n {
		t.Fatalf("%d of %d attachments are listed", got, n)
	}
}

func wantErr(t *testing.T, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Fatalf("got error %v, want %v", err, target)
	}
}

func wantText(t *testing.T, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Fatalf("got error %v, want one with %q", err, text)
	}
}
