package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestLongestChain(t *testing.T) {
	at := func(ms int) time.Time { return time.Unix(0, 0).Add(time.Duration(ms) * time.Millisecond) }
	for name, c := range map[string]struct {
		spans []span
		want  int64
	}{
		"none":           {nil, 0},
		"in a row":       {[]span{{at(0), at(1)}, {at(1), at(2)}, {at(3), at(4)}}, 3},
		"at once":        {[]span{{at(0), at(5)}, {at(1), at(6)}, {at(2), at(7)}}, 1},
		"one beside two": {[]span{{at(0), at(9)}, {at(0), at(4)}, {at(5), at(9)}}, 2},
	} {
		if got := longestChain(c.spans); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func TestProxyCounts(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "12345 "+r.Host)
	}))
	defer backend.Close()
	p, host, stop, err := startProxy(strings.TrimPrefix(backend.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	p.latency.Store(int64(20 * time.Millisecond))
	ask := func() {
		response, err := http.Post("http://"+host+"/v2/", "text/plain", strings.NewReader("123"))
		if err != nil {
			t.Error(err)
			return
		}
		defer response.Body.Close()
		if body, _ := io.ReadAll(response.Body); string(body) != "12345 "+host {
			t.Errorf("answer %q", body)
		}
	}
	for range 5 {
		ask()
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(ask)
	}
	group.Wait()
	requests, bytes, depth := counts(p)
	if want := int64(9 * (3 + 6 + len(host))); requests != 9 || bytes != want || depth < 6 || depth > 8 {
		t.Errorf("%d requests, %d bytes, depth %d; want 9, %d, 6", requests, bytes, depth, want)
	}
	p.reset()
	if requests, bytes, depth := counts(p); requests+bytes+depth != 0 {
		t.Error("reset leaves something")
	}
}
