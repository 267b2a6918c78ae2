package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/policy"
	"github.com/hallmark-project/hallmark/sign"
	"github.com/hallmark-project/hallmark/trust"
	"github.com/hallmark-project/hallmark/verify"
)

type verifyOptions struct {
	keys            []string
	require         []string
	platforms       []string
	bundles         []string
	evidence        evidenceFlags
	trust           trustFlags
	identity        identityFlags
	ignoreLog       bool
	trustDigest     bool
	noLegacy        bool
	acceptIndexSBOM bool
	checkRepository bool
	details         bool
	maxBundle       int64
	output          outputFlag
}

func (a *App) verifyCommand() *cobra.Command {
	var o verifyOptions
	cmd := &cobra.Command{
		Use: "verify SUBJECT...", Short: "Decide whether evidence shows what you ask for", Args: wants(cobra.MinimumNArgs(1)),
		Long: `Verify that an image, an index with its platforms, or a file carries evidence by
somebody you trust. Without --require, a signature is wanted; --require names the whole
list instead: signature, spdx, cyclonedx, syft, slsaprovenance, vuln, openvex, vsa,
test-result, link, or a predicate type URI.

A signature on an index vouches for its platforms. SBOMs and vulnerability reports
describe one platform and must be on each; other attestations count from the index or
from every platform.

Whom you trust is said with --key, or by identity: --certificate-oidc-issuer with
--certificate-identity, or --github-repo. Keys and the identity are alternatives: one of
them must have signed. Keyless signatures are judged under the trusted root, whose
authorities must vouch for the certificate, its time and the log entry; a signature by
--key needs a log entry if --trusted-root is given as well.`,
		Example: `  hallmark verify --key release.pub registry.example.com/app:v1
  hallmark verify --key release.pub --require signature --require spdx registry.example.com/app:v1
  hallmark verify --key release.pub --bundle app.tgz.sigstore.json file:app.tgz
  hallmark verify --key release.pub --bundle app.tgz.sigstore.json sha256:…
  hallmark verify --github-repo octo/app --certificate-source-ref refs/heads/main ghcr.io/octo/app:v1`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.runVerify(cmd.Context(), args, o) },
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringArrayVar(&o.keys, "key", nil, "public key that is trusted: a `path` or env://NAME; may be repeated")
	o.identity.add(cmd)
	o.trust.add(cmd)
	f.BoolVar(&o.ignoreLog, "insecure-ignore-tlog", false, "signatures by --key need no log entry although --trusted-root is given")
	f.StringSliceVar(&o.require, "require", nil, "`type` of evidence that must be there; may be repeated")
	f.StringSliceVar(&o.platforms, "platform", nil, "only this `platform` of an index, such as linux/amd64; may be repeated")
	f.StringArrayVar(&o.bundles, "bundle", nil, "`file` with a Sigstore bundle, or one on each line, to take evidence from besides what is attached; may be repeated")
	o.evidence.add(cmd)
	f.BoolVar(&o.trustDigest, "trust-digest", false, "for sha256:…: let signatures over the file's bytes count, although from a digest nobody can tell a file from the inside of a signed envelope")
	f.BoolVar(&o.noLegacy, "no-legacy", false, "do not let evidence count that is in cosign's older form, under tags")
	f.BoolVar(&o.acceptIndexSBOM, "accept-index-sbom", false, "let an SBOM or vulnerability report on an index count for its platforms")
	f.BoolVar(&o.checkRepository, "check-repository", false, "the signed statement must name the repository that is asked")
	f.Int64Var(&o.maxBundle, "max-evidence-size", 256<<20, "largest piece of evidence that is read, in `bytes`")
	f.BoolVar(&o.details, "details", false, "show every check of every piece of evidence")
	o.output.add(cmd)
	return cmd
}

// verdict is the outcome for one subject, for people and for programs.
type verdict struct {
	Subject string `json:"subject"`
	Digest  string `json:"digest,omitempty"`
	Verdict string `json:"verdict"`
	// Covers says what of an index was verified: "index", or "platforms" where nothing
	// vouches for the index itself, only for the platforms below.
	Covers   string            `json:"covers,omitempty"`
	Evidence string            `json:"evidenceRepository,omitempty"` // if not the image's own
	Verified []verify.Verified `json:"verified,omitempty"`
	Failures []failureRow      `json:"failures,omitempty"`
	Error    string            `json:"error,omitempty"`
	Report   *verify.Report    `json:"report,omitempty"`

	err error
}

