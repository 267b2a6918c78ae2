package cache

import (
	"crypto/rand"
	"encoding/hex"
	"os"
	"path"
)

// drafts is the folder of what is being written.
const drafts = "tmp"

// sharded is where a name of hexadecimal digits lies in a folder.
func sharded(folder, name string) string { return path.Join(folder, name[:2], name) }

// takes reports whether something of this size is kept at all: one thing does not push out everything else.
func (s *Store) takes(size int64) bool { return size >= 0 && size <= s.max/4 }

// draft is a file that is being written, under another name until it is whole.
type draft struct {
	store *Store
	file  *os.File
	temp  string
	name  string
	err   error
}

func (s *Store) create(name string) (*draft, error) {
	var random [16]byte
	_, _ = rand.Read(random[:]) // never fails
	d := &draft{store: s, name: name, temp: path.Join(drafts, hex.EncodeToString(random[:]))}
	err := s.makeFolder(drafts)
	if err == nil {
		d.file, err = s.root.OpenFile(d.temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	}
	return d, err
}

func (d *draft) write(p []byte) {
	if d.err == nil {
		_, d.err = d.file.Write(p)
	}
}

// commit gives the file its name. It is not forced onto the disk: what a crash leaves of it is found out when it is read.
func (d *draft) commit(size int64) {
	err := d.file.Close()
	if d.err == nil {
		d.err = err
	}
	if d.err == nil {
		d.err = d.store.rename(d.temp, d.name)
	}
	if d.err != nil {
		d.store.failed(d.err)
		d.store.drop(d.temp)
		return
	}
	d.store.grew(size)
}

func (d *draft) discard() {
	d.file.Close()
	d.store.drop(d.temp)
}

func (s *Store) rename(from, to string) error {
	if err := s.makeFolder(path.Dir(to)); err != nil {
		return err
	}
	return s.root.Rename(from, to)
}
