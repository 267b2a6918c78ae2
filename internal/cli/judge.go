package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/hallmark-project/hallmark/internal/render"
	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/policy"
	"github.com/hallmark-project/hallmark/trust"
	"github.com/hallmark-project/hallmark/verify"
)

// bench is everything that the subjects of one run are judged with.
type bench struct {
	app     *App
	o       verifyOptions
	session *session
	root    trust.Root
	policy  policy.Policy // by flags
	loaded  *loadedPolicy // or by files
	files   verify.Source // evidence beside what is attached; nil: none
	bundles []verify.File // what it is read from
	now, at time.Time     // at is zero for the present
	full    bool          // a report wants every piece of evidence
	keep    bool          // what is read goes into a pack
	told    bool          // of each subject, when it was known
	first   *firsts       // of several subjects; nil: there is one
}

// judgement is the outcome for one subject, with what it was reached by.
type judgement struct {
	*render.Subject
	err    error
	target *target
	plan   policy.Plan
	sboms  []attestedSBOM
	packed map[digest.Digest][]byte // SBOMs by their evidence, for a pack
	record *recorder                // nil: nothing is to be kept of what is read

	documents map[digest.Digest]verify.Document // SBOMs that evidence refers to, by the evidence
}

// bench reads what flags name before anything is judged.
func (a *App) bench(ctx context.Context, o verifyOptions) (*bench, error) {
	o.require = verdictByName(o.require)
	b := &bench{app: a, o: o, now: a.Now(), full: o.output.full()}
	var err error
	if b.at, err = parseAt(o.at); err != nil {
		return nil, err
	}
	if err := o.contradictions(); err != nil {
		return nil, err
	}
	if len(o.policy.files) > 0 {
		if b.loaded, err = a.loadPolicy(ctx, o.policy, o.trust); err != nil {
			return nil, err
		}
		b.root = b.loaded.root
	} else if err := b.byFlags(ctx); err != nil {
		return nil, err
	}
	if b.files, b.bundles, err = a.bundleSource(o); err != nil {
		return nil, err
	}
	b.session, err = a.session()
	return b, err
}

func (b *bench) byFlags(ctx context.Context) (err error) {
	if b.policy, err = b.o.policyOfFlags(); err != nil {
		return err
	}
	if b.root, err = b.app.verifyRoot(ctx, b.o, len(b.policy.Identities) > 0); err != nil {
		return err
	}
	for _, identity := range b.policy.Identities {
		if b.o.identity.githubRepo+b.o.identity.gitlabProject != "" {
			b.app.message("Trusting %s", identity)
		}
	}
	return nil
}

// verdictByName calls a verdict vsa, however it was asked for.
func verdictByName(names []string) []string {
	out := slices.Clone(names)
	for i, name := range out {
		if t, err := policy.ParseType(name); err == nil && t.String() == "vsa" {
			out[i] = "vsa"
		}
	}
	return out
}

// contradictions refuses flags that say the same thing as a policy, or that only make
// sense with one.
func (o *verifyOptions) contradictions() error {
	if len(o.policy.files) == 0 {
		switch {
		case o.policy.environment != "" || o.policy.as != "":
			return usagef("--env and --as go with --policy")
		case o.verdict.on:
			return usagef("--verdict signs what a policy decided: give --policy")
		case o.gate.policy == "" && slices.Contains(o.require, "vsa"):
			return usagef("--require vsa: a verdict is about a policy: give --policy, or --verdict-policy with its digest")
		case o.gate.policy != "" && !policy.IsDigest(o.gate.policy):
			return usagef("--verdict-policy %q: want sha256: and 64 digits, as 'hallmark policy check' prints it", o.gate.policy)
		}
		return nil
	}
	if identities, err := o.identity.identities(); err != nil || identities != nil || len(o.keys) > 0 && !o.verdict.on {
		return usagef("--policy says who is trusted: leave --key and the identity flags out")
	}
	if o.ignoreLog || o.noLegacy || o.acceptIndexSBOM || o.checkRepository || o.gate.policy != "" ||
		o.identity.logs+o.identity.timestamps+o.identity.scts > 0 || o.identity.pending {
		return usagef("--policy says what evidence has to be like: leave the flags that say so out")
	}
	if built, err := o.build.requirement(); err != nil || built != nil {
		return usagef("--policy says what provenance has to show: leave --source-repo, --source-ref, --builder and their like out")
	}
	if len(o.require) > 0 && !slices.Equal(o.require, []string{"vsa"}) {
		return usagef("--policy says what is required; beside it, there may only be --require vsa")
	}
	return o.verdict.contradictions(o)
}

