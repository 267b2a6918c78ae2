package oci

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/opencontainers/go-digest"
)

// Store is a place that holds images and what is attached to them: a repository of
// a registry, or an OCI image layout.
type Store interface {
	// Resolve looks up a tag or digest once and pins what it finds. Empty text means
	// the only image of a layout. Errors wrap [ErrNotFound] where it is not there.
	Resolve(ctx context.Context, target string) (Subject, error)
	// Fetch reads content. The reader ends with io.EOF only after bytes of the right
	// size and digest; otherwise with a [DigestError].
	Fetch(ctx context.Context, d Descriptor) (io.ReadCloser, error)
	// Referrers lists what is attached to a digest, to the end. An empty list means
	// that nothing is attached; whatever could not be found out is an error.
	Referrers(ctx context.Context, subject digest.Digest) ([]Descriptor, error)
	// Stat finds out whether a blob is there, and its size, without reading it. Errors
	// wrap [ErrNotFound] where it is not.
	Stat(ctx context.Context, blob digest.Digest) (Descriptor, error)
	// Attach pushes artifacts as referrers of subjects and returns their manifests'
	// descriptors in the same order. It returns only when each is listed by
	// Referrers and cannot be lost to another Attach (see [SettleTime]). Attach is
	// the one call of a command that may wait for that, so all goes into one call.
	Attach(ctx context.Context, attachments []Attachment) ([]Descriptor, error)
}

// Attachment is an artifact to be attached to a subject.
type Attachment struct {
	Subject  Subject
	Artifact Artifact
}

// check refuses what no evidence can be attached to.
func (a Attachment) check() error {
	d := a.Subject.Descriptor()
	if err := checkDigest(d.Digest); err != nil {
		return fmt.Errorf("%w: nothing can be attached to it: %w", ErrReference, err)
	}
	if !IsManifest(d.MediaType) && !IsIndex(d.MediaType) {
		return fmt.Errorf("%w: nothing can be attached to %s, which is no image", ErrReference, a.Subject)
	}
	return nil
}

// prefetcher is a store that can start listing referrers before it is known whether
// the subject exists, to save a round trip.
type prefetcher interface {
	// The list is kept for the next Referrers of subject, or until it is dropped.
	prefetchReferrers(ctx context.Context, subject digest.Digest) (drop func())
}

// ResolveWithEvidence is images.Resolve for callers that will list the subject's
// referrers in evidence next: where the digest is known beforehand, both requests
// are made at once.
func ResolveWithEvidence(ctx context.Context, images, evidence Store, target string) (Subject, error) {
	drop := func() {}
	if p, ok := evidence.(prefetcher); ok {
		if d := digest.Digest(target); checkDigest(d) == nil {
			drop = p.prefetchReferrers(ctx, d)
		}
	}
	subject, err := images.Resolve(ctx, target)
	if err != nil {
		drop()
	}
	return subject, err
}

// FileSubject reads a file of any size and pins it by the SHA-256 of its bytes. Its
// name is the file's base name.
func FileSubject(path string) (Subject, error) {
	f, err := os.Open(path)
	if err != nil {
		return Subject{}, err
	}
	defer f.Close()
	digester, longer := digest.SHA256.Digester(), digest.SHA512.Digester()
	n, err := io.Copy(io.MultiWriter(digester.Hash(), longer.Hash()), f)
	if err != nil {
		return Subject{}, fmt.Errorf("reading %s: %w", path, err)
	}
	info, err := f.Stat()
	if err != nil {
		return Subject{}, err
	}
	return Subject{name: info.Name(), descriptor: Descriptor{Digest: digester.Digest(), Size: n}, longer: longer.Digest()}, nil
}

// DigestSubject is a file that is known by its digest alone.
func DigestSubject(d digest.Digest) (Subject, error) {
	if err := checkFileDigest(d); err != nil {
		return Subject{}, err
	}
	return Subject{descriptor: Descriptor{Digest: d}}, nil
}

func describe(mediaType string, content []byte) Descriptor {
	return Descriptor{MediaType: mediaType, Digest: digest.FromBytes(content), Size: int64(len(content))}
}
