package oci

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/opencontainers/go-digest"
)

// Fetch implements [Store].
func (r *repository) Fetch(ctx context.Context, d Descriptor) (io.ReadCloser, error) {
	if err := checkDigest(d.Digest); err != nil {
		return nil, err
	}
	if d.Size < 0 {
		return nil, fmt.Errorf("%w: %s has size %d", ErrManifest, d.Digest, d.Size)
	}
	if body := embedded(d); body != nil {
		return body, nil
	}
	if body := r.client.cached(d); body != nil {
		return body, nil
	}
	body, err := r.fetch(ctx, d)
	if err != nil {
		return nil, err
	}
	return r.client.keep(d, newCheckedReader(body, d)), nil
}

// fetch reads content from the registry, unchecked.
func (r *repository) fetch(ctx context.Context, d Descriptor) (io.ReadCloser, error) {
	if IsManifest(d.MediaType) || IsIndex(d.MediaType) {
		_, raw, _, err := r.readManifestOnce(ctx, d.Digest.String(), d.Digest, MaxManifest)
		return io.NopCloser(bytes.NewReader(raw)), err
	}
	return r.fetchFrom(ctx, d, 0)
}

// fetchFrom reads a blob from an offset on. Nothing is checked but its length.
func (r *repository) fetchFrom(ctx context.Context, d Descriptor, offset int64) (io.ReadCloser, error) {
	b := &resumingBody{ctx: ctx, repo: r, want: d, n: offset}
	if err := b.open(); err != nil {
		return nil, err
	}
	return b, nil
}

// Stat implements [Store].
func (r *repository) Stat(ctx context.Context, blob digest.Digest) (Descriptor, error) {
	if err := checkDigest(blob); err != nil {
		return Descriptor{}, err
	}
	resp, err := r.want(ctx, request{method: http.MethodHead, url: r.base + "blobs/" + blob.String()}, http.StatusOK)
	if err != nil {
		return Descriptor{}, err
	}
	resp.Body.Close()
	if resp.ContentLength < 0 {
		return Descriptor{}, fmt.Errorf("%w: the registry does not say how large blob %s is", ErrManifest, blob)
	}
	return Descriptor{Digest: blob, Size: resp.ContentLength}, nil
}

// resumingBody goes on where a blob's body broke off.
type resumingBody struct {
	ctx   context.Context
	repo  *repository
	want  Descriptor
	body  io.ReadCloser
	n     int64
	tries int
	err   error // final
}

func (b *resumingBody) Read(p []byte) (int, error) {
	for b.err == nil {
		n, err := b.body.Read(p)
		b.n += int64(n)
		if err == io.EOF && b.n < b.want.Size { // no length was announced
			err = io.ErrUnexpectedEOF
		}
		if n > 0 && err != io.EOF {
			return n, nil // an error is met again by the next Read
		}
		if err == nil || err == io.EOF {
			return n, err
		}
		b.err = b.resume(err)
	}
	return 0, b.err
}

// resume opens the body again after it broke off, a few times. Its error is final.
func (b *resumingBody) resume(cause error) error {
	for brokeOff(cause) && b.tries < fetchTries && b.ctx.Err() == nil {
		b.tries++
		b.body.Close()
		b.ctx = feeding(b.ctx) // a request that sends this body waits for it
		cause = b.open()
		var answered *RequestError
		if cause == nil || !brokeOff(cause) || errors.As(cause, &answered) {
			return cause
		}
	}
	if b.ctx.Err() != nil {
		return b.ctx.Err()
	}
	return &RequestError{Method: http.MethodGet, URL: b.url(),
		Err: fmt.Errorf("broke off after %d of %d bytes: %w", b.n, b.want.Size, cause)}
}

func (b *resumingBody) url() string { return b.repo.base + "blobs/" + b.want.Digest.String() }

// open asks for what is missing. A registry that does not serve ranges sends the whole
// again: what is known of it is passed over.
func (b *resumingBody) open() error {
	q := request{method: http.MethodGet, url: b.url()}
	if b.n > 0 {
		q.header = http.Header{"Range": {fmt.Sprintf("bytes=%d-", b.n)}}
	}
	resp, err := b.repo.want(b.ctx, q, http.StatusOK, http.StatusPartialContent)
	if err != nil {
		return err
	}
	if err := b.accept(resp); err != nil {
		resp.Body.Close()
		return err
	}
	b.body = resp.Body
	return nil
}

// accept checks that an answer is the rest of the blob, or makes it that.
func (b *resumingBody) accept(resp *http.Response) error {
	from := int64(0)
	if resp.StatusCode == http.StatusPartialContent {
		from = b.n
		if !strings.HasPrefix(resp.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", from)) {
			return fmt.Errorf("%w: blob %s: asked for bytes from %d, got %q", ErrManifest, b.want.Digest, from, printable(resp.Header.Get("Content-Range")))
		}
	}
	if resp.ContentLength >= 0 && from+resp.ContentLength != b.want.Size {
		return &DigestError{Want: b.want.Digest, WantSize: b.want.Size, GotSize: from + resp.ContentLength}
	}
	_, err := io.CopyN(io.Discard, resp.Body, b.n-from)
	return err
}

func (b *resumingBody) Close() error { return b.body.Close() }
