package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/hallmark-project/hallmark/internal/render"
	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/transfer"
	"github.com/hallmark-project/hallmark/verify"
)

type copyOptions struct {
	platform       string
	types          []string
	signaturesOnly bool
	verify         bool
	dryRun         bool
	list           string
	who            verifyOptions
	output         outputFlag
}

func (a *App) copyCommand() *cobra.Command {
	var o copyOptions
	cmd := &cobra.Command{
		Use: "copy SOURCE DESTINATION", Short: "Copy an image with all its evidence", Args: wants(cobra.MaximumNArgs(2)),
		Long: `Copy an image or index with every platform and everything that is attached to any of
them: referrers, referrers of those, and what cosign keeps under tags. From a registry to
another one, into an OCI layout (oci:DIR or oci:FILE.tar, which may hold many images) and
back. Digests never change. A registry without the referrers API gets the fallback tag,
one with it native referrers, wherever the image comes from.

Evidence that is kept in another repository (--evidence-repository) comes to lie beside the
image at the destination. What is there already is not copied again, so that a run that was cut off goes on where it
ended. The tag is set last: who resolves it finds the evidence.

With --verify the image is verified first, as by 'hallmark verify' with the same flags. What
does not pass is not copied, and evidence that does not count stays behind.`,
		Example: `  hallmark copy registry.example.com/app:v1 mirror.example.com/app:v1
  hallmark copy registry.example.com/app:v1 oci:images.tar
  hallmark copy --verify --policy policy.yaml oci:images.tar:v1 site.example.com/app:v1
  hallmark copy --list images.txt`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.runCopy(cmd.Context(), args, o) },
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.platform, "platform", "", "copy one `platform` of an index, such as linux/amd64: the tag then names it, and what is attached to the index stays behind")
	f.StringSliceVar(&o.types, "type", nil, "copy evidence of this `type` only: signature, spdx, …, or a URI; may be repeated")
	f.BoolVar(&o.signaturesOnly, "signatures-only", false, "copy signatures and no other evidence")
	f.BoolVar(&o.verify, "verify", false, "verify first, and copy only what is verified")
	f.BoolVar(&o.dryRun, "dry-run", false, "say what would be copied, and write nothing")
	f.StringVar(&o.list, "list", "", "`file` with a source and a destination on each line, '-' for standard input")
	o.who.evidence.add(cmd)
	o.output.add(cmd)
	o.who.addWho(cmd)
	return cmd
}

// errand is one image to be copied.
type errand struct {
	from, to string
	place    string // in the list, for errors
}

func (a *App) runCopy(ctx context.Context, args []string, o copyOptions) error {
	asJSON, err := o.output.json()
	if err != nil {
		return err
	}
	errands, err := a.errands(args, o)
	if err != nil {
		return err
	}
	c, err := a.copier(ctx, o)
	if err != nil {
		return err
	}
	if c.many = len(errands) > 1; c.many {
		c.app = a.sideBySide()
	}
	outcomes := c.all(ctx, errands)
	if errors.Is(context.Cause(ctx), context.Canceled) {
		return ctx.Err() // interrupted
	}
	if len(outcomes) == 1 && outcomes[0].err != nil && outcomes[0].Verdict == "" {
		return outcomes[0].err
	}
	var worst error
	for _, out := range outcomes {
		worst = graver(worst, out.err)
	}
	if asJSON {
		err = a.printJSON(copyResult{"hallmark.copy/v1", o.dryRun, classifyOK(worst), outcomes})
	} else {
		var text bytes.Buffer
		for _, out := range outcomes {
			out.print(&text, o.dryRun)
		}
		_, err = text.WriteTo(a.Out)
	}
	if err == nil && worst != nil {
		if left := a.whatWasWritten(classify(worst)); left != "" {
			a.message("%s", left)
		}
		return shownError{worst}
	}
	return err
}

// errands are what the command line, or the list, asks for.
func (a *App) errands(args []string, o copyOptions) ([]errand, error) {
	if o.list == "" {
		if len(args) != 2 {
			return nil, usagef("'hallmark copy' needs a SOURCE and a DESTINATION, or --list FILE\nSee 'hallmark copy --help'")
		}
		return []errand{{from: args[0], to: args[1]}}, nil
	}
	if len(args) > 0 {
		return nil, usagef("--list says what is copied: leave %s out", args[0])
	}
	list, err := a.readList(o.list, "a source", "a destination")
	if err != nil {
		return nil, err
	}
	out := make([]errand, len(list))
	for i, l := range list {
		out[i] = errand{l.words[0], l.words[1], l.place}
	}
	return out, nil
}

