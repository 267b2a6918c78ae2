package oci

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/hallmark-project/hallmark/internal/retry"
)

// request is one HTTP request to the registry.
type request struct {
	method string
	url    string // absolute
	accept string
	body   *Blob
	kind   string // Content-Type of body
	header http.Header
	push   bool // asks for a token that may write
	remove bool // asks for a token that may delete
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
	resp.Body = &watchedBody{ReadCloser: resp.Body, ctx: ctx, cancel: cancel, idle: r.client.idle}
	return resp, nil
}

func (r *repository) send(ctx context.Context, q request) (*http.Response, error) {
	actions := []string{auth.ActionPull}
	if q.push {
		actions = append(actions, auth.ActionPush)
	}
	if q.remove {
		actions = append(actions, auth.ActionDelete)
	}
	ctx = auth.AppendScopesForHost(ctx, r.host, auth.ScopeRepository(r.path, actions...))
	ctx = countTries(ctx)
	req, err := http.NewRequestWithContext(ctx, q.method, q.url, http.NoBody)
	if err != nil {
		return nil, err
	}
	if q.body != nil && q.body.Descriptor.Size > 0 {
		if req.Body, err = q.body.Open(); err != nil {
			return nil, err
		}
		req.GetBody, req.ContentLength = q.body.Open, q.body.Descriptor.Size
		if q.body.again != nil {
			req.GetBody = q.body.again
		}
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
	send := r.client.auth.Do
	if !r.isHome(req.URL) { // an upload location elsewhere gets no credentials
		send = noRedirects(r.client.auth.Client).Do
	}
	resp, err := send(req)
	if err != nil {
		return nil, r.failed(req, err)
	}
	return resp, nil
}

// isHome reports whether u is of the registry itself.
func (r *repository) isHome(u *url.URL) bool {
	base, err := url.Parse(r.base)
	return err == nil && sameOrigin(base, u)
}

// failed is the error of a request without an answer.
func (r *repository) failed(req *http.Request, err error) error {
	var token *errcode.ErrorResponse
	switch {
	case req.Context().Err() != nil && !errors.Is(context.Cause(req.Context()), errIdle):
		return fmt.Errorf("%s %s: %w", req.Method, redact(req.URL), req.Context().Err())
	case errors.As(err, &token): // of the token endpoint
		e := &StatusError{Method: token.Method, URL: redact(token.URL), Status: token.StatusCode, Tries: tries(req.Context())}
		if len(token.Errors) > 0 {
			e.Code, e.Message = printable(token.Errors[0].Code), printable(token.Errors[0].Message)
		}
		return e
	case errors.Is(err, auth.ErrBasicCredentialNotFound):
		return &StatusError{Method: req.Method, URL: redact(req.URL), Status: http.StatusUnauthorized,
			Message: "the registry wants credentials, and there are none for it"}
	}
	return &RequestError{Method: req.Method, URL: redact(req.URL), Err: unwrapURL(err), Tries: tries(req.Context())}
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
	e := &StatusError{Method: resp.Request.Method, URL: redact(resp.Request.URL), Status: resp.StatusCode, Tries: tries(resp.Request.Context())}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	var doc struct {
		Errors []struct{ Code, Message string } `json:"errors"`
	}
	if json.Unmarshal(body, &doc) == nil && len(doc.Errors) > 0 {
		e.Code, e.Message = printable(doc.Errors[0].Code), printable(doc.Errors[0].Message)
	}
	e.RetryAfter, _ = retry.After(resp.Header, time.Now())
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
