package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// proxy stands before a registry, adds time to each request and counts them.
type proxy struct {
	latency atomic.Int64 // a time.Duration
	forward *httputil.ReverseProxy

	mu    sync.Mutex
	spans []span
	bytes atomic.Int64 // of bodies, both ways
}

// span is when a request arrived, and when the last of its answer left.
type span struct{ began, ended time.Time }

// startProxy listens on loopback and forwards to a registry.
func startProxy(backend string) (p *proxy, host string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", nil, err
	}
	target := &url.URL{Scheme: "http", Host: backend}
	p = &proxy{}
	p.forward = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // so that upload locations lead through the proxy
		},
		Transport: &http.Transport{MaxIdleConnsPerHost: 64},
	}
	server := &http.Server{Handler: p, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(l) }()
	return p, l.Addr().String(), func() { _ = server.Close() }, nil
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer := &answerWriter{ResponseWriter: w, bytes: &p.bytes, last: time.Now()}
	began := answer.last
	time.Sleep(time.Duration(p.latency.Load()))
	r.Body = &countedBody{r.Body, &p.bytes}
	p.forward.ServeHTTP(answer, r)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spans = append(p.spans, span{began, answer.last})
}

func (p *proxy) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spans = nil
	p.bytes.Store(0)
}

// counts are the requests through all of the proxies, the bytes of their bodies and
// answers, and how many requests followed one another at least.
func counts(proxies ...*proxy) (requests, bytes, depth int64) {
	var spans []span
	for _, p := range proxies {
		p.mu.Lock()
		spans = append(spans, p.spans...)
		p.mu.Unlock()
		bytes += p.bytes.Load()
	}
	return int64(len(spans)), bytes, longestChain(spans)
}

// longestChain is the most requests that follow one another without overlapping: what
// was waited for in a row.
func longestChain(spans []span) int64 {
	ordered := slices.SortedFunc(slices.Values(spans), func(a, b span) int { return a.ended.Compare(b.ended) })
	var n int64
	var end time.Time
	for _, s := range ordered {
		if n == 0 || !s.began.Before(end) {
			n, end = n+1, s.ended
		}
	}
	return n
}

// answerWriter counts an answer's bytes and notes when it was last written to. The
// time is taken before the bytes are passed on: the client's next request may arrive
// before the write returns.
type answerWriter struct {
	http.ResponseWriter
	bytes *atomic.Int64
	last  time.Time
}

func (a *answerWriter) WriteHeader(status int) {
	a.last = time.Now()
	a.ResponseWriter.WriteHeader(status)
}

func (a *answerWriter) Write(p []byte) (int, error) {
	a.last = time.Now()
	n, err := a.ResponseWriter.Write(p)
	a.bytes.Add(int64(n))
	return n, err
}

// Unwrap lets the reverse proxy flush.
func (a *answerWriter) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// countedBody counts the bytes of a request.
type countedBody struct {
	io.ReadCloser
	bytes *atomic.Int64
}

func (c *countedBody) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.bytes.Add(int64(n))
	return n, err
}