type failureRow struct {
	Verdict  string `json:"verdict"`
	Type     string `json:"type"`
	On       string `json:"on"`
	Platform string `json:"platform,omitempty"`
	Cause    string `json:"cause"`
}

type verifyResult struct {
	SchemaVersion string     `json:"schemaVersion"`
	Verdict       string     `json:"verdict"`
	ExitCode      int        `json:"exitCode"`
	Subjects      []*verdict `json:"subjects"`
}

// verifyGC makes the collector run at half the usual growth: what verify holds are
// large pieces of evidence, each for a moment.
const verifyGC = 50

func (a *App) runVerify(ctx context.Context, subjects []string, o verifyOptions) error {
	defer debug.SetGCPercent(debug.SetGCPercent(verifyGC))
	asJSON, err := o.output.json()
	if err != nil {
		return err
	}
	if err := checkSize(o.maxBundle); err != nil {
		return err
	}
	p, err := o.policy()
	if err != nil {
		return err
	}
	root, err := a.verifyRoot(ctx, o, len(p.Identities) > 0)
	if err != nil {
		return err
	}
	for _, identity := range p.Identities {
		if o.identity.githubRepo+o.identity.gitlabProject != "" {
			a.message("Trusting %s", identity)
		}
	}
	files, err := a.bundleSource(o)
	if err != nil {
		return err
	}
	s, err := a.session()
	if err != nil {
		return err
	}
	result := verifyResult{SchemaVersion: "hallmark.verify/v1"}
	var worst error
	for _, text := range subjects {
		v := a.judge(ctx, s, text, o, root, p, files)
		if errors.Is(context.Cause(ctx), context.Canceled) {
			return ctx.Err() // interrupted
		}
		if ctx.Err() != nil && v.err != nil { // time is over: what was judged before still counts
			v.end(context.Cause(ctx))
		}
		if len(subjects) == 1 && v.Verdict == verdictError {
			return v.err // nothing was judged: the command itself is wrong
		}
		result.Subjects = append(result.Subjects, v)
		worst = graver(worst, v.err)
	}
	result.Verdict, result.ExitCode = verdictName(worst), classifyOK(worst)
	if asJSON {
		err = a.printJSON(result)
	} else {
		err = a.printVerdicts(result, o.details)
	}
	if worst != nil {
		return errors.Join(err, shownError{worst})
	}
	return err
}

func trustedKeys(ctx context.Context, uris []string) (trust.Root, error) {
	var root trust.Root
	for _, uri := range uris {
		if uri == "" {
			return root, usagef("--key is empty: is a variable not set?")
		}
		key, err := sign.OpenPublic(ctx, uri)
		if err != nil {
			return trust.Root{}, keyError(err)
		}
		root.Keys = append(root.Keys, key)
	}
	return root, nil
}

// verifyRoot is everything that the flags say is trusted. Trusted roots are read only
// if something needs them.
func (a *App) verifyRoot(ctx context.Context, o verifyOptions, keyless bool) (trust.Root, error) {
	root, err := trustedKeys(ctx, o.keys)
	if err != nil {
		return root, err
	}
	if len(root.Keys) == 0 && !keyless {
		return root, verify.ErrNothingAsked
	}
	root.KeysInLog = o.trust.explicit() && !o.ignoreLog
	thresholds := o.identity.logs > 0 || o.identity.timestamps > 0
	if o.ignoreLog && len(root.Keys) == 0 {
		return root, usagef("--insecure-ignore-tlog is about signatures by --key; what is signed without a key needs what its trusted root needs")
	}
	if o.ignoreLog && thresholds {
		return root, usagef("--insecure-ignore-tlog contradicts --log-threshold and --timestamp-threshold")
	}
	if keyless || thresholds || o.trust.explicit() {
		root.Instances, err = a.instances(ctx, o.trust)
	}
	return root, err
}

