package oci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/opencontainers/go-digest"
)

// checkedReader gives io.EOF only after as many bytes as promised, with the
// promised digest. It never gives more than the promised size.
type checkedReader struct {
	body     io.ReadCloser
	want     Descriptor
	verifier digest.Digester
	n        int64
	err      error
}

func newCheckedReader(body io.ReadCloser, want Descriptor) io.ReadCloser {
	return &checkedReader{body: body, want: want, verifier: want.Digest.Algorithm().Digester()}
}

func (r *checkedReader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	if left := r.want.Size - r.n; int64(len(p)) > left+1 {
		p = p[:left+1] // one more byte tells a body that is too long
	}
	n, err := r.body.Read(p)
	r.verifier.Hash().Write(p[:n])
	r.n += int64(n)
	switch {
	case r.n > r.want.Size:
		n -= int(r.n - r.want.Size)
		r.err = r.mismatch()
	case err == io.EOF:
		r.err = io.EOF
		if r.n != r.want.Size || r.verifier.Digest() != r.want.Digest {
			r.err = r.mismatch()
		}
	default:
		r.err = err
	}
	return n, r.err
}

func (r *checkedReader) mismatch() error {
	return &DigestError{Want: r.want.Digest, Got: r.verifier.Digest(), WantSize: r.want.Size, GotSize: r.n}
}

func (r *checkedReader) Close() error { return r.body.Close() }

// Fetcher is the part of a [Store] that reads content by descriptor.
type Fetcher interface {
	Fetch(ctx context.Context, d Descriptor) (io.ReadCloser, error)
}

// fetchTries is how often content is asked for whose body broke off or does not
// match its digest.
const fetchTries = 5

// FetchAll reads content of at most limit bytes whole, and asks again where the
// body broke off or did not match its digest.
func FetchAll(ctx context.Context, f Fetcher, d Descriptor, limit int64) ([]byte, error) {
	if d.Size < 0 {
		return nil, fmt.Errorf("%w: %s has size %d", ErrManifest, d.Digest, d.Size)
	}
	if d.Size > limit {
		return nil, &TooLargeError{What: d.Digest.String(), Limit: limit}
	}
	var data []byte
	err := retryBody(ctx, func() (err error) {
		data, err = fetchOnce(ctx, f, d)
		return err
	})
	return data, err
}

// retryBody repeats a request whose body broke off or was not what its digest
// promises. What the request itself met was retried below already.
func retryBody(ctx context.Context, request func() error) error {
	var err error
	for range fetchTries {
		if err = request(); err == nil || ctx.Err() != nil || !tryAgain(err) {
			break
		}
	}
	return err
}

func fetchOnce(ctx context.Context, f Fetcher, d Descriptor) ([]byte, error) {
	body, err := f.Fetch(ctx, d)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return readSized(body, d)
}

// readSized reads all of body. A size is a claim of a stranger: memory is taken
// as bytes arrive.
func readSized(body io.Reader, d Descriptor) ([]byte, error) {
	const trusted = 16 << 20
	data := make([]byte, 0, min(d.Size, trusted)+1)
	for {
		if len(data) == cap(data) {
			data = append(data, 0)[:len(data)]
		}
		n, err := body.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		if err == io.EOF {
			return data, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// readLimited reads body whole if it is within limit.
func readLimited(body io.Reader, limit int64, what string) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", what, err)
	}
	if int64(len(data)) > limit {
		return nil, &TooLargeError{What: what, Limit: limit}
	}
	return data, nil
}

// readAnswer reads the body of an answer whole if it is within limit.
func readAnswer(resp *http.Response, limit int64, what string) ([]byte, error) {
	data, err := readLimited(resp.Body, limit, what)
	if err != nil && resp.Request.Context().Err() == nil || errors.Is(err, errIdle) {
		var large *TooLargeError
		if !errors.As(err, &large) {
			return nil, &RequestError{Method: resp.Request.Method, URL: redact(resp.Request.URL), Err: err, body: true}
		}
	}
	return data, err
}
