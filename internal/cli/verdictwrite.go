package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/hallmark-project/hallmark/attest"
	"github.com/hallmark-project/hallmark/internal/render"
	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/policy"
	"github.com/hallmark-project/hallmark/verify"
)

// verdictFlags say that, and by whom, a verdict is signed.
type verdictFlags struct {
	on     bool
	id     string
	signer signerFlags
}

func (f *verdictFlags) add(cmd *cobra.Command) {
	s := cmd.Flags()
	s.BoolVar(&f.on, "verdict", false, "sign what the policy decided as a SLSA Verification Summary and attach it; --key is the private key then (else the identity signs)")
	s.StringVar(&f.id, "verifier-id", "", "`URI` that the verdict names its verifier by")
	f.signer.addSigning(cmd)
}

// contradictions refuses what no verdict could be made of.
func (f *verdictFlags) contradictions(o *verifyOptions) error {
	switch {
	case !f.on && f.id != "":
		return usagef("--verifier-id goes with --verdict")
	case !f.on:
		return nil
	case len(o.require) > 0:
		return usagef("--verdict with --require vsa would make a verdict out of a verdict")
	case f.id == "":
		return usagef("--verifier-id is missing: the URI that verdicts name their verifier by")
	case len(o.keys) > 1:
		return usagef("--verdict is signed with one --key")
	case len(o.platforms) > 0:
		return usagef("--verdict is about the whole of a subject: leave --platform out")
	case o.at != "":
		return usagef("--verdict is about the present: leave --at out")
	}
	return nil
}

// gateFlags say which verdicts are enough.
type gateFlags struct {
	policy string
	maxAge time.Duration
}

func (g *gateFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&g.policy, "verdict-policy", "", "with --require vsa and no --policy: `digest` of the policy that the verdict must be on")
	f.DurationVar(&g.maxAge, "max-verdict-age", 0, "with --require vsa: how `old` the verdict may be, by trusted time; 0 is any age")
}

func (g *gateFlags) requirement(t policy.Type) policy.Requirement {
	return policy.Requirement{Type: t, Name: "vsa", MaxAge: g.maxAge, Verdict: &policy.Verdict{PolicyDigest: g.policy}}
}

// slsaVersion is the version of SLSA by which verdicts are reached.
const slsaVersion = "1.2"

// writeVerdicts signs what was decided about each subject, and attaches it. Nothing is
// signed about what could not be decided.
func (b *bench) writeVerdicts(ctx context.Context, judged []*judgement) error {
	for _, v := range judged {
		if !slices.Contains([]string{render.Verified, render.Rejected, render.Missing}, v.Verdict) {
			b.app.message("No verdict is signed about %s: it is %s.", v.Subject.Subject, v.Verdict)
			judged = slices.DeleteFunc(slices.Clone(judged), func(j *judgement) bool { return j == v })
			continue
		}
		if v.target.evidence == nil {
			return usagef("%s: --verdict attaches to an image, not to a file", v.Subject.Subject)
		}
	}
	if len(judged) == 0 {
		return nil
	}
	signer := b.o.verdict.signer
	signer.trust = b.o.trust
	if len(b.o.keys) == 1 {
		signer.key.key = b.o.keys[0]
	}
	who, open, err := b.app.author(ctx, signer)
	if err != nil {
		return err
	}
	if err := open(ctx); err != nil {
		return err
	}
	for _, v := range judged {
		if err := b.writeVerdict(ctx, who, v); err != nil {
			return fmt.Errorf("verdict about %s: %w", v.Subject.Subject, err)
		}
	}
	return nil
}

func (b *bench) writeVerdict(ctx context.Context, who *author, v *judgement) error {
	summary, err := b.summary(v)
	if err != nil {
		return err
	}
	p, err := attest.NewPredicate("vsa", summary)
	if err != nil {
		return err
	}
	w := writer{app: b.app, store: v.target.evidence, author: who}
	if err := w.write(ctx, []claim{{on: oci.Platform{Subject: v.target.subject}, predicate: p}}); err != nil {
		return err
	}
	for _, row := range w.rows {
		b.app.message("Verdict %s about %s: %s.", row.Status, row.On, row.Evidence)
	}
	return nil
}

// summary is the predicate of a verdict (https://slsa.dev/spec/v1.2/verification_summary).
func (b *bench) summary(v *judgement) ([]byte, error) {
	name, err := v.target.subjectName(b.o.policy.as)
	if err != nil {
		return nil, err
	}
	s := verify.Summary{TimeVerified: b.now.UTC().Truncate(time.Second), ResourceURI: policy.ResourceURI(name), SLSAVersion: slsaVersion,
		Result: "FAILED", Levels: []string{}, Policy: verify.Reference{URI: policyURI(b.loaded), Digest: digestSet(b.loaded.digest)}}
	if s.ResourceURI == "" {
		return nil, usagef("a verdict names the repository: say what the image is judged as (--as)")
	}
	s.Verifier.ID, s.Verifier.Version = b.o.verdict.id, map[string]string{"hallmark": Version()}
	if v.Verdict == render.Verified {
		s.Result, s.Levels = verify.ResultPassed, levels(v.Verified)
	}
	seen := map[digest.Digest]bool{}
	if v.Report == nil { // it was turned down before anything was read
		return json.Marshal(s)
	}
	for _, e := range v.Report.Evidence {
		if (e.Counts || s.Result != verify.ResultPassed) && !seen[e.Digest] {
			seen[e.Digest] = true
			s.Inputs = append(s.Inputs, verify.Reference{Digest: digestSet(e.Digest.String())})
		}
	}
	return json.Marshal(s)
}

func policyURI(l *loadedPolicy) string {
	name := l.set.Name()
	if name == "" {
		name = "policy"
	}
	if l.environment != "" {
		name += "#" + l.environment
	}
	return name
}

func digestSet(d string) map[string]string {
	parsed := digest.Digest(d)
	return map[string]string{parsed.Algorithm().String(): parsed.Encoded()}
}

// levels is the build level that provenance on every digest reaches, by the policy.
func levels(verified []verify.Verified) []string {
	lowest := -1
	for _, v := range verified {
		if v.PredicateType != "" && policy.TypeOf(v.PredicateType).String() == "slsaprovenance" && (lowest < 0 || v.Level < lowest) {
			lowest = v.Level
		}
	}
	if lowest < 0 {
		return []string{}
	}
	return []string{fmt.Sprintf("SLSA_BUILD_LEVEL_%d", lowest)}
}
