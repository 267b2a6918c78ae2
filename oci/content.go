package oci

import (
	"bytes"
	"context"
	"io"
)

// Blob is content of a known digest and size that can be read as often as it is needed:
// an upload that broke off begins anew.
type Blob struct {
	Descriptor Descriptor
	// Open gives the content from its first byte. Its reader fails where the content is
	// not that of the descriptor.
	Open func() (io.ReadCloser, error)
	// OpenAt gives the content from an offset on, unchecked; nil where that costs as much
	// as Open.
	OpenAt func(offset int64) (io.ReadCloser, error)

	// again is Open for a request that is under way and begins anew: what it reads must not
	// wait for that request's place.
	again func() (io.ReadCloser, error)
}

// BytesBlob is content that is at hand.
func BytesBlob(mediaType string, content []byte) Blob {
	return Blob{
		Descriptor: describe(mediaType, content),
		Open:       func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil },
	}
}

// BlobOf is content of a store, fetched each time that it is opened.
func BlobOf(ctx context.Context, f Fetcher, d Descriptor) Blob {
	b := Blob{Descriptor: d, Open: func() (io.ReadCloser, error) { return f.Fetch(ctx, d) }}
	b.again = func() (io.ReadCloser, error) { return f.Fetch(feeding(ctx), d) }
	if r, ok := f.(*repository); ok {
		b.OpenAt = func(offset int64) (io.ReadCloser, error) { return r.fetchFrom(ctx, d, offset) }
	}
	return b
}
