package verify

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/hallmark-project/hallmark/policy"
)

// dossier is the evidence about one digest, read as far as it was needed.
type dossier struct {
	on       digest.Digest
	platform string
	assessor *assessor
	sources  []Source
	limits   Limits

	mu        sync.Mutex
	left      map[int][]Candidate // of each source that was listed: what nobody tried to read yet
	exhausted bool                // every source was read to its end
	assessed  []assessment
	unread    []Unread
}

// reading is how much of the evidence is wanted.
type reading struct {
	types  []policy.Type // what is labelled as one of these is read first
	enough func() bool   // reports whether no more is wanted
}

// complete reads evidence until enough of it or all was read. What is labelled as one of
// the types comes first, then everything else: a label may be wrong, so nothing is
// concluded before what it put off is read too.
func (d *dossier) complete(ctx context.Context, r reading) error {
	if d.exhausted {
		return nil
	}
	for i := range d.sources {
		if r.enough() {
			return nil
		}
		candidates, err := d.candidates(ctx, i)
		if err != nil {
			return err
		}
		done, err := d.readAll(ctx, i, candidates, r)
		if err != nil || done {
			return err
		}
	}
	d.exhausted = true
	return nil
}

// candidates are those of a source that nobody has tried to read yet. A list is asked
// for once.
func (d *dossier) candidates(ctx context.Context, source int) ([]Candidate, error) {
	if d.left == nil {
		d.left = map[int][]Candidate{}
	}
	if left, listed := d.left[source]; listed {
		return left, nil
	}
	list, err := d.sources[source].Candidates(ctx, d.on)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		d.miss("the list of evidence", err)
	}
	d.left[source] = list
	return list, nil
}

// readAll reads candidates that were not read before, and reports whether that is enough.
func (d *dossier) readAll(ctx context.Context, source int, candidates []Candidate, r reading) (done bool, err error) {
	first, rest := split(candidates, r.types)
	for i, list := range [][]Candidate{first, rest} {
		for len(list) > 0 {
			if d.left[source] = list; i == 0 {
				d.left[source] = slices.Concat(list, rest)
			}
			if r.enough() {
				return true, nil
			}
			if d.read() >= d.limits.Pieces {
				d.miss(fmt.Sprintf("%d more pieces of evidence", len(list)), fmt.Errorf("more than the limit of %d", d.limits.Pieces))
				return false, nil
			}
			batch := list[:d.batch(list, r.types)]
			list = list[len(batch):]
			if err := d.readBatch(ctx, batch); err != nil {
				return false, err
			}
		}
		if d.left[source] = nil; i == 0 {
			d.left[source] = rest
		}
	}
	return false, nil
}

// split puts first what may be evidence of one of the types by its label, the likeliest
// before the others.
func split(candidates []Candidate, types []policy.Type) (first, rest []Candidate) {
	for _, c := range candidates {
		if c.Rank(types) < rankUnlikely {
			first = append(first, c)
		} else {
			rest = append(rest, c)
		}
	}
	slices.SortStableFunc(first, func(a, b Candidate) int { return cmp.Compare(a.Rank(types), b.Rank(types)) })
	return first, rest
}

// batch is how many candidates are read at once: none beside likelier ones, which may be
// enough.
func (d *dossier) batch(list []Candidate, types []policy.Type) int {
	for i, c := range list {
		if i == d.limits.Parallel || c.Rank(types) != list[0].Rank(types) {
			return i
		}
	}
	return len(list)
}

func (d *dossier) readBatch(ctx context.Context, batch []Candidate) error {
	results := make([][]assessment, len(batch))
	group, ctx := errgroup.WithContext(ctx)
	for i, c := range batch {
		group.Go(func() error {
			err := c.Read(ctx, d.limits.PieceBytes, func(p Piece) {
				results[i] = append(results[i], d.assess(ctx, c, p))
			})
			for n := range results[i] {
				d.follow(ctx, c, &results[i][n])
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				d.miss(c.Name, err)
			}
			return nil
		})
	}
	err := group.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range results {
		d.assessed = append(d.assessed, r...)
	}
	return err
}

func (d *dossier) assess(ctx context.Context, c Candidate, p Piece) assessment {
	a := d.assessor.assess(ctx, d.on, p)
	a.report.Platform = d.platform
	if a.predicateType == "" { // it says nothing readable: its label may
		a.report.ClaimedType = printable(c.Hint)
	}
	return a
}

func (d *dossier) read() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.assessed)
}

func (d *dossier) miss(what string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.unread = append(d.unread, Unread{On: d.on, What: what, Cause: describeUnread(err), reason: err})
}

// missDocument notes that what a statement refers to could not be read.
func (d *dossier) missDocument(r *Referral, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	what := "the SBOM " + r.Digest.String() + ", which evidence refers to"
	d.unread = append(d.unread, Unread{On: d.on, What: what, Cause: describeUnread(err), reason: err, document: true})
}

func (d *dossier) others() string {
	types := map[string]int{}
	for _, a := range d.assessed {
		if a.predicateType != "" {
			types[policy.TypeOf(a.predicateType).String()]++
		}
	}
	if len(types) == 0 {
		return ""
	}
	text := "; there is evidence of other types:"
	for _, name := range sortedNames(types) {
		text += " " + printable(name)
	}
	return text
}
