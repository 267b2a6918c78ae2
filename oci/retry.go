package oci

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hallmark-project/hallmark/internal/retry"
)

const (
	// DefaultRetries is how often a request is repeated that failed in a way that
	// may pass: connection errors, 408, 429 and 5xx.
	DefaultRetries = 4
	// maxWait is the longest Retry-After that is obeyed. Who asks for more is not
	// asked again: waiting less would only add to the load.
	maxWait   = 30 * time.Second
	minWait   = 100 * time.Millisecond
	firstWait = 250 * time.Millisecond
)

// retryPolicy says which failed requests are repeated, and when.
type retryPolicy struct{ retries int }

func newRetryPolicy(retries int) retryPolicy {
	if retries == 0 {
		retries = DefaultRetries
	}
	return retryPolicy{max(retries, 0)}
}

// next is how long to wait for the next try after so many, if there is to be one.
func (p retryPolicy) next(tries int, resp *http.Response, err error) (wait time.Duration, again bool) {
	if tries > p.retries || !mayPass(resp, err) {
		return 0, false
	}
	told := false
	if resp != nil {
		wait, told = retry.After(resp.Header, time.Now())
	}
	if !told {
		wait = retry.Backoff(tries, firstWait, maxWait)
	}
	return max(wait, minWait), wait <= maxWait
}

// persistent repeats requests whose failure may pass, and keeps parallel ones under what
// the registry bears. A request is repeated only where doing it twice does no harm: PATCH
// adds to an upload, and what became of one that got no answer has to be asked.
type persistent struct {
	base   http.RoundTripper
	policy retryPolicy
	// observe is told of every answer; nil: nobody is.
	observe func(*http.Response)

	mu    sync.Mutex
	hosts map[string]*limiter
}

func newPersistent(base http.RoundTripper, policy retryPolicy) *persistent {
	return &persistent{base: base, policy: policy, hosts: map[string]*limiter{}}
}

func (t *persistent) host(name string) *limiter {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.hosts[name] == nil {
		t.hosts[name] = newLimiter()
	}
	return t.hosts[name]
}

// RoundTrip implements [http.RoundTripper].
func (t *persistent) RoundTrip(req *http.Request) (*http.Response, error) {
	limit := t.host(req.URL.Host)
	for tries := 1; ; tries++ {
		resp, err := t.once(limit, req)
		wait, again := t.policy.next(tries, resp, err)
		if !again || isSentOnce(req, resp) || req.Method == http.MethodPatch || req.Body != nil && req.Body != http.NoBody && req.GetBody == nil {
			return resp, err
		}
		if deadline, ok := req.Context().Deadline(); ok && time.Now().Add(wait).After(deadline) {
			return resp, err // what happened says more than that the time is over
		}
		next, rewindErr := rewound(req)
		if rewindErr != nil {
			return resp, err
		}
		req = next
		if resp != nil {
			_, _ = io.CopyN(io.Discard, resp.Body, maxErrorBody) // so that the connection can be used again
			resp.Body.Close()
		}
		if err := retry.Sleep(req.Context(), wait); err != nil {
			closeBody(req)
			return nil, err
		}
	}
}

func (t *persistent) once(limit *limiter, req *http.Request) (*http.Response, error) {
	began, err := limit.enter(req.Context())
	if err != nil {
		closeBody(req)
		return nil, err
	}
	if n, ok := req.Context().Value(triesKey{}).(*atomic.Int32); ok {
		n.Add(1)
	}
	resp, err := t.base.RoundTrip(req)
	limit.leave(req.Context(), began, resp)
	if t.observe != nil && resp != nil {
		t.observe(resp)
	}
	return resp, err
}

// rewound is req with its body at the beginning again.
func rewound(req *http.Request) (*http.Request, error) {
	if req.GetBody == nil {
		return req, nil
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, err
	}
	again := *req
	again.Body = body
	return &again, nil
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		req.Body.Close()
	}
}

type triesKey struct{}

// countTries makes the requests under ctx countable.
func countTries(ctx context.Context) context.Context {
	return context.WithValue(ctx, triesKey{}, new(atomic.Int32))
}

// tries is how often a request under ctx was sent.
func tries(ctx context.Context) int {
	if n, ok := ctx.Value(triesKey{}).(*atomic.Int32); ok {
		return int(n.Load())
	}
	return 0
}

// mayPass reports whether a request may succeed when repeated.
func mayPass(resp *http.Response, err error) bool {
	if err != nil {
		return !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) && brokeOff(err)
	}
	return retry.MayPass(resp.StatusCode)
}

// brokeOff reports whether a connection failed in a way that another try may not.
func brokeOff(err error) bool {
	var timeout net.Error
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.ECONNREFUSED) ||
		errors.Is(err, syscall.EPIPE) || errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) ||
		errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, errIdle) || brokeOffText(err)
}

// brokeOffText knows errors of net/http that have no exported type by their text: those
// of its HTTP/2, and of a registry that answers before it has read the request.
func brokeOffText(err error) bool {
	text := err.Error()
	return strings.Contains(text, "stream error: stream ID") || strings.Contains(text, "http2: server sent GOAWAY") ||
		strings.Contains(text, "http2: client connection lost") || strings.Contains(text, "server closed idle connection") ||
		strings.Contains(text, "malformed HTTP response")
}

// tryAgain reports whether content is worth asking for once more: its body broke
// off, or was not what its digest promises. What a request itself met was repeated
// by its transport already.
func tryAgain(err error) bool {
	var digestErr *DigestError
	var requestErr *RequestError
	return errors.As(err, &digestErr) || errors.As(err, &requestErr) && requestErr.body && brokeOff(err)
}
