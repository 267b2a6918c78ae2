package verify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sort"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/policy"
	"github.com/hallmark-project/hallmark/trust"
)

// Limits bound what one verification may cost. A zero member means its default.
type Limits struct {
	PieceBytes int64 // one piece of evidence; default 384 MiB: an SBOM of 200 MiB within a bundle, and room
	Pieces     int   // pieces read of one digest; default 20,000
	Parallel   int   // pieces read at once; default 16
}

func (l Limits) withDefaults() Limits {
	if l.PieceBytes == 0 {
		l.PieceBytes = 384 << 20
	}
	if l.Pieces == 0 {
		l.Pieces = 20_000
	}
	if l.Parallel == 0 {
		l.Parallel = 16
	}
	return l
}

// Options are what a caller may leave out.
type Options struct {
	// Platforms narrows an index to these platforms, see [oci.MatchPlatform].
	Platforms []string
	// Artifact opens the bytes of a subject that is a file, whose digest the reader
	// checks. Without it, signatures over the bytes themselves do not count.
	Artifact func() (io.ReadCloser, error)
	// ByDigest says that the subject is a file of which only the digest is known, and that
	// signatures over its bytes count all the same. Whether it is the inside of a signed
	// envelope, which carries the signature of a statement, cannot be seen then.
	ByDigest bool
	// Now is the time that validity is checked at; zero means the present.
	Now time.Time
	// ReadAll has every piece of evidence read, for a full report, and not only what it
	// takes to decide.
	ReadAll bool
	// Inspect, if set, is given each predicate whose own checks passed, while it is at
	// hand, and the same for SBOMs that statements refer to. It is called by one goroutine at
	// a time.
	Inspect func(e Verified, predicateType string, predicate []byte)
	Limits  Limits
}

// Verify decides whether evidence from sources shows what p asks of subject, by
// signers in root.
//
// The report is there whatever the verdict. The result is there exactly if every
// requirement holds, on every platform where its type wants that (DESIGN section 3).
// Otherwise the error is an [Error], [ErrNothingAsked] or that of ctx.
func Verify(ctx context.Context, subject oci.Subject, sources []Source, root trust.Root, p policy.Policy, o Options) (*Result, *Report, error) {
	report := &Report{Subject: subject.String(), Digest: subject.Digest(), MediaType: subject.Descriptor().MediaType,
		Requirements: []RequirementReport{}, Evidence: []EvidenceReport{}}
	switch {
	case len(p.Requirements) == 0:
		return nil, report, fmt.Errorf("%w: the policy has no requirement", ErrNothingAsked)
	case len(root.Keys) == 0 && len(p.Identities) == 0:
		return nil, report, fmt.Errorf("%w: no key and no identity is trusted", ErrNothingAsked)
	case len(p.Identities) > 0 && len(root.Instances) == 0:
		return nil, report, fmt.Errorf("%w: no trusted root that could vouch for an identity", ErrNothingAsked)
	case subject.Digest() == "":
		return nil, report, fmt.Errorf("%w: no subject", ErrNothingAsked)
	}
	for _, identity := range p.Identities {
		if err := identity.Check(); err != nil {
			return nil, report, fmt.Errorf("%w: %w", ErrNothingAsked, err)
		}
	}
	c, err := newTrial(subject, sources, root, p, o)
	if err != nil {
		return nil, report, err
	}
	result, failures, err := c.decide(ctx, report)
	if o.ByDigest {
		report.Warnings = append(report.Warnings, "only a digest was given: whether the file is the inside of a signed envelope cannot be seen from that; give the file where you have it")
	}
	if err != nil {
		return nil, report, err
	}
	if len(failures) > 0 {
		sort.SliceStable(failures, func(i, j int) bool { return gravity(failures[i].Verdict) < gravity(failures[j].Verdict) })
		return nil, report, &Error{Subject: subject.String(), Failures: failures}
	}
	return result, report, nil
}

// trial is one subject under judgement: a dossier for it and for each platform.
type trial struct {
	policy    policy.Policy
	whole     *dossier
	platforms []*dossier // of an index, those asked for
	narrowed  bool       // platforms were named: the index itself is not asked for
	readAll   bool
}

func newTrial(subject oci.Subject, sources []Source, root trust.Root, p policy.Policy, o Options) (*trial, error) {
	limits := o.Limits.withDefaults()
	judge := &assessor{root: root, policy: p, subject: subject, artifact: o.Artifact, byDigest: o.ByDigest, now: o.Now, inspect: o.Inspect}
	if judge.now.IsZero() {
		judge.now = time.Now()
	}
	open := func(d digest.Digest, platform string) *dossier {
		return &dossier{on: d, platform: platform, assessor: judge, sources: sources, limits: limits}
	}
	c := &trial{policy: p, whole: open(subject.Digest(), ""), narrowed: len(o.Platforms) > 0, readAll: o.ReadAll}
	platforms, err := subject.Platforms()
	if err != nil {
		return nil, err
	}
	matched := map[string]bool{}
	for _, platform := range platforms {
		wanted := !c.narrowed
		for _, asked := range o.Platforms {
			if oci.MatchPlatform(asked, platform.Name) {
				wanted, matched[asked] = true, true
			}
		}
		if wanted {
			c.addPlatform(open(platform.Subject.Digest(), printable(platform.Name)))
		}
	}
	for _, asked := range o.Platforms {
		if !matched[asked] {
			return nil, fmt.Errorf("%w: %s has no platform %q", ErrPlatform, subject, asked)
		}
	}
	if subject.IsIndex() && len(c.platforms) == 0 {
		return nil, fmt.Errorf("%w: index %s names no platform", ErrPlatform, subject)
	}
	return c, nil
}

