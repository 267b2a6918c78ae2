package oci

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// SettleTime is the T of the lost-update protocol for registries without the
// referrers API, where the list of referrers is a tag that everybody overwrites.
//
// A writer reads the list, adds its entries and puts it back within T, or does not
// count it as done. At least T after its own put was answered it looks again: every
// writer that had read the list before that put has finished by then, so entries
// that still stand cannot be overwritten by it any more. Entries that do not are
// merged again. The wait is paid once per command and only on such registries.
const SettleTime = 3 * time.Second

// maxMerges is how often one writer puts the list before it gives up.
const maxMerges = 40

// maxRepairs caps the entries of others that one writer looks after.
const maxRepairs = 256

// clock lets tests of the protocol run in no time.
type clock interface {
	Now() time.Time
	Sleep(ctx context.Context, d time.Duration) error
}

type wallClock struct{}

func (wallClock) Now() time.Time { return time.Now() }

func (wallClock) Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// merge adds entries to the fallback index of one subject until they stand.
type merge struct {
	repo    *repository
	subject digest.Digest
	own     []Descriptor
	clock   clock

	seen []Descriptor // entries of others met on the way, which a race may drop
	puts int
}

func (m *merge) run(ctx context.Context) error {
	last := m.clock.Now() // entries found at once may be a cut-off run's: they settle too
	for m.puts < maxMerges {
		start := m.clock.Now()
		index, err := m.repo.fallbackIndex(ctx, m.subject)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrListing, err)
		}
		missing := m.missing(ctx, index.entries)
		if len(missing) == 0 {
			wait := SettleTime - start.Sub(last)
			if wait <= 0 {
				return nil
			}
			if err := m.clock.Sleep(ctx, wait); err != nil {
				return err
			}
			continue
		}
		if err := m.put(ctx, start, index, missing); err != nil {
			return err
		}
		last = m.clock.Now()
		if err := m.clock.Sleep(ctx, SettleTime+m.jitter()); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w of %s, %d times", ErrContended, m.subject, m.puts)
}

// jitter spreads writers that collided. The first look needs none.
func (m *merge) jitter() time.Duration {
	if m.puts <= 1 {
		return 0
	}
	return rand.N(SettleTime)
}

// missing is what the list must hold and does not: one's own entries, and those of
// others that stood in it before, were dropped by a race, and still exist.
func (m *merge) missing(ctx context.Context, listed []Descriptor) []Descriptor {
	missing := without(m.own, listed)
	for _, d := range without(m.seen, listed) {
		if m.repo.exists(ctx, d.Digest) {
			missing = append(missing, d)
		}
	}
	m.seen = append(m.seen, without(without(listed, m.seen), m.own)...)
	if len(m.seen) > maxRepairs {
		m.seen = m.seen[len(m.seen)-maxRepairs:]
	}
	return missing
}

// put writes the list with missing added, within SettleTime of start. A conflict
// with another writer, or a put that took too long, is no error: the next look
// tells what stands.
func (m *merge) put(ctx context.Context, start time.Time, index fallback, missing []Descriptor) error {
	m.puts++
	left := SettleTime - m.clock.Now().Sub(start)
	if left <= 0 {
		return nil
	}
	raw, err := json.Marshal(ocispec.Index{
		Versioned: versioned2, MediaType: MediaTypeIndex, Manifests: append(index.entries, missing...),
	})
	if err != nil {
		return err
	}
	header := http.Header{}
	if index.etag != "" {
		header.Set("If-Match", index.etag)
	}
	bounded, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	_, err = m.repo.putManifest(bounded, FallbackTag(m.subject), describe(MediaTypeIndex, raw), raw, header)
	var status *StatusError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, context.DeadlineExceeded),
		errors.As(err, &status) && (status.Status == http.StatusPreconditionFailed || status.Status == http.StatusConflict):
		return nil
	case err != nil:
		return fmt.Errorf("listing the evidence under tag %s: %w", FallbackTag(m.subject), err)
	}
	return nil
}
