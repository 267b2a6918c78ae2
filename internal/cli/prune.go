package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/hallmark-project/hallmark/internal/render"
	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/policy"
	"github.com/hallmark-project/hallmark/prune"
	"github.com/hallmark-project/hallmark/verify"
)

type pruneOptions struct {
	types   []string
	orphans bool
	yes     bool
	who     verifyOptions
	output  outputFlag
}

func (a *App) pruneCommand() *cobra.Command {
	var o pruneOptions
	cmd := &cobra.Command{
		Use: "prune SUBJECT", Short: "Remove evidence that newer evidence has made superfluous", Args: wants(cobra.ExactArgs(1)),
		Long: `Remove evidence of an image and its platforms that newer evidence by the same signer, of
the same type and about the same digest has made superfluous. Both must verify, and their
order must be known by trusted time: evidence signed by identity. What a key signed can be
stamped again by anybody, so that its order is not known, and it is kept.

Without --yes nothing is removed, and what would be is listed. Never removed is what
another signer wrote, what cannot be read or does not verify, and what verifying with the
same flags, or the policy, still needs. Vulnerability results, VEX, test results and
verdicts are kept unless --type names them.

--orphans also removes evidence by the trusted signers whose subject is not in the
repository any more.`,
		Example: `  hallmark prune --github-repo octo/app ghcr.io/octo/app:v1
  hallmark prune --policy policy.yaml --yes registry.example.com/app:v1`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.runPrune(cmd.Context(), args[0], o) },
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.BoolVarP(&o.yes, "yes", "y", false, "remove what is listed")
	f.StringSliceVar(&o.types, "type", nil, "look at evidence of this `type` only; may be repeated")
	f.BoolVar(&o.orphans, "orphans", false, "remove evidence whose subject is gone, too")
	o.who.evidence.add(cmd)
	o.output.add(cmd)
	o.who.addWho(cmd)
	return cmd
}

// Statuses of rows of a pruning.
const (
	pruneKeep   = "keep"
	pruneRemove = "would remove"
)

type pruneResult struct {
	SchemaVersion string     `json:"schemaVersion"`
	Subject       string     `json:"subject"`
	DryRun        bool       `json:"dryRun"`
	Evidence      []pruneRow `json:"evidence"`
}

type pruneRow struct {
	Status       string     `json:"status"` // keep, would remove, removed, unlisted, not deleted
	Evidence     string     `json:"evidence"`
	On           string     `json:"on"`
	Platform     string     `json:"platform,omitempty"`
	Type         string     `json:"predicateType"`
	Signer       string     `json:"signer"`
	SignedAt     *time.Time `json:"signedAt,omitempty"`
	SupersededBy string     `json:"supersededBy,omitempty"`
	Reason       string     `json:"reason,omitempty"`
}

func (a *App) runPrune(ctx context.Context, text string, o pruneOptions) error {
	asJSON, err := o.output.json()
	if err != nil {
		return err
	}
	if err := checkSize(o.who.maxBundle); err != nil {
		return err
	}
	types, err := typesWanted(o.types, false)
	if err != nil {
		return err
	}
	b, err := a.bench(ctx, o.who)
	if err != nil {
		return err
	}
	p := &pruning{app: a, bench: b, o: o}
	if types != nil {
		p.types = types.types
	}
	if err := p.decide(ctx, text); err != nil {
		return err
	}
	if o.orphans {
		if err := p.findOrphans(ctx); err != nil {
			return err
		}
	}
	if o.yes {
		if err := p.remove(ctx); err != nil {
			return err
		}
	}
	if asJSON {
		return a.printJSON(pruneResult{"hallmark.prune/v1", p.v.target.subject.String(), !o.yes, p.rows})
	}
	var out bytes.Buffer
	p.print(&out)
	_, err = out.WriteTo(a.Out)
	return err
}

// pruning is one run.
type pruning struct {
	app   *App
	bench *bench
	o     pruneOptions
	types []policy.Type
	plans []policy.Policy // each of which has to hold afterwards
	v     *judgement
	rows  []pruneRow
	names map[digest.Digest]string // of the signers of pieces
}

