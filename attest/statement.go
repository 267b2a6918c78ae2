package attest

import (
	"fmt"
	"io"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/hallmark-project/hallmark/bundle"
	"github.com/hallmark-project/hallmark/oci"
)

// Annotations of the manifest that attaches a bundle, as cosign v3 writes them.
const (
	annotationCreated       = "org.opencontainers.image.created"
	annotationContent       = "dev.sigstore.bundle.content"
	annotationPredicateType = "dev.sigstore.bundle.predicateType"
)

// Statement writes the in-toto statement that p is said of subject: the payload to
// be signed. It names the repository that the subject was asked for in, and its
// digest. The same input always gives the same bytes. A statement that was given ready
// stays as it is; it must name the subject's digest, else the error wraps [ErrPredicate].
func Statement(subject oci.Subject, p Predicate) ([]byte, error) {
	if p.statement != nil {
		return p.statement, aboutSubject(p.statement, subject)
	}
	payload, err := bundle.AppendStatement(make([]byte, 0, len(p.JSON)+512), about(subject), p.Type, p.JSON)
	if err != nil {
		return nil, fmt.Errorf("statement about %s: %w", subject, err)
	}
	return payload, nil
}

// about names a subject as statements do.
func about(subject oci.Subject) bundle.Subject {
	return bundle.Subject{
		Name:   subject.Name(),
		Digest: map[string]string{subject.Digest().Algorithm().String(): subject.Digest().Encoded()},
	}
}

func aboutSubject(payload []byte, subject oci.Subject) error {
	s, err := bundle.ParseStatement(payload)
	if err != nil {
		return err
	}
	if _, ok := s.Names(subject.Digest().Algorithm().String(), subject.Digest().Encoded()); !ok {
		return fmt.Errorf("%w: the statement is about %s, and not about %s", ErrPredicate, s.Subjects[0], subject)
	}
	return nil
}

// Artifact is a signed statement ready to be attached to its subject. created is
// noted beside it, for people and for ordering; it proves nothing.
func Artifact(b *bundle.Bundle, p Predicate, created time.Time) (oci.Artifact, error) {
	layer, err := Blob(b)
	if err != nil {
		return oci.Artifact{}, err
	}
	return oci.Artifact{
		Type: bundle.MediaType, Layer: layer,
		Annotations: map[string]string{
			annotationCreated:       created.UTC().Format(time.RFC3339),
			annotationContent:       "dsse-envelope",
			annotationPredicateType: p.Type,
		},
	}, nil
}

// Blob is the JSON form of a bundle, written each time that it is opened.
func Blob(b *bundle.Bundle) (oci.Blob, error) {
	in, err := b.Reader()
	if err != nil {
		return oci.Blob{}, err
	}
	digester := digest.SHA256.Digester()
	size, err := io.Copy(digester.Hash(), in)
	if err != nil {
		return oci.Blob{}, err
	}
	return oci.Blob{
		Descriptor: oci.Descriptor{MediaType: bundle.MediaType, Digest: digester.Digest(), Size: size},
		Open: func() (io.ReadCloser, error) {
			in, err := b.Reader()
			return io.NopCloser(in), err
		},
	}, nil
}
