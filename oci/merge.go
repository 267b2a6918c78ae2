package oci

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/hallmark-project/hallmark/internal/retry"
)

// SettleTime is the T of the lost-update protocol for registries without the
// referrers API, where the list of referrers is a tag that everybody overwrites.
//
// A writer reads the list, adds its entries and puts it back within T, or does not
// count it as done. At least T after its own put was answered it looks again: every
// writer that had read the list before that put has finished by then, so entries
// that still stand cannot be overwritten by it any more. Entries that do not are
// merged again. The wait is paid once per command and only on such registries.
//
// Entries that stand although no put of them was answered (one that timed out and
// landed later, a run that was cut off) are first counted from when they were seen.
// A writer gives its put up after two thirds of T, so that one which the registry
// carries out late still does so within T; later than that, a list that somebody read
// in the meantime can be overwritten, and the next run repairs what it knows of.
const SettleTime = 3 * time.Second

const (
	// maxMerges is how often one writer puts the list before it gives up, and
	// maxRefused how often it may be told that somebody else was faster.
	maxMerges  = 40
	maxRefused = 400
	// maxDangling is how often a list is put again that names what is gone.
	maxDangling = 4
	// maxSlow is how often in a row reading the list may take too long to put it.
	maxSlow = 5
	// maxRepairs caps the entries of others that one writer looks after.
	maxRepairs = 256
)

// clock lets tests of the protocol run in no time.
type clock interface {
	Now() time.Time
	Sleep(ctx context.Context, d time.Duration) error
}

type wallClock struct{}

func (wallClock) Now() time.Time { return time.Now() }

func (wallClock) Sleep(ctx context.Context, d time.Duration) error { return retry.Sleep(ctx, d) }

// merge adds entries to the fallback index of one subject until they stand.
type merge struct {
	repo    *repository
	subject digest.Digest
	own     []Descriptor           // entries that must be there
	gone    map[digest.Digest]bool // entries that must not

	seen                []Descriptor           // entries of others met on the way, which a race may drop
	alive               map[digest.Digest]bool // whether those that were dropped exist
	puts, refused, slow int
	dangling            int    // how often the list was refused because of entries that are gone
	spread              bool   // has waited a while after its first collision
	refusedTag          string // the ETag under which the last put was refused
	unconditional       bool   // the registry's ETags do not work
}

// newMerge begins with what this run has read before: an entry that was listed a
// moment ago and is not any more was dropped.
func newMerge(repo *repository, subject digest.Digest, own []Descriptor) *merge {
	repo.mu.Lock()
	before := repo.listed[subject]
	repo.mu.Unlock()
	seen := without(before[max(len(before)-maxRepairs, 0):], own)
	return &merge{seen: seen, repo: repo, subject: subject, own: without(own, nil), alive: map[digest.Digest]bool{}, gone: map[digest.Digest]bool{}}
}

// look is what was found in the list, and what is to be added to it.
type look struct {
	start   time.Time // before the list was asked for
	list    fallback
	missing []Descriptor
	surplus bool // it holds entries that must not be there
}

func (m *merge) run(ctx context.Context) error {
	var standing time.Time // since when all entries are known to stand; zero: they do not
	for m.puts < maxMerges && m.refused < maxRefused {
		found, err := m.look(ctx)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrListing, err)
		}
		var pause time.Duration
		if len(found.missing) == 0 && !found.surplus {
			if standing.IsZero() {
				standing = m.clock().Now()
			}
			pause = m.settle() - found.start.Sub(standing)
			if pause <= 0 {
				return nil
			}
		} else if m.puts == 1 && !m.spread { // all that collided look at the same time
			m.spread = true
			pause = rand.N(m.settle())
		} else if standing, pause, err = m.put(ctx, found); err != nil {
			return err
		}
		if err := m.clock().Sleep(ctx, pause); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w of %s, %d times", ErrContended, m.subject, m.puts+m.refused)
}

func (m *merge) clock() clock          { return m.repo.client.clock }
func (m *merge) settle() time.Duration { return m.repo.client.settle }

// look reads the list. What it must hold and does not are one's own entries, and those
// of others that stood in it before, were dropped by a race, and still exist. To find
// out the latter takes time, in which the list may change: it is read again.
func (m *merge) look(ctx context.Context) (look, error) {
	found, err := m.read(ctx)
	if err != nil {
		return look{}, err
	}
	if m.dangling > 1 { // it is not only that it was read too early
		if err := m.dropDead(ctx, found.list.doc.entries); err != nil {
			return look{}, err
		}
	}
	found.surplus = slices.ContainsFunc(found.list.doc.entries, m.isGone)
	dropped := without(m.seen, found.list.doc.entries)
	asked, err := m.checkAlive(ctx, dropped)
	if err != nil {
		return look{}, err
	}
	if asked {
		if found, err = m.read(ctx); err != nil {
			return look{}, err
		}
		found.surplus = slices.ContainsFunc(found.list.doc.entries, m.isGone)
	}
	repairs := slices.DeleteFunc(without(m.seen, found.list.doc.entries), func(d Descriptor) bool { return !m.alive[d.Digest] })
	found.missing = append(without(m.own, found.list.doc.entries), repairs...)
	m.remember(without(found.list.doc.entries, m.own), repairs)
	return found, nil
}

func (m *merge) isGone(d Descriptor) bool { return m.gone[d.Digest] }

