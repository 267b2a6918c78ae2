package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strings"
	"unicode"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/hallmark-project/hallmark/bundle"
	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/policy"
	"github.com/hallmark-project/hallmark/verify"
)

type showOptions struct {
	kind      string
	digest    string
	platforms []string
	evidence  evidenceFlags
	predicate bool
	bundle    bool
	maxBundle int64
}

func (a *App) showCommand() *cobra.Command {
	var o showOptions
	cmd := &cobra.Command{
		Use: "show SUBJECT", Short: "Print a statement, predicate or bundle that is attached", Args: wants(cobra.ExactArgs(1)),
		Long: `Print one piece of evidence that is attached to a subject: its in-toto statement, with
--predicate the bare predicate (an SBOM, byte for byte as it was attested), with
--bundle the whole bundle.

Of an index, what is on the index itself is printed, else what is on its only platform
that has one. Of several of one type on one digest, the newest by its own account is
printed; --digest picks another one. Nothing is verified: use 'hallmark verify' first.`,
		Example: `  hallmark show --type spdx --predicate --platform linux/amd64 registry.example.com/app:v1 > app.spdx.json
  hallmark show --digest sha256:… registry.example.com/app:v1`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.runShow(cmd.Context(), args[0], o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.kind, "type", "", "`type` of evidence: signature, spdx, cyclonedx, … or a URI")
	f.StringVar(&o.digest, "digest", "", "`digest` of the evidence, as 'hallmark tree' lists it")
	f.StringSliceVar(&o.platforms, "platform", nil, "look on this `platform` of an index only")
	f.BoolVar(&o.predicate, "predicate", false, "print the predicate alone, byte for byte")
	f.BoolVar(&o.bundle, "bundle", false, "print the whole bundle as it is stored")
	f.Int64Var(&o.maxBundle, "max-evidence-size", 1<<30, "largest piece of evidence that is read, in `bytes`")
	o.evidence.add(cmd)
	return cmd
}

// exhibit is a piece of evidence that fits what was asked for.
type exhibit struct {
	on        oci.Platform
	piece     verify.Piece
	statement *bundle.Statement // nil for other forms
	payload   []byte
	refers    *verify.Referral // to the SBOM that was asked for; nil: it is in the statement
	store     oci.Store
}

func (a *App) runShow(ctx context.Context, text string, o showOptions) error {
	defer debug.SetGCPercent(debug.SetGCPercent(verifyGC))
	if o.predicate && o.bundle {
		return usagef("--predicate and --bundle exclude each other")
	}
	if err := checkSize(o.maxBundle); err != nil {
		return err
	}
	if o.kind == "" && o.digest == "" {
		return usagef("--type or --digest is missing: say what to show; 'hallmark tree %s' lists what is there", text)
	}
	var kind policy.Type
	if o.kind != "" {
		var err error
		if kind, err = policy.ParseType(o.kind); err != nil {
			return usagef("--type: %w", err)
		}
	}
	s, err := a.session()
	if err != nil {
		return err
	}
	t, err := a.imageTarget(ctx, s, text, o.evidence)
	if err != nil {
		return err
	}
	found, err := a.findShown(ctx, t, o, kind)
	if err != nil {
		return err
	}
	a.message("Unverified: anybody who can write to the repository could have attached this to %s.", found.on.Subject.Digest())
	return found.write(ctx, a.Out, o)
}

// write prints what was asked for. The whole bundle is read once more: its text was not
// kept.
func (f *exhibit) write(ctx context.Context, out io.Writer, o showOptions) error {
	switch {
	case o.bundle || f.statement == nil && !o.predicate:
		in, err := f.piece.Open(ctx)
		if err != nil {
			return err
		}
		defer in.Close()
		_, err = io.Copy(out, in)
		return err
	case o.predicate && f.refers != nil:
		return f.writeDocument(ctx, out, o.maxBundle)
	case o.predicate && f.statement != nil:
		_, err := out.Write(f.statement.Predicate)
		return err
	case f.statement != nil:
		if err := writeIndented(out, f.payload); err != nil {
			return err
		}
		_, err := io.WriteString(out, "\n")
		return err
	}
	return nil
}

// writeDocument prints the SBOM that the statement refers to.
func (f *exhibit) writeDocument(ctx context.Context, out io.Writer, limit int64) error {
	d, err := f.refers.Find(ctx, f.store, limit)
	if err != nil {
		return fmt.Errorf("the SBOM %s, which %s refers to: %w", f.refers.Digest, f.piece.Digest, err)
	}
	in, err := f.store.Fetch(ctx, d)
	if err != nil {
		return err
	}
	defer in.Close()
	_, err = io.Copy(out, in)
	return err
}

// findShown looks on the subject first, then on its platforms. Platforms that hold
// one each are ambiguous: the user has to choose.
func (a *App) findShown(ctx context.Context, t *target, o showOptions, kind policy.Type) (*exhibit, error) {
	var places []oci.Platform
	if len(o.platforms) == 0 {
		places = append(places, oci.Platform{Subject: t.subject})
	}
	if t.subject.IsIndex() || len(o.platforms) > 0 {
		images, err := imagesOf(t.subject, o.platforms)
		if err != nil {
			return nil, err
		}
		places = append(places, images...)
	}
	var found []*exhibit
	for _, on := range places {
		one, err := newest(ctx, t.evidence, on, o, kind)
		if err != nil {
			return nil, err
		}
		if one != nil {
			found = append(found, one)
		}
		if one != nil && on.Subject.IsIndex() {
			break
		}
	}
	switch {
	case len(found) == 0:
		what := o.kind
		if o.digest != "" {
			what = strings.TrimSpace(what + " " + o.digest)
		}
		return nil, fmt.Errorf("%s: %w: %s; 'hallmark tree' lists what is there", t.subject, verify.ErrMissing, what)
	case len(found) > 1:
		names := make([]string, len(found))
		for i, f := range found {
			names[i] = place(f.on.Name, f.on.Subject.Digest().String())
		}
		return nil, usagef("%s is %s; choose one with --platform or --digest", o.kind, strings.Join(names, " and "))
	}
	return found[0], nil
}

// newest is the first piece on a digest that fits, the newest first.
func newest(ctx context.Context, store oci.Store, on oci.Platform, o showOptions, kind policy.Type) (*exhibit, error) {
	for _, source := range []verify.Source{verify.Attached(store), verify.Legacy(store)} {
		candidates, err := source.Candidates(ctx, on.Subject.Digest())
		if err != nil {
			return nil, err
		}
		var found *exhibit
		if o.kind != "" { // what is labelled as asked for comes first
			types := []policy.Type{kind}
			rank := func(c verify.Candidate) int { return max(c.Rank(types), 1) } // an SBOM or a reference to one: the newer
			slices.SortStableFunc(candidates, func(a, b verify.Candidate) int { return cmp.Compare(rank(a), rank(b)) })
		}
		for _, c := range candidates {
			if o.digest != "" && strings.HasPrefix(c.Name, "sha256:") && c.Name != o.digest {
				continue
			}
			err := c.Read(ctx, o.maxBundle, func(p verify.Piece) {
				if s := open(p, o, kind); s != nil && found == nil {
					s.on, s.store = on, store
					found = s
				}
			})
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.Name, err)
			}
			if found != nil {
				return found, nil
			}
		}
	}
	return nil, nil
}

