package cache

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
)

// notOurs says that something below the folder can be changed by others, or is not what the cache puts there.
func notOurs(name string) error {
	return fmt.Errorf("%w: %s in it is no plain file or folder, or not this user's alone: remove it", ErrUnsafe, name)
}

// safe reports whether this user alone can change what is in a folder of the cache: it and the one above it are this
// user's, closed to others, and no links. What is directly in the cache is looked at once, as the cache itself is, and what
// is below that each time.
func (s *Store) safe(folder string) error {
	top, _, below := strings.Cut(folder, "/")
	if _, known := s.safeTops.Load(top); !known {
		if err := s.safeFolder(top); err != nil {
			return err
		}
		s.safeTops.Store(top, true)
	}
	if !below {
		return nil
	}
	return s.safeFolder(folder)
}

func (s *Store) safeFolder(name string) error {
	info, err := s.root.Lstat(name)
	if err != nil {
		return err
	}
	if !info.IsDir() || !mine(info) || !closed(info) {
		return notOurs(name)
	}
	return nil
}

// makeFolder makes a folder of the cache if it is not there. It has to be safe.
func (s *Store) makeFolder(name string) error {
	err := s.safe(name)
	if !os.IsNotExist(err) {
		return err
	}
	if err = s.root.MkdirAll(name, 0o700); err != nil {
		return err
	}
	return s.safe(name)
}

// openPlain opens a file that lies in a safe folder, or in the cache itself. It has to be a plain one of this user's alone:
// a pipe in its place holds nobody up, and no link is followed to another file.
func (s *Store) openPlain(name string, flag int) (*os.File, fs.FileInfo, error) {
	f, err := s.root.OpenFile(name, flag|nonblock, 0o600)
	if err != nil {
		return nil, nil, err
	}
	var link fs.FileInfo
	info, err := f.Stat()
	if err == nil {
		link, err = s.root.Lstat(name)
	}
	if err == nil && (!link.Mode().IsRegular() || !info.Mode().IsRegular() || !mine(info) || !closed(info)) {
		err = notOurs(name)
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// list is what a safe folder holds.
func (s *Store) list(folder string) []fs.DirEntry {
	if s.safe(folder) != nil {
		return nil
	}
	f, err := s.root.OpenFile(folder, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return nil
	}
	defer f.Close()
	list, _ := f.ReadDir(-1) // what cannot be listed now is found the next time
	return list
}

// open opens a file of the cache; nil where there is none that can be trusted.
func (s *Store) open(name string) (*os.File, fs.FileInfo) {
	if s.safe(path.Dir(name)) != nil {
		return nil, nil
	}
	f, info, err := s.openPlain(name, os.O_RDONLY)
	if err != nil {
		if !os.IsNotExist(err) {
			s.drop(name)
		}
		return nil, nil
	}
	return f, info
}
