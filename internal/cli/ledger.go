package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/gofrs/flock"
)

// ledger is a file of lines, one for each subject, that a run writes and a later one goes on
// with.
type ledger struct {
	name    string
	file    *os.File
	lock    *flock.Flock // of file, while this run writes; nil if it is not regular
	regular bool
	end     int64 // where the next line begins
	lines   []span
	last    int  // the furthest position that there is
	mixed   bool // a line stands behind one of a later subject
}

// span is where a line lies in a file; size 0 is none.
type span struct{ at, size int64 }

// createLedger begins a file for the lines of n subjects. A file that holds something is
// left alone: it may be the work of hours.
func createLedger(name string, n int) (*ledger, error) {
	l := &ledger{name: name, lines: make([]span, n), last: -1}
	info, err := os.Stat(name)
	switch {
	case err == nil && info.Mode().IsRegular() && info.Size() > 0:
		return nil, usagef("-o jsonl=%s: the file is there already: go on with it (--resume), or name another", name)
	case err == nil && !info.Mode().IsRegular(): // a pipe, /dev/stdout
		l.file, err = os.OpenFile(name, os.O_WRONLY, 0)
	default:
		l.regular = true
		l.file, err = os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
	}
	if err != nil {
		return nil, fileError(err)
	}
	if l.regular {
		if l.lock, err = lockLedger(name); err != nil {
			return nil, errors.Join(err, l.file.Close())
		}
	}
	return l, nil
}

// lockLedger keeps other runs from a file. What two of them write would be mixed.
func lockLedger(name string) (*flock.Flock, error) {
	lock := flock.New(name)
	alone, err := lock.TryLock()
	if err != nil {
		return nil, fileError(err)
	}
	if !alone {
		return nil, usagef("%s: another run writes to it: wait for that one, or name another file", name)
	}
	return lock, nil
}

// has reports whether the line of a subject is there.
func (l *ledger) has(i int) bool { return l.lines[i].size > 0 }

// add writes the line of a subject in one piece. What of it is written when that fails is
// taken back, as far as it can be.
func (l *ledger) add(i int, line []byte) error {
	if _, err := l.file.Write(line); err != nil {
		if l.regular {
			_ = l.file.Truncate(l.end)
		}
		return fmt.Errorf("writing to %s: %w", l.name, fileError(err))
	}
	l.note(i, int64(len(line)))
	return nil
}

// note remembers that the line of subject i is the next in the file.
func (l *ledger) note(i int, size int64) {
	l.lines[i] = span{l.end, size}
	l.end += size
	l.mixed = l.mixed || i < l.last
	l.last = max(l.last, i)
}

// close ends the file. Once all lines are there, they are in the order of the subjects.
func (l *ledger) close() error {
	defer func() {
		if l.lock != nil {
			_ = l.lock.Close()
		}
	}()
	if l.regular && l.mixed && !slices.ContainsFunc(l.lines, func(s span) bool { return s.size == 0 }) {
		if err := l.rewrite(l.lines); err != nil {
			return errors.Join(err, l.file.Close())
		}
	}
	var err error
	if l.regular {
		err = l.file.Sync()
	}
	if err = errors.Join(err, l.file.Close()); err != nil {
		return fmt.Errorf("writing to %s: %w", l.name, fileError(err))
	}
	return nil
}

// rewrite puts a file with these parts of it in its place, whole or not at all.
func (l *ledger) rewrite(parts []span) error {
	info, err := l.file.Stat()
	if err != nil {
		return err
	}
	name, err := filepath.EvalSymlinks(l.name)
	if err != nil {
		return err
	}
	to, err := os.CreateTemp(filepath.Dir(name), ".hallmark-*")
	if err != nil {
		return fileError(err)
	}
	if err := l.fill(to, parts, info.Mode().Perm()); err != nil {
		return errors.Join(fileError(err), to.Close(), os.Remove(to.Name()))
	}
	lock, err := lockLedger(to.Name()) // before others can see it
	if err == nil {
		err = os.Rename(to.Name(), name)
	}
	if err != nil {
		return errors.Join(fileError(err), to.Close(), os.Remove(to.Name()))
	}
	_, _ = l.file.Close(), l.lock.Close() // the file was only read
	l.file, l.lock = to, lock
	return nil
}

func (l *ledger) fill(to *os.File, parts []span, mode fs.FileMode) error {
	for _, p := range parts {
		if _, err := io.Copy(to, io.NewSectionReader(l.file, p.at, p.size)); err != nil {
			return err
		}
	}
	if err := to.Chmod(mode); err != nil {
		return err
	}
	return to.Sync()
}
