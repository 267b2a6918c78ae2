package chaos

import (
	"bytes"
	"errors"
	"io"
	"math/bits"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const body = "twelve bytes"

// spoiled starts a proxy that spoils everything in one way, in front of a server that
// counts what reaches it and remembers the last body.
func spoiled(t *testing.T, kinds ...Fault) (p *Proxy, reached *atomic.Int64, last *atomic.Value) {
	t.Helper()
	reached, last = &atomic.Int64{}, &atomic.Value{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		last.Store(raw)
		reached.Add(1)
		io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	p, err := NewProxy(strings.TrimPrefix(server.URL, "http://"), 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	p.Kinds, p.Rate, p.Stall = kinds, 1, 200*time.Millisecond
	return p, reached, last
}

func ask(p *Proxy, method, what string) (*http.Response, []byte, error) {
	request, err := http.NewRequest(method, "http://"+p.Host+"/v2/a/"+what, nil)
	if method == http.MethodPut {
		request, err = http.NewRequest(method, "http://"+p.Host+"/v2/a/"+what, strings.NewReader(body))
	}
	if err != nil {
		return nil, nil, err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return resp, raw, err
}

// TestFaults: every fault does what it is named for, so that the runs behind the proxy
// mean something.
func TestFaults(t *testing.T) {
	const manifest = "manifests/sha256:00"
	for _, kind := range []struct {
		fault   Fault
		method  string
		reached int64
		check   func(resp *http.Response, got []byte, err error, took time.Duration) bool
	}{
		{Unavailable, http.MethodGet, 0, func(r *http.Response, _ []byte, err error, _ time.Duration) bool {
			return err == nil && r.StatusCode == http.StatusServiceUnavailable
		}},
		{Throttled, http.MethodGet, 0, func(r *http.Response, _ []byte, err error, _ time.Duration) bool {
			return err == nil && r.StatusCode == http.StatusTooManyRequests && r.Header.Get("Retry-After") != ""
		}},
		{Reset, http.MethodGet, 0, func(_ *http.Response, _ []byte, err error, _ time.Duration) bool {
			return errors.Is(err, syscall.ECONNRESET)
		}},
		{Truncated, http.MethodGet, 1, func(r *http.Response, got []byte, err error, _ time.Duration) bool {
			return errors.Is(err, io.ErrUnexpectedEOF) && r.ContentLength == int64(len(body)) && len(got) < len(body)
		}},
		{Flipped, http.MethodGet, 1, func(_ *http.Response, got []byte, err error, _ time.Duration) bool {
			return err == nil && bitsApart(got) == 1
		}},
		{Stalled, http.MethodGet, 1, func(_ *http.Response, got []byte, err error, took time.Duration) bool {
			return err == nil && string(got) == body && took >= 200*time.Millisecond
		}},
		{Lost, http.MethodGet, 1, func(_ *http.Response, _ []byte, err error, _ time.Duration) bool {
			return errors.Is(err, syscall.ECONNRESET)
		}},
	} {
		t.Run(string(kind.fault), func(t *testing.T) {
			p, reached, _ := spoiled(t, kind.fault)
			began := time.Now()
			resp, got, err := ask(p, kind.method, manifest)
			if !kind.check(resp, got, err, time.Since(began)) {
				t.Errorf("got %v, %q, %v", resp, got, err)
			}
			if reached.Load() != kind.reached {
				t.Errorf("%d requests reached the registry, want %d", reached.Load(), kind.reached)
			}
			if c := p.Counts(); c.Requests != 1 || c.Faults[kind.fault] != 1 || c.Total() != 1 {
				t.Errorf("counted %+v", c)
			}
		})
	}
}

// TestFlippedUpload: the registry gets one wrong bit, and the counts know the retry.
func TestFlippedUpload(t *testing.T) {
	p, _, last := spoiled(t, FlippedUpload)
	for range 2 {
		if _, _, err := ask(p, http.MethodPut, "manifests/v1"); err != nil {
			t.Fatal(err)
		}
	}
	if got := last.Load().([]byte); bitsApart(got) != 1 {
		t.Errorf("the registry got %q", got)
	}
	if c := p.Counts(); c.Retries != 1 {
		t.Errorf("counted %+v, want one retry", c)
	}
}

// TestSpares: what a fault cannot happen to passes, and nothing is spoiled at rate 0.
func TestSpares(t *testing.T) {
	p, _, _ := spoiled(t, Flipped, FlippedUpload)
	if _, got, err := ask(p, http.MethodGet, "tags/list"); err != nil || string(got) != body {
		t.Errorf("a list of tags: %q, %v", got, err)
	}
	p.Kinds, p.Rate = Faults, 0
	if _, got, err := ask(p, http.MethodGet, "manifests/v1"); err != nil || string(got) != body {
		t.Errorf("at rate 0: %q, %v", got, err)
	}
	if c := p.Counts(); c.Total() != 0 || c.Requests != 2 {
		t.Errorf("counted %+v", c)
	}
}

// TestSeed: the same seed spoils the same requests.
func TestSeed(t *testing.T) {
	fates := func() string {
		p, _, _ := spoiled(t, Faults...)
		p.Rate, p.Stall = 0.5, 0
		var out bytes.Buffer
		for range 40 {
			_, got, err := ask(p, http.MethodGet, "manifests/v1")
			out.Write(got)
			if err != nil {
				out.WriteString("!")
			}
		}
		return out.String()
	}
	if first, second := fates(), fates(); first != second {
		t.Errorf("one seed, two fates:\n%q\n%q", first, second)
	}
}

func bitsApart(got []byte) int {
	if len(got) != len(body) {
		return -1
	}
	n := 0
	for i := range got {
		n += bits.OnesCount8(got[i] ^ body[i])
	}
	return n
}
