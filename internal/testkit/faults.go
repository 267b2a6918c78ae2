package testkit

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"time"
)

// Always is a number of times that does not end.
const Always = -1

// counter lets the first n uses pass, or every one for [Always].
type counter struct{ left atomic.Int64 }

func newCounter(n int) *counter {
	c := &counter{}
	c.left.Store(int64(n))
	return c
}

func (c *counter) take() bool {
	for {
		left := c.left.Load()
		if left == 0 {
			return false
		}
		if left < 0 || c.left.CompareAndSwap(left, left-1) {
			return true
		}
	}
}

// when sends the first requests that match to one handler, all others to next.
func when(match Matcher, times int, special func(next http.Handler) http.HandlerFunc) Middleware {
	return func(next http.Handler) http.Handler {
		c, h := newCounter(times), special(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if match(r) && c.take() {
				h(w, r)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// Delay makes every request wait first, as a longer way to the registry does.
func Delay(d time.Duration) Middleware {
	return DelayOf(Any, d, Always)
}

// DelayOf makes the requests that match wait first.
func DelayOf(match Matcher, d time.Duration, times int) Middleware {
	return when(match, times, func(next http.Handler) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			wait(r.Context(), d)
			next.ServeHTTP(w, r)
		}
	})
}

// RandomPutDelay holds back what each PUT of a manifest does by up to most, also when
// its client has gone away by then.
func RandomPutDelay(most time.Duration) Middleware {
	return latePut(Puts(Manifests), func() time.Duration { return rand.N(most) }, Always)
}

// LatePut holds back what a matching PUT does by d, also when its client has gone away
// by then: a registry that lands a request after its sender gave it up.
func LatePut(match Matcher, d time.Duration, times int) Middleware {
	return latePut(Puts(match), func() time.Duration { return d }, times)
}

func latePut(match Matcher, delay func() time.Duration, times int) Middleware {
	return when(match, times, func(next http.Handler) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				panic(http.ErrAbortHandler)
			}
			r = r.Clone(context.WithoutCancel(r.Context()))
			r.Body = io.NopCloser(bytes.NewReader(body))
			time.Sleep(delay())
			next.ServeHTTP(w, r)
		}
	})
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// Fail answers matching requests with an error status, and headers such as
// Retry-After.
func Fail(match Matcher, status int, header http.Header, times int) Middleware {
	return FailCode(match, status, "TESTKIT", header, times)
}

// FailCode is [Fail] with the error code of the registry.
func FailCode(match Matcher, status int, code string, header http.Header, times int) Middleware {
	return when(match, times, func(http.Handler) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			for name, values := range header {
				w.Header()[name] = values
			}
			writeError(w, status, code)
		}
	})
}

func writeError(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]any{
		"errors": []map[string]string{{"code": code, "message": fmt.Sprintf("as the test wants: %d", status)}},
	})
}

// Answer answers matching requests with 200 and a body of the given type.
func Answer(match Matcher, mediaType, body string, times int) Middleware {
	return when(match, times, func(http.Handler) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", mediaType)
			io.WriteString(w, body)
		}
	})
}

// Lost does what matching requests ask and then cuts the connection instead of
// answering.
func Lost(match Matcher, times int) Middleware {
	return when(match, times, func(next http.Handler) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		}
	})
}

// CutBody cuts the connection after so many bytes of the body of matching answers.
func CutBody(match Matcher, after int, times int) Middleware {
	return onAnswer(match, times, func(w http.ResponseWriter, _ *http.Request, answer *httptest.ResponseRecorder) {
		body := answer.Body.Bytes()
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(answer.Code)
		w.Write(body[:min(after, len(body))])
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
}

// RewriteBody changes the body of matching answers; their length fits it.
func RewriteBody(match Matcher, change func([]byte) []byte, times int) Middleware {
	return onAnswer(match, times, func(w http.ResponseWriter, _ *http.Request, answer *httptest.ResponseRecorder) {
		body := change(bytes.Clone(answer.Body.Bytes()))
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(answer.Code)
		w.Write(body)
	})
}

// FlipBit is a change for [RewriteBody]: one bit in the middle.
func FlipBit(body []byte) []byte {
	if len(body) > 0 {
		body[len(body)/2] ^= 1
	}
	return body
}

// RewriteHeader changes the headers of matching answers.
func RewriteHeader(match Matcher, change func(http.Header), times int) Middleware {
	return onAnswer(match, times, func(w http.ResponseWriter, _ *http.Request, answer *httptest.ResponseRecorder) {
		change(w.Header())
		w.WriteHeader(answer.Code)
		w.Write(answer.Body.Bytes())
	})
}

// EndlessBody goes on with blanks after the body of matching answers, until the
// client has had enough.
func EndlessBody(match Matcher) Middleware {
	return onAnswer(match, Always, func(w http.ResponseWriter, r *http.Request, answer *httptest.ResponseRecorder) {
		w.Header().Del("Content-Length")
		w.WriteHeader(answer.Code)
		w.Write(answer.Body.Bytes())
		blanks := bytes.Repeat([]byte(" "), 64<<10)
		for r.Context().Err() == nil {
			if _, err := w.Write(blanks); err != nil {
				return
			}
		}
	})
}

// Stall gives so many bytes of the body of matching answers and then nothing more,
// until the client goes away.
func Stall(match Matcher, after int, times int) Middleware {
	return onAnswer(match, times, func(w http.ResponseWriter, r *http.Request, answer *httptest.ResponseRecorder) {
		w.WriteHeader(answer.Code)
		w.Write(answer.Body.Bytes()[:min(after, answer.Body.Len())])
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	})
}

// onAnswer gives an answer that next made, and its headers, to write.
func onAnswer(match Matcher, times int, write func(http.ResponseWriter, *http.Request, *httptest.ResponseRecorder)) Middleware {
	return when(match, times, func(next http.Handler) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			answer := httptest.NewRecorder()
			next.ServeHTTP(answer, r)
			for name, values := range answer.Header() {
				w.Header()[name] = values
			}
			write(w, r, answer)
		}
	})
}

// Redirect sends matching requests on to the same path of another server, with 307.
func Redirect(match Matcher, to string) Middleware {
	return when(match, Always, func(http.Handler) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			http.SetCookie(w, &http.Cookie{Name: "visit", Value: "of-the-registry", Path: "/"})
			w.Header().Set("Location", to+r.URL.RequestURI())
			w.WriteHeader(http.StatusTemporaryRedirect)
		}
	})
}
