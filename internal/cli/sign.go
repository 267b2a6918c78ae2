package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hallmark-project/hallmark/attest"
	"github.com/hallmark-project/hallmark/bundle"
	"github.com/hallmark-project/hallmark/internal/render"
	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/policy"
)

type signOptions struct {
	signer    signerFlags
	evidence  evidenceFlags
	recursive bool
	message   bool
	platforms []string
	bundle    string
	output    outputsFlag

	byReference bool // where a command has it
	// large is the file of a predicate that is read again rather than held while others are
	// read; empty: it is held.
	large string
	again func() (attest.Predicate, error)
}

func (o *signOptions) add(cmd *cobra.Command) {
	o.signer.add(cmd)
	o.evidence.add(cmd)
	f := cmd.Flags()
	f.StringSliceVar(&o.platforms, "platform", nil, "only this `platform` of an index, such as linux/amd64; may be repeated")
	f.StringVar(&o.bundle, "bundle", "", "write the signed bundle to this `file` (for a file: the only place it goes)")
	o.output.add(cmd, writtenFormats())
}

func (a *App) signCommand() *cobra.Command {
	var o signOptions
	cmd := &cobra.Command{
		Use: "sign SUBJECT", Short: "Vouch for an image, an index or a file", Args: wants(cobra.ExactArgs(1)),
		Long: `Sign a subject and attach the signature to it. A tag is resolved once; what is signed
is the digest. Signing again as the same signer adds nothing.

Without --key, the identity of the job or of a person signs: a token from the CI system,
a file or a browser is exchanged for a certificate that lives for minutes, and the log and
the timestamp authorities of the signing configuration witness the signature.

With --recursive, every platform of an index is signed besides the index itself.`,
		Example: `  hallmark sign --key release.key registry.example.com/app@sha256:…
  hallmark sign --key release.key --recursive registry.example.com/app:v1
  hallmark sign --key release.key --bundle app.tgz.sigstore.json file:app.tgz
  hallmark sign --provider github ghcr.io/octo/app@sha256:…`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.runSign(cmd.Context(), args[0], o, said(attest.Signature()))
		},
	}
	o.add(cmd)
	cmd.Flags().BoolVar(&o.message, "message-signature", false, "of a file: sign its bytes themselves, as 'cosign sign-blob' does, and not a statement about it")
	cmd.Flags().BoolVarP(&o.recursive, "recursive", "r", false, "sign every platform of an index too")
	return cmd
}

type attestOptions struct {
	signOptions
	kind       string
	predicate  string
	statement  string
	provenance provenanceFlags
}

// predicates gives what is said of each digest, once it is known who signs what.
type predicates func(context.Context, *author, *target) (func(oci.Platform) (attest.Predicate, error), error)

// said says the same of every digest.
func said(p attest.Predicate) predicates {
	return func(context.Context, *author, *target) (func(oci.Platform) (attest.Predicate, error), error) {
		return func(oci.Platform) (attest.Predicate, error) { return p, nil }, nil
	}
}

// maxPredicate is the size of a predicate that is attested.
const maxPredicate = 1 << 30

func (a *App) attestCommand() *cobra.Command {
	var o attestOptions
	cmd := &cobra.Command{
		Use: "attest SUBJECT", Short: "Attach a signed statement about an image or a file", Args: wants(cobra.ExactArgs(1)),
		Long: `Sign a predicate about a subject and attach the attestation to it. The predicate is
checked against its type first, and its bytes are kept as they are. Attesting the same
again as the same signer adds nothing.

An SBOM or a vulnerability report describes one platform: of an index, name it with
--platform. With --by-reference, the SBOM is attached as an artifact of its own and the
statement names its digest: what is signed stays small, whatever the size of the SBOM.

A whole in-toto statement that another tool wrote is signed byte for byte with --statement;
one of its subjects has to be SUBJECT.

With --provenance, the predicate is SLSA provenance of the CI job that runs this, or of what
flags state (see docs/build-types.md).`,
		Example: `  hallmark attest --key release.key --type spdx --predicate app.spdx.json registry.example.com/app@sha256:…
  hallmark attest --key ci.key --type test-result --predicate result.json registry.example.com/app:v1
  hallmark attest --provenance --build-metadata metadata.json ghcr.io/octo/app:v1`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.runAttest(cmd.Context(), args[0], o) },
	}
	o.add(cmd)
	cmd.Flags().StringVar(&o.kind, "type", "", "`type` of the predicate: spdx, cyclonedx, slsaprovenance, vuln, openvex, vsa, test-result, link, syft, or a URI")
	cmd.Flags().StringVar(&o.predicate, "predicate", "", "`file` that holds the predicate, - for standard input")
	cmd.Flags().StringVar(&o.statement, "statement", "", "`file` that holds a whole in-toto statement, instead of --type and --predicate; - for standard input")
	cmd.Flags().BoolVarP(&o.recursive, "recursive", "r", false, "of an index: say it of every platform too")
	cmd.Flags().BoolVar(&o.byReference, "by-reference", false, "of an SBOM: "+byReferenceHelp)
	o.provenance.add(cmd)
	return cmd
}