// copier is what all errands of a run share.
type copier struct {
	app     *App
	o       copyOptions
	session *session
	bench   *bench // nil: nothing is verified
	many    bool   // several images are on their way at once: bars would cover each other
	wanted  *wantedTypes

	mu      sync.Mutex
	claimed map[string]string // digests by place and tag
}

func (a *App) copier(ctx context.Context, o copyOptions) (c *copier, err error) {
	c = &copier{app: a, o: o, claimed: map[string]string{}}
	if c.wanted, err = typesWanted(o.types, o.signaturesOnly); err != nil {
		return nil, err
	}
	if err := checkSize(o.who.maxBundle); err != nil {
		return nil, err
	}
	if !o.verify {
		if o.who.asked() || len(o.who.require) > 0 {
			return nil, usagef("--key, --policy and the identity flags go with --verify")
		}
		c.session, err = a.session()
		return c, err
	}
	if o.platform != "" {
		o.who.platforms = []string{o.platform}
	}
	if c.bench, err = a.bench(ctx, o.who); err != nil {
		return nil, err
	}
	c.session = c.bench.session
	return c, nil
}

// errandsAtOnce is how many images are copied at once.
const errandsAtOnce = 3

// all runs the errands. Those into one layout take turns: an archive is written by one.
func (c *copier) all(ctx context.Context, errands []errand) []*outcome {
	out := make([]*outcome, len(errands))
	group := &errgroup.Group{}
	group.SetLimit(errandsAtOnce)
	layouts := map[string][]int{}
	for i, e := range errands {
		if ref, err := oci.ParseReference(e.to); err == nil && ref.Scheme == oci.SchemeLayout {
			layouts[ref.Path] = append(layouts[ref.Path], i)
			continue
		}
		group.Go(func() error { out[i] = c.one(ctx, e); return nil })
	}
	for _, turns := range layouts {
		group.Go(func() error {
			for _, i := range turns {
				out[i] = c.one(ctx, errands[i])
			}
			return nil
		})
	}
	_ = group.Wait() // errors are in the outcomes
	return out
}

// one runs an errand.
func (c *copier) one(ctx context.Context, e errand) *outcome {
	out := &outcome{Source: e.from, Destination: e.to}
	if out.err = c.copy(ctx, e, out); out.err != nil {
		if e.place != "" {
			out.err = fmt.Errorf("%s: %w", e.place, out.err)
		}
		out.Error = printableLines(out.err.Error())
	}
	out.ExitCode = classifyOK(out.err)
	return out
}

func (c *copier) copy(ctx context.Context, e errand, out *outcome) error {
	to, err := oci.ParseReference(e.to)
	if err != nil {
		return err
	}
	t, err := c.app.resolve(ctx, c.session, e.from, c.o.who.evidence, true)
	if err != nil {
		return err
	}
	if t.evidence == nil {
		return usagef("%s: only images can be copied", e.from)
	}
	subject, err := c.chosen(ctx, t)
	if err != nil {
		return err
	}
	out.Digest, out.Tag = subject.Digest().String(), destinationTag(t.ref, to)
	if err := c.claim(to, out); err != nil {
		return err
	}
	if to.Digest != "" && to.Digest != subject.Digest() {
		return fmt.Errorf("%w: %s is %s", transfer.ErrDigest, e.from, subject.Digest())
	}
	filter, err := c.filter(ctx, t, out)
	if err != nil {
		return err
	}
	end := c.step("Reading what belongs to " + t.subject.String())
	plan, err := transfer.New(ctx, transfer.Source{Images: t.images, Evidence: t.evidence}, subject, filter)
	end()
	if err != nil {
		return err
	}
	return c.run(ctx, plan, to, out)
}

// claim notes which image gets a tag at a destination: of two in one run, one would be lost.
func (c *copier) claim(to oci.Reference, out *outcome) error {
	if out.Tag == "" {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	place := to.Place() + " " + out.Tag
	if other, ok := c.claimed[place]; ok && other != out.Digest {
		return usagef("%s: tag %s is asked for by two images, %s and %s", to.Place(), out.Tag, other, out.Digest)
	}
	c.claimed[place] = out.Digest
	return nil
}

// run writes a plan to its destination.
func (c *copier) run(ctx context.Context, plan *transfer.Plan, to oci.Reference, out *outcome) (err error) {
	destination, err := c.session.client.Import(to)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := destination.Close(); err == nil {
			err = closeErr
		}
	}()
	o := transfer.Options{Tag: out.Tag, DryRun: c.o.dryRun}
	if !c.many {
		p := c.app.byteProgress("Copying " + out.Digest[:19] + " ")
		defer p.end()
		o.Progress = p.bytes
	}
	result, err := plan.Run(ctx, destination, o)
	if err != nil {
		return err
	}
	out.fill(plan, result)
	if c.many && !c.o.dryRun {
		c.app.message("%s is at %s.", out.Source, out.Destination)
	}
	return nil
}

