package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/policy"
	"github.com/hallmark-project/hallmark/trust"
)

// Find reads the evidence about one digest until enough says so or all of it was read,
// and returns what signers whom root and p accept have truly signed about it; the
// requirements of p are not asked. It is for those who are about to add evidence and want
// to know what is there already: where enough never said yes and something could not be
// read, the error wraps [ErrInconclusive]. What is labelled as one of types is read
// first. SBOMs that statements refer to are not looked at.
func Find(ctx context.Context, subject oci.Subject, sources []Source, root trust.Root, p policy.Policy, types []policy.Type, enough func([]Verified) bool) ([]Verified, error) {
	return find(ctx, subject, sources, root, p, types, nil, enough)
}

// FindDocuments is [Find] for those who take an SBOM for the same whether a statement holds
// it or refers to it: those of types are read, too. One that is not there any more does not
// count; one that could not be read is something unread.
func FindDocuments(ctx context.Context, subject oci.Subject, sources []Source, root trust.Root, p policy.Policy, types []policy.Type, enough func([]Verified) bool) ([]Verified, error) {
	return find(ctx, subject, sources, root, p, types, types, enough)
}

// FindAll is [Find] for those who want everything that the signers whom root and p accept
// have truly signed about a digest, as of o.Now and within o.Limits.
func FindAll(ctx context.Context, subject oci.Subject, sources []Source, root trust.Root, p policy.Policy, o Options) ([]Verified, error) {
	return findAsOf(ctx, subject, sources, root, p, nil, nil, o, func([]Verified) bool { return false })
}

func find(ctx context.Context, subject oci.Subject, sources []Source, root trust.Root, p policy.Policy, types, documents []policy.Type, enough func([]Verified) bool) ([]Verified, error) {
	return findAsOf(ctx, subject, sources, root, p, types, documents, Options{Now: time.Now()}, enough)
}

func findAsOf(ctx context.Context, subject oci.Subject, sources []Source, root trust.Root, p policy.Policy, types, documents []policy.Type, o Options, enough func([]Verified) bool) ([]Verified, error) {
	d := &dossier{
		on: subject.Digest(), sources: sources, limits: o.Limits.withDefaults(),
		assessor: &assessor{root: root, policy: p, subject: subject, now: o.Now, wanted: documents},
	}
	if err := d.complete(ctx, reading{types, func() bool { return enough(d.all()) }}); err != nil {
		return nil, err
	}
	found := d.all()
	// A document that is gone is to be attached again, and no reason to add nothing.
	d.unread = slices.DeleteFunc(d.unread, func(u Unread) bool { return u.document && errors.Is(u.reason, oci.ErrNotFound) })
	if len(d.unread) > 0 && !enough(found) {
		return nil, fmt.Errorf("%w: what is attached to %s: could not read %s: %w", ErrInconclusive, subject, d.unread[0].What, d.unread[0].reason)
	}
	return found, nil
}

// Survey reports everything that is there about a subject and its platforms, and what it
// says of itself. Nobody is trusted, so nothing in it is verified.
func Survey(ctx context.Context, subject oci.Subject, sources []Source, o Options) (*Report, error) {
	report := &Report{Subject: subject.String(), Digest: subject.Digest(), MediaType: subject.Descriptor().MediaType,
		Requirements: []RequirementReport{}, Evidence: []EvidenceReport{}}
	o.ReadAll = true
	c, err := newTrial(subject, sources, trust.Root{}, policy.Policy{AllowLegacy: true}, o)
	if err != nil {
		return report, err
	}
	if err := c.read(ctx); err != nil {
		return report, err
	}
	c.fill(report)
	return report, nil
}

// all is every piece of evidence that passed every check.
func (d *dossier) all() []Verified {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []Verified
	for i := range d.assessed {
		if a := &d.assessed[i]; a.accepted {
			out = append(out, a.verified(d, policy.TypeOf(a.predicateType).String()))
		}
	}
	return out
}

func (a *assessment) verified(d *dossier, requirement string) Verified {
	return Verified{Requirement: requirement, On: d.on, Platform: d.platform, PredicateType: a.predicateType,
		Evidence: a.report.Digest, Payload: a.payload, Form: a.report.Form, Signer: a.signer, Repository: a.repository, Document: a.document, Refers: a.refers, Bounded: a.bounded, Since: a.since}
}

// payloadDigest identifies what was signed.
func payloadDigest(payload []byte) digest.Digest {
	if payload == nil {
		return ""
	}
	return digest.FromBytes(payload)
}
