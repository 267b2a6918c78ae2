package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/hallmark-project/hallmark/bundle"
	"github.com/hallmark-project/hallmark/inventory"
	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/policy"
)

// Document is an SBOM that a signed statement refers to, instead of holding it.
type Document struct {
	PredicateType string        `json:"predicateType"` // that it would have within a statement
	MediaType     string        `json:"mediaType"`
	Digest        digest.Digest `json:"digest"`
	Size          int64         `json:"size"`
}

// Referral is what a statement says that refers to an SBOM, unverified.
type Referral struct {
	MediaType string
	Digest    digest.Digest // of the document
	types     []string      // predicate types that it may come to
	defect    error         // why the document cannot be asked for
}

// Refers reads what a statement refers to. It is nil for statements that refer to no SBOM:
// where a document is said to be had (downloadLocation) never matters.
func Refers(s *bundle.Statement) *Referral {
	if s.PredicateType != bundle.PredicateReference {
		return nil
	}
	reference, err := bundle.ParseReference(s.Predicate)
	if err != nil {
		return nil
	}
	var r *Referral
	for _, d := range reference.Documents {
		predicateType := policy.DocumentOf(d.MediaType)
		if predicateType == "" {
			continue
		}
		if r == nil {
			r = &Referral{MediaType: d.MediaType, Digest: digest.NewDigestFromEncoded(digest.SHA256, d.Digest["sha256"])}
		}
		r.types = append(r.types, predicateType)
	}
	switch {
	case r == nil:
	case len(reference.Documents) != 1:
		r.defect = fmt.Errorf("it refers to %d documents, and one is wanted", len(reference.Documents))
	case r.Digest.Encoded() == "":
		r.defect = errors.New("it names no SHA-256 of the document")
	case r.Digest.Validate() != nil:
		r.defect = fmt.Errorf("the SHA-256 that it names is none: %.80q", r.Digest.Encoded())
	}
	return r
}

// Matches reports whether the document is of a type, as far as the statement says.
func (r *Referral) Matches(t policy.Type) bool {
	return r != nil && slices.ContainsFunc(r.types, t.Matches)
}

// wantedBy reports whether a requirement asks for evidence like a: for what it says itself, or
// for what it refers to.
func (a *assessment) wantedBy(r *policy.Requirement) bool {
	return r.Wants(a.predicateType) || a.refersTo(r)
}

func (a *assessment) refersTo(r *policy.Requirement) bool {
	if a.document != nil {
		return r.Wants(a.document.PredicateType)
	}
	return a.refers != nil && slices.ContainsFunc(a.refers.types, r.Wants)
}

// saying is the predicate type that a piece counts as: that of the SBOM that it refers to.
func (a *assessment) saying() string {
	if a.document != nil {
		return a.document.PredicateType
	}
	return a.predicateType
}

// documents is the part of a store that has documents by their digest.
type documents interface {
	oci.Fetcher
	Stat(ctx context.Context, blob digest.Digest) (oci.Descriptor, error)
}

// documentsOf is where the documents are that a candidate refers to: in the store that it is
// from, or for a file, in the one that is asked besides.
func (d *dossier) documentsOf(c Candidate) documents {
	if c.documents != nil {
		return c.documents
	}
	for _, source := range d.sources {
		switch s := source.(type) {
		case attached:
			return s.store
		case legacy:
			return s.store
		}
	}
	return nil
}

// follow fetches the SBOM that a piece refers to and judges it, if anything asks for it. A
// document that cannot be had is something unread: nothing may be concluded from that.
func (d *dossier) follow(ctx context.Context, c Candidate, a *assessment) {
	if !a.accepted || !d.assessor.follows(a) {
		return
	}
	if a.refers.defect != nil {
		d.assessor.judgeDocument(ctx, a, nil, a.refers.defect)
		return
	}
	store := d.documentsOf(c)
	if store == nil {
		d.missDocument(a.refers, errors.New("it is looked for where the evidence is attached, and this evidence is from a file"))
		return
	}
	if err := d.assessor.readDocument(ctx, store, a, d.limits.PieceBytes); err != nil && ctx.Err() == nil {
		d.missDocument(a.refers, err)
	}
}

// follows reports whether somebody wants to know what a piece refers to.
func (s *assessor) follows(a *assessment) bool {
	if a.refers == nil {
		return false
	}
	wanted := func(t policy.Type) bool { return a.refers.Matches(t) }
	asked := func(r policy.Requirement) bool { return slices.ContainsFunc(r.Types(), wanted) }
	return s.inspect != nil || slices.ContainsFunc(s.wanted, wanted) || slices.ContainsFunc(s.policy.Requirements, asked)
}

// Find looks for the document in the store that its statement is from, by its digest. It is
// of at most limit bytes. Errors wrap [ErrRejected] where the statement does not name one
// document by its SHA-256.
func (r *Referral) Find(ctx context.Context, store oci.Store, limit int64) (oci.Descriptor, error) {
	return r.find(ctx, store, limit)
}

func (r *Referral) find(ctx context.Context, store documents, limit int64) (oci.Descriptor, error) {
	if r.defect != nil {
		return oci.Descriptor{}, fmt.Errorf("%w: %w", ErrRejected, r.defect)
	}
	found, err := store.Stat(ctx, r.Digest)
	if err != nil {
		return oci.Descriptor{}, err
	}
	if found.Size > limit {
		return oci.Descriptor{}, &oci.TooLargeError{What: r.Digest.String(), Limit: limit}
	}
	return oci.Descriptor{Digest: r.Digest, Size: found.Size}, nil
}

// readDocument reads a document of at most limit bytes by its digest, and judges it.
func (s *assessor) readDocument(ctx context.Context, store documents, a *assessment, limit int64) error {
	found, err := a.refers.find(ctx, store, limit)
	if err != nil {
		return err
	}
	return withinMemory(ctx, found.Size, func() error {
		content, err := fetchWhole(ctx, store, found, limit)
		if err != nil {
			return err
		}
		predicateType, err := documentType(a.refers.MediaType, content)
		if err == nil {
			a.document = &Document{predicateType, a.refers.MediaType, a.refers.Digest, found.Size}
			a.report.Document = a.document
		}
		s.judgeDocument(ctx, a, content, err)
		return nil
	})
}

// documentType is the predicate type of an SBOM, which has to be of the format that its
// media type says.
func documentType(mediaType string, content []byte) (string, error) {
	predicateType := policy.DocumentOf(mediaType)
	kind, err := inventory.Detect(content)
	if err != nil {
		return predicateType, err
	}
	if kind.Format != policy.TypeOf(predicateType).String() {
		return predicateType, fmt.Errorf("it is called %s, and is %s", mediaType, kind.Format)
	}
	if kind.Format == inventory.SPDX && kind.Version == "3" {
		predicateType += "/v3"
	}
	return predicateType, nil
}

// judgeDocument asks each requirement that wants the SBOM what it makes of it. cause is why
// it is none.
func (s *assessor) judgeDocument(ctx context.Context, a *assessment, doc []byte, cause error) {
	if cause == nil {
		s.show(a, a.document.PredicateType, doc)
	}
	for i := range s.policy.Requirements {
		r := &s.policy.Requirements[i]
		if !a.refersTo(r) || a.contents[i] != nil {
			continue
		}
		c := &content{ok: true}
		if c.check(CheckDocument, a.refers.Digest.String(), cause) {
			s.judgeContent(ctx, c, a, r, &said{predicateType: a.document.PredicateType, predicate: doc})
		} else if r.SBOM.Bans() {
			c.banned = "it cannot be read"
		}
		a.note(i, c)
	}
}