func parseAt(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, form := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(form, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, usagef("--at %q: want a time such as 2031-01-01T00:00:00Z, or a day", text)
}

// judgeAll judges subjects, several at once. What came of them is in their order.
func (b *bench) judgeAll(ctx context.Context, subjects []string) (*render.Result, []*judgement, error) {
	judged := make([]*judgement, 0, len(subjects))
	keep := func(_ int, v *judgement) error {
		judged = append(judged, v)
		return interrupted(ctx)
	}
	var err error
	if len(subjects) == 1 {
		err = keep(0, b.judgeInTime(ctx, subjects[0]))
	} else {
		side := b.sideBySide()
		err = inOrder(len(subjects), b.parallel(), nil, func(i int) *judgement { return side.judgeSafely(ctx, subjects[i]) }, keep)
	}
	switch {
	case err != nil:
		return nil, nil, err
	case len(judged) == 1 && judged[0].Verdict == render.Failed:
		return nil, nil, judged[0].err // nothing was judged: the command itself is wrong
	}
	result := b.blank()
	conclude(result, judged)
	return result, judged, nil
}

// blank is a result without subjects.
func (b *bench) blank() *render.Result {
	result := &render.Result{SchemaVersion: render.SchemaVersion, Tool: "hallmark/" + Version(), JudgedAt: &b.now}
	if !b.at.IsZero() {
		result.At = &b.at
	}
	if b.loaded != nil {
		result.Policy = b.loaded.described()
	}
	return result
}

// interrupted is the error to end with where somebody does not want to wait any longer.
func interrupted(ctx context.Context) error {
	if errors.Is(context.Cause(ctx), context.Canceled) {
		return ctx.Err()
	}
	return nil
}

// judgeInTime judges a subject. When time is over, what was judged before still counts.
func (b *bench) judgeInTime(ctx context.Context, text string) *judgement {
	v := b.judge(ctx, text)
	if ctx.Err() != nil && v.err != nil {
		v.end(context.Cause(ctx))
	}
	return v
}

// conclude sums up. Where everything was skipped, nothing was verified.
func conclude(result *render.Result, judged []*judgement) {
	var worst error
	skipped := 0
	for _, v := range judged {
		result.Subjects = append(result.Subjects, v.Subject)
		if v.Verdict == render.NotCovered {
			skipped++
		}
	}
	if skipped == len(judged) {
		for _, v := range judged {
			v.err = fmt.Errorf("%w: %w, and nothing else was verified", verify.ErrMissing, errUncovered)
		}
	}
	for _, v := range judged {
		worst = graver(worst, v.err)
	}
	result.Verdict, result.ExitCode = verdictName(worst), classifyOK(worst)
}

// judge verifies one subject.
func (b *bench) judge(ctx context.Context, text string) *judgement {
	v := &judgement{Subject: &render.Subject{Subject: text}}
	t, err := b.resolve(ctx, text)
	if err != nil {
		return v.end(err)
	}
	v.target, v.Digest, v.Evidence = t, t.subject.Digest().String(), t.elsewhere
	if b.keep && t.evidence != nil {
		v.record = newRecorder(t)
	}
	if err := b.plan(v, t); err != nil || v.Verdict == render.NotCovered {
		return v.end(err)
	}
	sources, options, err := b.evidence(t, v.plan.Policy.AllowLegacy)
	if err != nil {
		return v.end(err)
	}
	options.Inspect = v.inspect(b)
	result, report, err := verify.Verify(ctx, t.subject, sources, b.root, v.plan.Policy, options)
	v.Report = report
	if result != nil {
		v.Verified = result.Verified()
		v.Covers = covers(t.subject, v.Verified)
		err = b.rederiveInTurn(ctx, v)
	}
	v.keepCounted()
	return v.end(err)
}

// evidence is where evidence about a subject is looked for, and how it is read.
// Older forms that cannot count are not read, so that nobody can stand in the way with them.
func (b *bench) evidence(t *target, older bool) ([]verify.Source, verify.Options, error) {
	options := verify.Options{Now: b.now, Platforms: b.o.platforms, ReadAll: b.full, Limits: verify.Limits{PieceBytes: b.o.maxBundle}}
	if !b.at.IsZero() {
		options.Now = b.at
	}
	var sources []verify.Source
	if b.files != nil {
		sources = append(sources, b.files)
	}
	if len(b.o.platforms) > 0 && !t.subject.IsIndex() {
		return nil, options, usagef("%s is one image, not an index: leave --platform out", t.subject)
	}
	if t.evidence != nil {
		if sources = append(sources, verify.Attached(t.evidence)); older || b.loaded == nil {
			sources = append(sources, verify.Legacy(t.evidence))
		}
		return sources, options, nil
	}
	if b.o.evidence.repository != "" {
		return nil, options, usagef("%s: --evidence-repository goes with images, not files", t.text)
	}
	if b.files == nil {
		return nil, options, usagef("%s: --bundle is missing: a file's evidence is in a file beside it", t.text)
	}
	if options.ByDigest = b.o.trustDigest && t.ref.Scheme == oci.SchemeDigest; t.ref.Scheme == oci.SchemeFile {
		options.Artifact = func() (io.ReadCloser, error) { return oci.OpenFile(t.ref.Path, t.subject) }
	}
	return sources, options, nil
}

// plan finds out what is asked of a subject.
func (b *bench) plan(v *judgement, t *target) error {
	if b.loaded == nil {
		v.plan.Policy = b.policy
		if v.plan.Policy.Requirements = aboutResource(b.policy.Requirements, t.subject.Name()); t.subject.Name() == "" && slices.Contains(b.o.require, "vsa") {
			return usagef("%s: a verdict names a repository, and a layout has none: give --policy and --as", t.text)
		}
		if !b.o.checkRepository {
			return nil
		}
		if v.plan.Policy.Repository = t.subject.Name(); v.plan.Policy.Repository == "" {
			return usagef("%s: a layout has no repository name that --check-repository could compare", t.text)
		}
		return nil
	}
	name, err := t.subjectName(b.o.policy.as)
	if err != nil {
		return err
	}
	if v.plan, err = b.loaded.set.For(name, b.loaded.environment); err != nil {
		return err
	}
	if !v.plan.Covered && v.plan.Skip {
		v.Verdict = render.NotCovered
		return nil
	}
	if !v.plan.Covered {
		return b.uncovered(t, name)
	}
	if slices.Contains(b.o.require, "vsa") {
		v.plan, err = b.loaded.set.Gate(v.plan, name, b.loaded.digest, b.o.gate.maxAge)
	}
	return err
}

// aboutResource makes requirements of verdicts want one about a repository.
func aboutResource(list []policy.Requirement, name string) []policy.Requirement {
	out := slices.Clone(list)
	for i := range out {
		if v := out[i].Verdict; v != nil {
			about := *v
			about.Resource = policy.ResourceURI(name)
			out[i].Verdict = &about
		}
	}
	return out
}

// uncovered is the rejection of a subject that no rule speaks about.
func (b *bench) uncovered(t *target, name string) error {
	cause := fmt.Sprintf("%s: %q", errUncovered, name)
	switch {
	case name == "":
		cause = errUncovered.Error() + ": an image from a layout has no repository: say what it is judged as (--as)"
	case b.loaded.environment == "" && len(b.loaded.set.Environments()) > 0:
		cause += " (without --env; the policy has the environments " + strings.Join(b.loaded.set.Environments(), ", ") + ")"
	}
	return &verify.Error{Subject: t.subject.String(), Failures: []verify.Failure{
		{Verdict: verify.ErrRejected, Type: "policy", On: t.subject.Digest(), Cause: cause}}}
}

// covers tells whether what was verified vouches for an index itself.
func covers(subject oci.Subject, verified []verify.Verified) string {
	if !subject.IsIndex() {
		return ""
	}
	for _, v := range verified {
		if v.On == subject.Digest() {
			return "index"
		}
	}
	return coversPlatforms
}

const coversPlatforms = "platforms"

// end notes how the judgement ended. Without a result there is no "verified".
func (v *judgement) end(err error) *judgement {
	if v.Verdict == render.NotCovered && err == nil {
		return v
	}
	if err == nil && len(v.Verified) == 0 {
		err = errors.New("nothing was verified")
	}
	v.err, v.Error, v.Failures, v.Fix = err, "", nil, ""
	v.Verdict = verdictName(err)
	var failed *verify.Error
	switch {
	case errors.As(err, &failed):
		for _, f := range failed.Failures {
			v.Failures = append(v.Failures, render.Failure{Verdict: verdictName(f.Verdict), Type: f.Type, On: f.On.String(), Platform: f.Platform, Cause: f.Cause})
		}
		v.Fix = fix(failed.Failures[0])
		v.Verified, v.Covers = nil, ""
	case err != nil:
		v.Error = err.Error()
		v.Verified, v.Covers = nil, ""
	}
	return v
}

// fix is the one thing to do about a failure.
func fix(f verify.Failure) string {
	on := f.On.String()
	if f.Platform != "" {
		on = f.Platform + " " + on
	}
	switch {
	case errors.Is(f.Verdict, verify.ErrMissing):
		return fmt.Sprintf("attach what is asked for as %q to %s", f.Type, on)
	case errors.Is(f.Verdict, verify.ErrInconclusive):
		return fmt.Sprintf("try again once it can be read: %s", f.Cause)
	}
	return fmt.Sprintf("make %q hold on %s: %s", f.Type, on, f.Cause)
}

func classifyOK(err error) int {
	if err == nil {
		return exitDone
	}
	return classify(err).code
}

func verdictName(err error) string {
	switch classifyOK(err) {
	case exitDone:
		return render.Verified
	case exitRejected:
		return render.Rejected
	case exitMissing:
		return render.Missing
	case exitInconclusive:
		return render.Inconclusive
	}
	return render.Failed
}

// graver keeps the graver of two outcomes: 3, 5, 4, 0 in this order, with bad input
// right behind a rejection, which it must not hide.
func graver(a, b error) error {
	order := map[int]int{exitRejected: 0, exitInternal: 1, exitUsage: 2, exitInconclusive: 3, exitMissing: 4, exitDone: 5}
	if order[classifyOK(b)] < order[classifyOK(a)] {
		return b
	}
	return a
}