// step shows progress on the only image.
func (c *copier) step(label string) (end func()) {
	if c.many {
		return func() {}
	}
	return c.app.progress(label).end
}

// chosen is the subject, or the platform of it that was asked for.
func (c *copier) chosen(ctx context.Context, t *target) (oci.Subject, error) {
	if c.o.platform == "" {
		return t.subject, nil
	}
	if !t.subject.IsIndex() {
		return oci.Subject{}, usagef("%s is one image, not an index: leave --platform out", t.subject)
	}
	images, err := imagesOf(t.subject, []string{c.o.platform})
	if err != nil {
		return oci.Subject{}, err
	}
	if len(images) != 1 {
		names := make([]string, len(images))
		for i, image := range images {
			names[i] = image.Name
		}
		return oci.Subject{}, usagef("--platform %s is %s: a part of an index that is more than one platform would be another index, with another digest", c.o.platform, strings.Join(names, " and "))
	}
	return oci.LoadManifest(ctx, t.images, images[0].Subject)
}

// destinationTag is the tag at the destination: the one given there, else the source's. A
// destination by digest gets none.
func destinationTag(from, to oci.Reference) string {
	switch {
	case to.Digest != "" && (to.Tag == "" || to.Implied):
		return ""
	case to.Tag != "" && !to.Implied:
		return to.Tag
	case from.Digest != "": // without a tag of its own
		return ""
	case from.Tag == "" && to.Implied:
		return to.Tag
	}
	return from.Tag
}

// filter is what decides which evidence goes along. With --verify it is what counts.
func (c *copier) filter(ctx context.Context, t *target, out *outcome) (transfer.Filter, error) {
	var crossing *crossing
	if c.bench != nil {
		v := c.bench.judge(ctx, t.ref.Place()+"@"+t.subject.Digest().String())
		out.Verdict, out.Covers = v.Verdict, v.Covers
		if v.err != nil {
			return nil, fmt.Errorf("%s is not copied: %w", t.subject, v.err)
		}
		if v.Verdict == render.NotCovered {
			return nil, fmt.Errorf("%s is not copied: %w: %w", t.subject, verify.ErrMissing, errUncovered)
		}
		if err := c.vouchedFor(t.subject, v.Covers); err != nil {
			return nil, fmt.Errorf("%s is not copied: %w", t.subject, err)
		}
		accepted, err := c.bench.accepted(ctx, v)
		if err != nil {
			return nil, err
		}
		crossing = newCrossing(accepted)
	}
	return func(p *transfer.Piece, m *oci.Manifest) (string, bool) {
		if crossing != nil && !crossing.allows(p, m) {
			return "it is not verified", false
		}
		return c.wanted.has(p, m)
	}, nil
}

// vouchedFor refuses an index that nobody signed itself and that names more than the
// platforms that were verified.
func (c *copier) vouchedFor(subject oci.Subject, covers string) error {
	if covers != coversPlatforms || c.o.platform != "" {
		return nil
	}
	if unsigned := subject.BuildAttestations(); len(unsigned) > 0 {
		return fmt.Errorf("%w: the index itself is not vouched for, only its platforms, and it names %s besides; copy a platform with --platform", verify.ErrRejected, unsigned[0].Descriptor.Digest)
	}
	return nil
}

// copyResult is the JSON of a run.
type copyResult struct {
	SchemaVersion string     `json:"schemaVersion"`
	DryRun        bool       `json:"dryRun"`
	ExitCode      int        `json:"exitCode"`
	Images        []*outcome `json:"images"`
}

// outcome is what became of one errand.
type outcome struct {
	Source      string     `json:"source"`
	Destination string     `json:"destination"`
	Digest      string     `json:"digest,omitempty"`
	Tag         string     `json:"tag,omitempty"`
	Verdict     string     `json:"verdict,omitempty"` // with --verify
	Covers      string     `json:"covers,omitempty"`  // of an index: the index itself, or its platforms only
	ExitCode    int        `json:"exitCode"`
	Error       string     `json:"error,omitempty"`
	Bytes       copyBytes  `json:"bytes"`
	Manifests   []copyRow  `json:"manifests"`
	LeftBehind  []copyLeft `json:"leftBehind,omitempty"`
	Tags        []string   `json:"tagsSet,omitempty"`
	Listed      int        `json:"listed"`

	err error
}

