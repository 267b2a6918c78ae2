package oci

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// maxArchiveFiles caps the files of a layout archive.
const maxArchiveFiles = 500_000

// folder is a layout in a directory.
type folder string

func (f folder) open(name string) (io.ReadCloser, int64, error) {
	file, size, err := openRegular(filepath.Join(string(f), filepath.FromSlash(name)))
	if err != nil {
		return nil, 0, err
	}
	return file, size, nil
}

// openRegular opens a file that is neither a pipe nor a device: what lies in a layout
// is a stranger's, and opening a pipe would wait for a writer.
func openRegular(name string) (*os.File, int64, error) {
	file, err := os.OpenFile(name, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file", name)
	}
	if err != nil {
		file.Close()
		return nil, 0, err
	}
	return file, info.Size(), nil
}

const lockName = ".index.json.lock"

// lockPoll is how often a lock that somebody else holds is tried.
const lockPoll = 20 * time.Millisecond

// lockFolder keeps other Hallmark writers out of a layout until unlock is called.
func lockFolder(ctx context.Context, dir string) (unlock func(), err error) {
	name := filepath.Join(dir, lockName)
	if info, err := os.Lstat(name); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", name)
	}
	lock := flock.New(name)
	if _, err := lock.TryLockContext(ctx, lockPoll); err != nil {
		return nil, err
	}
	return func() { _ = lock.Unlock() }, nil // the file is closed in any case
}

// archive is a layout in a tar file that is not compressed. Its files are read in
// place.
type archive struct {
	file  *os.File
	files map[string]span
}

type span struct{ offset, size int64 }

func openArchive(name string) (*archive, error) {
	file, _, err := openRegular(name)
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
		for record := range header.PAXRecords {
			if strings.HasPrefix(record, "GNU.sparse.") { // its bytes are not in place
				return fmt.Errorf("%q is a sparse file, which is not supported", clip(header.Name))
			}
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