func (a *App) runAttest(ctx context.Context, subject string, o attestOptions) error {
	told, err := o.provenance.on()
	if err != nil {
		return err
	}
	if told {
		return a.attestProvenance(ctx, subject, o)
	}
	p, err := a.attested(o)
	if err == nil && o.byReference {
		err = checkByReference(p)
	}
	if err != nil {
		return err
	}
	if isLarge(o.predicate) {
		o.large, o.again = o.predicate, func() (attest.Predicate, error) { return a.attested(o) }
	}
	return a.runSign(ctx, subject, o.signOptions, said(p))
}

func (a *App) attestProvenance(ctx context.Context, subject string, o attestOptions) error {
	if o.byReference {
		return errNotReferable("slsaprovenance")
	}
	if o.kind+o.predicate+o.statement != "" {
		return usagef("--provenance makes the predicate itself: leave --type, --predicate and --statement out")
	}
	told, err := a.readBuild(ctx, o.provenance)
	if err != nil {
		return err
	}
	return a.runSign(ctx, subject, o.signOptions, func(ctx context.Context, who *author, t *target) (func(oci.Platform) (attest.Predicate, error), error) {
		return told.predicate, told.about(ctx, who, t)
	})
}

// attested is what the flags say is attested.
func (a *App) attested(o attestOptions) (p attest.Predicate, err error) {
	if o.statement != "" {
		return a.givenStatement(o)
	}
	if o.kind == "" || o.predicate == "" {
		return p, usagef("--type and --predicate are both wanted: the file that is attested, and what it is; or --provenance")
	}
	if _, err := policy.ParseType(o.kind); err != nil {
		return p, usage(err)
	}
	in, err := a.openInput(o.predicate, maxPredicate)
	if err != nil {
		return p, err
	}
	defer in.Close()
	if p, err = attest.ReadPredicate(o.kind, in, in.size); err != nil {
		return p, fmt.Errorf("%s: %w", o.predicate, err)
	}
	return p, nil
}

func (a *App) givenStatement(o attestOptions) (p attest.Predicate, err error) {
	if o.byReference {
		return p, usagef("--by-reference makes the statement itself, and --statement brings one: choose")
	}
	if o.kind != "" || o.predicate != "" {
		return p, usagef("--statement holds type and predicate already: choose")
	}
	data, err := a.readInput(o.statement, maxPredicate)
	if err != nil {
		return p, err
	}
	if p, err = attest.GivenStatement(data); err != nil {
		return p, fmt.Errorf("%s: %w", o.statement, err)
	}
	return p, nil
}

// signResult is what sign and attest print.
type signResult struct {
	SchemaVersion string              `json:"schemaVersion"`
	Subject       string              `json:"subject"`
	Digest        string              `json:"digest"`
	Written       []render.WrittenRow `json:"evidence"`
	Bundle        string              `json:"bundle,omitempty"`
}

