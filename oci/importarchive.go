package oci

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// archiveImport is an [Import] into a layout in a tar file. A new archive grows beside the
// old one, which it replaces when it is whole: who reads the old one is not disturbed, and
// nothing of a run that was cut off is taken for an archive.
type archiveImport struct {
	path  string
	wrote *Written
	old   *layout // nil where there is none

	mu    sync.Mutex
	file  *os.File
	lock  *flock.Flock
	out   *tar.Writer
	added map[string]bool // names in the new archive
}

func newArchiveImport(path string, wrote *Written) (*archiveImport, error) {
	if target, err := filepath.EvalSymlinks(path); err == nil { // a link stays one
		path = target
	}
	i := &archiveImport{path: path, wrote: wrote, added: map[string]bool{}}
	if _, err := os.Stat(path); err == nil {
		if i.old, err = openLayout(path, wrote); err != nil {
			return nil, err
		}
	}
	return i, nil
}

func (i *archiveImport) Place() string { return string(SchemeLayout) + ":" + i.path }

// Has implements [Import].
func (i *archiveImport) Has(_ context.Context, d Descriptor) (bool, error) {
	i.mu.Lock()
	added := i.added[blobName(d.Digest)]
	i.mu.Unlock()
	return added || i.old != nil && i.old.hasBlob(d), nil
}

// Listed implements [Import].
func (i *archiveImport) Listed(ctx context.Context, subject digest.Digest) ([]Descriptor, error) {
	if i.old == nil {
		return nil, nil
	}
	return i.old.Referrers(ctx, subject)
}

// Tagged implements [Import].
func (i *archiveImport) Tagged(_ context.Context, tag string) (digest.Digest, error) {
	return i.old.tagged(tag)
}

// Push implements [Import]. An archive has one end: blobs go there one after the other.
func (i *archiveImport) Push(ctx context.Context, b Blob, _ Store) (moved bool, err error) {
	body, err := b.Open() // the request is made before it is this one's turn
	if err != nil {
		return false, err
	}
	defer body.Close()
	i.mu.Lock()
	defer i.mu.Unlock()
	if err := i.begin(ctx); err != nil {
		return false, err
	}
	if i.added[blobName(b.Descriptor.Digest)] { // meanwhile, or by another run
		return false, nil
	}
	if err := i.append(b, body); err != nil {
		return false, fmt.Errorf("writing %s into %s: %w", b.Descriptor.Digest, i.path, err)
	}
	i.wrote.blobs.Add(1)
	return true, nil
}

// append writes a blob at the end. What broke off or turned out to be something else is
// cut away again and asked for anew.
func (i *archiveImport) append(b Blob, body io.Reader) error {
	start, err := i.file.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	for try := 1; ; try++ {
		if err = i.entry(blobName(b.Descriptor.Digest), b.Descriptor.Size, newCheckedReader(io.NopCloser(body), b.Descriptor)); err == nil {
			return nil
		}
		if _, seekErr := i.file.Seek(start, io.SeekStart); seekErr != nil {
			return errors.Join(err, seekErr)
		}
		if truncateErr := i.file.Truncate(start); truncateErr != nil {
			return errors.Join(err, truncateErr)
		}
		i.out = tar.NewWriter(i.file)
		if try == fetchTries || !tryAgain(err) {
			return err
		}
		again, openErr := b.Open()
		if openErr != nil {
			return openErr
		}
		defer again.Close()
		body = again
	}
}

// Put implements [Import].
func (i *archiveImport) Put(ctx context.Context, d Descriptor, raw []byte) error {
	_, err := i.Push(ctx, BytesBlob(d.MediaType, raw), nil)
	return err
}

