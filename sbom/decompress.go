package sbom

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxZstdWindow bounds the memory of one zstd decoder; it is what `zstd --long=27`, the largest window a decoder accepts
// by default, needs.
const maxZstdWindow = 128 << 20

// decompress looks at a blob's first bytes and undoes gzip or zstd; anything else is passed on as it is. Errors about the
// content wrap ErrMalformed, errors of the blob itself stay what they are.
func decompress(blob io.Reader) (io.ReadCloser, error) {
	br := bufio.NewReaderSize(blob, 64<<10)
	head, err := br.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		zr, err := gzip.NewReader(br)
		if err != nil {
			return nil, malformed("gzip", err)
		}
		return &decompressor{kind: "gzip", r: zr, close: func() { _ = zr.Close() }}, nil
	case isZstd(head):
		zr, err := zstd.NewReader(br, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxZstdWindow))
		if err != nil {
			return nil, malformed("zstd", err)
		}
		return &decompressor{kind: "zstd", r: zr, close: zr.Close}, nil
	}
	return io.NopCloser(br), nil
}

// isZstd knows a frame (RFC 8878, section 3.1.1) and a skippable frame (3.1.2), with which some writers begin.
func isZstd(head []byte) bool {
	return bytes.Equal(head, []byte{0x28, 0xb5, 0x2f, 0xfd}) ||
		len(head) == 4 && head[0]&0xf0 == 0x50 && bytes.Equal(head[1:], []byte{0x2a, 0x4d, 0x18})
}

type decompressor struct {
	kind  string
	r     io.Reader
	close func()
}

func (d *decompressor) Read(p []byte) (int, error) {
	n, err := d.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = malformed(d.kind, err)
	}
	return n, err
}

func (d *decompressor) Close() error {
	d.close()
	return nil
}

// malformed says that content is broken, unless the error is about getting it.
func malformed(kind string, err error) error {
	var read *readError
	var known *LayerError
	if errors.As(err, &read) || errors.As(err, &known) || errors.Is(err, ErrMismatch) || errors.Is(err, ErrLimit) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("%w: %s: %w", ErrMalformed, kind, err)
}
