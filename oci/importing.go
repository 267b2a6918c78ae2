package oci

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/opencontainers/go-digest"
)

// Import brings images and their evidence into a store as they are, digest for digest.
// What Push and Put bring is not found by anybody who does not know its digest, until
// Commit lists and names it. It is safe for concurrent use.
type Import interface {
	// Place is where it goes, for people.
	Place() string
	// Has reports whether a manifest or blob is there, whole.
	Has(ctx context.Context, d Descriptor) (bool, error)
	// Push adds a blob. Where it is in origin and origin is of the same registry, the
	// registry may take it from there; moved is then false.
	Push(ctx context.Context, b Blob, origin Store) (moved bool, err error)
	// Put adds a manifest whose blobs and manifests are there.
	Put(ctx context.Context, d Descriptor, raw []byte) error
	// Listed is what the store lists as referrers of a digest already.
	Listed(ctx context.Context, subject digest.Digest) ([]Descriptor, error)
	// Tagged is what a tag names, or an error that wraps [ErrNotFound].
	Tagged(ctx context.Context, tag string) (digest.Digest, error)
	// Commit lists referrers under their subjects and sets tags in their order.
	Commit(ctx context.Context, c Commit) error
	// Close gives up what was not committed.
	Close() error
}

// Commit is what makes an [Import] visible.
type Commit struct {
	// Roots are manifests that are no referrers; a layout lists them.
	Roots []Descriptor
	// Referrers are manifests to be listed, by their subject.
	Referrers map[digest.Digest][]Descriptor
	Tags      []Tag
}

// Tag is a name for a manifest.
type Tag struct {
	Name     string
	Manifest Descriptor
	Raw      []byte
	// Evidence says that the tag holds evidence: what has it already keeps it.
	Evidence bool
}

// ErrTagTaken says that a tag of evidence names something else by now.
var ErrTagTaken = errors.New("the tag names other evidence by now")

// Import opens the store that a reference points into for writing images: a registry
// repository, a layout folder, which is made if there is none, or a layout in a .tar
// file, which is replaced as a whole by Commit. Nothing is made before it is needed.
func (c *Client) Import(ref Reference) (Import, error) {
	switch ref.Scheme {
	case SchemeRegistry:
		return &repositoryImport{repository: c.repository(ref), put: map[digest.Digest]bool{}}, nil
	case SchemeLayout:
	default:
		return nil, fmt.Errorf("%w %q: images can be copied to a registry or an oci: layout", ErrReference, ref)
	}
	info, err := os.Stat(ref.Path)
	switch {
	case err == nil && !info.IsDir(), errors.Is(err, fs.ErrNotExist) && strings.HasSuffix(ref.Path, ".tar"):
		return newArchiveImport(ref.Path, c.wrote)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: %w", ErrLayout, err)
	}
	return &layoutImport{dir: ref.Path, wrote: c.wrote}, nil
}
