package sbom

import (
	"archive/tar"
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/anchore/stereoscope/pkg/file"
)

// sniffed is how much of a file its MIME type is told from, as the library that does so has it.
const sniffed = 4096

// read takes the layer's files out of its archive, in one pass. Panics over its content become errors.
func (l *layer) read(c *contents) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = l.fail(fmt.Errorf("%w: %w: %v", ErrMalformed, errPanic, p))
		}
	}()
	stream, err := newLayerStream(l)
	if err != nil {
		return l.fail(err)
	}
	defer func() { _ = stream.Close() }() // the reading is over, well or not
	r := &layerReader{layer: l, stream: stream, count: l.reading.counter(l.index), store: &contentWriter{ctx: l.reading.ctx, to: c}}
	err = r.archive(bufio.NewReaderSize(stream, 128<<10))
	if err == nil {
		err = r.store.flush()
	}
	if err != nil {
		return stream.fail(err)
	}
	l.files, l.content = r.files, r.content
	l.cost = l.reading.costOf(l.index, stream.length+r.holes)
	return nil
}

// layerReader reads one layer's archive.
type layerReader struct {
	layer   *layer
	stream  *layerStream
	count   *entryCounter
	store   *contentWriter
	files   []*fileEntry
	content int64 // bytes of files so far
	holes   int64 // those of them that the archive does not have
	head    [sniffed]byte
}

// archive reads all entries and the padding after them: only at the very end it is known that everything was right.
func (r *layerReader) archive(in io.Reader) error {
	archive := tar.NewReader(in)
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			_, err = io.Copy(io.Discard, in)
			return err
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return malformed("tar", err)
		}
		if err := r.entry(h, archive); err != nil {
			return err
		}
	}
}

func (r *layerReader) entry(h *tar.Header, body io.Reader) error {
	if err := r.count.entry(h); err != nil {
		return err
	}
	if err := r.account(max(h.Size, 0)); err != nil {
		return err
	}
	head, err := r.sniff(h, body)
	if err != nil {
		return err
	}
	e := describe(h, r.layer, mimeType(head))
	if len(head) > 0 {
		if e.content, err = r.store.store(head, body, h.Size); err != nil {
			return contentError(err)
		}
	}
	r.files = append(r.files, e)
	return r.accountHoles()
}

// account takes a file's bytes into account. Sparse files can be larger than the archive that they are in.
func (r *layerReader) account(size int64) error {
	l := r.layer.reading.job.limits
	if err := exceeds("LayerBytes", size, l.LayerBytes); err != nil { // of one, so that the sum cannot overflow
		return err
	}
	r.content += size
	if err := exceeds("LayerBytes", r.content, l.LayerBytes); err != nil {
		return err
	}
	return exceeds("TotalBytes", r.content, l.TotalBytes)
}

// accountHoles takes into account what files have and the archive, which was read so far, has not.
func (r *layerReader) accountHoles() error {
	more := r.content - r.stream.length - r.holes
	if more <= 0 {
		return nil
	}
	r.holes += more
	return r.layer.reading.addBytes(more, r.content)
}

// sniff reads the beginning of a file.
func (r *layerReader) sniff(h *tar.Header, body io.Reader) ([]byte, error) {
	head := r.head[:min(max(h.Size, 0), sniffed)]
	if _, err := io.ReadFull(body, head); err != nil {
		return nil, contentError(err)
	}
	return head, nil
}

// contentError tells an archive that ends too early from a disk that is full.
func contentError(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, tar.ErrHeader) {
		return malformed("tar", err)
	}
	return err
}

func mimeType(head []byte) string {
	if len(head) == 0 {
		return ""
	}
	return file.MIMEType(bytes.NewReader(head))
}
