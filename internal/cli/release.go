package cli

import (
	"context"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/hallmark-project/hallmark/attest"
	"github.com/hallmark-project/hallmark/internal/render"
	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/policy"
	"github.com/hallmark-project/hallmark/sbom"
	"github.com/hallmark-project/hallmark/sign"
	"github.com/hallmark-project/hallmark/verify"
)

type releaseOptions struct {
	signer   signerFlags
	evidence evidenceFlags
	formats  []string
	output   outputsFlag
	refresh  bool
	spool    string

	provenance  provenanceFlags
	byReference bool
	fromCache   bool
}

func (a *App) releaseCommand() *cobra.Command {
	var o releaseOptions
	cmd := &cobra.Command{
		Use: "release SUBJECT", Short: "SBOM, signature and attestations of an image in one step", Args: wants(cobra.ExactArgs(1)),
		Long: `For an image, or an index with every platform of it: generate the SBOMs, sign them as
attestations, sign the image (the index and each platform), attach everything, and
verify what was written by reading it back.

It can be run again: what this signer has signed already is left as it is, what is missing
is added. A run that was cut off is finished by the next one.

Without --key, the identity of the job or of a person signs, with one certificate for
everything. If the log is down, --log-later signs all the same: verifiers reject that as
"not yet logged" until 'hallmark trust flush', or the next release, has completed it.

With --provenance, SLSA provenance of the CI job that runs this is attached as well (see
docs/build-types.md). Another run of the job adds its own.`,
		Example: `  hallmark release --key release.key registry.example.com/app:v1
  hallmark release --key release.key --format spdx-json oci:layout:v1 -o json
  hallmark release --provenance ghcr.io/octo/app:v1`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.runRelease(cmd.Context(), args[0], o) },
	}
	o.signer.add(cmd)
	o.evidence.add(cmd)
	f := cmd.Flags()
	f.StringSliceVar(&o.formats, "format", []string{string(sbom.SPDXJSON), string(sbom.CycloneDXJSON)}, "SBOM `formats`: spdx-json, cyclonedx-json, syft-json")
	f.BoolVar(&o.refresh, "refresh", false, "generate the SBOMs anew although this signer has attested some, and attach them if they differ")
	f.BoolVar(&o.signer.logLater, "log-later", false, "sign with certificate and timestamp now, and log with 'trust flush' or the next release (log of version 2 only)")
	f.StringVar(&o.spool, "spool", "", "`folder` that remembers what is to be logged (HALLMARK_SPOOL; else in the user's state folder)")
	f.BoolVar(&o.byReference, "by-reference", false, "of each SBOM: "+byReferenceHelp)
	f.BoolVar(&o.fromCache, "sbom-from-cache", false, "attest the SBOMs that this user's cache has of the image, instead of generating them")
	o.output.add(cmd, writtenFormats())
	o.provenance.add(cmd)
	return cmd
}

type releaseResult struct {
	SchemaVersion string              `json:"schemaVersion"`
	Subject       string              `json:"subject"`
	Digest        string              `json:"digest"`
	Evidence      []render.WrittenRow `json:"evidence"`
	Added         int                 `json:"added"`
	Verified      bool                `json:"verified"`
}

func (a *App) runRelease(ctx context.Context, text string, o releaseOptions) error {
	if err := o.output.check(); err != nil {
		return err
	}
	formats, err := parseFormats(o.formats)
	if err != nil {
		return err
	}
	if err := a.checkFromCache(o); err != nil {
		return err
	}
	told, err := a.releaseTold(ctx, o.provenance)
	if err != nil {
		return err
	}
	if len(formats) > 0 && !o.fromCache {
		sbom.Warm() // while the key is opened and the image looked up
	}
	author, t, err := a.toSign(ctx, o.signer, text, o.evidence)
	if err != nil {
		return err
	}
	if t.evidence == nil {
		return usagef("%s: a release is of an image; files are signed with 'hallmark sign --bundle FILE %s'", text, text)
	}
	w := writer{app: a, store: t.evidence, place: t.place(), author: author}
	if author.notary != nil && o.signer.key.key == "" {
		if w.spool, err = a.spool(o.spool); err != nil {
			return err
		}
		if err := a.flushFirst(ctx, w.spool, author.notary); err != nil {
			return err
		}
	}
	if told != nil {
		if err := told.about(ctx, author, t); err != nil {
			return err
		}
	}
	r := release{app: a, target: t, formats: formats, told: told, refresh: o.refresh, byReference: o.byReference, catalogue: a.imageSBOM, writer: w}
	if o.fromCache {
		r.catalogue = a.knownSBOM
	}
	if err := r.run(ctx); err != nil {
		return err
	}
	return a.writeReleased(t, o, &r)
}

