package sbom

import (
	"archive/tar"
	"errors"
	"hash/maphash"
	"io"
	"path"
	"strings"
)

// tarCheck reads the tar headers of a layer while it passes by, with the very parser that indexes it later, so that an
// archive which would cost too much to index never gets there.
type tarCheck struct {
	in   *io.PipeWriter
	done chan error
}

// startTarCheck starts a checker; end it with close or abort.
func startTarCheck(count *entryCounter) *tarCheck {
	out, in := io.Pipe()
	c := &tarCheck{in: in, done: make(chan error, 1)}
	go func() {
		err := count.archive(out)
		out.CloseWithError(err) // with an error the next write fails; without, there is no next write
		c.done <- err
	}()
	return c
}

func (c *tarCheck) write(p []byte) error {
	_, err := c.in.Write(p)
	return err
}

// close tells the checker that the archive is complete and waits for its opinion.
func (c *tarCheck) close() error {
	_ = c.in.Close() // a pipe has no error to give
	err := <-c.done
	c.done <- nil
	return err
}

// abort ends the checker without caring for its opinion. It may follow close.
func (c *tarCheck) abort() {
	_ = c.in.CloseWithError(io.ErrClosedPipe)
	<-c.done //nolint:errcheck // its opinion is not asked
	c.done <- nil
}

// entryCounter counts what one layer's entries will cost as nodes of a file tree.
type entryCounter struct {
	limits  Limits
	add     func(entries, nameBytes int64) error
	seed    maphash.Seed
	folders map[uint64]struct{} // known folders, by hash: a collision makes the count one too low
}

func newEntryCounter(l Limits, add func(entries, nameBytes int64) error) *entryCounter {
	return &entryCounter{limits: l, add: add, seed: maphash.MakeSeed(), folders: map[uint64]struct{}{}}
}

// archive reads all headers of a tar archive and the padding after it.
func (c *entryCounter) archive(r io.Reader) error {
	tr := tar.NewReader(r)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			_, err = io.Copy(io.Discard, r)
			return err
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return malformed("tar", err)
		}
		if err := c.entry(h); err != nil {
			return err
		}
	}
}

func (c *entryCounter) entry(h *tar.Header) error {
	name := path.Clean("/" + h.Name)
	if err := exceeds("PathBytes", int64(len(name)), c.limits.PathBytes); err != nil {
		return err
	}
	if err := exceeds("PathDepth", strings.Count(name, "/"), c.limits.PathDepth); err != nil {
		return err
	}
	entries, bytes := int64(1), int64(len(name)+len(h.Linkname))
	for k, v := range h.PAXRecords {
		bytes += int64(len(k) + len(v))
	}
	for dir := path.Dir(name); c.isNew(dir); dir = path.Dir(dir) {
		entries++
		bytes += int64(len(dir))
	}
	if h.Typeflag == tar.TypeDir {
		c.isNew(name)
	}
	return c.add(entries, bytes)
}

// isNew tells whether a folder was not seen before, and remembers it.
func (c *entryCounter) isNew(dir string) bool {
	if dir == "/" {
		return false
	}
	key := maphash.String(c.seed, dir)
	if _, known := c.folders[key]; known {
		return false
	}
	c.folders[key] = struct{}{}
	return true
}
