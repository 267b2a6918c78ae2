package cli

import (
	"context"
	"io"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/hallmark-project/hallmark/oci"
)

// recorder is a store that remembers what was read from it, so that a pack can hold
// exactly that.
type recorder struct {
	oci.Store
	mu    sync.Mutex
	blobs map[digest.Digest]oci.Descriptor
	tags  map[string]oci.Descriptor
	lists map[digest.Digest]oci.Descriptor // referrers that were listed
}

// newRecorder puts itself between a target and its evidence.
func newRecorder(t *target) *recorder {
	r := &recorder{Store: t.evidence, blobs: map[digest.Digest]oci.Descriptor{}, tags: map[string]oci.Descriptor{}, lists: map[digest.Digest]oci.Descriptor{}}
	t.evidence = r
	return r
}

func (r *recorder) keep(d oci.Descriptor) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.blobs[d.Digest] = oci.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}
}

// Resolve implements [oci.Store].
func (r *recorder) Resolve(ctx context.Context, name string) (oci.Subject, error) {
	subject, err := r.Store.Resolve(ctx, name)
	if err == nil {
		r.keep(subject.Descriptor())
		r.mu.Lock()
		r.tags[name] = subject.Descriptor()
		r.mu.Unlock()
	}
	return subject, err
}

// Fetch implements [oci.Store].
func (r *recorder) Fetch(ctx context.Context, d oci.Descriptor) (io.ReadCloser, error) {
	body, err := r.Store.Fetch(ctx, d)
	if err == nil {
		r.keep(d)
	}
	return body, err
}

// Referrers implements [oci.Store].
func (r *recorder) Referrers(ctx context.Context, on digest.Digest) ([]oci.Descriptor, error) {
	list, err := r.Store.Referrers(ctx, on)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, d := range list {
		r.lists[d.Digest] = d
	}
	return list, err
}