// addPlatform adds a platform. Where an index names one manifest for several, its
// evidence is read once.
func (c *trial) addPlatform(d *dossier) {
	for _, have := range c.platforms {
		if have.on == d.on {
			have.platform += ", " + d.platform
			return
		}
	}
	c.platforms = append(c.platforms, d)
}

// place is where a requirement may be met: on all digests of one of the sets.
type place [][]*dossier

// places is where evidence that r asks for counts (DESIGN section 3).
func (c *trial) places(r *policy.Requirement) place {
	whole := []*dossier{c.whole}
	switch {
	case len(c.platforms) == 0, r.Verdict != nil: // a verdict is about the whole
		return place{whole}
	case r.Type.DescribesPlatform() && (c.policy.AcceptIndexSBOM || r.AcceptOnIndex):
		return place{c.platforms, whole}
	case r.Type.DescribesPlatform():
		return place{c.platforms}
	case r.Type.String() == policy.Signature && !c.narrowed:
		return place{whole} // a signature on each platform does not vouch for their set
	}
	return place{whole, c.platforms}
}

func (c *trial) decide(ctx context.Context, report *Report) (*Result, []Failure, error) {
	if denied := c.denied(); len(denied) > 0 {
		return nil, denied, nil
	}
	if err := c.read(ctx); err != nil {
		return nil, nil, err
	}
	result := &Result{subject: report.Subject, digest: report.Digest}
	var failures []Failure
	for i := range c.policy.Requirements {
		r := &c.policy.Requirements[i]
		met, missed, err := c.meet(ctx, i)
		if err != nil {
			return nil, nil, err
		}
		failures = append(failures, missed...)
		entry := RequirementReport{Name: r.Title(), Type: r.Type.String(), Asked: r.Asked()}
		for _, d := range met {
			entry.On = append(entry.On, d.state(i))
			for _, a := range d.standing(i).pieces {
				v := a.verified(d, r.Title())
				if c := a.contents[i]; c != nil {
					v.Level = c.level
				}
				result.verified = append(result.verified, v)
			}
		}
		for _, f := range missed {
			entry.On = append(entry.On, DigestState{Digest: f.On, Platform: f.Platform, Outcome: outcomeOf(f), Cause: f.Cause, Checks: c.dossierOf(f.On).standing(i).checks})
		}
		report.Requirements = append(report.Requirements, entry)
	}
	c.fill(report)
	return result, failures, nil
}

func (c *trial) dossierOf(on digest.Digest) *dossier {
	for _, d := range c.platforms {
		if d.on == on {
			return d
		}
	}
	return c.whole
}

// denied are the digests that the policy denies, whatever there is about them.
func (c *trial) denied() (out []Failure) {
	for _, d := range append([]*dossier{c.whole}, c.platforms...) {
		for _, denial := range c.policy.Denials {
			if denial.Digest == d.on.String() {
				out = append(out, Failure{Verdict: ErrRejected, Type: CheckDenied, On: d.on, Platform: d.platform, Cause: "the policy denies this digest: " + printable(denial.Reason)})
			}
		}
	}
	return out
}

func outcomeOf(f Failure) Outcome {
	if errors.Is(f.Verdict, ErrInconclusive) {
		return NotChecked
	}
	return Failed
}

