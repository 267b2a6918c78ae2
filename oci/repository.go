package oci

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"unicode"

	"github.com/opencontainers/go-digest"
	"oras.land/oras-go/v2/registry/remote/auth"
)

// acceptManifests is what may be answered for a manifest.
var acceptManifests = strings.Join([]string{
	MediaTypeManifest, MediaTypeIndex, MediaTypeDockerManifest, MediaTypeDockerList,
}, ", ")

// repository is a [Store] over a repository of a registry.
type repository struct {
	client *Client
	name   string // as people write it: host/path
	host   string // where requests go
	base   string // https://host/v2/path/
	path   string

	mu         sync.Mutex
	prefetched map[digest.Digest]*listing
	api        apiState
}

// apiState is what this run knows about the referrers API of a registry.
type apiState int

const (
	apiUnknown apiState = iota
	apiPresent
	apiAbsent
)

func (c *Client) repository(ref Reference) *repository {
	host := ref.Registry
	if host == "docker.io" {
		host = "registry-1.docker.io"
	}
	scheme := "https"
	if c.options.PlainHTTP || isLoopback(host) && c.options.CAFile == "" {
		scheme = "http"
	}
	return &repository{
		client: c, name: ref.Place(), host: host, path: ref.Repository,
		base:       scheme + "://" + host + "/v2/" + ref.Repository + "/",
		prefetched: map[digest.Digest]*listing{},
	}
}

// request is one HTTP request to the registry.
type request struct {
	method string
	url    string // absolute
	accept string
	body   []byte
	kind   string // Content-Type of body
	header http.Header
	push   bool // asks for a token that may write
}

// do sends a request and returns any answer of the registry, also an error status.
// The body must be closed.
func (r *repository) do(ctx context.Context, q request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	resp, err := r.send(ctx, q)
	if err != nil {
		cancel(nil)
		return nil, err
	}
	resp.Body = watchBody(ctx, cancel, resp.Body)
	return resp, nil
}

func (r *repository) send(ctx context.Context, q request) (*http.Response, error) {
	actions := []string{auth.ActionPull}
	if q.push {
		actions = append(actions, auth.ActionPush)
	}
	ctx = auth.AppendScopesForHost(ctx, r.host, auth.ScopeRepository(r.path, actions...))
	var body io.Reader
	if q.body != nil {
		body = bytes.NewReader(q.body)
	}
	req, err := http.NewRequestWithContext(ctx, q.method, q.url, body)
	if err != nil {
		return nil, err
	}
	for name, values := range q.header {
		req.Header[name] = values
	}
	if q.accept != "" {
		req.Header.Set("Accept", q.accept)
	}
	if q.kind != "" {
		req.Header.Set("Content-Type", q.kind)
	}
	if req.URL.Host != r.host { // an upload location elsewhere gets no credentials
		return noRedirects(r.client.auth.Client).Do(req)
	}
	resp, err := r.client.auth.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", q.method, redact(req.URL), unwrapURL(err))
	}
	return resp, nil
}

func noRedirects(c *http.Client) *http.Client {
	plain := *c
	plain.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &plain
}

// unwrapURL takes the URL out of net/http's errors: it may carry a signature.
func unwrapURL(err error) error {
	var urlErr *url.Error
	if errors.As(err, &urlErr) {
		return urlErr.Err
	}
	return err
}

// want sends a request and makes an answer of another status than want an error.
func (r *repository) want(ctx context.Context, q request, want ...int) (*http.Response, error) {
	resp, err := r.do(ctx, q)
	if err != nil {
		return nil, err
	}
	for _, status := range want {
		if resp.StatusCode == status {
			return resp, nil
		}
	}
	defer resp.Body.Close()
	return nil, statusError(resp)
}

func statusError(resp *http.Response) error {
	e := &StatusError{Method: resp.Request.Method, URL: redact(resp.Request.URL), Status: resp.StatusCode}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	var doc struct {
		Errors []struct{ Code, Message string } `json:"errors"`
	}
	if json.Unmarshal(body, &doc) == nil && len(doc.Errors) > 0 {
		e.Code, e.Message = printable(doc.Errors[0].Code), printable(doc.Errors[0].Message)
	}
	return e
}

// printable keeps a stranger's text from steering a terminal.
func printable(s string) string {
	return clip(strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return '?'
	}, s))
}

// Resolve implements [Store].
func (r *repository) Resolve(ctx context.Context, target string) (Subject, error) {
	want := digest.Digest(target)
	if checkDigest(want) != nil {
		want = ""
	}
	d, raw, err := r.getManifest(ctx, target, want)
	if err != nil {
		return Subject{}, err
	}
	return newSubject(r.name, d, raw)
}