type copyBytes struct {
	Total   int64 `json:"total"`
	Copied  int64 `json:"copied"`
	Mounted int64 `json:"mounted"`
	Present int64 `json:"present"`
}

type copyRow struct {
	Kind         string `json:"kind"`
	Digest       string `json:"digest"`
	On           string `json:"on,omitempty"`
	Tag          string `json:"tag,omitempty"`
	Platform     string `json:"platform,omitempty"`
	ArtifactType string `json:"artifactType,omitempty"`
	Type         string `json:"predicateType,omitempty"`
	Size         int64  `json:"size"` // with its blobs
	Status       string `json:"status"`
}

type copyLeft struct {
	copyRow
	Reason string `json:"reason"`
}

func rowOf(p *transfer.Piece, status string) copyRow {
	row := copyRow{Kind: string(p.Kind), Digest: p.Descriptor.Digest.String(), On: p.On.String(), Tag: p.Tag, Platform: printable(p.Platform),
		Size: p.Bytes(), Status: status}
	if p.Kind == transfer.KindEvidence || p.Kind == transfer.KindTagged {
		row.ArtifactType, row.Type = printable(p.Descriptor.ArtifactType), printable(p.Descriptor.Annotations[annotationPredicateType])
	}
	return row
}

func (out *outcome) fill(plan *transfer.Plan, result *transfer.Result) {
	out.Bytes = copyBytes{result.Total, result.Moved, result.Mounted, result.Present}
	out.Tags, out.Listed = result.Tags, result.Listed
	for _, row := range result.Rows {
		out.Manifests = append(out.Manifests, rowOf(row.Piece, string(row.Status)))
	}
	for _, l := range plan.Left {
		out.LeftBehind = append(out.LeftBehind, copyLeft{rowOf(l.Piece, "left behind"), l.Reason})
	}
}

// print tells people what became of it.
func (out *outcome) print(w io.Writer, dryRun bool) {
	if out.err != nil {
		fmt.Fprintf(w, "%s: not copied: %s\n", out.Source, out.Error)
		if c := classify(out.err); c.remedy != "" {
			fmt.Fprintln(w, "  "+c.remedy)
		}
		return
	}
	images, evidence, copied := 0, 0, 0
	for _, row := range out.Manifests {
		if row.Kind == string(transfer.KindImage) || row.Kind == string(transfer.KindIndex) {
			images++
		} else {
			evidence++
		}
		if row.Status != string(transfer.StatusPresent) {
			copied++
		}
	}
	verb, done := "Copied", "copied"
	if dryRun {
		verb, done = "Would copy", "to copy"
	}
	fmt.Fprintf(w, "%s %s to %s\n", verb, out.Source, out.Destination)
	fmt.Fprintf(w, "  digest    %s\n", out.Digest)
	if out.Verdict != "" {
		fmt.Fprintf(w, "  verdict   %s\n", out.Verdict)
		if out.Covers == coversPlatforms {
			fmt.Fprintln(w, "            of each platform; the index itself is not vouched for")
		}
	}
	fmt.Fprintf(w, "  manifests %d of images, %d of evidence: %d %s, %d there already\n", images, evidence, copied, done, len(out.Manifests)-copied)
	fmt.Fprintf(w, "  content   %s: %s %s, %s mounted, %s there already\n", sizeText(out.Bytes.Total), sizeText(out.Bytes.Copied), done, sizeText(out.Bytes.Mounted), sizeText(out.Bytes.Present))
	for _, tag := range out.Tags {
		fmt.Fprintf(w, "  tag       %s\n", tag)
	}
	for _, l := range out.LeftBehind {
		fmt.Fprintf(w, "  left      %s %s on %s: %s\n", l.Kind, l.Digest, l.On, l.Reason)
	}
}

// sizeText is a number of bytes for people.
func sizeText(n int64) string {
	const unit = 1000
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	value, suffix := float64(n)/unit, 0
	for value >= unit && suffix < 3 {
		value, suffix = value/unit, suffix+1
	}
	return fmt.Sprintf("%.1f %s", value, [...]string{"kB", "MB", "GB", "TB"}[suffix])
}
