//go:build unix

package cache

import (
	"io/fs"
	"os"
	"syscall"
)

const nonblock = syscall.O_NONBLOCK

// me is this user; tests are others.
var me = os.Geteuid

// mine reports whether a file belongs to this user.
func mine(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == me()
}

// closed reports whether nobody but its owner can write to a folder, or read a file: those of the cache are made so, and
// those that were checked out or unpacked there mostly are not.
func closed(info fs.FileInfo) bool {
	if info.IsDir() {
		return info.Mode().Perm()&0o022 == 0
	}
	return info.Mode().Perm()&0o077 == 0
}