// releaseTold is what is told of the build, nil if nothing is to be.
func (a *App) releaseTold(ctx context.Context, p provenanceFlags) (*buildTold, error) {
	on, err := p.on()
	if err != nil || !on {
		return nil, err
	}
	return a.readBuild(ctx, p)
}

func (a *App) writeReleased(t *target, o releaseOptions, r *release) error {
	closing := "Verified by reading it back."
	if o.signer.logLater {
		closing = "Verified by reading it back, but for the log: run 'hallmark trust flush' when it is up again. Until then verifiers reject this."
	}
	w := render.Written{Subject: t.subject.String(), Digest: t.subject.Digest().String(), Evidence: r.writer.rows, Closing: closing}
	return a.writeWritten(o.output, w, releaseResult{"hallmark.release/v1", t.subject.Name(), w.Digest, w.Evidence, r.added, true})
}

// flushFirst completes what earlier runs left to be logged. That the log is still down
// is no reason to stop: this run may log later as well.
func (a *App) flushFirst(ctx context.Context, from spool, notary *sign.Notary) error {
	if notary.Later {
		return nil
	}
	rows, err := a.flush(ctx, from, notary)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		a.message("Warning: what an earlier release left to be logged is not logged yet: %v", err)
	}
	for _, row := range rows {
		if row.Status == statusLogged {
			a.message("Logged the pending %s of %s.", row.PredicateType, row.Subject)
		}
	}
	return nil
}

func parseFormats(names []string) ([]sbom.Format, error) {
	var out []sbom.Format
	for _, name := range names {
		f, err := sbom.ParseFormat(name)
		if err != nil {
			return nil, usagef("--format: %w", err)
		}
		if !slices.Contains(out, f) {
			out = append(out, f)
		}
	}
	return out, nil
}

// release is one run of the command.
type release struct {
	app     *App
	target  *target
	formats []sbom.Format
	told    *buildTold // nil: no provenance
	refresh bool
	writer  writer
	added   int

	byReference bool
	catalogue   cataloguer
}

func (r *release) run(ctx context.Context) error {
	images, err := imagesOf(r.target.subject, nil)
	if err != nil {
		return err
	}
	digests := images
	if r.target.subject.IsIndex() {
		digests = append([]oci.Platform{{Subject: r.target.subject}}, images...)
	}
	there, err := r.survey(ctx, digests)
	if err != nil {
		return err
	}
	docs, err := r.documents(ctx, digests, there)
	if err != nil {
		return err
	}
	for i, on := range digests {
		if err := r.releaseOne(ctx, on, there[i], docs[i]); err != nil {
			return err
		}
	}
	r.added = len(r.writer.todo)
	if err := r.writer.finish(ctx); err != nil {
		return err
	}
	return r.verify(ctx, digests)
}

// survey reads what this signer has attached to each digest before.
func (r *release) survey(ctx context.Context, digests []oci.Platform) ([][]verify.Verified, error) {
	out := make([][]verify.Verified, len(digests))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(surveysAtOnce)
	for i, on := range digests {
		group.Go(func() (err error) {
			known, err := r.exactly(on)
			if err != nil {
				return err
			}
			types := r.sbomTypes(on)
			for _, f := range known {
				types = append(types, f.predicate.Type)
			}
			out[i], err = r.writer.find(ctx, verify.FindDocuments, on.Subject, types, func(found []verify.Verified) bool {
				return !r.refresh && len(missingTypes(types, found)) == 0 &&
					!slices.ContainsFunc(known, func(f exact) bool { return evidenceOf(found, f.payload) == "" })
			})
			return err
		})
	}
	return out, group.Wait()
}

// sbomTypes are the predicate types that a digest gets: none for an index.
func (r *release) sbomTypes(on oci.Platform) []string {
	if on.Subject.IsIndex() {
		return nil
	}
	types := make([]string, len(r.formats))
	for i, f := range r.formats {
		types[i] = f.PredicateType()
	}
	return types
}

// exact is a claim whose statement is known to the byte before anything is read.
type exact struct {
	claim
	payload digest.Digest
}

