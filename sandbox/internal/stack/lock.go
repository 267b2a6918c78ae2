package stack

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A supervisor holds an exclusive lock as long as it lives, on a file that holds its
// process ID: the lock ends with the process, however that ends, and the ID is true as
// long as the lock is held.

// errRunning says that another supervisor holds the lock.
var errRunning = errors.New("the sandbox is up already")

// lock takes the supervisor's lock and returns its descriptor, which ends the lock when it
// is closed. Who only looks holds the lock for a moment, so a held one is tried again for a
// little while.
func (d Dir) lock(ctx context.Context) (int, error) {
	// Not an os.File: that would be closed when nobody refers to it any more.
	fd, err := syscall.Open(d.lockFile(), syscall.O_RDWR|syscall.O_CREAT|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return 0, fmt.Errorf("opening %s: %w", d.lockFile(), err)
	}
	short, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	err = poll(short, 20*time.Millisecond, func() bool {
		return syscall.Flock(fd, syscall.LOCK_EX|syscall.LOCK_NB) == nil
	})
	if err != nil {
		return 0, errors.Join(errRunning, syscall.Close(fd))
	}
	// The ID first: who finds the lock held reads the file at any moment.
	pid := []byte(strconv.Itoa(os.Getpid()) + "\n")
	if _, err = syscall.Pwrite(fd, pid, 0); err == nil {
		err = syscall.Ftruncate(fd, int64(len(pid)))
	}
	if err != nil {
		return 0, errors.Join(fmt.Errorf("writing %s: %w", d.lockFile(), err), syscall.Close(fd))
	}
	return fd, nil
}

// supervisor returns the process ID of the supervisor, 0 if there is none.
func (d Dir) supervisor() (int, error) {
	f, err := os.Open(d.lockFile())
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) == nil {
		return 0, nil // closing ends the lock
	}
	data, err := os.ReadFile(d.lockFile())
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(data), "\n")
	pid, err := strconv.Atoi(line)
	if err != nil || pid <= 1 {
		return 0, fmt.Errorf("%s is locked but names no process; end the process that holds it", d.lockFile())
	}
	return pid, nil
}

// poll asks done every so often until it says so or ctx ends.
func poll(ctx context.Context, every time.Duration, done func() bool) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}
