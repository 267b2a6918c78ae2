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
	"regexp"
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
		if name := e.Name(); name != partsFolder && name != ocispec.ImageBlobsDir && name != ocispec.ImageLayoutFile && name != lockName && name != ".DS_Store" && !isTemp(name) {
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
		if err := checkPlain(dir, true); err != nil {
			return nil, err
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
		lock, err := lockFile(ctx, filepath.Join(dir, partsLock), try)
		if errors.Is(err, fs.ErrNotExist) { // the folder was just removed by who was done
			continue
		}
		if err != nil {
			return nil, err
		}
		return func() {
			l.tidy(lock)
			_ = lock.Unlock()
		}, nil
	}
}

// checkPlain refuses what is there and is no folder, or no file: what lies in a layout is a
// stranger's, and a link would have something else written to, or removed.
func checkPlain(name string, folder bool) error {
	info, err := os.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if folder && !info.IsDir() || !folder && !info.Mode().IsRegular() {
		return fmt.Errorf("%w: %s is a link, or no plain file or folder; nothing is written there", ErrLayout, name)
	}
	return nil
}

// lockFile takes a lock whose file others may remove when they are done.
func lockFile(ctx context.Context, name string, try lockFunc) (*flock.Flock, error) {
	for {
		if err := checkPlain(name, false); err != nil {
			return nil, err
		}
		lock := flock.New(name)
		if _, err := try(lock, ctx, lockPoll); err != nil {
			return nil, fmt.Errorf("locking %s: %w", name, err)
		}
		if isLinked(lock) {
			return lock, nil
		}
		_ = lock.Unlock() // it was removed while this one waited
	}
}

// Names in the folder of parts.
const partsLock = "lock"

var partsFile = regexp.MustCompile(`^[0-9a-f]{64}\.(part|lock)$`)

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
		if name := e.Name(); name == partsLock || partsFile.MatchString(name) { // who waits for the lock finds out
			_ = os.Remove(filepath.Join(dir, name))
		}
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
	if err := l.checkBlobFolders(name); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	grows := filepath.Join(l.dir, partsFolder, b.Descriptor.Digest.Encoded())
	lock, err := lockFile(ctx, grows+".lock", (*flock.Flock).TryLockContext)
	if err != nil {
		return err
	}
	defer func() { _ = lock.Unlock() }()
	part := grows + ".part"
	if l.hasBlob(b.Descriptor) { // somebody else was faster
		return nil
	}
	if err := checkPlain(part, false); err != nil {
		return err
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

// checkBlobFolders refuses a layout whose folders of blobs are links.
func (l *layout) checkBlobFolders(blob string) error {
	return errors.Join(checkPlain(filepath.Join(l.dir, ocispec.ImageBlobsDir), true), checkPlain(filepath.Dir(blob), true))
}

// fillPart completes a part. Where what is there of it turns out to be other content, it
// begins anew.
func fillPart(part string, b Blob) error {
	f, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE, 0o600)
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
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if isTemp(e.Name()) && e.Type().IsRegular() {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
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