// read reads the digests that each requirement is asked of first, all at once; for a
// full report, all that there are.
func (c *trial) read(ctx context.Context) error {
	wanted := map[*dossier][]int{}
	for i := range c.policy.Requirements {
		for _, d := range c.places(&c.policy.Requirements[i])[0] {
			wanted[d] = append(wanted[d], i)
		}
	}
	if c.readAll {
		for _, d := range append([]*dossier{c.whole}, c.platforms...) {
			wanted[d] = nil
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(platformsAtOnce)
	for d, list := range wanted {
		group.Go(func() error { return d.complete(ctx, c.reading(d, list)) })
	}
	return group.Wait()
}

// reading is what has to be read of a digest to know what becomes of requirements.
func (c *trial) reading(d *dossier, requirements []int) reading {
	r := reading{enough: func() bool { return false }}
	for _, i := range requirements {
		r.types = append(r.types, c.policy.Requirements[i].Types()...)
		if v := c.policy.Requirements[i].Vulnerabilities; v != nil && len(v.VEX) > 0 {
			r.types = append(r.types, vexType)
		}
	}
	if !c.readAll {
		r.enough = func() bool {
			for _, i := range requirements {
				if !d.settled(i) {
					return false
				}
			}
			return true
		}
	}
	return r
}

// platformsAtOnce is how many digests are read at the same time.
const platformsAtOnce = 8

// meet looks for a place where every digest has what a requirement asks for. Without
// one, the failures are those of the place that is asked first.
func (c *trial) meet(ctx context.Context, requirement int) (met []*dossier, missed []Failure, err error) {
	for i, set := range c.places(&c.policy.Requirements[requirement]) {
		if i > 0 {
			if err := c.completeAll(ctx, set, requirement); err != nil {
				return nil, nil, err
			}
		}
		var good []*dossier
		var bad []Failure
		for _, d := range set {
			if d.met(requirement) {
				good = append(good, d)
			} else {
				bad = append(bad, d.failure(requirement))
			}
		}
		if len(bad) == 0 {
			if bad, err = c.vetoed(ctx, requirement, i); err != nil || len(bad) == 0 {
				return good, nil, err
			}
			return nil, bad, nil
		}
		if i == 0 || worse(bad, missed) {
			met, missed = good, bad
		}
	}
	return c.explain(ctx, requirement, met, missed)
}

// vetoed is what speaks against a requirement in other places than the one that meets it,
// where nothing may.
func (c *trial) vetoed(ctx context.Context, requirement, met int) (out []Failure, err error) {
	r := &c.policy.Requirements[requirement]
	if !final(r) {
		return nil, nil
	}
	for i, set := range c.places(r) {
		if i == met {
			continue
		}
		if err := c.completeAll(ctx, set, requirement); err != nil {
			return nil, err
		}
		for _, d := range set {
			if d.vetoes(requirement) {
				out = append(out, d.failure(requirement))
			}
		}
	}
	return out, nil
}

func (c *trial) completeAll(ctx context.Context, set []*dossier, requirement int) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(platformsAtOnce)
	for _, d := range set {
		group.Go(func() error { return d.complete(ctx, c.reading(d, []int{requirement})) })
	}
	return group.Wait()
}

// worse chooses between the failures of two places that are alternatives: one that
// could still turn out to hold decides before one that does not, whatever its failures.
func worse(a, b []Failure) bool {
	if open := inconclusive(a); open != inconclusive(b) {
		return open
	}
	return gravest(a) < gravest(b)
}

// inconclusive reports whether nothing in a place failed for good.
func inconclusive(list []Failure) bool {
	for _, f := range list {
		if !errors.Is(f.Verdict, ErrInconclusive) {
			return false
		}
	}
	return true
}

func gravest(list []Failure) int {
	most := gravity(nil)
	for _, f := range list {
		most = min(most, gravity(f.Verdict))
	}
	return most
}

// explain looks at the index for evidence that only counts on platforms: who put an
// SBOM there should be told, and not that there is none.
func (c *trial) explain(ctx context.Context, requirement int, met []*dossier, missed []Failure) ([]*dossier, []Failure, error) {
	r := &c.policy.Requirements[requirement]
	if !r.Type.DescribesPlatform() || len(c.platforms) == 0 || c.policy.AcceptIndexSBOM || r.AcceptOnIndex {
		return met, missed, nil
	}
	if err := c.completeAll(ctx, []*dossier{c.whole}, requirement); err != nil {
		return nil, nil, err
	}
	onIndex := len(c.whole.standing(requirement).pieces) > 0
	for i, f := range missed {
		if !errors.Is(f.Verdict, ErrMissing) {
			continue
		}
		switch {
		case onIndex:
			missed[i].Verdict = ErrRejected
			missed[i].Cause = fmt.Sprintf("it is on the index only, where it cannot describe each platform; attach one to %s", f.On)
		case len(c.whole.unread) > 0:
			missed[i].Verdict = ErrInconclusive
			missed[i].Cause = fmt.Sprintf("could not read %s: %s", c.whole.unread[0].What, c.whole.unread[0].Cause)
		}
	}
	return met, missed, nil
}

// fill copies what was read into the report, the subject first, and says of each piece
// whether it did count in the end.
func (c *trial) fill(report *Report) {
	for _, d := range append([]*dossier{c.whole}, c.platforms...) {
		used := d.used(len(c.policy.Requirements))
		for i := range d.assessed {
			a := &d.assessed[i]
			a.report.ClaimedType = printable(a.report.ClaimedType)
			if a.report.Counts && !used[a] {
				a.report.Counts, a.report.Reason = false, a.unused()
			}
			report.Evidence = append(report.Evidence, a.report)
		}
		report.Unread = append(report.Unread, d.unread...)
	}
	for _, u := range report.Unread {
		report.Warnings = append(report.Warnings, fmt.Sprintf("could not read %s of %s: %s", u.What, u.On, u.Cause))
	}
}

func sortedNames(m map[string]int) []string { return slices.Sorted(maps.Keys(m)) }
