package sbom

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/opencontainers/go-digest"
)

// layer is one layer of an image.
type layer struct {
	index     int
	digest    digest.Digest
	diffID    v1.Hash // of the uncompressed content, from the image configuration
	size      int64   // of the blob; -1 when not known
	mediaType types.MediaType
	open      func(context.Context) (io.ReadCloser, error)
	reading   *reading
	twin      *layer // an earlier layer with the same digest, whose files are this one's too

	files   []*fileEntry // in the order of the archive
	content int64        // bytes of its files
	cost    layerCost
}

// layerCost is what a layer takes of an image's limits.
type layerCost struct{ bytes, entries, names int64 }

// fail names the layer in an error and stops the others.
func (l *layer) fail(err error) error {
	var named *LayerError
	if !errors.As(err, &named) {
		err = &LayerError{Index: l.index, Digest: l.digest, Err: err}
	}
	l.reading.stop(err)
	return err
}

// layerStream is a pipeline: blob, counted and compared with its size, then decompressed, then capped and hashed. What it
// delivers is correct if and only if it ends in io.EOF. A failure stops the reading of all other layers.
type layerStream struct {
	layer  *layer
	blob   *blobReader
	plain  io.ReadCloser // the decompressed blob
	hash   hash.Hash
	length int64
	err    error // sticky
}

func newLayerStream(l *layer) (*layerStream, error) {
	rc, err := l.open(l.reading.ctx)
	if err != nil {
		return nil, fmt.Errorf("fetch: %w", err)
	}
	blob := &blobReader{ctx: l.reading.ctx, rc: rc, size: l.size, meter: l.reading.meter(l)}
	plain, err := decompress(blob)
	if err != nil {
		err = blob.blame(err)
		rc.Close()
		return nil, err
	}
	hasher, err := v1.Hasher(l.diffID.Algorithm)
	if err != nil {
		rc.Close()
		return nil, fmt.Errorf("%w: diff_id %s: %w", ErrMalformed, l.diffID, err)
	}
	return &layerStream{layer: l, blob: blob, plain: plain, hash: hasher}, nil
}

func (s *layerStream) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	if s.err = context.Cause(s.layer.reading.ctx); s.err != nil { // a few bytes of a blob can unpack to very many
		return 0, s.err
	}
	n, err := s.plain.Read(p)
	if countErr := s.take(p[:n]); countErr != nil {
		n, err = 0, countErr
	}
	if errors.Is(err, io.EOF) {
		err = s.finish()
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = s.fail(err)
	}
	s.err = err
	return n, err
}

// fail says whose fault it is that the layer cannot be read, and stops the others.
func (s *layerStream) fail(err error) error { return s.layer.fail(s.blob.blame(err)) }

// take accounts for decompressed bytes before they are looked at.
func (s *layerStream) take(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	s.length += int64(len(p))
	if err := s.layer.reading.addBytes(int64(len(p)), s.length); err != nil {
		return err
	}
	s.hash.Write(p)
	return nil
}

// finish is called where the content ends and returns io.EOF if all of it was as promised.
func (s *layerStream) finish() error {
	if err := s.blob.drain(); err != nil {
		return err
	}
	if got := fmt.Sprintf("%x", s.hash.Sum(nil)); got != s.layer.diffID.Hex {
		return fmt.Errorf("%w: its content is %s:%s, the configuration's diff_id says %s",
			ErrMismatch, s.layer.diffID.Algorithm, got, s.layer.diffID)
	}
	return io.EOF
}

func (s *layerStream) Close() error {
	s.plain.Close() // decompressors only free memory here
	return s.blob.rc.Close()
}

// blobReader reads a blob as it is transferred. It fails once the context ends, whatever the Fetcher does, and when the
// blob has another size than its descriptor says.
type blobReader struct {
	ctx   context.Context
	rc    io.ReadCloser
	size  int64 // -1: not known
	meter *meter
}

func (b *blobReader) Read(p []byte) (int, error) {
	if err := context.Cause(b.ctx); err != nil {
		return 0, err
	}
	n, err := b.rc.Read(p)
	b.meter.add(n)
	done := b.meter.event.Done
	if b.size >= 0 && done > b.size {
		return 0, fmt.Errorf("%w: more than its %d bytes", ErrMismatch, b.size)
	}
	if err == io.EOF && b.size >= 0 && done < b.size {
		return n, fmt.Errorf("%w: %d bytes instead of %d", ErrMismatch, done, b.size)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return n, &readError{err}
	}
	return n, err
}

// readError marks a failure to read the blob, as opposed to one to make sense of it.
type readError struct{ err error }

func (e *readError) Error() string { return "read: " + e.err.Error() }
func (e *readError) Unwrap() error { return e.err }

// drain reads to the blob's end, because only there does a Fetcher say whether its digest was right. What follows the
// compressed stream is of no meaning but must not be endless: the size bounds it.
func (b *blobReader) drain() error {
	_, err := io.Copy(io.Discard, b)
	b.meter.flush()
	return err
}

// blame finds out whether content that makes no sense is what its digest promises. If it was damaged on its way, that is
// the error, and says nothing of the image.
func (b *blobReader) blame(err error) error {
	if !errors.Is(err, ErrMalformed) || b.size < 0 {
		return err
	}
	if damaged := b.drain(); damaged != nil {
		return damaged
	}
	return err
}
