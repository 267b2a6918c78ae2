package oci

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	"github.com/opencontainers/go-digest"
)

// writersTime is how long removing waits for those who are writing into a layout; tests
// shorten it.
var writersTime = 10 * time.Second

// Detach implements [Detacher]. Blobs that nothing in the layout names any more go with
// their manifest, unless somebody is writing into the layout, who may need them.
func (l *layout) Detach(ctx context.Context, list []Detachment) ([]Detached, error) {
	if l.dir == "" {
		return nil, fmt.Errorf("%s: %w", l.path, ErrReadOnly)
	}
	out := make([]Detached, len(list))
	gone := map[digest.Digest]bool{}
	for i, d := range list {
		if err := checkDigest(d.Manifest.Digest); err != nil {
			return nil, err
		}
		gone[d.Manifest.Digest], out[i] = true, Unlisted
	}
	alone, cancel := context.WithTimeout(ctx, writersTime)
	defer cancel()
	release, err := l.lockBlobs(alone, (*flock.Flock).TryLockContext)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	quiet := err == nil
	if quiet {
		defer release()
	} else if !errors.Is(err, context.DeadlineExceeded) {
		return nil, err
	}
	if err := l.changeIndex(ctx, func(index listDocument) listDocument {
		return index.minus(func(d Descriptor) bool { return gone[d.Digest] })
	}); err != nil {
		return nil, err
	}
	if !quiet {
		return out, nil
	}
	return out, l.removeBlobs(ctx, list, out)
}

// removeBlobs deletes what only the removed manifests named. Where the rest of the layout
// cannot be read, it might name anything, and nothing is deleted.
func (l *layout) removeBlobs(ctx context.Context, list []Detachment, out []Detached) error {
	index, err := l.index()
	if err != nil {
		return err
	}
	needed := map[digest.Digest]bool{}
	for _, d := range index.entries {
		if err := l.need(ctx, d, needed, 0); err != nil {
			return nil //nolint:nilerr // they stay, unlisted
		}
	}
	for i, d := range list {
		m, _, err := FetchManifest(ctx, l, plain(d.Manifest))
		if errors.Is(err, ErrNotFound) {
			out[i] = Removed
			continue
		}
		if err != nil || needed[d.Manifest.Digest] {
			continue
		}
		for _, blob := range append(m.Layers, m.Config, d.Manifest) {
			if needed[blob.Digest] {
				continue
			}
			name := filepath.Join(l.dir, filepath.FromSlash(blobName(blob.Digest)))
			if err := l.checkBlobFolders(name); err != nil {
				return err
			}
			if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
		l.wrote.removed.Add(1)
		out[i] = Removed
	}
	return nil
}

// need notes what an entry and everything below it names.
func (l *layout) need(ctx context.Context, d Descriptor, needed map[digest.Digest]bool, depth int) error {
	const deepest = 8
	if needed[d.Digest] {
		return nil
	}
	needed[d.Digest] = true
	labelled := IsManifest(d.MediaType) || IsIndex(d.MediaType)
	if !labelled && (depth > 0 || d.Size > MaxManifest) {
		return nil
	}
	if !labelled { // an entry of index.json that does not say what it is
		d.MediaType = ""
	}
	if depth == deepest {
		return fmt.Errorf("%w: %s: an index in an index, too deep", ErrManifest, d.Digest)
	}
	m, _, err := FetchManifest(ctx, l, plain(d))
	if errors.Is(err, ErrManifest) && !labelled { // it is something else
		return nil
	}
	if err != nil {
		return err
	}
	for _, blob := range append(m.Layers, m.Config) {
		needed[blob.Digest] = true
	}
	for _, child := range m.Manifests {
		if err := l.need(ctx, child, needed, depth+1); err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	return nil
}
