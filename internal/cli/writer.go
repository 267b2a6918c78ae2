package cli

import (
	"context"
	"fmt"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/hallmark-project/hallmark/attest"
	"github.com/hallmark-project/hallmark/bundle"
	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/policy"
	"github.com/hallmark-project/hallmark/sign"
	"github.com/hallmark-project/hallmark/trust"
	"github.com/hallmark-project/hallmark/verify"
)

// surveysAtOnce is how many digests are looked at in parallel.
const surveysAtOnce = 8

// claim is something to be signed: a predicate about a digest.
type claim struct {
	on        oci.Platform
	predicate attest.Predicate
}

// writtenRow is one piece of evidence that a command attached or found there.
type writtenRow struct {
	On            string `json:"on"`
	Platform      string `json:"platform,omitempty"`
	Type          string `json:"type"`
	PredicateType string `json:"predicateType"`
	Evidence      string `json:"evidence,omitempty"` // digest of the manifest
	Status        string `json:"status"`
}

// What became of a claim.
const (
	statusAttached = "attached" // signed and attached now
	statusPresent  = "present"  // attached before; nothing was added
	statusWritten  = "written"  // signed into a file only
)

// writer signs claims and attaches what is not attached yet, all in one call.
type writer struct {
	app        *App
	store      oci.Store // nil: bundles go to a file only
	signer     *sign.KeySigner
	bundleFile string // empty: no file

	rows    []writtenRow
	pending []oci.Attachment
	at      []int // row of each pending attachment
}

// toSign opens the key, then resolves what it is to sign.
func (a *App) toSign(ctx context.Context, k keyFlags, text string, e evidenceFlags) (*sign.KeySigner, *target, error) {
	signer, err := a.signer(ctx, k)
	if err != nil {
		return nil, nil, err
	}
	s, err := a.session()
	if err != nil {
		return nil, nil, err
	}
	t, err := a.resolve(ctx, s, text, e, true)
	return signer, t, err
}

// write signs each claim unless this signer's same statement is attached, and
// attaches the rest.
func (w *writer) write(ctx context.Context, claims []claim) error {
	present := make([]digest.Digest, len(claims))
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(surveysAtOnce)
	for i, c := range claims {
		group.Go(func() error {
			payload, err := attest.Statement(c.on.Subject, c.predicate)
			if err != nil || w.store == nil {
				return err
			}
			signed := digest.FromBytes(payload)
			found, err := w.find(gctx, c.on.Subject, []string{c.predicate.Type}, func(found []verify.Verified) bool {
				return evidenceOf(found, signed) != ""
			})
			present[i] = evidenceOf(found, signed)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for i, c := range claims {
		if err := w.add(ctx, c, present[i]); err != nil {
			return err
		}
	}
	return w.attach(ctx)
}

// find reads what this signer has signed about a digest.
func (w *writer) find(ctx context.Context, on oci.Subject, predicateTypes []string, enough func([]verify.Verified) bool) ([]verify.Verified, error) {
	types := make([]policy.Type, len(predicateTypes))
	for i, uri := range predicateTypes {
		types[i] = policy.TypeOf(uri)
	}
	return verify.Find(ctx, on, []verify.Source{verify.Attached(w.store)}, w.root(), types, enough)
}

// root trusts this signer alone.
func (w *writer) root() trust.Root { return trust.Root{Keys: []trust.Key{w.signer.Public()}} }

// evidenceOf is the bundle that holds the very payload, if one does.
func evidenceOf(found []verify.Verified, payload digest.Digest) digest.Digest {
	for _, v := range found {
		if v.Payload == payload && v.Form == verify.FormBundle {
			return v.Evidence
		}
	}
	return ""
}

// add signs a claim, or notes that it is present.
func (w *writer) add(ctx context.Context, c claim, present digest.Digest) error {
	row := writtenRow{On: c.on.Subject.Digest().String(), Platform: c.on.Name, Type: policy.TypeOf(c.predicate.Type).String(),
		PredicateType: c.predicate.Type, Evidence: present.String(), Status: statusPresent}
	if present == "" {
		row.Status = statusWritten
	}
	w.rows = append(w.rows, row)
	if present != "" && w.bundleFile == "" {
		return nil
	}
	payload, err := attest.Statement(c.on.Subject, c.predicate)
	if err != nil {
		return err
	}
	b, err := w.signer.Sign(ctx, bundle.PayloadType, payload)
	if err != nil {
		return err
	}
	if w.bundleFile != "" {
		content, err := b.MarshalJSON()
		if err != nil {
			return err
		}
		if err := writeFile(w.bundleFile, append(content, '\n'), 0o644, true); err != nil {
			return fileError(err)
		}
	}
	if present != "" || w.store == nil {
		return nil
	}
	return w.queue(c, b)
}

func (w *writer) queue(c claim, b *bundle.Bundle) error {
	when, err := w.app.created()
	if err != nil {
		return err
	}
	artifact, err := attest.Artifact(b, c.predicate, when)
	if err != nil {
		return err
	}
	w.pending = append(w.pending, oci.Attachment{Subject: c.on.Subject, Artifact: artifact})
	w.at = append(w.at, len(w.rows)-1)
	return nil
}

// attach attaches everything that is pending, in one call.
func (w *writer) attach(ctx context.Context) error {
	if len(w.pending) == 0 {
		return nil
	}
	p := w.app.progress(fmt.Sprintf("Attaching %d pieces of evidence", len(w.pending)))
	defer p.end()
	descriptors, err := w.store.Attach(ctx, w.pending)
	if err != nil {
		return err
	}
	for i, d := range descriptors {
		row := &w.rows[w.at[i]]
		row.Evidence, row.Status = d.Digest.String(), statusAttached
	}
	w.pending, w.at = nil, nil
	return nil
}