func (o verifyOptions) policy() (policy.Policy, error) {
	p := policy.Policy{AllowLegacy: !o.noLegacy, AcceptIndexSBOM: o.acceptIndexSBOM,
		Logs: o.identity.logs, Timestamps: o.identity.timestamps, SCTs: o.identity.scts, AllowPending: o.identity.pending}
	var err error
	if p.Identities, err = o.identity.identities(); err != nil {
		return p, err
	}
	names := o.require
	if len(names) == 0 {
		names = []string{policy.Signature}
	}
	for _, name := range names {
		t, err := policy.ParseType(name)
		if err != nil {
			return p, usagef("--require: %w", err)
		}
		p.Requirements = append(p.Requirements, policy.Requirement{Type: t})
	}
	return p, nil
}

// bundleSource is the evidence in files, nil if there is none.
func (a *App) bundleSource(o verifyOptions) (verify.Source, error) {
	if len(o.bundles) == 0 {
		return nil, nil
	}
	var names []string
	var contents [][]byte
	for _, file := range o.bundles {
		content, err := a.readInput(file, o.maxBundle)
		if err != nil {
			return nil, err
		}
		list := splitBundles(content)
		for i, one := range list {
			name := file
			if len(list) > 1 {
				name = fmt.Sprintf("%s line %d", file, i+1)
			}
			names, contents = append(names, name), append(contents, one)
		}
	}
	return verify.Bundles(names, contents), nil
}

// splitBundles takes a file of several bundles apart, one on each line as `gh attestation
// download` writes them. A file that is one document is one bundle, on however many
// lines.
func splitBundles(content []byte) [][]byte {
	lines := bytes.Split(bytes.TrimSpace(content), []byte("\n"))
	if len(lines) < 2 || !json.Valid(lines[0]) {
		return [][]byte{content}
	}
	return slices.DeleteFunc(lines, func(line []byte) bool { return len(bytes.TrimSpace(line)) == 0 })
}

// judge verifies one subject.
func (a *App) judge(ctx context.Context, s *session, text string, o verifyOptions, root trust.Root, p policy.Policy, files verify.Source) *verdict {
	v := &verdict{Subject: text}
	t, err := a.resolve(ctx, s, text, o.evidence, true)
	if err != nil {
		return v.end(err)
	}
	v.Digest, v.Evidence = t.subject.Digest().String(), t.elsewhere
	options := verify.Options{Now: a.Now(), Platforms: o.platforms, Limits: verify.Limits{PieceBytes: o.maxBundle}}
	var sources []verify.Source
	if files != nil {
		sources = append(sources, files)
	}
	if t.evidence != nil {
		sources = append(sources, verify.Attached(t.evidence), verify.Legacy(t.evidence))
	} else {
		if o.evidence.repository != "" {
			return v.end(usagef("%s: --evidence-repository goes with images, not files", text))
		}
		if files == nil {
			return v.end(usagef("%s: --bundle is missing: a file's evidence is in a file beside it", text))
		}
		if options.ByDigest = o.trustDigest && t.ref.Scheme == oci.SchemeDigest; t.ref.Scheme == oci.SchemeFile {
			options.Artifact = func() (io.ReadCloser, error) { return oci.OpenFile(t.ref.Path, t.subject) }
		}
	}
	if len(o.platforms) > 0 && !t.subject.IsIndex() {
		return v.end(usagef("%s is one image, not an index: leave --platform out", t.subject))
	}
	if o.checkRepository {
		p.Repository = t.subject.Name()
		if p.Repository == "" {
			return v.end(usagef("%s: a layout has no repository name that --check-repository could compare", text))
		}
	}
	result, report, err := verify.Verify(ctx, t.subject, sources, root, p, options)
	v.Report = report
	if result != nil {
		v.Verified = result.Verified()
		v.Covers = covers(t.subject, v.Verified)
	}
	return v.end(err)
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
func (v *verdict) end(err error) *verdict {
	if err == nil && len(v.Verified) == 0 {
		err = errors.New("nothing was verified")
	}
	v.err, v.Error, v.Failures = err, "", nil
	v.Verdict = verdictName(err)
	var failed *verify.Error
	switch {
	case errors.As(err, &failed):
		for _, f := range failed.Failures {
			v.Failures = append(v.Failures, failureRow{verdictName(f.Verdict), f.Type, f.On.String(), f.Platform, f.Cause})
		}
	case err != nil:
		v.Error = err.Error()
	}
	return v
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
		return "verified"
	case exitRejected:
		return "rejected"
	case exitMissing:
		return "missing"
	case exitInconclusive:
		return "inconclusive"
	}
	return verdictError
}

