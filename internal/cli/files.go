package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// writeFile writes a file whole or not at all. Without replace, a file that is there
// is left as it is, with an error that wraps [fs.ErrExist].
func writeFile(name string, content []byte, mode fs.FileMode, replace bool) error {
	return writeWith(name, mode, replace, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

// writeWith is writeFile for content that is not at hand whole.
func writeWith(name string, mode fs.FileMode, replace bool, fill func(io.Writer) error) error {
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		return writeThrough(name, fill) // /dev/stdout, a pipe
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".hallmark-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails once the file is renamed
	err = fill(f)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	if replace {
		return os.Rename(f.Name(), name)
	}
	err = os.Link(f.Name(), name) // unlike a rename, it fails where a file is
	if err != nil && !errors.Is(err, fs.ErrExist) {
		if _, statErr := os.Lstat(name); errors.Is(statErr, fs.ErrNotExist) {
			return os.Rename(f.Name(), name) // a file system without hard links
		}
	}
	return err
}

func writeThrough(name string, fill func(io.Writer) error) error {
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	err = fill(f)
	return errors.Join(err, f.Close())
}

// checkSize refuses limits that are none.
func checkSize(limit int64) error {
	if limit <= 0 || limit > 1<<40 {
		return usagef("--max-evidence-size %d: want a number of bytes from 1 to 2^40", limit)
	}
	return nil
}

// readInput reads a file that the user named, "-" for standard input, of at most
// limit bytes.
func (a *App) readInput(name string, limit int64) ([]byte, error) {
	in := a.In
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, usage(err)
		}
		defer f.Close()
		in = f
	}
	return readBounded(in, name, limit)
}

// readBounded reads a stream of at most limit bytes; name is what it is called.
func readBounded(in io.Reader, name string, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(in, limit+1))
	if err != nil {
		return nil, usagef("reading %s: %w", name, err)
	}
	if int64(len(data)) > limit {
		return nil, usage(fmt.Errorf("%s is larger than the limit of %d bytes", name, limit))
	}
	return data, nil
}
