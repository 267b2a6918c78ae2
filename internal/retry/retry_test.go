package retry

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"
)

func TestMayPass(t *testing.T) {
	for status, want := range map[int]bool{200: false, 400: false, 401: false, 403: false, 404: false, 408: true, 409: false, 429: true, 500: true, 501: false, 502: true, 503: true, 504: true} {
		if MayPass(status) != want {
			t.Errorf("%d: %v", status, !want)
		}
	}
}

func TestAfter(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"7": 7 * time.Second, "0": 0, "": -1, "soon": -1, "-3": -1, "1.5": -1,
		"Thu, 01 Jan 2026 12:00:09 GMT": 9 * time.Second, "Thu, 01 Jan 2026 11:00:00 GMT": 0,
		"99999999999999999999999": most * time.Second, "Fri, 31 Dec 9999 23:59:59 GMT": most * time.Second,
	} {
		got, told := After(http.Header{"Retry-After": {text}}, now)
		if told != (want >= 0) || told && got != want {
			t.Errorf("%q: %s, %v", text, got, told)
		}
	}
}

func TestBackoff(t *testing.T) {
	for tries, most := range map[int]time.Duration{-1: 100, 0: 100, 1: 100, 2: 200, 3: 400, 4: 500, 1000: 500} {
		for range 100 {
			if d := Backoff(tries, 100, 500); d < most/2 || d > most {
				t.Fatalf("after %d tries: %d, want %d to %d", tries, d, most/2, most)
			}
		}
	}
}

func TestSleep(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Sleep(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := Sleep(t.Context(), time.Millisecond); err != nil {
		t.Error(err)
	}
}
