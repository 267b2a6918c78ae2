package sbom

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"
)

const (
	// smallFile is how large a file may be to be kept in memory: most of what cataloguers parse is smaller.
	smallFile = 4 << 10
	// smallFiles is how much memory small files may take together. What comes later goes to disk like large ones.
	smallFiles = 4 << 20
	// spillBuffer is how much is written to disk at once.
	spillBuffer = 256 << 10
	// arenaBytes is how much memory small files get at once.
	arenaBytes = 256 << 10
)

// contents holds the files of an image's layers until Generate returns: small ones in memory, the others one after the
// other in one file for each layer.
type contents struct {
	folder string

	mu     sync.Mutex
	memory int64 // taken by small files
	spills []*os.File
}

// reserve takes memory for small files, if there is some left.
func (c *contents) reserve(n int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.memory+n > smallFiles {
		return false
	}
	c.memory += n
	return true
}

func (c *contents) create() (*os.File, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f, err := os.OpenFile(filepath.Join(c.folder, strconv.Itoa(len(c.spills))), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	c.spills = append(c.spills, f)
	return f, nil
}

// close makes all further reading fail. The files are the job's, which removes them.
func (c *contents) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.spills {
		_ = f.Close() // nothing is written any more
	}
	c.spills = nil
}

// contentWriter stores the files of one layer.
type contentWriter struct {
	ctx    context.Context
	to     *contents
	arena  []byte // free memory for small files
	spill  *os.File
	buffer []byte // what is not written yet
	offset int64  // of the end, with what is in the buffer
}

// store keeps a file whose beginning was read before. One that ends early is the reader's error.
func (w *contentWriter) store(head []byte, rest io.Reader, size int64) (extent, error) {
	if size <= smallFile {
		if room := w.room(int(size)); room != nil {
			_, err := io.ReadFull(rest, room[copy(room, head):])
			return extent{small: room, size: size}, err
		}
	}
	if err := w.open(); err != nil {
		return extent{}, err
	}
	at := extent{spill: w.spill, offset: w.offset, size: size}
	w.offset += size
	if err := w.append(bytes.NewReader(head), int64(len(head))); err != nil {
		return at, err
	}
	return at, w.append(rest, size-int64(len(head)))
}

// open prepares the file on disk.
func (w *contentWriter) open() (err error) {
	if w.spill == nil {
		w.buffer = make([]byte, 0, spillBuffer)
		w.spill, err = w.to.create()
	}
	return err
}

// append reads so many bytes straight into the buffer.
func (w *contentWriter) append(r io.Reader, left int64) error {
	for left > 0 {
		if err := context.Cause(w.ctx); err != nil { // a hole is large and costs nothing to read
			return err
		}
		if len(w.buffer) == cap(w.buffer) {
			if err := w.flush(); err != nil {
				return err
			}
		}
		free := w.buffer[len(w.buffer):cap(w.buffer)]
		n, err := r.Read(free[:min(int64(len(free)), left)])
		w.buffer = w.buffer[:len(w.buffer)+n]
		left -= int64(n)
		if err != nil && left > 0 {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
	return nil
}

// room is memory for a small file, nil if there is none left.
func (w *contentWriter) room(size int) []byte {
	if len(w.arena) < size {
		if !w.to.reserve(arenaBytes) {
			return nil
		}
		w.arena = make([]byte, arenaBytes)
	}
	room := w.arena[:size:size]
	w.arena = w.arena[size:]
	return room
}

// flush makes everything that was stored readable.
func (w *contentWriter) flush() error {
	if len(w.buffer) == 0 {
		return nil
	}
	_, err := w.spill.Write(w.buffer)
	w.buffer = w.buffer[:0]
	return err
}

// extent is where a file's content is.
type extent struct {
	small  []byte   // all of it, or
	spill  *os.File // where it is on disk
	offset int64
	size   int64
}

// open returns a reader with a position of its own. It can be opened and read by several goroutines.
func (e extent) open() io.ReadCloser {
	if e.spill == nil {
		return &extentReader{ReadSeeker: bytes.NewReader(e.small), at: bytes.NewReader(e.small)}
	}
	section := io.NewSectionReader(e.spill, e.offset, e.size)
	return &extentReader{ReadSeeker: section, at: section}
}

// extentReader reads a file. Closing it is not noticed.
type extentReader struct {
	io.ReadSeeker
	at io.ReaderAt
}

func (r *extentReader) ReadAt(p []byte, off int64) (int, error) { return r.at.ReadAt(p, off) }
func (r *extentReader) Close() error                            { return nil }
