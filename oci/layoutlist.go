package oci

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// layoutList is a layout's index.json and what follows from it. It holds until the file is
// replaced; that of an archive always does.
type layoutList struct {
	read      bool
	file      fs.FileInfo // nil for an archive
	doc       listDocument
	referrers map[digest.Digest][]Descriptor // by subject; nil: not found out yet
}

// index reads index.json, unless it is the one that was read before.
func (l *layout) index() (listDocument, error) {
	list, err := l.current()
	return list.doc, err
}

func (l *layout) current() (layoutList, error) {
	var file fs.FileInfo
	if l.dir != "" {
		var err error
		if file, err = os.Stat(filepath.Join(l.dir, ocispec.ImageIndexFile)); err != nil {
			return layoutList{}, fmt.Errorf("%w: %w", ErrLayout, err)
		}
	}
	l.mu.Lock()
	list := l.list
	l.mu.Unlock()
	if list.read && sameFile(list.file, file) {
		return list, nil
	}
	raw, err := l.readFile(ocispec.ImageIndexFile, maxIndexFile)
	if err != nil {
		return layoutList{}, fmt.Errorf("%w: %s: %w", ErrLayout, l.path, err)
	}
	doc, err := parseListDocument(raw)
	if err != nil {
		return layoutList{}, fmt.Errorf("%w: %s: %s: %w", ErrLayout, l.path, ocispec.ImageIndexFile, err)
	}
	list = layoutList{read: true, file: file, doc: doc}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = list
	return list, nil
}

// sameFile reports whether a file is the one that was there before, unchanged: writers
// replace it.
func sameFile(before, now fs.FileInfo) bool {
	if before == nil || now == nil {
		return before == nil && now == nil
	}
	return os.SameFile(before, now) && before.ModTime().Equal(now.ModTime()) && before.Size() == now.Size()
}

// Referrers implements [Store]. A tagged entry can be a referrer as well.
func (l *layout) Referrers(ctx context.Context, subject digest.Digest) ([]Descriptor, error) {
	list, err := l.current()
	if err != nil {
		return nil, err
	}
	if list.referrers == nil {
		if list.referrers, err = l.referrersOf(ctx, list.doc.entries); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrListing, l.path, err)
		}
		l.mu.Lock()
		if sameFile(l.list.file, list.file) {
			l.list.referrers = list.referrers
		}
		l.mu.Unlock()
	}
	out := list.referrers[subject]
	if len(out) > MaxReferrers {
		return nil, fmt.Errorf("%w: %w", ErrListing, &TooLargeError{What: "the number of referrers of " + subject.String(), Limit: MaxReferrers})
	}
	return append([]Descriptor(nil), out...), nil
}

// referrersOf finds the subject of every entry that has one.
func (l *layout) referrersOf(ctx context.Context, entries []Descriptor) (map[digest.Digest][]Descriptor, error) {
	out := map[digest.Digest][]Descriptor{}
	seen := map[digest.Digest]bool{}
	for _, d := range entries {
		labelled := IsManifest(d.MediaType) || IsIndex(d.MediaType)
		if seen[d.Digest] || !labelled && d.Size > MaxManifest {
			continue
		}
		seen[d.Digest] = true
		m, err := l.manifest(ctx, d)
		if errors.Is(err, ErrManifest) && !labelled { // it was read, and is something else
			continue
		}
		if err != nil {
			return nil, err
		}
		if m.Subject == nil {
			continue
		}
		l.forget(d.Digest)
		artifactType := m.ArtifactType
		if artifactType == "" {
			artifactType = m.Config.MediaType
		}
		out[m.Subject.Digest] = append(out[m.Subject.Digest], Descriptor{MediaType: m.MediaType, Digest: d.Digest, Size: d.Size,
			ArtifactType: artifactType, Annotations: m.Annotations})
	}
	return out, nil
}

// forget drops what was parsed of a manifest: of evidence, the list says what is needed.
func (l *layout) forget(d digest.Digest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.manifests, d)
}
