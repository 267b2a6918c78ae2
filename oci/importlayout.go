package oci

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// layoutImport is an [Import] into a layout folder.
type layoutImport struct {
	dir   string
	wrote *Written

	mu      sync.Mutex
	layout  *layout
	release func() // of the lock that keeps new blobs
}

func (i *layoutImport) Place() string { return string(SchemeLayout) + ":" + i.dir }

// reading is the layout if there is one yet.
func (i *layoutImport) reading() (*layout, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.layout != nil {
		return i.layout, nil
	}
	if _, err := os.Stat(filepath.Join(i.dir, ocispec.ImageIndexFile)); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	l, err := openLayout(i.dir, i.wrote)
	i.layout = l
	return l, err
}

// writing is the layout, made if there is none, with its lock held.
func (i *layoutImport) writing(ctx context.Context) (*layout, error) {
	l, err := i.reading()
	if err != nil {
		return nil, err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.release != nil {
		return i.layout, nil
	}
	if l == nil {
		if err := createLayout(i.dir); err != nil {
			return nil, err
		}
		if i.layout, err = openLayout(i.dir, i.wrote); err != nil {
			return nil, err
		}
	}
	i.release, err = i.layout.keepBlobs(ctx)
	return i.layout, err
}

// Has implements [Import].
func (i *layoutImport) Has(_ context.Context, d Descriptor) (bool, error) {
	l, err := i.reading()
	return l != nil && l.hasBlob(d), err
}

// Push implements [Import].
func (i *layoutImport) Push(ctx context.Context, b Blob, _ Store) (moved bool, err error) {
	l, err := i.writing(ctx)
	if err != nil {
		return false, err
	}
	return true, l.pushBlob(ctx, b)
}

// Put implements [Import].
func (i *layoutImport) Put(ctx context.Context, d Descriptor, raw []byte) error {
	_, err := i.Push(ctx, BytesBlob(d.MediaType, raw), nil)
	return err
}

// Listed implements [Import].
func (i *layoutImport) Listed(ctx context.Context, subject digest.Digest) ([]Descriptor, error) {
	l, err := i.reading()
	if l == nil || err != nil {
		return nil, err
	}
	return l.Referrers(ctx, subject)
}

// Tagged implements [Import].
func (i *layoutImport) Tagged(_ context.Context, tag string) (digest.Digest, error) {
	l, err := i.reading()
	if err != nil {
		return "", err
	}
	return l.tagged(tag)
}

// tagged is what a tag names. A layout that is nil has no tags.
func (l *layout) tagged(tag string) (digest.Digest, error) {
	if l != nil {
		index, err := l.index()
		if err != nil {
			return "", err
		}
		for _, d := range index.entries {
			if d.Annotations[ocispec.AnnotationRefName] == tag {
				return d.Digest, nil
			}
		}
	}
	return "", fmt.Errorf("tag %q: %w", clip(tag), ErrNotFound)
}

// Commit implements [Import].
func (i *layoutImport) Commit(ctx context.Context, c Commit) error {
	l, err := i.writing(ctx)
	if err != nil {
		return err
	}
	var taken error
	err = l.changeIndex(ctx, func(index listDocument) listDocument {
		changed, err := c.apply(index)
		if taken = err; err != nil {
			return index
		}
		return changed
	})
	return errors.Join(taken, err)
}

// Close implements [Import].
func (i *layoutImport) Close() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.release != nil {
		i.release()
		i.release = nil
	}
	return nil
}

// apply lists what is committed in a layout's index.json. What had a tag before that is
// given anew stays without it: its evidence is there too, and names it by digest.
func (c Commit) apply(index listDocument) (listDocument, error) {
	tags := map[string]Tag{}
	tagged := map[digest.Digest]bool{}
	for _, t := range c.Tags {
		tags[t.Name], tagged[t.Manifest.Digest] = t, true
	}
	var moved []Descriptor
	var taken error
	named := map[string]bool{}
	index = index.minus(func(d Descriptor) bool {
		name, ok := d.Annotations[ocispec.AnnotationRefName]
		tag, given := tags[name]
		if ok && given && tag.Manifest.Digest == d.Digest && !named[name] {
			named[name] = true
			return false
		}
		if ok && given && tag.Evidence {
			taken = fmt.Errorf("%w: %s: %s", ErrTagTaken, name, d.Digest)
		}
		if ok && given {
			moved = append(moved, untagged(d))
			return true
		}
		return !ok && tagged[d.Digest] // it gets a name now
	})
	for _, t := range c.Tags {
		if !named[t.Name] {
			index = index.plus([]Descriptor{withTag(t.Manifest, t.Name)})
		}
	}
	all := slices.Concat(moved, c.Roots)
	for _, subject := range sortedDigests(c.Referrers) {
		all = append(all, c.Referrers[subject]...)
	}
	return index.plus(without(all, index.entries)), taken
}

func untagged(d Descriptor) Descriptor {
	annotations := map[string]string{}
	for name, value := range d.Annotations {
		if name != ocispec.AnnotationRefName {
			annotations[name] = value
		}
	}
	d.Annotations = annotations
	return d
}

func withTag(d Descriptor, tag string) Descriptor {
	d = untagged(d)
	d.Annotations[ocispec.AnnotationRefName] = tag
	return d
}
