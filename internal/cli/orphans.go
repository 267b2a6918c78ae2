package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"

	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/prune"
	"github.com/hallmark-project/hallmark/verify"
)

// reasonOrphan is why evidence without a subject goes.
const reasonOrphan = "its subject is gone"

// findOrphans adds evidence by the trusted signers whose subject is not there any more.
// That a subject is gone is believed only of a store that showed another manifest in this
// run, and that says that it does not know the manifest.
func (p *pruning) findOrphans(ctx context.Context) error {
	if p.v.target.elsewhere != "" {
		return usagef("--orphans: %s may hold evidence of images of other repositories, and whether they are gone cannot be told from here", p.v.target.elsewhere)
	}
	store, ok := p.v.target.evidence.(oci.Enumerator)
	if !ok {
		return usagef("--orphans: %s cannot say which digests there is evidence of", p.v.target.place())
	}
	subjects, err := store.EvidenceSubjects(ctx)
	if err != nil {
		return err
	}
	for _, on := range subjects {
		_, err := p.v.target.images.Resolve(ctx, on.String())
		switch {
		case err == nil, errors.Is(err, oci.ErrManifest): // there, whatever it is
			continue
		case !errors.Is(err, oci.ErrNotFound):
			return fmt.Errorf("is %s still there: %w", on, err)
		case !oci.IsGone(err):
			p.app.message("Warning: whether %s is gone cannot be told from %q; its evidence is kept.", on, printableLines(err.Error()))
			continue
		}
		if err := p.orphansOf(ctx, on); err != nil {
			return err
		}
	}
	return nil
}

// orphansOf adds what the trusted signers truly signed about a digest that is gone.
func (p *pruning) orphansOf(ctx context.Context, on digest.Digest) error {
	subject, err := oci.DigestSubject(on)
	if err != nil {
		return err
	}
	_, options, err := p.bench.evidence(p.v.target, false)
	if err != nil {
		return err
	}
	found, err := verify.FindAll(ctx, subject, []verify.Source{verify.Attached(p.v.target.evidence)}, p.bench.root, p.v.plan.Policy, options)
	if errors.Is(err, verify.ErrInconclusive) {
		p.app.message("Warning: %s is gone, and its evidence is kept: %s", on, printableLines(err.Error()))
		return nil
	}
	if err != nil {
		return err
	}
	p.names = signerNames(p.names, found)
	for _, d := range prune.Superseded(piecesOf(found), p.types) {
		row := p.row(d)
		switch d.Reason {
		case prune.ReasonProtected, prune.ReasonNotAsked, prune.ReasonShared:
		default:
			row.Status, row.SupersededBy, row.Reason = pruneRemove, "", reasonOrphan
		}
		p.rows = append(p.rows, row)
	}
	return nil
}