// decide finds out what is superfluous on the subject and its platforms.
func (p *pruning) decide(ctx context.Context, text string) error {
	p.v = p.bench.judge(ctx, text)
	if p.v.target == nil {
		return p.v.err
	}
	if p.v.target.evidence == nil {
		return usagef("%s: nothing is attached to a file", text)
	}
	if p.v.err != nil {
		return fmt.Errorf("%s does not verify as it is, so that nothing can be called superfluous: %w", p.v.target.subject, p.v.err)
	}
	if p.v.Verdict == render.NotCovered {
		return fmt.Errorf("%s: %w: %w", text, verify.ErrMissing, errUncovered)
	}
	accepted, err := p.bench.accepted(ctx, p.v)
	if err != nil {
		return err
	}
	decisions := prune.Superseded(piecesOf(accepted), p.types)
	if err := p.findPlans(ctx); err != nil {
		return err
	}
	if err := p.keepNeeded(ctx, decisions); err != nil {
		return err
	}
	p.names = signerNames(p.names, accepted)
	for _, d := range decisions {
		p.rows = append(p.rows, p.row(d))
	}
	return nil
}

// signerNames adds who signed each piece, for people.
func signerNames(names map[digest.Digest]string, accepted []verify.Verified) map[digest.Digest]string {
	if names == nil {
		names = map[digest.Digest]string{}
	}
	for _, v := range accepted {
		names[v.Evidence] = v.Signer.Name()
	}
	return names
}

func piecesOf(accepted []verify.Verified) []prune.Piece {
	var out []prune.Piece
	for _, v := range accepted {
		signer := v.Signer.Fingerprint
		if v.Signer.Identity != "" { // each signature has a certificate of its own
			signer = fmt.Sprintf("%q %q %q", v.Signer.Identity, v.Signer.Issuer, v.Signer.Instance)
		}
		out = append(out, prune.Piece{On: v.On, Platform: v.Platform, Evidence: v.Evidence, Signer: signer, Type: v.Says(), Repository: v.Repository,
			Since: v.Since, Time: v.Signer.When(), Bounded: v.Bounded, Alone: v.Form == verify.FormBundle})
	}
	return out
}

func (p *pruning) row(d prune.Decision) pruneRow {
	row := pruneRow{Status: pruneKeep, Evidence: d.Evidence.String(), On: d.On.String(), Platform: printable(d.Platform), Type: printable(d.Type),
		Signer: printable(p.names[d.Evidence]), SupersededBy: d.By.String(), Reason: string(d.Reason)}
	if !d.Time.IsZero() {
		row.SignedAt = &d.Time
	}
	if d.By != "" {
		row.Status = pruneRemove
	}
	return row
}

// keepNeeded keeps what the verdict rests on: without what is to go, the same is asked
// again. If the answer is another one, each piece has to show that it can be spared.
func (p *pruning) keepNeeded(ctx context.Context, decisions []prune.Decision) error {
	gone := map[string]bool{}
	for _, d := range decisions {
		if d.By != "" {
			gone[d.Evidence.String()] = true
		}
	}
	ok, err := p.holdsWithout(ctx, gone)
	if ok || err != nil {
		return err
	}
	spared := map[string]bool{}
	for i := range decisions {
		d := &decisions[i]
		if d.By == "" {
			continue
		}
		spared[d.Evidence.String()] = true
		ok, err := p.holdsWithout(ctx, spared)
		if err != nil {
			return err
		}
		if !ok {
			delete(spared, d.Evidence.String())
			d.By, d.Reason = "", prune.ReasonNeeded
		}
	}
	return nil
}

