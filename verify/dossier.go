package verify

import (
	"context"
	"fmt"
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
	done     func() bool // nil: every type has accepted evidence

	mu       sync.Mutex
	assessed []assessment
	unread   []Unread
}

// complete reads evidence until every type is satisfied or all was read. What is
// labelled as one of the types comes first, then everything else: a label may be
// wrong, so nothing is concluded before what it put off is read too.
func (d *dossier) complete(ctx context.Context, types []policy.Type) error {
	for _, source := range d.sources {
		if d.satisfied(types) {
			return nil
		}
		candidates, err := source.Candidates(ctx, d.on)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			d.miss("the list of evidence", err)
			continue
		}
		if err := d.readAll(ctx, candidates, types); err != nil {
			return err
		}
	}
	return nil
}

func (d *dossier) readAll(ctx context.Context, candidates []Candidate, types []policy.Type) error {
	first, rest := split(candidates, types)
	for _, list := range [][]Candidate{first, rest} {
		for len(list) > 0 {
			if d.satisfied(types) {
				return nil
			}
			if d.read() >= d.limits.Pieces {
				d.miss(fmt.Sprintf("%d more pieces of evidence", len(list)), fmt.Errorf("more than the limit of %d", d.limits.Pieces))
				return nil
			}
			batch := list[:min(len(list), d.limits.Parallel)]
			list = list[len(batch):]
			if err := d.readBatch(ctx, batch); err != nil {
				return err
			}
		}
	}
	return nil
}

// split puts first what is labelled as evidence of one of the types.
func split(candidates []Candidate, types []policy.Type) (first, rest []Candidate) {
	for _, c := range candidates {
		wanted := c.Likely && c.Hint == ""
		for _, t := range types {
			wanted = wanted || c.Likely && t.Matches(c.Hint)
		}
		if wanted {
			first = append(first, c)
		} else {
			rest = append(rest, c)
		}
	}
	return first, rest
}

func (d *dossier) readBatch(ctx context.Context, batch []Candidate) error {
	results := make([][]assessment, len(batch))
	group, ctx := errgroup.WithContext(ctx)
	for i, c := range batch {
		group.Go(func() error {
			err := c.Read(ctx, d.limits.PieceBytes, func(p Piece) {
				results[i] = append(results[i], d.assess(c, p))
			})
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

func (d *dossier) assess(c Candidate, p Piece) assessment {
	a := d.assessor.assess(d.on, p)
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

func (d *dossier) satisfied(types []policy.Type) bool {
	if d.done != nil {
		return d.done()
	}
	for _, t := range types {
		if d.accepted(t) == nil {
			return false
		}
	}
	return true
}

// accepted is a piece of evidence of type t that passed every check, or nil.
func (d *dossier) accepted(t policy.Type) *assessment {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.assessed {
		if a := &d.assessed[i]; a.accepted && t.Matches(a.predicateType) {
			return a
		}
	}
	return nil
}

// state is what the evidence on this digest says for type t.
func (d *dossier) state(t policy.Type) DigestState {
	s := DigestState{Digest: d.on, Platform: d.platform, Outcome: Failed}
	if a := d.accepted(t); a != nil {
		s.Outcome, s.Evidence, s.Signer = Passed, a.report.Digest, a.signer.Fingerprint
		return s
	}
	return s
}

// failure is why type t is not satisfied on this digest.
func (d *dossier) failure(t policy.Type) Failure {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := Failure{Type: t.String(), On: d.on, Platform: d.platform}
	rejected := d.rejected(t)
	switch {
	case len(d.unread) > 0:
		f.Verdict = ErrInconclusive
		f.Cause = fmt.Sprintf("could not read %s: %s", d.unread[0].What, d.unread[0].Cause)
	case len(rejected) > 0:
		f.Verdict = ErrRejected
		f.Cause = because(rejected)
	default:
		f.Verdict = ErrMissing
		f.Cause = "there is none" + d.others()
	}
	return f
}

// rejected is the evidence that is of type t, or may be, and does not count.
func (d *dossier) rejected(t policy.Type) []assessment {
	var out []assessment
	for _, a := range d.assessed {
		if a.accepted {
			continue
		}
		if t.Matches(a.predicateType) || a.predicateType == "" && (a.report.ClaimedType == "" || t.Matches(a.report.ClaimedType)) {
			out = append(out, a)
		}
	}
	return out
}

// because says why evidence was rejected: of the piece that came furthest, the check
// that failed first.
func because(rejected []assessment) string {
	closest := rejected[0]
	for _, a := range rejected[1:] {
		if a.passed() > closest.passed() {
			closest = a
		}
	}
	text := ""
	for _, fact := range closest.report.Facts {
		if fact.Outcome == Failed {
			text = fmt.Sprintf("%s %s: %s: %s", closest.report.Form, closest.report.Digest, fact.Check, fact.Cause)
			break
		}
	}
	if more := len(rejected) - 1; more > 0 {
		text += fmt.Sprintf(" (and %d more that do not count)", more)
	}
	return text
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
