package testkit

import (
	"net/http"
	"sync"
	"time"
)

// NoDeletes answers every DELETE with 405, as registries do whose operators switched
// deleting off, and as Docker Hub does.
func NoDeletes() Middleware {
	return FailCode(method(http.MethodDelete, Any), http.StatusMethodNotAllowed, "UNSUPPORTED", nil, Always)
}

// ClockSkew makes the Date of every answer wrong by d.
func ClockSkew(d time.Duration) Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", time.Now().Add(d).UTC().Format(http.TimeFormat))
			next.ServeHTTP(w, r)
		})
	}
}

// Limit is a registry's limit on requests. Those above it are answered 429 with a
// Retry-After of one second, and counted. Use [Limit.Middleware] of one Limit for one
// registry.
type Limit struct {
	AtOnce    int // requests under way at one time; 0 is any number
	PerSecond int // requests that begin within a second; 0 is any number

	mu         sync.Mutex
	underWay   int
	began      []time.Time // within the last second
	violations int
	most       int
}

// Middleware puts the limit in front of a registry.
func (l *Limit) Middleware() Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !l.enter(time.Now()) {
				w.Header().Set("Retry-After", "1")
				writeError(w, http.StatusTooManyRequests, "TOOMANYREQUESTS")
				return
			}
			defer l.leave()
			next.ServeHTTP(w, r)
		})
	}
}

// Violations is how many requests were above the limit so far.
func (l *Limit) Violations() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.violations
}

// Most is how many requests were under way at one time at most, of those let in.
func (l *Limit) Most() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.most
}

func (l *Limit) enter(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	recent := l.began[:0]
	for _, t := range l.began {
		if now.Sub(t) < time.Second {
			recent = append(recent, t)
		}
	}
	l.began = recent
	if l.AtOnce > 0 && l.underWay >= l.AtOnce || l.PerSecond > 0 && len(l.began) >= l.PerSecond {
		l.violations++
		return false
	}
	l.began = append(l.began, now)
	l.underWay++
	l.most = max(l.most, l.underWay)
	return true
}

func (l *Limit) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.underWay--
}