// holdsWithout reports whether the subject verifies without some of its evidence.
func (p *pruning) holdsWithout(ctx context.Context, gone map[string]bool) (bool, error) {
	if len(gone) == 0 {
		return true, nil
	}
	for _, plan := range p.plans {
		ok, err := p.verifies(ctx, plan, gone)
		if !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

// verifies reports whether the subject is what a policy asks for, without some evidence.
func (p *pruning) verifies(ctx context.Context, plan policy.Policy, gone map[string]bool) (bool, error) {
	t := *p.v.target
	sources, options, err := p.bench.evidence(&t, plan.AllowLegacy)
	if err != nil {
		return false, err
	}
	for i := range sources {
		sources[i] = without{sources[i], gone}
	}
	_, _, err = verify.Verify(ctx, t.subject, sources, p.bench.root, plan, options)
	if ctx.Err() != nil || errors.Is(err, verify.ErrInconclusive) {
		return false, err
	}
	return err == nil, nil
}

// findPlans notes what is asked of the subject: by the flags, or by the policy in every
// environment in which the subject passes as it is.
func (p *pruning) findPlans(ctx context.Context) error {
	p.plans = []policy.Policy{p.v.plan.Policy}
	if p.bench.loaded == nil {
		return nil
	}
	name, err := p.v.target.subjectName(p.o.who.policy.as)
	if err != nil {
		return err
	}
	for _, environment := range append(p.bench.loaded.set.Environments(), "") {
		plan, err := p.bench.loaded.set.For(name, environment)
		if err != nil {
			return err
		}
		if environment == p.bench.loaded.environment || !plan.Covered {
			continue
		}
		ok, err := p.verifies(ctx, plan.Policy, nil)
		if err != nil {
			return err
		}
		if ok {
			p.plans = append(p.plans, plan.Policy)
		}
	}
	return nil
}

// without is a source that lacks some pieces.
type without struct {
	verify.Source
	gone map[string]bool
}

// Candidates implements [verify.Source].
func (s without) Candidates(ctx context.Context, on digest.Digest) ([]verify.Candidate, error) {
	all, err := s.Source.Candidates(ctx, on)
	return slices.DeleteFunc(all, func(c verify.Candidate) bool { return s.gone[c.Name] }), err
}

// remove does what the rows say.
func (p *pruning) remove(ctx context.Context) error {
	var list []oci.Detachment
	var which []int
	listed := map[string][]oci.Descriptor{}
	for i, row := range p.rows {
		if row.Status != pruneRemove {
			continue
		}
		if _, ok := listed[row.On]; !ok {
			entries, err := p.v.target.evidence.Referrers(ctx, digest.Digest(row.On))
			if err != nil {
				return err
			}
			listed[row.On] = entries
		}
		at := slices.IndexFunc(listed[row.On], func(d oci.Descriptor) bool { return d.Digest.String() == row.Evidence })
		if at < 0 { // somebody else removed it
			p.rows[i].Status = string(oci.Removed)
			continue
		}
		list, which = append(list, oci.Detachment{On: digest.Digest(row.On), Manifest: listed[row.On][at]}), append(which, i)
	}
	if len(list) == 0 {
		return nil
	}
	store, ok := p.v.target.evidence.(oci.Detacher)
	if !ok {
		return fmt.Errorf("%s: %w", p.v.target.place(), oci.ErrReadOnly)
	}
	progress := p.app.progress(fmt.Sprintf("Removing %d pieces of evidence", len(list)))
	defer progress.end()
	done, err := store.Detach(ctx, list)
	if err != nil {
		return err
	}
	for n, i := range which {
		p.rows[i].Status = string(done[n])
	}
	return nil
}

func (r pruneRow) when() string {
	if r.SignedAt == nil {
		return ""
	}
	return " at " + r.SignedAt.UTC().Format(time.RFC3339)
}

// print tells people what was, or would be, removed.
func (p *pruning) print(w io.Writer) {
	fmt.Fprintf(w, "%s\n", p.v.target.subject)
	removed, refused := 0, 0
	for _, row := range p.rows {
		fmt.Fprintf(w, "  %-12s %-14s %s %s by %s%s\n", row.Status, policy.TypeOf(row.Type), row.Evidence, place(row.Platform, row.On), row.Signer, row.when())
		if row.SupersededBy != "" {
			fmt.Fprintf(w, "  %-12s superseded by %s\n", "", row.SupersededBy)
		} else {
			fmt.Fprintf(w, "  %-12s %s\n", "", row.Reason)
		}
		if row.Status != pruneKeep {
			removed++
		}
		if row.Status == string(oci.Untouched) {
			refused++
		}
	}
	switch {
	case removed == 0:
		fmt.Fprintln(w, "Nothing is superfluous.")
	case !p.o.yes:
		fmt.Fprintf(w, "%d of %d would be removed. Nothing was: give --yes.\n", removed, len(p.rows))
	case refused > 0:
		fmt.Fprintf(w, "%d of %d were removed; the registry does not let the other %d be deleted.\n", removed-refused, len(p.rows), refused)
	default:
		fmt.Fprintf(w, "%d of %d were removed.\n", removed, len(p.rows))
	}
}
