// Package cache keeps in a folder of the user's what could be fetched or made again: content by its digest, and answers
// by a key. Any number of processes share a folder.
//
// Nothing is believed because it is there. Content is checked against its digest before it is handed out, an answer
// against the key that it was stored under and the digest beside it, and what fails is removed and counts as absent. A
// cache that cannot be written to, or is full, is a cache that holds less: it never makes a command fail.
package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Store is a cache folder. A nil Store holds nothing and takes nothing in. It is safe for concurrent use.
type Store struct {
	root *os.Root
	dir  string // absolute
	max  int64
	now  func() time.Time
	// safeTops are the folders in it that were found safe.
	safeTops sync.Map

	note  func(error)
	noted sync.Once
}

var (
	// ErrUnsafe says that others could change what is in the folder. Go on without a cache, and tell people.
	ErrUnsafe = errors.New("the cache folder is not safe to use")
	// ErrFolder says that there can be no folder of this name. Go on without a cache.
	ErrFolder = errors.New("the cache folder cannot be used")
)

// DefaultSize is how many bytes a cache may hold if nobody says otherwise; MinSize is the least that makes sense.
const (
	DefaultSize = 2 << 30
	MinSize     = 1 << 20
)

// Open opens the cache in a folder, which is made if it is not there. The folder must belong to this user, and nobody else
// may be able to write to it: errors wrap [ErrUnsafe] where that is not so, else [ErrFolder]. The cache holds about max
// bytes at most. note, if not nil, is told once why something could not be kept.
func Open(dir string, max int64, note func(error)) (*Store, error) {
	if max < MinSize {
		return nil, fmt.Errorf("%w: %d bytes are too few, %d are the least", ErrFolder, max, MinSize)
	}
	dir, err := filepath.Abs(dir)
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFolder, err)
	}
	root, err := openSafe(dir)
	if err != nil {
		return nil, err
	}
	return &Store{root: root, dir: dir, max: max, now: time.Now, note: note}, nil
}

// openSafe opens a folder that belongs to this user alone. What was opened is looked at, so that whoever can rename
// folders above it gains nothing.
func openSafe(dir string) (*os.Root, error) {
	link, err := os.Lstat(dir)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFolder, err)
	}
	if link.Mode()&fs.ModeSymlink != 0 && !mine(link) { // it leads where its owner wants
		return nil, fmt.Errorf("%w: %s belongs to another user", ErrUnsafe, dir)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFolder, err)
	}
	info, err := root.Stat(".")
	switch {
	case err != nil:
		err = fmt.Errorf("%w: %w", ErrFolder, err)
	case !mine(info):
		err = fmt.Errorf("%w: %s belongs to another user", ErrUnsafe, dir)
	case !closed(info):
		err = fmt.Errorf("%w: others can write to %s: protect it with 'chmod go-w'", ErrUnsafe, dir)
	}
	if err != nil {
		_ = root.Close()
		return nil, err
	}
	return root, nil
}

// Dir is the folder.
func (s *Store) Dir() string { return s.dir }

// Close gives the folder back. What was opened before can be read to its end.
func (s *Store) Close() error {
	if s == nil {
		return nil
	}
	return s.root.Close()
}

// failed notes why something could not be kept, once.
func (s *Store) failed(err error) {
	if s.note != nil {
		s.noted.Do(func() { s.note(err) })
	}
}

// drop removes what is not what it should be.
func (s *Store) drop(name string) { _ = s.root.Remove(name) } // else it stays, and counts as absent again

// touchAge is how old the time of the last use may be before it is written anew.
const touchAge = time.Hour

// touch notes that a file was of use.
func (s *Store) touch(name string, info fs.FileInfo) {
	if now := s.now(); now.Sub(info.ModTime()) > touchAge {
		_ = s.root.Chtimes(name, now, now) // else it goes sooner than it might
	}
}
