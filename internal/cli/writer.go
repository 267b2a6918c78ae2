package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/hallmark-project/hallmark/attest"
	"github.com/hallmark-project/hallmark/bundle"
	"github.com/hallmark-project/hallmark/internal/render"
	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/policy"
	"github.com/hallmark-project/hallmark/trust"
	"github.com/hallmark-project/hallmark/verify"
)

// surveysAtOnce is how many digests are looked at in parallel.
const surveysAtOnce = 8

// claim is something to be signed: a predicate about a digest.
type claim struct {
	on        oci.Platform
	predicate attest.Predicate
	document  *attest.Referred // that the predicate refers to; nil: none
	again     func() (attest.Predicate, error)
}

// title is what people call it.
func (c claim) title() string {
	if c.document != nil {
		return policy.TypeOf(c.document.PredicateType).String()
	}
	return policy.TypeOf(c.predicate.Type).String()
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
	place      string    // of the store
	author     *author
	spool      spool  // for what is to be logged later
	bundleFile string // empty: no file

	rows      []render.WrittenRow
	todo      []job
	documents []oci.Attachment // SBOMs that claims refer to, to be attached
}

// job is a claim that is still to be signed, and attached unless it only goes to a file.
type job struct {
	claim
	row    int
	attach bool
}

// signedAtOnce is how many signatures are made at the same time: each of them may have to
// wait for a log.
const signedAtOnce = 8

// toSign readies the signer, resolves what it is to sign, and only then asks for an
// identity and a certificate. Opening a key takes as long as a round trip: it is meant to.
// What is wrong with the signer is said first.
func (a *App) toSign(ctx context.Context, f signerFlags, text string, e evidenceFlags) (*author, *target, error) {
	if _, err := oci.ParseReference(text); err != nil { // before a password is asked for
		return nil, nil, err
	}
	s, err := a.session()
	if err != nil {
		return nil, nil, err
	}
	asked, cancel := context.WithCancel(ctx)
	defer cancel()
	var t *target
	var unresolved error
	resolved := make(chan struct{})
	go func() {
		defer close(resolved)
		defer func() {
			if p := recover(); p != nil {
				unresolved = fmt.Errorf("internal error: %v", p)
			}
		}()
		t, unresolved = a.resolve(asked, s, text, e, true)
	}()
	who, open, err := a.author(ctx, f)
	if err != nil {
		return nil, nil, err
	}
	if <-resolved; unresolved != nil {
		return nil, nil, unresolved
	}
	return who, t, open(ctx)
}