func (m *merge) read(ctx context.Context) (look, error) {
	start := m.clock().Now()
	list, err := m.repo.fallbackIndex(ctx, m.subject)
	return look{start: start, list: list}, err
}

// checkAlive finds out which entries' manifests exist, and whether that took asking.
func (m *merge) checkAlive(ctx context.Context, dropped []Descriptor) (asked bool, err error) {
	unknown := slices.DeleteFunc(dropped, func(d Descriptor) bool { _, known := m.alive[d.Digest]; return known })
	exist := make([]bool, len(unknown))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(attachParallel)
	for i, d := range unknown {
		group.Go(func() (err error) {
			exist[i], err = m.repo.exists(ctx, d.Digest)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return false, err
	}
	for i, d := range unknown {
		m.alive[d.Digest] = exist[i]
	}
	return len(unknown) > 0, nil
}

// remember keeps the newest entries of others, which a race drops, and those that it
// dropped already.
func (m *merge) remember(listed, repairs []Descriptor) {
	listed = slices.DeleteFunc(listed[max(len(listed)-maxRepairs, 0):], m.isGone)
	m.seen = append(slices.Clone(listed), repairs[:min(len(repairs), maxRepairs)]...)
}

// put writes the list with the missing entries. It returns since when they stand, if
// that is known, and how long to wait for the next look, which tells in any case.
func (m *merge) put(ctx context.Context, found look) (standing time.Time, pause time.Duration, err error) {
	m.puts++
	left := m.settle()*2/3 - m.clock().Now().Sub(found.start)
	if left <= 0 {
		if m.slow++; m.slow == maxSlow {
			return time.Time{}, 0, fmt.Errorf("%w, or might: reading it takes longer than %s", ErrContended, m.settle()*2/3)
		}
		return time.Time{}, m.pause(), nil
	}
	m.slow = 0
	for _, d := range found.missing { // what is dropped once more may be gone by then
		delete(m.alive, d.Digest)
	}
	raw, err := found.list.doc.minus(m.isGone).plus(found.missing).marshal()
	if err != nil {
		return time.Time{}, 0, err
	}
	bounded, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	_, err = m.repo.putManifest(bounded, FallbackTag(m.subject), describe(MediaTypeIndex, raw), raw, m.condition(found))
	switch {
	case ctx.Err() != nil:
		return time.Time{}, 0, ctx.Err()
	case err != nil && bounded.Err() != nil: // it may still land
		return time.Time{}, m.pause(), nil
	case namesMissing(err) && m.dangling < maxDangling:
		m.puts--
		m.dangling++
		return time.Time{}, rand.N(m.settle() / 4), nil
	case conflict(err):
		m.puts--
		m.refused++
		m.refusedTag = found.list.etag
		return time.Time{}, rand.N(m.settle() / 4), nil
	case err != nil:
		return time.Time{}, 0, fmt.Errorf("listing the evidence under tag %s: %w", FallbackTag(m.subject), err)
	}
	if found.list.shadowed {
		return m.clock().Now(), m.settle(), m.checkShadow(ctx)
	}
	return m.clock().Now(), m.pause(), nil
}

// condition makes a put fail that would overwrite another list than the one read,
// where the registry offers ETags. Weak ones never match (RFC 9110 section 13.1.1). One
// that was refused and still stands does not work at all, as behind some proxies.
func (m *merge) condition(found look) http.Header {
	etag := found.list.etag
	if etag != "" && etag == m.refusedTag {
		m.unconditional = true
	}
	if etag == "" || strings.HasPrefix(etag, "W/") || m.unconditional {
		return nil
	}
	return http.Header{"If-Match": {etag}}
}

// namesMissing reports whether a registry refuses a list because something in it is not
// there: somebody has deleted it since the list was read, or long ago.
func namesMissing(err error) bool {
	var status *StatusError
	if !errors.As(err, &status) || status.Status != http.StatusNotFound && status.Status != http.StatusBadRequest {
		return false
	}
	return slices.Contains([]string{"MANIFEST_UNKNOWN", "MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN"}, status.Code)
}

// dropDead takes out of a list what is gone, where the registry lets nobody put the list
// with it.
func (m *merge) dropDead(ctx context.Context, entries []Descriptor) error {
	if _, err := m.checkAlive(ctx, entries); err != nil {
		return err
	}
	for _, d := range entries {
		if !m.alive[d.Digest] {
			m.gone[d.Digest] = true
		}
	}
	return nil
}

func conflict(err error) bool {
	var status *StatusError
	return errors.As(err, &status) && (status.Status == http.StatusPreconditionFailed || status.Status == http.StatusConflict)
}

// checkShadow is called after a put where the registry had answered the tag with the
// subject itself. If it still does, nobody can ever read the list there.
func (m *merge) checkShadow(ctx context.Context) error {
	list, err := m.repo.fallbackIndex(ctx, m.subject)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrListing, err)
	}
	if list.shadowed {
		return fmt.Errorf("%w: the registry has no referrers API and answers the tag %s with the image itself, so that nothing can be listed there",
			ErrListing, FallbackTag(m.subject))
	}
	return nil
}

// pause is how long to wait after a put for the look that tells what became of it.
// Without a race one look after SettleTime is enough. Writers that have collided look
// earlier, to try again sooner, and not at the same time.
func (m *merge) pause() time.Duration {
	if m.puts <= 1 {
		return m.settle()
	}
	return m.settle()/4 + rand.N(m.settle())
}
