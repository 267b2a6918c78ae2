package oci

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// partsFolder is where a layout's blobs grow until they are whole. It is there only while
// somebody writes, or after a run that was killed; the next writer takes up what it left.
const partsFolder = ".hallmark"

// createLayout makes an empty layout of a folder, which may exist if it is empty.
func createLayout(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries { // a run that was killed may have begun it
		if name := e.Name(); name != partsFolder && name != ocispec.ImageBlobsDir && name != ocispec.ImageLayoutFile && name != lockName && !isTemp(name) {
			return fmt.Errorf("%w: %s is a folder with other files in it", ErrLayout, dir)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, ocispec.ImageBlobsDir, digest.SHA256.String()), 0o755); err != nil {
		return err
	}
	unlock, err := lockFolder(context.Background(), dir)
	if err != nil {
		return err
	}
	defer unlock()
	index := filepath.Join(dir, ocispec.ImageIndexFile)
	if _, err := os.Stat(index); err == nil { // somebody else was faster
		return nil
	}
	version, err := json.Marshal(ocispec.ImageLayout{Version: ocispec.ImageLayoutVersion})
	if err != nil {
		return err
	}
	if err := writeFile(filepath.Join(dir, ocispec.ImageLayoutFile), version); err != nil {
		return err
	}
	empty, err := listDocument{}.marshal()
	if err != nil {
		return err
	}
	return writeFile(index, empty)
}

// keepBlobs keeps blobs from being removed that nothing names yet, until release is
// called. Many may hold it at once.
func (l *layout) keepBlobs(ctx context.Context) (release func(), err error) {
	return l.lockBlobs(ctx, (*flock.Flock).TryRLockContext)
}

type lockFunc = func(lock *flock.Flock, ctx context.Context, poll time.Duration) (bool, error)

func (l *layout) lockBlobs(ctx context.Context, try lockFunc) (release func(), err error) {
	dir := filepath.Join(l.dir, partsFolder)
	for {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
		lock := flock.New(filepath.Join(dir, "lock"))
		_, err := try(lock, ctx, lockPoll)
		if errors.Is(err, fs.ErrNotExist) { // the folder was just removed by who was done
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("locking %s: %w", l.dir, err)
		}
		if !isLinked(lock) {
			_ = lock.Unlock()
			continue
		}
		return func() {
			l.tidy(lock)
			_ = lock.Unlock()
		}, nil
	}
}

// tidy removes what killed runs left behind, if nobody else is writing.
func (l *layout) tidy(lock *flock.Flock) {
	dir := filepath.Join(l.dir, partsFolder)
	_ = lock.Unlock()
	if alone, err := lock.TryLock(); err != nil || !alone || !isLinked(lock) {
		return
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		_ = os.Remove(filepath.Join(dir, e.Name())) // the lock too: who waits for it finds out
	}
	_ = os.Remove(dir)
}

// isLinked reports whether a locked file still has its name: else another one is locked by
// others.
func isLinked(lock *flock.Flock) bool {
	info, err := lock.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(lock.Path())
	return err == nil && os.SameFile(info, there)
}

// pushBlob adds a blob unless it is there, whole. What a run before had of it is used.
func (l *layout) pushBlob(ctx context.Context, b Blob) error {
	if l.hasBlob(b.Descriptor) {
		return nil
	}
	name := filepath.Join(l.dir, filepath.FromSlash(blobName(b.Descriptor.Digest)))
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	part, unlock, err := l.lockPart(ctx, b.Descriptor.Digest)
	if err != nil {
		return err
	}
	defer unlock()
	if l.hasBlob(b.Descriptor) { // somebody else was faster
		return os.Remove(part)
	}
	if err := fillPart(part, b); err != nil {
		return err
	}
	if err := os.Rename(part, name); err != nil {
		return err
	}
	l.wrote.blobs.Add(1)
	return nil
}

// lockPart makes this writer the only one that fills the part of a blob.
func (l *layout) lockPart(ctx context.Context, d digest.Digest) (part string, unlock func(), err error) {
	part = filepath.Join(l.dir, partsFolder, d.Encoded()+".part")
	for {
		lock := flock.New(part)
		if _, err := lock.TryLockContext(ctx, lockPoll); err != nil {
			return "", nil, fmt.Errorf("locking %s: %w", part, err)
		}
		if isLinked(lock) {
			return part, func() { _ = lock.Unlock() }, nil
		}
		_ = lock.Unlock() // it was finished by its writer while this one waited
	}
}

// fillPart completes a part. Where what is there of it turns out to be other content, it
// begins anew.
func fillPart(part string, b Blob) error {
	f, err := os.OpenFile(part, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	err = continuePart(f, b)
	for try := 1; tryAgain(err) && try < fetchTries; try++ {
		err = beginPart(f, b)
	}
	if err != nil {
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.Close()
}

// continuePart adds what a part lacks. It is whole where there is no error.
func continuePart(f *os.File, b Blob) error {
	want := b.Descriptor
	digester := want.Digest.Algorithm().Digester()
	have, err := io.Copy(digester.Hash(), f)
	if err != nil {
		return err
	}
	if have == 0 || have > want.Size || b.OpenAt == nil {
		return beginPart(f, b)
	}
	if have < want.Size {
		rest, err := b.OpenAt(have)
		if err != nil {
			return err
		}
		defer rest.Close()
		n, err := io.Copy(io.MultiWriter(f, digester.Hash()), io.LimitReader(rest, want.Size-have))
		if err != nil {
			return err
		}
		have += n
	}
	if got := digester.Digest(); have != want.Size || got != want.Digest {
		return &DigestError{Want: want.Digest, Got: got, WantSize: want.Size, GotSize: have}
	}
	return nil
}

func beginPart(f *os.File, b Blob) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	body, err := b.Open()
	if err != nil {
		return err
	}
	defer body.Close()
	_, err = io.Copy(f, newCheckedReader(body, b.Descriptor))
	return err
}

// addEntries lists manifests in index.json that are not listed yet.
func (l *layout) addEntries(ctx context.Context, added []Descriptor) error {
	return l.changeIndex(ctx, func(index listDocument) listDocument {
		return index.plus(without(added, index.entries))
	})
}

// changeIndex replaces index.json under its lock. Writers take turns, and readers see the
// old list or the new one.
func (l *layout) changeIndex(ctx context.Context, change func(listDocument) listDocument) error {
	unlock, err := lockFolder(ctx, l.dir)
	if err != nil {
		return fmt.Errorf("locking %s: %w", l.dir, err)
	}
	defer unlock()
	removeTemps(l.dir)
	index, err := l.index()
	if err != nil {
		return err
	}
	changed := change(index)
	if !changed.dirty {
		return nil
	}
	raw, err := changed.marshal()
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrLayout, l.path, err)
	}
	if err := writeFile(filepath.Join(l.dir, ocispec.ImageIndexFile), raw); err != nil {
		return err
	}
	l.wrote.manifests.Add(1)
	return nil
}

const tempPattern = ".tmp-*"

func isTemp(name string) bool {
	ok, _ := filepath.Match(tempPattern, name)
	return ok
}

// removeTemps removes what a killed run left of index.json. Its lock is held.
func removeTemps(dir string) {
	names, _ := filepath.Glob(filepath.Join(dir, tempPattern)) // a pattern that is right
	for _, name := range names {
		_ = os.Remove(name)
	}
}

// writeFile replaces a file whole: other readers see the old or the new content.
func writeFile(name string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), tempPattern)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails once the file is renamed
	_, err = f.Write(content)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	return err
}