// getManifest reads the manifest under a tag or digest. want, if set, is the
// digest it must have.
func (r *repository) getManifest(ctx context.Context, target string, want digest.Digest) (Descriptor, []byte, error) {
	d, raw, _, err := r.readManifest(ctx, target, want, MaxManifest)
	return d, raw, err
}

func (r *repository) readManifest(ctx context.Context, target string, want digest.Digest, limit int64) (d Descriptor, raw []byte, header http.Header, err error) {
	err = retryBody(ctx, func() (err error) {
		d, raw, header, err = r.readManifestOnce(ctx, target, want, limit)
		return err
	})
	return d, raw, header, err
}

func (r *repository) readManifestOnce(ctx context.Context, target string, want digest.Digest, limit int64) (Descriptor, []byte, http.Header, error) {
	resp, err := r.want(ctx, request{method: http.MethodGet, url: r.base + "manifests/" + target, accept: acceptManifests}, http.StatusOK)
	if err != nil {
		return Descriptor{}, nil, nil, err
	}
	defer resp.Body.Close()
	raw, err := readLimited(resp.Body, limit, "manifest "+r.name+" "+target)
	if err != nil {
		return Descriptor{}, nil, nil, err
	}
	got := digest.FromBytes(raw)
	if claimed := digest.Digest(resp.Header.Get("Docker-Content-Digest")); want == "" && claimed.Validate() == nil && claimed.Algorithm() == digest.SHA256 {
		want = claimed
	}
	if want != "" && got != want {
		return Descriptor{}, nil, nil, &DigestError{Want: want, Got: got, WantSize: -1, GotSize: int64(len(raw))}
	}
	return Descriptor{MediaType: manifestType(resp), Digest: got, Size: int64(len(raw))}, raw, resp.Header, nil
}

// manifestType is the media type that an answer declares, if it declares one of a
// manifest: some registries answer with a general one.
func manifestType(resp *http.Response) string {
	mediaType, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil || !IsManifest(mediaType) && !IsIndex(mediaType) {
		return ""
	}
	return mediaType
}

// Fetch implements [Store].
func (r *repository) Fetch(ctx context.Context, d Descriptor) (io.ReadCloser, error) {
	if err := checkDigest(d.Digest); err != nil {
		return nil, err
	}
	if IsManifest(d.MediaType) || IsIndex(d.MediaType) {
		_, raw, err := r.getManifest(ctx, d.Digest.String(), d.Digest)
		if err != nil {
			return nil, err
		}
		return newCheckedReader(io.NopCloser(bytes.NewReader(raw)), d), nil
	}
	resp, err := r.want(ctx, request{method: http.MethodGet, url: r.base + "blobs/" + d.Digest.String()}, http.StatusOK)
	if err != nil {
		return nil, err
	}
	return newCheckedReader(&resumingBody{ctx: ctx, repo: r, want: d, body: resp.Body}, d), nil
}

// resumingBody goes on where a blob's body broke off.
type resumingBody struct {
	ctx   context.Context
	repo  *repository
	want  Descriptor
	body  io.ReadCloser
	n     int64
	tries int
}

func (b *resumingBody) Read(p []byte) (int, error) {
	for {
		n, err := b.body.Read(p)
		b.n += int64(n)
		if err == io.EOF && b.n < b.want.Size {
			err = io.ErrUnexpectedEOF
		}
		if n > 0 || err == nil || err == io.EOF {
			if err == io.ErrUnexpectedEOF {
				err = nil // met again by the next Read
			}
			return n, err
		}
		if !brokeOff(err) || b.tries >= fetchTries || b.ctx.Err() != nil {
			return 0, fmt.Errorf("blob %s broke off after %d of %d bytes: %w", b.want.Digest, b.n, b.want.Size, err)
		}
		b.tries++
		if err := b.resume(); err != nil {
			return 0, err
		}
	}
}

// resume asks for the rest. A registry that does not serve ranges sends the whole
// again: what is known of it is passed over.
func (b *resumingBody) resume() error {
	b.body.Close()
	q := request{method: http.MethodGet, url: b.repo.base + "blobs/" + b.want.Digest.String(),
		header: http.Header{"Range": {fmt.Sprintf("bytes=%d-", b.n)}}}
	resp, err := b.repo.want(b.ctx, q, http.StatusOK, http.StatusPartialContent)
	if err != nil {
		return err
	}
	b.body = resp.Body
	if resp.StatusCode == http.StatusOK {
		_, err = io.CopyN(io.Discard, resp.Body, b.n)
		return err
	}
	if !strings.HasPrefix(resp.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", b.n)) {
		return fmt.Errorf("blob %s: asked for bytes from %d, got %q", b.want.Digest, b.n, printable(resp.Header.Get("Content-Range")))
	}
	return nil
}

func (b *resumingBody) Close() error { return b.body.Close() }
