//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package cache

import (
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
)

// lockOf takes a lock on the file that is open, by its name, and reports whether it has it.
func (s *Store) lockOf(f *os.File) (unlock func(), locked bool) {
	lock := flock.New(filepath.Join(s.dir, filepath.Base(f.Name())))
	got, err := lock.TryLock()
	return func() { _ = lock.Unlock() }, got || err != nil
}