// open takes a piece apart if it is what was asked for.
func open(p verify.Piece, o showOptions, kind policy.Type) *exhibit {
	if o.digest != "" && p.Digest != digest.Digest(o.digest) {
		return nil
	}
	s := &exhibit{piece: p}
	uri := ""
	if p.Form == verify.FormLegacySignature {
		uri = bundle.PredicateSignature
	}
	if envelope := envelopeOf(p); envelope != nil {
		if statement, err := bundle.ParseStatement(envelope.Payload); err == nil {
			s.statement, s.payload, uri = statement, envelope.Payload, statement.PredicateType
		}
	}
	if o.kind == "" || kind.Matches(uri) {
		return s
	}
	if s.statement != nil {
		s.refers = verify.Refers(s.statement)
	}
	if !s.refers.Matches(kind) {
		return nil
	}
	return s
}

func envelopeOf(p verify.Piece) *bundle.Envelope {
	switch {
	case p.Bundle != nil:
		return p.Bundle.Envelope
	case p.Form == verify.FormLegacyAttestation:
		if e, err := bundle.ParseEnvelope(p.Content); err == nil {
			return e
		}
	}
	return nil
}

// printableLines is printable for text of several lines.
func printableLines(s string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		lines[i] = printable(line)
	}
	return strings.Join(lines, "\n")
}

// printable keeps a stranger's text from steering the terminal.
func printable(s string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return '?'
	}, s)
}