// verdictError is for a subject that could not be judged because of bad input.
const verdictError = "error"

// graver keeps the graver of two outcomes: 3, 5, 4, 0 in this order, with bad input
// right behind a rejection, which it must not hide.
func graver(a, b error) error {
	order := map[int]int{exitRejected: 0, exitInternal: 1, exitUsage: 2, exitInconclusive: 3, exitMissing: 4, exitDone: 5}
	if order[classifyOK(b)] < order[classifyOK(a)] {
		return b
	}
	return a
}

// printVerdicts answers yes or no first, then shows why.
func (a *App) printVerdicts(r verifyResult, details bool) error {
	var text bytes.Buffer
	for _, v := range r.Subjects {
		a.writeVerdict(&text, v, details)
	}
	if _, err := text.WriteTo(a.Out); err != nil { // a verdict that nobody could read is no success
		return fmt.Errorf("printing the verdict: %w", err)
	}
	return nil
}

func (a *App) writeVerdict(out io.Writer, v *verdict, details bool) {
	fmt.Fprintf(out, "%s %s\n", strings.ToUpper(v.Verdict), v.Subject)
	if v.Digest != "" && !strings.Contains(v.Subject, v.Digest) {
		fmt.Fprintf(out, "  digest %s\n", v.Digest)
	}
	if v.Evidence != "" {
		fmt.Fprintf(out, "  evidence from %s\n", v.Evidence)
	}
	if v.Covers == coversPlatforms {
		fmt.Fprintf(out, "  the index itself is not vouched for, only these platforms\n")
	}
	for _, row := range v.Verified {
		when := ""
		if t := row.Signer.When(); !t.IsZero() {
			when = " at " + t.UTC().Format(time.RFC3339)
		}
		fmt.Fprintf(out, "  %-14s %s by %s%s\n", row.Requirement, place(row.Platform, row.On.String()), row.Signer.Name(), when)
	}
	for _, f := range v.Failures {
		fmt.Fprintf(out, "  %s: %s %s: %s\n", f.Verdict, f.Type, place(f.Platform, f.On), f.Cause)
	}
	if v.err != nil {
		if v.Error != "" {
			fmt.Fprintf(out, "  %s\n", v.Error)
		}
		if remedy := verdictRemedy(v.err); remedy != "" {
			fmt.Fprintf(out, "  %s\n", remedy)
		}
	}
	if details && v.Report != nil {
		printFacts(out, v.Report)
	}
	if v.Report != nil && v.err == nil {
		for _, w := range v.Report.Warnings {
			a.message("Warning: %s", w)
		}
	}
}

// verdictRemedy is what to do about a verdict.
func verdictRemedy(err error) string {
	var failed *verify.Error
	if !errors.As(err, &failed) {
		return classify(err).remedy
	}
	switch {
	case errors.Is(err, verify.ErrRejected):
		return "Do not use it. If you expected another signer, check --key or the identity; --details shows every check."
	case errors.Is(err, verify.ErrMissing):
		return "Do not use it, or ask its maker for this evidence. 'hallmark tree' shows what is attached."
	}
	return "Nothing is decided: what could not be read may hold the evidence. Try again once the cause is gone."
}

func place(platform, digest string) string {
	if platform == "" {
		return "on " + digest
	}
	return "on " + platform + " " + digest
}

func printFacts(out io.Writer, r *verify.Report) {
	for _, e := range r.Evidence {
		fmt.Fprintf(out, "  evidence %s (%s, %s)\n", e.Digest, e.Form, e.Source)
		if e.ClaimedType != "" {
			fmt.Fprintf(out, "    says it is %s\n", e.ClaimedType)
		}
		for _, f := range e.Facts {
			line := string(f.Outcome) + ": " + f.Check
			if f.Against != "" {
				line += " (" + f.Against + ")"
			}
			if f.Cause != "" {
				line += ": " + f.Cause
			}
			fmt.Fprintf(out, "    %s\n", line)
		}
	}
	for _, u := range r.Unread {
		fmt.Fprintf(out, "  unread: %s on %s: %s\n", u.What, u.On, u.Cause)
	}
}
