package sigstore

import (
	"sync"
	"testing"
	"time"
)

// Epoch is when the clock of a [World] starts unless it is told otherwise.
var Epoch = time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC)

// Window is a span of time. A zero Until has no end.
type Window struct {
	From  time.Time
	Until time.Time
}

// Around is the window that starts before t and ends after it.
func Around(t time.Time, before, after time.Duration) Window {
	return Window{From: t.Add(-before), Until: t.Add(after)}
}

const (
	day  = 24 * time.Hour
	year = 365 * day
)

// World is a Sigstore instance. Its parties are made by [New]; what their windows,
// names and addresses are may be changed until [World.TrustedRoot] is called.
type World struct {
	CA     *CA
	CTLogs []*CTLog // the first logs certificates unless a request says otherwise
	Logs   []*Log   // the first takes entries unless a request says otherwise
	TSAs   []*TSA   // the first stamps unless a request says otherwise
	Issuer *Issuer

	mu      sync.Mutex
	now     func() time.Time
	servers *servers

	// Twists change what the served parties hand out.
	Twists Twists
}

// Option changes what a [World] is made of.
type Option func(*setup)

type setup struct {
	logs  []int
	ct    bool
	tsa   bool
	clock func() time.Time
	names string
}

// WithRekorV1 gives the world a log of version 1, whose entries carry the time and a
// signed promise. It still has a timestamp authority.
func WithRekorV1() Option { return func(s *setup) { s.logs = append(s.logs, 1) } }

// WithRekorV2 gives the world a log of version 2. It is the default; named together
// with [WithRekorV1] there are two logs in the order of the options.
func WithRekorV2() Option { return func(s *setup) { s.logs = append(s.logs, 2) } }

// WithoutLog leaves out transparency logs.
func WithoutLog() Option { return func(s *setup) { s.logs = []int{} } }

// WithoutCT leaves out the certificate transparency log: certificates carry no SCT.
func WithoutCT() Option { return func(s *setup) { s.ct = false } }

// WithoutTSA leaves out the timestamp authority.
func WithoutTSA() Option { return func(s *setup) { s.tsa = false } }

// WithClock makes the world read now, such as time.Now for a client that cannot be
// given another clock.
func WithClock(now func() time.Time) Option { return func(s *setup) { s.clock = now } }

// WithName tells worlds apart: every party's name ends in it. The default is "test".
func WithName(name string) Option { return func(s *setup) { s.names = name } }

// New makes a world whose parties have been trusted for a year and are trusted for ten
// more. It holds one log of version 2, a CT log and a timestamp authority unless the
// options say otherwise.
func New(tb testing.TB, opts ...Option) *World {
	tb.Helper()
	set := &setup{ct: true, tsa: true, names: "test", clock: func() time.Time { return Epoch }}
	for _, o := range opts {
		o(set)
	}
	if set.logs == nil {
		set.logs = []int{2}
	}
	w := &World{now: set.clock, servers: newServers()}
	long := Around(w.Now(), year, 10*year)
	w.CA = NewCA("fulcio."+set.names, long, long)
	w.Issuer = newIssuer(w, "https://issuer."+set.names)
	if set.ct {
		w.CTLogs = []*CTLog{NewCTLog("ct."+set.names, long)}
	}
	for i, version := range set.logs {
		w.Logs = append(w.Logs, NewLog(logName(i, set.names), version, long))
	}
	if set.tsa {
		w.TSAs = []*TSA{NewTSA("tsa."+set.names, long, long)}
	}
	return w
}

func logName(i int, world string) string {
	if i == 0 {
		return "rekor." + world
	}
	return "rekor" + string(rune('1'+i)) + "." + world
}

// Now is the world's clock.
func (w *World) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now()
}

// SetNow stops the world's clock at t.
func (w *World) SetNow(t time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = func() time.Time { return t }
}

// Advance moves the world's clock by d.
func (w *World) Advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.now
	w.now = func() time.Time { return before().Add(d) }
}

// must is for what fails only if the package itself is wrong.
func must[T any](v T, err error) T {
	if err != nil {
		panic("testkit/sigstore: " + err.Error())
	}
	return v
}
