package oci

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"oras.land/oras-go/v2/registry/remote/retry"
)

const (
	// DefaultRetries is how often a request is repeated that failed in a way that
	// may pass: connection errors, 408, 429 and 5xx.
	DefaultRetries = 4
	// maxWait is the longest Retry-After that is obeyed. Who asks for more is not
	// asked again: waiting less would only add to the load.
	maxWait = 30 * time.Second
	minWait = 100 * time.Millisecond
)

// retryPolicy repeats requests whose failure may pass.
type retryPolicy struct{ retries int }

func newRetryPolicy(retries int) retryPolicy {
	if retries == 0 {
		retries = DefaultRetries
	}
	return retryPolicy{max(retries, 0)}
}

var backoff = retry.ExponentialBackoff(250*time.Millisecond, 2, 0.2)

// Retry implements retry.Policy: a negative wait means no further try.
func (p retryPolicy) Retry(attempt int, resp *http.Response, err error) (time.Duration, error) {
	if attempt >= p.retries || !mayPass(resp, err) {
		return -1, nil
	}
	wait, told := retryAfter(resp, time.Now())
	switch {
	case !told:
		return min(max(backoff(attempt, nil), minWait), maxWait), nil
	case wait > maxWait:
		return -1, nil
	}
	return max(wait, minWait), nil
}

// retryAfter is how long a registry wants to be left alone (RFC 9110 section 10.2.3:
// seconds or a date).
func retryAfter(resp *http.Response, now time.Time) (wait time.Duration, told bool) {
	if resp == nil {
		return 0, false
	}
	text := resp.Header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 64); err == nil {
		return time.Duration(min(seconds, 1e9)) * time.Second, true
	}
	if date, err := http.ParseTime(text); err == nil {
		return max(date.Sub(now), 0), true
	}
	return 0, false
}

// mayPass reports whether a request may succeed when repeated.
func mayPass(resp *http.Response, err error) bool {
	if err != nil {
		return !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) && brokeOff(err)
	}
	s := resp.StatusCode
	return s == http.StatusRequestTimeout || s == http.StatusTooManyRequests || s >= 500 && s != http.StatusNotImplemented
}

// brokeOff reports whether a connection failed in a way that another try may not.
func brokeOff(err error) bool {
	var timeout net.Error
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.ECONNREFUSED) ||
		errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) ||
		errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, errIdle) || brokeOffHTTP2(err)
}

// brokeOffHTTP2 knows the errors of net/http's own HTTP/2, which have no exported
// type, by their text.
func brokeOffHTTP2(err error) bool {
	text := err.Error()
	return strings.Contains(text, "stream error: stream ID") || strings.Contains(text, "http2: server sent GOAWAY") ||
		strings.Contains(text, "http2: client connection lost")
}

// tryAgain reports whether content is worth asking for once more: its body broke
// off, or was not what its digest promises. What a request itself met was repeated
// by its transport already.
func tryAgain(err error) bool {
	var digestErr *DigestError
	var requestErr *RequestError
	return errors.As(err, &digestErr) || errors.As(err, &requestErr) && requestErr.body && brokeOff(err)
}