func (a *App) runSign(ctx context.Context, text string, o signOptions, say predicates) error {
	if err := o.output.check(); err != nil {
		return err
	}
	author, t, err := a.toSign(ctx, o.signer, text, o.evidence)
	if err != nil {
		return err
	}
	predicate, err := say(ctx, author, t)
	if err != nil {
		return err
	}
	subjects, err := a.signSubjects(t, o)
	if err != nil {
		return err
	}
	if o.message {
		return a.signFile(ctx, author, t, o)
	}
	w := writer{app: a, store: t.evidence, author: author, bundleFile: o.bundle}
	claims := make([]claim, len(subjects))
	for i, subject := range subjects {
		p, err := predicate(subject)
		if err != nil {
			return err
		}
		claims[i] = claim{on: subject, predicate: p}
		a.warnOfIndex(subject, p)
		if o.byReference {
			if claims[i], err = claims[i].refer(t); err != nil {
				return err
			}
		}
	}
	if len(claims) == 1 { // several share what is held
		if err := claims[0].lighten(o); err != nil {
			return err
		}
	}
	if err := w.write(ctx, claims); err != nil {
		return err
	}
	return a.writeSigned(t, o, w.rows)
}

// signFile signs the bytes of a file, into a bundle beside it.
func (a *App) signFile(ctx context.Context, who *author, t *target, o signOptions) error {
	if t.ref.Scheme != oci.SchemeFile {
		return usagef("%s: --message-signature is for files", t.text)
	}
	open := func() (io.ReadCloser, error) { return oci.OpenFile(t.ref.Path, t.subject) }
	b, err := who.signer.SignFile(ctx, open)
	if err != nil {
		return err
	}
	if err := a.prove(ctx, who, t.subject, bundle.PredicateSignature, b, open); err != nil {
		return err
	}
	if err := writeBundle(o.bundle, b); err != nil {
		return err
	}
	rows := []render.WrittenRow{{On: t.subject.Digest().String(), Type: policy.Signature, Status: statusWritten}}
	return a.writeSigned(t, o, rows)
}

// writeBundle writes a bundle into a file, as one line.
func writeBundle(name string, b *bundle.Bundle) error {
	in, err := b.Reader()
	if err != nil {
		return err
	}
	err = writeWith(name, 0o644, true, func(w io.Writer) error {
		_, err := io.Copy(w, io.MultiReader(in, strings.NewReader("\n")))
		return err
	})
	if err != nil {
		return fileError(err)
	}
	return nil
}

func (a *App) writeSigned(t *target, o signOptions, rows []render.WrittenRow) error {
	w := render.Written{Subject: t.subject.String(), Digest: t.subject.Digest().String(), Evidence: rows}
	return a.writeWritten(o.output, w, signResult{"hallmark.sign/v1", t.subject.Name(), w.Digest, rows, o.bundle})
}

// signSubjects lists the digests to sign: the subject, with its platforms or only
// them where flags say so.
func (a *App) signSubjects(t *target, o signOptions) ([]oci.Platform, error) {
	if t.evidence == nil {
		if o.byReference {
			return nil, usagef("%s: --by-reference goes with images: beside a file there is no store that could hold the SBOM", t.text)
		}
		if o.bundle == "" {
			return nil, usagef("%s: --bundle is missing: the file that the signature is written to", t.text)
		}
		if o.recursive || len(o.platforms) > 0 || o.evidence.repository != "" {
			return nil, usagef("%s: --recursive, --platform and --evidence-repository go with images, not files", t.text)
		}
		return []oci.Platform{{Subject: t.subject}}, nil
	}
	subjects := []oci.Platform{{Subject: t.subject}}
	if len(o.platforms) > 0 {
		var err error
		if subjects, err = imagesOf(t.subject, o.platforms); err != nil {
			return nil, err
		}
	} else if o.recursive {
		platforms, err := t.subject.Platforms()
		if err != nil {
			return nil, err
		}
		subjects = append(subjects, platforms...)
	}
	if o.bundle != "" && len(subjects) > 1 {
		return nil, usagef("--bundle holds one bundle, and %d are to be signed", len(subjects))
	}
	return subjects, nil
}

func (a *App) warnOfIndex(on oci.Platform, p attest.Predicate) {
	if on.Subject.IsIndex() && policy.TypeOf(p.Type).DescribesPlatform() {
		a.message("Warning: %s is an index, and a predicate of type %s describes one platform: verifiers want it on each (--platform).", on.Subject, p.Type)
	}
}
