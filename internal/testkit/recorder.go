package testkit

import (
	"cmp"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Request is one request that a [Server] was asked.
type Request struct {
	Method, Path, Query string
	Header              http.Header
	// Start is when the request arrived. End is when the last part of the answer was
	// handed out, which is before the client can have it.
	Start, End time.Time
	In, Out    int64 // bytes of the bodies
	Status     int   // 0 where the connection was cut before an answer
}

type recorder struct {
	lock     sync.Mutex
	requests []*Request
}

// Requests are the requests so far, in the order of their arrival.
func (c *recorder) Requests() []Request {
	c.lock.Lock()
	defer c.lock.Unlock()
	out := make([]Request, len(c.requests))
	for i, r := range c.requests {
		out[i] = *r
		if out[i].End.IsZero() {
			out[i].End = time.Now()
		}
	}
	return out
}

// Reset forgets the requests so far.
func (c *recorder) Reset() {
	c.lock.Lock()
	defer c.lock.Unlock()
	c.requests = nil
}

// Count is how many requests there were.
func (c *recorder) Count() int { return len(c.Requests()) }

// CountOf is how many requests a matcher accepts. It sees method, URL and header.
func (c *recorder) CountOf(match Matcher) int {
	n := 0
	for _, r := range c.Requests() {
		if match(r.http()) {
			n++
		}
	}
	return n
}

// Depth is the number of sequential round trips: the length of the longest chain of
// requests of which each began after the one before had ended. It is sharp with
// [Delay], which keeps requests that overlap apart from those that do not.
func (c *recorder) Depth() int {
	requests := c.Requests()
	slices.SortFunc(requests, func(a, b Request) int { return a.End.Compare(b.End) })
	depth, free := 0, time.Time{}
	for _, r := range requests { // those that end first leave the most room
		if !r.Start.Before(free) {
			depth++
			free = r.End
		}
	}
	return depth
}

// Downloads is how often each blob and manifest was answered with 200 to a GET, by
// path.
func (c *recorder) Downloads() map[string]int {
	out := map[string]int{}
	for _, r := range c.Requests() {
		content := strings.Contains(r.Path, "/blobs/") || strings.Contains(r.Path, "/manifests/")
		if r.Method == http.MethodGet && r.Status == http.StatusOK && content {
			out[r.Path]++
		}
	}
	return out
}

// Twice names what was downloaded more than once.
func (c *recorder) Twice() []string {
	var out []string
	for path, n := range c.Downloads() {
		if n > 1 {
			out = append(out, path)
		}
	}
	slices.SortFunc(out, cmp.Compare)
	return out
}

func (r Request) http() *http.Request {
	u := newURL(r.Path, r.Query)
	return &http.Request{Method: r.Method, URL: u, Header: r.Header}
}

func (c *recorder) record(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		entry := &Request{Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Header: r.Header.Clone(), Start: time.Now()}
		c.lock.Lock()
		c.requests = append(c.requests, entry)
		c.lock.Unlock()
		watched := &watchedWriter{ResponseWriter: w, recorder: c, entry: entry}
		r.Body = &watchedReader{r.Body, c, entry}
		defer watched.finish()
		next.ServeHTTP(watched, r)
	})
}

// watchedWriter notes an answer in the record.
type watchedWriter struct {
	http.ResponseWriter
	recorder *recorder
	entry    *Request
}

func (w *watchedWriter) note(status int, bytes int) {
	w.recorder.lock.Lock()
	defer w.recorder.lock.Unlock()
	if w.entry.Status == 0 {
		w.entry.Status = status
	}
	w.entry.Out += int64(bytes)
	w.entry.End = time.Now()
}

func (w *watchedWriter) WriteHeader(status int) {
	w.note(status, 0)
	w.ResponseWriter.WriteHeader(status)
}

func (w *watchedWriter) Write(p []byte) (int, error) {
	w.note(http.StatusOK, len(p))
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController flush.
func (w *watchedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *watchedWriter) finish() {
	cut := recover()
	w.recorder.lock.Lock()
	if w.entry.Status == 0 && cut == nil {
		w.entry.Status = http.StatusOK
	}
	if w.entry.End.IsZero() {
		w.entry.End = time.Now()
	}
	w.recorder.lock.Unlock()
	if cut != nil {
		panic(cut) // http.ErrAbortHandler cuts the connection
	}
}

type watchedReader struct {
	io.ReadCloser
	recorder *recorder
	entry    *Request
}

func (r *watchedReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.recorder.lock.Lock()
	r.entry.In += int64(n)
	r.recorder.lock.Unlock()
	return n, err
}