// exactly lists what is said of a digest besides SBOMs: provenance, and the signature.
func (r *release) exactly(on oci.Platform) ([]exact, error) {
	predicates := []attest.Predicate{attest.Signature()}
	if r.told != nil {
		p, err := r.told.predicate(on)
		if err != nil {
			return nil, err
		}
		predicates = []attest.Predicate{p, attest.Signature()}
	}
	out := make([]exact, len(predicates))
	for i, p := range predicates {
		payload, err := attest.Statement(on.Subject, p)
		if err != nil {
			return nil, err
		}
		out[i] = exact{claim{on: on, predicate: p}, digest.FromBytes(payload)}
	}
	return out, nil
}

// missingTypes are the predicate types of which nothing was found.
func missingTypes(types []string, found []verify.Verified) []string {
	return slices.DeleteFunc(slices.Clone(types), func(uri string) bool { return foundOf(found, uri) != "" })
}

func foundOf(found []verify.Verified, uri string) digest.Digest {
	for _, v := range found {
		if v.Form == verify.FormBundle && policy.TypeOf(uri).Matches(v.Says()) && (v.Refers == nil || v.Document != nil) {
			return v.Evidence
		}
	}
	return ""
}

// releaseOne queues what a digest lacks: SBOM attestations, provenance, then the signature.
func (r *release) releaseOne(ctx context.Context, on oci.Platform, found []verify.Verified, made []sbom.Document) error {
	docs := map[string]sbom.Document{}
	for _, doc := range made {
		docs[doc.Format.PredicateType()] = doc
	}
	var err error
	for _, uri := range r.sbomTypes(on) {
		c := claim{on: on, predicate: attest.Predicate{Type: uri, JSON: docs[uri].Bytes}}
		present := foundOf(found, uri)
		if c.predicate.JSON != nil {
			if c, present, err = r.madeClaim(c, found); err != nil {
				return err
			}
		}
		if err := r.writer.add(ctx, c, present); err != nil {
			return err
		}
	}
	known, err := r.exactly(on)
	if err != nil {
		return err
	}
	for _, k := range known {
		if err := r.writer.add(ctx, k.claim, evidenceOf(found, k.payload)); err != nil {
			return err
		}
	}
	return nil
}

// madeClaim is the claim of an SBOM that was generated, and the evidence that says the very
// same already.
func (r *release) madeClaim(c claim, found []verify.Verified) (claim, digest.Digest, error) {
	if r.byReference {
		var err error
		if c, err = c.refer(r.target); err != nil {
			return c, "", err
		}
	}
	payload, err := attest.StatementDigest(c.on.Subject, c.predicate)
	return c, evidenceOf(found, payload), err
}

// documents generates the SBOMs that digests lack.
func (r *release) documents(ctx context.Context, digests []oci.Platform, there [][]verify.Verified) ([][]sbom.Document, error) {
	defer r.app.makesSBOMs()()
	wanted := make([]wantedSBOM, len(digests))
	for i, on := range digests {
		lacking := missingTypes(r.sbomTypes(on), there[i])
		if r.refresh {
			lacking = r.sbomTypes(on)
		}
		wanted[i].image = on
		for _, f := range r.formats {
			if slices.Contains(lacking, f.PredicateType()) {
				wanted[i].formats = append(wanted[i].formats, f)
			}
		}
	}
	return describeAll(ctx, r.catalogue, r.target.images, wanted)
}

// verify reads everything back and judges it as a stranger would who trusts the signer.
func (r *release) verify(ctx context.Context, digests []oci.Platform) error {
	shown := r.app.progress("Verifying")
	defer shown.end()
	sources := []verify.Source{verify.Attached(r.target.evidence)}
	signature, err := policy.ParseType(policy.Signature)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(surveysAtOnce)
	for _, on := range digests {
		requirements := []policy.Requirement{{Type: signature}}
		for _, uri := range r.sbomTypes(on) {
			requirements = append(requirements, policy.Requirement{Type: policy.TypeOf(uri)})
		}
		if r.told != nil {
			requirements = append(requirements, r.told.required())
		}
		p := r.writer.author.policy
		p.Requirements = requirements
		group.Go(func() error {
			_, _, err := verify.Verify(ctx, on.Subject, sources, r.writer.author.root, p, verify.Options{Now: r.app.Now()})
			if err != nil {
				return fmt.Errorf("what was written does not verify when read back: %w", err)
			}
			return nil
		})
	}
	return group.Wait()
}
