package oci

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// maxIndexFile is the size of a layout's index.json that is read.
const maxIndexFile = 64 << 20

// layoutFiles are the files of a layout, in a folder or in an archive. Names are
// slash-separated and relative.
type layoutFiles interface {
	open(name string) (body io.ReadCloser, size int64, err error)
}

// layout is a [Store] over an OCI image layout
// (https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md).
// Referrers are untagged entries of index.json.
type layout struct {
	path  string
	files layoutFiles
	dir   string // empty where the layout is read-only
	wrote *Written

	mu        sync.Mutex
	manifests map[digest.Digest]*Manifest // what was parsed before
	list      layoutList                  // index.json, as it was last read
}

// OpenLayout opens the layout at a path: a folder, or a tar archive of one, which is
// read-only. Errors wrap [ErrLayout] where it is something else.
func OpenLayout(name string) (Store, error) {
	l, err := openLayout(name, &Written{})
	if err != nil {
		return nil, err
	}
	return l, nil
}

func openLayout(name string, wrote *Written) (*layout, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLayout, err)
	}
	l := &layout{path: name, wrote: wrote, manifests: map[digest.Digest]*Manifest{}}
	if info.IsDir() {
		l.dir, l.files = name, folder(name)
	} else if l.files, err = openArchive(name); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrLayout, name, err)
	}
	if err := l.check(); err != nil {
		return nil, err
	}
	return l, nil
}

func (l *layout) check() error {
	raw, err := l.readFile(ocispec.ImageLayoutFile, 4<<10)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrLayout, l.path, err)
	}
	var doc ocispec.ImageLayout
	if err := json.Unmarshal(raw, &doc); err != nil || doc.Version != ocispec.ImageLayoutVersion {
		return fmt.Errorf("%w: %s: %s does not name version %s", ErrLayout, l.path, ocispec.ImageLayoutFile, ocispec.ImageLayoutVersion)
	}
	_, err = l.index()
	return err
}

func (l *layout) readFile(name string, limit int64) ([]byte, error) {
	body, _, err := l.files.open(name)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return readLimited(body, limit, name)
}

// Fetch implements [Store].
func (l *layout) Fetch(_ context.Context, d Descriptor) (io.ReadCloser, error) {
	body, size, err := l.openBlob(d.Digest)
	if err != nil {
		return nil, err
	}
	if size != d.Size {
		body.Close()
		return nil, &DigestError{Want: d.Digest, WantSize: d.Size, GotSize: size}
	}
	return newCheckedReader(body, d), nil
}

// Stat implements [Store].
func (l *layout) Stat(_ context.Context, blob digest.Digest) (Descriptor, error) {
	body, size, err := l.openBlob(blob)
	if err != nil {
		return Descriptor{}, err
	}
	return Descriptor{Digest: blob, Size: size}, body.Close()
}

func (l *layout) openBlob(d digest.Digest) (io.ReadCloser, int64, error) {
	if err := checkDigest(d); err != nil {
		return nil, 0, err
	}
	body, size, err := l.files.open(blobName(d))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, fmt.Errorf("%s in %s: %w", d, l.path, ErrNotFound)
	}
	return body, size, err
}

func blobName(d digest.Digest) string {
	return path.Join(ocispec.ImageBlobsDir, d.Algorithm().String(), d.Encoded())
}

// Resolve implements [Store].
func (l *layout) Resolve(ctx context.Context, target string) (Subject, error) {
	index, err := l.index()
	if err != nil {
		return Subject{}, err
	}
	if d := digest.Digest(target); checkDigest(d) == nil {
		return l.resolveDigest(ctx, d, index.entries)
	}
	found := map[digest.Digest]bool{}
	for _, d := range index.entries {
		if l.isMeant(ctx, d, target) {
			found[d.Digest] = true
		}
	}
	switch {
	case len(found) == 0 && target == "":
		return Subject{}, fmt.Errorf("%s holds no image: %w", l.path, ErrNotFound)
	case len(found) == 0:
		return Subject{}, fmt.Errorf("tag %q in %s: %w", clip(target), l.path, ErrNotFound)
	case len(found) > 1:
		return Subject{}, fmt.Errorf("%w: %s holds %d images; name one by oci:%s:TAG or oci:%s@DIGEST", ErrReference, l.path, len(found), l.path, l.path)
	}
	for d := range found {
		s, err := l.resolveDigest(ctx, d, index.entries)
		if errors.Is(err, ErrNotFound) { // which would say that there is no such tag
			err = fmt.Errorf("%w: %s lists %s, whose content is not there", ErrManifest, l.path, d)
		}
		return s, err
	}
	panic("unreachable")
}

