package cli

import (
	"context"
	"fmt"
	"io"
	"runtime/debug"
	"slices"

	"github.com/spf13/cobra"

	"github.com/hallmark-project/hallmark/internal/render"
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
	build           buildFlags
	ignoreLog       bool
	trustDigest     bool
	noLegacy        bool
	acceptIndexSBOM bool
	checkRepository bool
	details         bool
	rederive        bool
	pack            string
	named           namedFlags
	many            manyFlags
	maxBundle       int64
	policy          policyFlags
	at              string
	verdict         verdictFlags
	gate            gateFlags
	output          outputsFlag
}

func (a *App) verifyCommand() *cobra.Command {
	var o verifyOptions
	cmd := &cobra.Command{
		Use: "verify SUBJECT...", Short: "Decide whether evidence shows what you ask for", Args: wants(cobra.ArbitraryArgs),
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
--key needs a log entry if --trusted-root is given as well.

With --source-repo, --source-ref, --builder or --build-type, SLSA provenance must show that;
the builder is one that the signer's certificate names, or whom the owner of the key says.

With --policy, files say who is trusted, for what and on which repositories (see 'hallmark
policy --help'). --verdict then signs what was decided as a SLSA Verification Summary and
attaches it; with --require vsa a verdict by one of the policy's verifiers is enough.

With --list, the images that a file names are verified, many at once, and each is told of in
a line when it is known. -o jsonl=FILE writes all that is known about each as a line of JSON, in
the order of the list, and --resume goes on with such a file.

With -f, the images that files name are verified, each once: Kubernetes manifests,
Dockerfiles, compose files, or what 'helm template' and 'kustomize build' print (-f -).
--pin then puts the verified digests behind the names, and changes nothing else.`,
		Example: `  hallmark verify --key release.pub registry.example.com/app:v1
  hallmark verify --key release.pub --require signature --require spdx registry.example.com/app:v1
  hallmark verify --key release.pub --bundle app.tgz.sigstore.json file:app.tgz
  hallmark verify --key release.pub --bundle app.tgz.sigstore.json sha256:…
  hallmark verify --github-repo octo/app --certificate-source-ref refs/heads/main ghcr.io/octo/app:v1
  hallmark verify --github-repo octo/app --source-repo https://github.com/octo/app --source-ref refs/heads/main ghcr.io/octo/app:v1
  hallmark verify --policy policy.yaml -f deploy.yaml --pin
  hallmark verify --policy policy.yaml --list images.txt -o jsonl=verdicts.jsonl --resume
  hallmark verify --policy policy.yaml --env production -o html=report.html registry.example.com/app:v1`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.runVerify(cmd.Context(), args, o) },
	}
	f := cmd.Flags()
	f.SortFlags = false
	o.addWho(cmd)
	f.StringSliceVar(&o.platforms, "platform", nil, "only this `platform` of an index, such as linux/amd64; may be repeated")
	f.StringArrayVar(&o.bundles, "bundle", nil, "`file` with a Sigstore bundle, or one on each line, to take evidence from besides what is attached; may be repeated")
	o.evidence.add(cmd)
	f.BoolVar(&o.trustDigest, "trust-digest", false, "for sha256:…: let signatures over the file's bytes count, although from a digest nobody can tell a file from the inside of a signed envelope")
	f.BoolVar(&o.details, "details", false, "show every check of every piece of evidence")
	f.BoolVar(&o.rederive, "rederive", false, "catalogue the image again, and reject SBOMs that do not say what it shows (takes as long as 'hallmark sbom')")
	o.many.add(cmd)
	o.named.add(cmd)
	f.StringVar(&o.pack, "pack", "", "repeat the decision that this evidence pack `file` holds ('hallmark report --pack'), without a network")
	o.gate.add(cmd)
	o.verdict.add(cmd)
	o.output.add(cmd, append(verdictFormats(), formatLines))
	return cmd
}

// defaultMaxBundle is the size of a piece of evidence that is read.
const defaultMaxBundle = 384 << 20

// verifyGC makes the collector run at half the usual growth: what verify holds are
// large pieces of evidence, each for a moment.
const verifyGC = 50

func (a *App) runVerify(ctx context.Context, subjects []string, o verifyOptions) error {
	defer debug.SetGCPercent(debug.SetGCPercent(verifyGC))
	if err := o.output.check(); err != nil {
		return err
	}
	if err := checkSize(o.maxBundle); err != nil {
		return err
	}
	if err := o.many.check(&o); err != nil {
		return err
	}
	_, lines := o.output.lines()
	switch {
	case o.pack != "" && len(subjects) > 0:
		return usagef("--pack says what is verified: leave %s out", subjects[0])
	case o.pack != "" && (o.many.list != "" || lines):
		return usagef("--pack says what is verified: leave --list and -o jsonl out")
	case o.pack != "":
		return a.runVerifyPack(ctx, o)
	case len(subjects) == 0 && len(o.named.files) == 0 && o.many.list == "":
		return usagef("'hallmark verify' needs a SUBJECT, --list FILE, -f FILE or --pack FILE\nSee 'hallmark verify --help'")
	}
	q, err := a.asked(subjects, &o)
	if err != nil {
		return err
	}
	b, err := a.bench(ctx, o)
	if err != nil {
		return err
	}
	if b.told = o.many.list != "" || lines; b.told {
		return b.runMany(ctx, q)
	}
	result, judged, err := b.judgeAll(ctx, q.subjects)
	if err != nil && len(q.named.images) == 1 {
		return fmt.Errorf("%s: %w", q.named.images[0].places[0], err)
	}
	if err != nil {
		return err
	}
	q.named.tell(judged[q.from:])
	return b.finish(ctx, q, result, judged)
}

// finish writes a result, and what is made of it.
func (b *bench) finish(ctx context.Context, q asked, result *render.Result, judged []*judgement) error {
	a, o := b.app, b.o
	var worst error
	for _, v := range judged {
		worst = graver(worst, v.err)
	}
	results, output := a.resultsBeside(o.named), o.output
	if b.told {
		output = o.output.whole()
		if shown := output.onStdout(); shown == formatText {
			results = results.silent()
		}
	}
	err := results.writeResult(output, result, judged, o.details)
	if o.named.pin && err == nil {
		err = a.pinAll(q.named, judged[q.from:], worst)
	}
	if o.verdict.on && err == nil {
		err = b.writeVerdicts(ctx, judged)
	}
	if err == nil && worst != nil {
		return shownError{worst}
	}
	return err // which is graver than a verdict: it could not be told or kept
}

// silent is the program with its results going nowhere.
func (a *App) silent() *App {
	other := *a
	other.Out = io.Discard
	return &other
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

func (o verifyOptions) policyOfFlags() (policy.Policy, error) {
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
		r := policy.Requirement{Type: t}
		if name == "vsa" {
			r = o.gate.requirement(t)
		}
		p.Requirements = append(p.Requirements, r)
	}
	built, err := o.build.requirement()
	if built == nil || err != nil {
		return p, err
	}
	p.Requirements = slices.DeleteFunc(p.Requirements, func(r policy.Requirement) bool { return r.Type == built.Type }) // it asks for more
	p.Requirements = append(p.Requirements, *built)
	return p, nil
}

// bundleSource is the evidence in files, nil if there is none, and the files.
func (a *App) bundleSource(o verifyOptions) (verify.Source, []verify.File, error) {
	if len(o.bundles) == 0 {
		return nil, nil, nil
	}
	var list []verify.File
	for _, file := range o.bundles {
		bundles, err := a.bundlesIn(file, o.maxBundle)
		if err != nil {
			return nil, nil, err
		}
		list = append(list, bundles...)
	}
	return verify.Files(list), list, nil
}
