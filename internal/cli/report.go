package cli

import (
	"context"
	"runtime/debug"
	"slices"

	"github.com/spf13/cobra"

	"github.com/hallmark-project/hallmark/internal/render"
)

type reportOptions struct {
	verifyOptions
	packFile string
	sign     bool
	signer   signerFlags
}

func (a *App) reportCommand() *cobra.Command {
	var o reportOptions
	cmd := &cobra.Command{
		Use: "report SUBJECT...", Short: "Show everything that a decision about an image rests on", Args: wants(cobra.MinimumNArgs(1)),
		Long: `Judge images by a policy, as 'hallmark verify --policy' does, with every piece of evidence
that there is, and write reports about it: text, Markdown, HTML and others. The exit code is
that of verify.

With --pack, everything that the decision rests on goes into one file: manifests,
configurations, evidence, SBOMs, policy, keys, trusted root, result and report. 'hallmark
verify --pack' repeats the decision from it without a network. --sign signs the pack, with
--key or as the identity at hand; a timestamp (--tsa with --key) proves when.`,
		Example: `  hallmark report --policy policy.yaml -o html=report.html registry.example.com/app:v1
  hallmark report --policy policy.yaml --pack app.tar --sign --key auditor.key --tsa registry.example.com/app:v1`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.runReport(cmd.Context(), args, o) },
	}
	f := cmd.Flags()
	f.SortFlags = false
	o.policy.add(cmd)
	o.trust.add(cmd)
	f.StringSliceVar(&o.platforms, "platform", nil, "only this `platform` of an index, such as linux/amd64; may be repeated")
	f.StringArrayVar(&o.bundles, "bundle", nil, "`file` with a Sigstore bundle, or one on each line, to take evidence from besides what is attached; may be repeated")
	o.evidence.add(cmd)
	f.Int64Var(&o.maxBundle, "max-evidence-size", defaultMaxBundle, "largest piece of evidence that is read, in `bytes`")
	f.BoolVar(&o.rederive, "rederive", false, "catalogue the image again, and reject SBOMs that do not say what it shows")
	f.BoolVar(&o.details, "details", false, "show every check of every piece of evidence")
	f.StringVar(&o.at, "at", "", "judge as of this `time`, and say so")
	f.StringVar(&o.packFile, "pack", "", "write an evidence pack to this `file`, which must not exist")
	f.BoolVar(&o.sign, "sign", false, "sign the pack")
	f.StringVar(&o.signer.key.key, "key", "", "private key to sign the pack with: a `path`, or a URI such as env://NAME")
	o.signer.addSigning(cmd)
	o.output.add(cmd, verdictFormats())
	return cmd
}

func (a *App) runReport(ctx context.Context, subjects []string, o reportOptions) error {
	defer debug.SetGCPercent(debug.SetGCPercent(verifyGC))
	if err := o.check(subjects); err != nil {
		return err
	}
	if err := checkSize(o.maxBundle); err != nil {
		return err
	}
	b, err := a.bench(ctx, o.verifyOptions)
	if err != nil {
		return err
	}
	b.full, b.keep = true, o.packFile != ""
	var who *author
	if o.sign {
		if who, err = a.packAuthor(ctx, o); err != nil {
			return err
		}
	}
	result, judged, err := b.judgeAll(ctx, subjects)
	if err != nil {
		return err
	}
	if o.packFile != "" && packable(judged[0]) {
		if err := b.writePack(ctx, o.packFile, who, result, judged[0]); err != nil {
			return err
		}
		a.message("Wrote %s.", o.packFile)
	} else if o.packFile != "" {
		a.message("No pack was written: %s is %s.", subjects[0], judged[0].Verdict)
	}
	if err := a.writeResult(o.output, result, judged, o.details); err != nil {
		return err
	}
	var worst error
	for _, v := range judged {
		worst = graver(worst, v.err)
	}
	if worst != nil {
		return shownError{worst}
	}
	return nil
}

func (o *reportOptions) check(subjects []string) error {
	switch {
	case len(o.policy.files) == 0:
		return usagef("--policy is missing: a report is about what a policy asks")
	case o.packFile == "" && (o.sign || o.signer.key.key != ""):
		return usagef("--sign and --key go with --pack")
	case o.signer.key.key != "" && !o.sign:
		return usagef("--key signs the pack: give --sign too")
	case o.packFile != "" && len(subjects) > 1:
		return usagef("--pack holds one subject, and %d are given", len(subjects))
	case o.packFile != "" && o.at != "":
		return usagef("--pack is about the present: leave --at out")
	}
	return o.output.check()
}

func (a *App) packAuthor(ctx context.Context, o reportOptions) (*author, error) {
	s := o.signer
	s.trust = o.trust
	who, open, err := a.author(ctx, s)
	if err != nil {
		return nil, err
	}
	return who, open(ctx)
}

// packable reports whether a decision was reached, whatever it is.
func packable(v *judgement) bool {
	return v.record != nil && slices.Contains([]string{render.Verified, render.Rejected, render.Missing}, v.Verdict)
}
