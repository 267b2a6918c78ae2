package oci

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/hallmark-project/hallmark/internal/retry"
)

// maxInFlight is how many requests a registry is sent at once before it has said anything
// about its limits.
const maxInFlight = 24

// patience is how many answers, for each request that is sent at once, it takes to try one
// more after a limit was met: to meet it again costs a wait.
const patience = 32

// limiter keeps the requests to one host under what it bears. A 429 halves how many are
// sent at once and holds all of them back for as long as the host asks; many answers
// without one allow one more.
type limiter struct {
	mu       sync.Mutex
	limit    int
	inFlight int
	good     int
	queue    []chan struct{}
	lowered  time.Time // when the limit was last lowered
	hold     time.Time // nothing is sent before
}

func newLimiter() *limiter { return &limiter{limit: maxInFlight} }

type feedingKey struct{}

// feeding marks requests that other requests read their body from: they must not wait for
// those to end.
func feeding(ctx context.Context) context.Context { return context.WithValue(ctx, feedingKey{}, true) }

func isFeeding(ctx context.Context) bool { return ctx.Value(feedingKey{}) != nil }

// enter waits for a place and for the end of a hold, and says when it began.
func (l *limiter) enter(ctx context.Context) (time.Time, error) {
	if !isFeeding(ctx) {
		if err := l.place(ctx); err != nil {
			return time.Time{}, err
		}
	}
	for {
		l.mu.Lock()
		wait := time.Until(l.hold)
		l.mu.Unlock()
		if wait <= 0 {
			return time.Now(), nil
		}
		if err := retry.Sleep(ctx, wait); err != nil {
			l.leave(ctx, time.Time{}, nil)
			return time.Time{}, err
		}
	}
}

func (l *limiter) place(ctx context.Context) error {
	l.mu.Lock()
	if l.inFlight < l.limit && len(l.queue) == 0 {
		l.inFlight++
		l.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	l.queue = append(l.queue, turn)
	l.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.Index(l.queue, turn); i >= 0 {
		l.queue = slices.Delete(l.queue, i, i+1)
	} else { // the turn came in the same moment
		l.inFlight--
		l.admit()
	}
	return ctx.Err()
}

// leave gives the place back and learns from the answer.
func (l *limiter) leave(ctx context.Context, began time.Time, resp *http.Response) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !isFeeding(ctx) {
		l.inFlight--
	}
	switch {
	case resp == nil:
	case resp.StatusCode == http.StatusTooManyRequests:
		l.throttled(began, resp)
	default:
		if l.good++; l.good >= patience*l.limit && l.limit < maxInFlight {
			l.limit, l.good = l.limit+1, 0
		}
	}
	l.admit()
}

// throttled lowers the limit once for all requests that were sent under the old one.
func (l *limiter) throttled(began time.Time, resp *http.Response) {
	now := time.Now()
	if began.After(l.lowered) {
		l.limit, l.good, l.lowered = max(l.limit/2, 1), 0, now
	}
	if wait, _ := retry.After(resp.Header, now); wait <= maxWait {
		if until := now.Add(wait); until.After(l.hold) {
			l.hold = until
		}
	}
}

// admit lets waiting requests in, in the order of their arrival.
func (l *limiter) admit() {
	for len(l.queue) > 0 && l.inFlight < l.limit {
		close(l.queue[0])
		l.queue = l.queue[1:]
		l.inFlight++
	}
}