// isMeant reports whether an entry of index.json has the tag asked for or, where none
// is, whether it is an image: neither a referrer nor known to be something else. One
// that cannot be read may be an image, and must not make another one the only one.
func (l *layout) isMeant(ctx context.Context, d Descriptor, target string) bool {
	if target != "" {
		return d.Annotations[ocispec.AnnotationRefName] == target
	}
	if !IsManifest(d.MediaType) && !IsIndex(d.MediaType) || evidenceTag.MatchString(d.Annotations[ocispec.AnnotationRefName]) {
		return false
	}
	m, err := l.manifest(ctx, d)
	return err != nil || m.Subject == nil
}

func (l *layout) resolveDigest(ctx context.Context, want digest.Digest, entries []Descriptor) (Subject, error) {
	body, size, err := l.openBlob(want)
	if err != nil {
		return Subject{}, err
	}
	body.Close()
	d := Descriptor{Digest: want, Size: size}
	for _, e := range entries {
		if e.Digest == want {
			d.MediaType = e.MediaType
		}
	}
	raw, err := FetchAll(ctx, l, d, MaxManifest)
	if err != nil {
		return Subject{}, err
	}
	return newSubject("", d, raw)
}

// manifest reads the manifest of an entry of index.json once.
func (l *layout) manifest(ctx context.Context, d Descriptor) (*Manifest, error) {
	l.mu.Lock()
	m := l.manifests[d.Digest]
	l.mu.Unlock()
	if m != nil {
		return m, nil
	}
	if !IsManifest(d.MediaType) && !IsIndex(d.MediaType) {
		d.MediaType = "" // a label that says nothing: the document tells
	}
	m, _, err := FetchManifest(ctx, l, plain(d))
	if err != nil {
		return nil, err
	}
	m.Layers, m.Manifests = nil, nil // not asked for here
	l.mu.Lock()
	l.manifests[d.Digest] = m
	l.mu.Unlock()
	return m, nil
}

// Attach implements [Store]. Writers take turns: index.json is read and replaced
// under a lock.
func (l *layout) Attach(ctx context.Context, attachments []Attachment) ([]Descriptor, error) {
	if len(attachments) == 0 {
		return nil, nil
	}
	if l.dir == "" {
		return nil, fmt.Errorf("%s: %w", l.path, ErrReadOnly)
	}
	for _, a := range attachments {
		if err := a.check(); err != nil {
			return nil, err
		}
	}
	release, err := l.keepBlobs(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	for _, b := range contentOf(attachments) {
		if err := l.pushBlob(ctx, b); err != nil {
			return nil, err
		}
	}
	out := make([]Descriptor, len(attachments))
	for i, a := range attachments {
		d, raw, err := a.Artifact.pack(a.Subject.Descriptor())
		if err != nil {
			return nil, err
		}
		if err := l.pushBlob(ctx, BytesBlob(d.MediaType, raw)); err != nil {
			return nil, err
		}
		out[i] = d
	}
	return out, l.addEntries(ctx, out)
}

// hasBlob reports whether a blob is there, whole.
func (l *layout) hasBlob(d Descriptor) bool {
	body, size, err := l.files.open(blobName(d.Digest))
	if err != nil {
		return false
	}
	defer body.Close()
	if size != d.Size {
		return false
	}
	_, err = io.Copy(io.Discard, newCheckedReader(body, d))
	return err == nil
}
