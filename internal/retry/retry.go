// Package retry says which failed requests are worth repeating, and when: one rule for
// registries, signing services and identity providers.
package retry

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// MayPass reports whether an answer's status may be another one later: 408, 429 and 5xx,
// but for 501, which says that the server never will.
func MayPass(status int) bool {
	return status == http.StatusRequestTimeout || status == http.StatusTooManyRequests ||
		status >= 500 && status != http.StatusNotImplemented
}

// most is longer than anybody waits, and short of what a duration holds, in seconds.
const most = 1 << 30

// After is how long a server wants to be left alone (RFC 9110 section 10.2.3: seconds or a
// date), and whether it says so.
func After(h http.Header, now time.Time) (wait time.Duration, told bool) {
	text := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(min(seconds, most)) * time.Second, true
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(at.Sub(now), 0), most*time.Second), true
	}
	return 0, false
}

// Backoff is how long to wait after so many tries where the server does not say: twice as
// long each time, from first to longest, and not the same for all who wait.
func Backoff(tries int, first, longest time.Duration) time.Duration {
	d := min(first<<min(max(tries-1, 0), 20), longest)
	return d/2 + rand.N(d/2+1)
}

// Sleep waits, or ends with ctx and its error.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
