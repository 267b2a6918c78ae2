//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package cache

import (
	"os"
	"syscall"
)

// lockOf takes a lock on what is open, and reports whether it has it. The lock ends where unlock is called, or the process
// does.
func (s *Store) lockOf(f *os.File) (unlock func(), locked bool) {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	return func() { _ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN) }, err != syscall.EWOULDBLOCK
}