// write signs each claim unless this signer's same statement is attached, and
// attaches the rest.
func (w *writer) write(ctx context.Context, claims []claim) error {
	present := make([]digest.Digest, len(claims))
	signed, err := digestsOf(claims)
	if err != nil {
		return err
	}
	forget(claims)
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(surveysAtOnce)
	for i, c := range claims {
		group.Go(func() error {
			if w.store == nil {
				return nil
			}
			found, err := w.find(gctx, verify.Find, c.on.Subject, []string{c.predicate.Type}, func(found []verify.Verified) bool {
				return evidenceOf(found, signed[i]) != ""
			})
			present[i] = evidenceOf(found, signed[i])
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for i, c := range claims {
		if present[i] == "" || w.bundleFile != "" {
			if c, err = c.recall(signed[i]); err != nil {
				return err
			}
		}
		if err := w.add(ctx, c, present[i]); err != nil {
			return err
		}
	}
	return w.finish(ctx)
}

// finder is a way to look for evidence, see [verify.Find].
type finder func(context.Context, oci.Subject, []verify.Source, trust.Root, policy.Policy, []policy.Type, func([]verify.Verified) bool) ([]verify.Verified, error)

// find reads what this signer has signed about a digest.
func (w *writer) find(ctx context.Context, by finder, on oci.Subject, predicateTypes []string, enough func([]verify.Verified) bool) ([]verify.Verified, error) {
	types := make([]policy.Type, len(predicateTypes))
	for i, uri := range predicateTypes {
		types[i] = policy.TypeOf(uri)
	}
	p := w.author.policy
	p.AllowLegacy = true
	return by(ctx, on, []verify.Source{verify.Attached(w.store)}, w.author.root, p, types, enough)
}

// evidenceOf is the bundle that holds the very payload, if one does.
func evidenceOf(found []verify.Verified, payload digest.Digest) digest.Digest {
	for _, v := range found {
		if v.Payload == payload && v.Form == verify.FormBundle {
			return v.Evidence
		}
	}
	return ""
}

// add notes a claim that is to be signed, or that it is present. The SBOM that it refers to
// is attached too, unless it is there.
func (w *writer) add(ctx context.Context, c claim, present digest.Digest) error {
	if c.document != nil {
		if err := w.addDocument(ctx, c, present); err != nil {
			return err
		}
	}
	row := render.WrittenRow{On: c.on.Subject.Digest().String(), Platform: c.on.Name, Type: c.title(),
		PredicateType: c.predicate.Type, Evidence: present.String(), Status: statusPresent}
	if present == "" {
		row.Status = statusWritten
	}
	w.rows = append(w.rows, row)
	if present == "" || w.bundleFile != "" {
		w.todo = append(w.todo, job{c, len(w.rows) - 1, present == "" && w.store != nil})
	}
	return nil
}

// addDocument notes that an SBOM is to be attached. Beside a statement that is present it may
// be missing all the same: evidence can be taken away piece by piece.
func (w *writer) addDocument(ctx context.Context, c claim, present digest.Digest) error {
	if present != "" {
		_, err := w.store.Stat(ctx, c.document.Digest)
		if err == nil || !errors.Is(err, oci.ErrNotFound) {
			return err
		}
	}
	w.documents = append(w.documents, oci.Attachment{Subject: c.on.Subject, Artifact: c.document.Artifact})
	return nil
}

// finish signs what is to be signed, several at once, and attaches it in one call.
func (w *writer) finish(ctx context.Context) error {
	if len(w.todo)+len(w.documents) == 0 {
		return nil
	}
	p := w.app.progress(fmt.Sprintf("Signing and attaching %d pieces of evidence", len(w.todo)))
	defer p.end()
	bundles := make([]*bundle.Bundle, len(w.todo))
	statement := attest.Statement
	if len(w.todo) == 1 { // a large predicate is not copied
		statement = attest.StatementInPlace
	}
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(signedAtOnce)
	for i, j := range w.todo {
		group.Go(func() error {
			payload, err := statement(j.on.Subject, j.predicate)
			if err != nil {
				return err
			}
			w.todo[i].predicate = attest.Predicate{Type: j.predicate.Type} // the rest is in the payload: a large one is not held twice
			b, err := w.author.signer.Sign(gctx, bundle.PayloadType, payload)
			if err != nil {
				return err
			}
			bundles[i] = b
			return w.app.prove(gctx, w.author, j.on.Subject, j.predicate.Type, b, nil)
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return w.keep(ctx, bundles)
}

// keep writes signed bundles to the file, and attaches them.
func (w *writer) keep(ctx context.Context, bundles []*bundle.Bundle) error {
	var attachments []oci.Attachment
	var rows []int
	for i, j := range w.todo {
		if w.bundleFile != "" {
			if err := writeBundle(w.bundleFile, bundles[i]); err != nil {
				return err
			}
		}
		if !j.attach {
			continue
		}
		attachment, err := w.attachment(j.claim, bundles[i])
		if err != nil {
			return err
		}
		attachments, rows = append(attachments, attachment), append(rows, j.row)
	}
	attachments = append(attachments, w.documents...)
	w.todo, w.documents = nil, nil
	if len(attachments) == 0 {
		return nil
	}
	descriptors, err := w.store.Attach(ctx, attachments)
	if err != nil {
		return err
	}
	for i, at := range rows {
		w.rows[at].Evidence, w.rows[at].Status = descriptors[i].Digest.String(), statusAttached
	}
	return nil
}

// attachment wraps a bundle up for the store, and notes in the spool what it lacks.
func (w *writer) attachment(c claim, b *bundle.Bundle) (oci.Attachment, error) {
	when, err := w.app.created()
	if err != nil {
		return oci.Attachment{}, err
	}
	artifact, err := attest.Artifact(b, c.predicate, when)
	if err != nil {
		return oci.Attachment{}, err
	}
	if n := w.author.notary; n != nil && n.Later {
		content, err := b.MarshalJSON()
		if err != nil {
			return oci.Attachment{}, err
		}
		err = w.spool.add(pendingEntry{spoolSchema, w.place, c.on.Subject.Digest(), c.predicate.Type, when, n.Logs, content, ""})
		if err != nil {
			return oci.Attachment{}, err
		}
	}
	return oci.Attachment{Subject: c.on.Subject, Artifact: artifact}, nil
}