// begin opens the new archive beside the old one. Its name is always the same, so that the
// next run takes up what a killed one left, and a lock keeps two runs apart.
func (i *archiveImport) begin(ctx context.Context) error {
	if i.out != nil {
		return nil
	}
	grows := filepath.Join(filepath.Dir(i.path), "."+filepath.Base(i.path))
	var err error
	if i.lock, err = lockFile(ctx, grows+".lock", (*flock.Flock).TryLockContext); err != nil {
		return err
	}
	if err := checkPlain(grows+".part", false); err != nil {
		return err
	}
	if i.file, err = os.OpenFile(grows+".part", os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return err
	}
	if err := i.file.Truncate(0); err != nil {
		return err
	}
	i.out = tar.NewWriter(i.file)
	if _, err := os.Stat(i.path); err == nil { // somebody may have replaced it while this run waited
		i.closeOld()
		if i.old, err = openLayout(i.path, i.wrote); err != nil {
			return err
		}
	}
	if i.old == nil {
		version, err := json.Marshal(ocispec.ImageLayout{Version: ocispec.ImageLayoutVersion})
		if err != nil {
			return err
		}
		return i.entry(ocispec.ImageLayoutFile, int64(len(version)), bytes.NewReader(version))
	}
	return i.takeOver()
}

// takeOver copies what the old archive holds, but for its list.
func (i *archiveImport) takeOver() error {
	files, ok := i.old.files.(*archive)
	if !ok {
		return fmt.Errorf("%w: %s", ErrLayout, i.path)
	}
	for _, name := range slices.Sorted(maps.Keys(files.files)) {
		if name == ocispec.ImageIndexFile {
			continue
		}
		body, size, err := files.open(name)
		if err != nil {
			return err
		}
		if err := i.entry(name, size, body); err != nil {
			return err
		}
	}
	return nil
}

func (i *archiveImport) entry(name string, size int64, body io.Reader) error {
	header := &tar.Header{Name: name, Mode: 0o644, Size: size, ModTime: time.Unix(0, 0)}
	if err := i.out.WriteHeader(header); err != nil {
		return err
	}
	if _, err := io.Copy(i.out, body); err != nil {
		return err
	}
	if err := i.out.Flush(); err != nil {
		return err
	}
	i.added[name] = true
	return nil
}

// Commit implements [Import].
func (i *archiveImport) Commit(ctx context.Context, c Commit) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.out == nil {
		index, err := i.index()
		if err != nil {
			return err
		}
		if changed, err := c.apply(index); err != nil || !changed.dirty {
			return err
		}
		if err := i.begin(ctx); err != nil {
			return err
		}
	}
	index, err := i.index() // begin may have met a newer archive
	if err != nil {
		return err
	}
	changed, err := c.apply(index)
	if err != nil {
		return err
	}
	raw, err := changed.marshal()
	if err != nil {
		return err
	}
	if err := i.entry(ocispec.ImageIndexFile, int64(len(raw)), bytes.NewReader(raw)); err != nil {
		return err
	}
	return i.replace()
}

func (i *archiveImport) index() (listDocument, error) {
	if i.old == nil {
		return listDocument{}, nil
	}
	return i.old.index()
}

// replace puts the new archive in the old one's place.
func (i *archiveImport) replace() error {
	if err := i.out.Close(); err != nil {
		return err
	}
	mode := fs.FileMode(0o644)
	if info, err := os.Stat(i.path); err == nil {
		mode = info.Mode().Perm()
	}
	if err := i.file.Chmod(mode); err != nil {
		return err
	}
	if err := i.file.Sync(); err != nil {
		return err
	}
	if err := i.file.Close(); err != nil {
		return err
	}
	i.closeOld()
	if err := os.Rename(i.file.Name(), i.path); err != nil {
		return err
	}
	i.wrote.manifests.Add(1)
	i.out, i.file = nil, nil
	return nil
}

// closeOld lets go of the old archive's file, and of what is known of it.
func (i *archiveImport) closeOld() {
	if i.old == nil {
		return
	}
	if files, ok := i.old.files.(*archive); ok {
		_ = files.file.Close() // it was only read
	}
	i.old = nil
}

// Close implements [Import].
func (i *archiveImport) Close() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.closeOld()
	var err error
	if i.file != nil {
		_ = i.file.Close() // it is given up
		err = os.Remove(i.file.Name())
		i.out, i.file = nil, nil
	}
	if i.lock != nil {
		_ = os.Remove(i.lock.Path()) // who waits for it finds out
		_ = i.lock.Unlock()
		i.lock = nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func sortedDigests[V any](m map[digest.Digest]V) []digest.Digest {
	return slices.SortedFunc(maps.Keys(m), func(a, b digest.Digest) int { return strings.Compare(string(a), string(b)) })
}
