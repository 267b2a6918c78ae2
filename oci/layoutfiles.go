package oci

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/gofrs/flock"
)

// maxArchiveFiles caps the files of a layout archive.
const maxArchiveFiles = 500_000

// folder is a layout in a directory.
type folder string

func (f folder) open(name string) (io.ReadCloser, int64, error) {
	full := filepath.Join(string(f), filepath.FromSlash(name))
	info, err := os.Stat(full)
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() { // opening a pipe would wait for a writer
		return nil, 0, fmt.Errorf("%s is no regular file", full)
	}
	file, err := os.Open(full)
	if err != nil {
		return nil, 0, err
	}
	return file, info.Size(), nil
}

// lockFolder keeps other Hallmark writers out of a layout until unlock is called.
func lockFolder(dir string) (unlock func(), err error) {
	lock := flock.New(filepath.Join(dir, ".index.json.lock"))
	if err := lock.Lock(); err != nil {
		return nil, err
	}
	return func() { lock.Unlock() }, nil
}

// archive is a layout in a tar file that is not compressed. Its files are read in
// place.
type archive struct {
	file  *os.File
	files map[string]span
}

type span struct{ offset, size int64 }

func openArchive(name string) (*archive, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	a := &archive{file: file, files: map[string]span{}}
	if err := a.scan(); err != nil {
		file.Close()
		return nil, err
	}
	return a, nil
}

func (a *archive) scan() error {
	r := tar.NewReader(a.file)
	for {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("not a tar archive that can be read (compressed ones must be unpacked first): %w", err)
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		name := path.Clean("/" + header.Name)[1:]
		if _, twice := a.files[name]; twice {
			return fmt.Errorf("%q stands twice in the archive", clip(name))
		}
		if len(a.files) == maxArchiveFiles {
			return fmt.Errorf("more than %d files in the archive", maxArchiveFiles)
		}
		offset, err := a.file.Seek(0, io.SeekCurrent)
		if err != nil {
			return err
		}
		a.files[name] = span{offset, header.Size}
	}
}

func (a *archive) open(name string) (io.ReadCloser, int64, error) {
	at, ok := a.files[name]
	if !ok {
		return nil, 0, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return io.NopCloser(io.NewSectionReader(a.file, at.offset, at.size)), at.size, nil
}
