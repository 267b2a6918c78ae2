package chaos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Fault is something that happens to a request on its way.
type Fault string

// The faults. Those up to [Reset] leave the registry alone; the others spoil the way
// back, and [FlippedUpload] the way there.
const (
	// Unavailable answers 503.
	Unavailable Fault = "503"
	// Throttled answers 429 with a Retry-After of no or one second.
	Throttled Fault = "429"
	// Reset cuts the connection with a TCP reset before the registry hears anything.
	Reset Fault = "reset"
	// Truncated announces the whole length of a body and ends in the middle of it.
	Truncated Fault = "truncated"
	// Flipped changes one bit of a manifest or blob that is read.
	Flipped Fault = "flipped bit"
	// FlippedUpload changes one bit of a manifest or blob that is written.
	FlippedUpload Fault = "flipped bit in upload"
	// Stalled holds an answer back, before it begins or in the middle of its body.
	Stalled Fault = "stall"
	// Lost has the registry do what is asked and then resets the connection.
	Lost Fault = "lost answer"
)

// Faults are all of them.
var Faults = []Fault{Unavailable, Throttled, Reset, Truncated, Flipped, FlippedUpload, Stalled, Lost}

// maxBody is the size of bodies that the proxy holds in memory.
const maxBody = 256 << 20

// Proxy stands in front of a registry on loopback and spoils requests. What happens to
// the nth request of a sort depends on the seed alone, so that a run can be repeated as
// far as the order of requests is the same.
type Proxy struct {
	// Host is where it listens.
	Host string
	// Kinds are the faults to choose from. Of several, now and then two meet.
	Kinds []Fault
	// Rate is the share of requests that are spoiled, from 0 to 1.
	Rate float64
	// Stall is how long a stall lasts.
	Stall time.Duration
	// Delay is added to every request.
	Delay time.Duration

	seed     uint64
	backend  string
	listener net.Listener
	server   *http.Server
	upstream http.RoundTripper

	mu     sync.Mutex
	seen   map[string]uint64 // requests by sort
	failed map[string]int    // spoiled requests that were not repeated yet, by what they ask
	counts Counts
	onEach func(n int) // told of each request's number before it goes on
}

// Counts say what a proxy has done.
type Counts struct {
	Requests int
	Retries  int // requests that ask the same as a spoiled one before
	Faults   map[Fault]int
}

// Total is the number of faults of all kinds.
func (c Counts) Total() int {
	n := 0
	for _, faults := range c.Faults {
		n += faults
	}
	return n
}

// NewProxy starts a proxy in front of a registry, such as "127.0.0.1:5000". It spoils
// nothing until it is told a rate, before its first request. Close ends it.
func NewProxy(backend string, seed uint64) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{
		Host: l.Addr().String(), Kinds: Faults, seed: seed, backend: backend, listener: l,
		upstream: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64},
		seen:     map[string]uint64{}, failed: map[string]int{}, counts: Counts{Faults: map[Fault]int{}},
	}
	p.server = &http.Server{Handler: p, ReadHeaderTimeout: time.Minute}
	go func() { _ = p.server.Serve(l) }()
	return p, nil
}

// Calm ends all faults to come.
func (p *Proxy) Calm() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Rate = 0
}

// Close ends the proxy and all connections through it.
func (p *Proxy) Close() { _ = p.server.Close() }

// Counts are those so far.
func (p *Proxy) Counts() Counts {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := p.counts
	out.Faults = make(map[Fault]int, len(p.counts.Faults))
	for kind, n := range p.counts.Faults {
		out.Faults[kind] = n
	}
	return out
}

// OnEach has a function told of each request, by its number from 1, before the
// request goes on.
func (p *Proxy) OnEach(told func(n int)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.onEach = told
}

// ServeHTTP implements http.Handler.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		panic(http.ErrAbortHandler) // the client went away in the middle
	}
	p.arrived(r, body)
	rest(r.Context(), p.Delay)
	faults, dice := p.choose(r, body)
	for _, fault := range faults {
		switch fault {
		case Unavailable:
			fail(w, http.StatusServiceUnavailable, "UNAVAILABLE")
			return
		case Throttled:
			w.Header().Set("Retry-After", strconv.Itoa(dice.IntN(2)))
			fail(w, http.StatusTooManyRequests, "TOOMANYREQUESTS")
			return
		case Reset:
			reset(w)
			return
		case FlippedUpload:
			body = flip(body, dice)
		}
	}
	answer, err := p.forward(r, body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	p.answer(w, r, answer, faults, dice)
}

// arrived counts a request, and whether it repeats a spoiled one.
func (p *Proxy) arrived(r *http.Request, body []byte) {
	what := asked(r, body)
	p.mu.Lock()
	p.counts.Requests++
	if p.failed[what] > 0 {
		p.failed[what]--
		p.counts.Retries++
	}
	n, told := p.counts.Requests, p.onEach
	p.mu.Unlock()
	if told != nil {
		told(n)
	}
}

// asked tells requests apart that ask for different things. Each try of an upload has
// an address of its own, so its content stands for it.
func asked(r *http.Request, body []byte) string {
	if digest := r.URL.Query().Get("digest"); digest != "" && len(body) > 0 {
		return r.Method + " " + digest
	}
	return r.Method + " " + r.URL.RequestURI()
}

// choose casts the dice for a request, and notes what is going to happen to it.
func (p *Proxy) choose(r *http.Request, body []byte) ([]Fault, *rand.Rand) {
	sort := sortOf(r)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen[sort]++
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %d", sort, p.seen[sort])
	dice := rand.New(rand.NewPCG(p.seed, h.Sum64()))
	kinds := possible(p.Kinds, r, body)
	if len(kinds) == 0 || dice.Float64() >= p.Rate {
		return nil, dice
	}
	faults := []Fault{kinds[dice.IntN(len(kinds))]}
	if len(kinds) > 1 && dice.IntN(4) == 0 {
		if second := kinds[dice.IntN(len(kinds))]; second != faults[0] {
			faults = append(faults, second)
		}
	}
	for _, fault := range faults {
		p.counts.Faults[fault]++
	}
	p.failed[asked(r, body)]++
	return faults, dice
}

// sortOf is a request's method and what it is about, without names and digests, which
// differ from run to run.
func sortOf(r *http.Request) string {
	for _, part := range []string{"/blobs/uploads/", "/blobs/", "/manifests/", "/referrers/"} {
		if strings.Contains(r.URL.Path, part) {
			return r.Method + part
		}
	}
	return r.Method
}

// possible leaves out what cannot happen to a request: bits are flipped in manifests
// and blobs only.
func possible(kinds []Fault, r *http.Request, body []byte) []Fault {
	reads, writes := content(r) && r.Method == http.MethodGet, content(r) && r.Method != http.MethodGet && len(body) > 0
	var out []Fault
	for _, kind := range kinds {
		if kind == Flipped && !reads || kind == FlippedUpload && !writes || kind == Truncated && r.Method == http.MethodHead {
			continue
		}
		out = append(out, kind)
	}
	return out
}

func content(r *http.Request) bool {
	return strings.Contains(r.URL.Path, "/manifests/") || strings.Contains(r.URL.Path, "/blobs/")
}

// answered is an answer of the registry, whole.
type answered struct {
	status int
	header http.Header
	body   []byte
}

// forward asks the registry. It goes on when the client goes away: a registry lands
// what it has received.
func (p *Proxy) forward(r *http.Request, body []byte) (answered, error) {
	ctx, done := context.WithTimeout(context.WithoutCancel(r.Context()), time.Minute)
	defer done()
	out := r.Clone(ctx)
	out.URL.Scheme, out.URL.Host, out.RequestURI = "http", p.backend, ""
	out.Body, out.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	if len(body) == 0 {
		out.Body = http.NoBody
	}
	resp, err := p.upstream.RoundTrip(out)
	if err != nil {
		return answered{}, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	return answered{resp.StatusCode, resp.Header, raw}, err
}

// answer hands an answer on, with the faults of the way back.
func (p *Proxy) answer(w http.ResponseWriter, r *http.Request, a answered, faults []Fault, dice *rand.Rand) {
	pause, cut := -1, -1
	for _, fault := range faults {
		switch fault {
		case Lost:
			rest(r.Context(), p.stallBefore(faults))
			reset(w)
			return
		case Flipped:
			a.body = flip(a.body, dice)
		case Truncated:
			cut = dice.IntN(max(1, len(a.body)))
		case Stalled:
			pause = dice.IntN(len(a.body) + 1)
			if dice.IntN(2) == 0 {
				pause = 0
			}
		}
	}
	for name, values := range a.header {
		w.Header()[name] = values
	}
	if pause == 0 {
		rest(r.Context(), p.Stall)
	}
	w.WriteHeader(a.status)
	if r.Method == http.MethodHead {
		return
	}
	from := 0
	if pause > 0 && (cut < 0 || pause < cut) {
		from = pause
		pass(w, a.body[:pause])
		rest(r.Context(), p.Stall)
	}
	if cut >= 0 && cut < len(a.body) {
		pass(w, a.body[from:cut])
		panic(http.ErrAbortHandler)
	}
	pass(w, a.body[from:])
}

func (p *Proxy) stallBefore(faults []Fault) time.Duration {
	for _, fault := range faults {
		if fault == Stalled {
			return p.Stall
		}
	}
	return 0
}

// pass writes a part of a body, past every buffer.
func pass(w http.ResponseWriter, part []byte) {
	if _, err := w.Write(part); err != nil {
		panic(http.ErrAbortHandler)
	}
	if err := http.NewResponseController(w).Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		panic(http.ErrAbortHandler)
	}
}

func fail(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"errors":[{"code":%q,"message":"as the proxy wants"}]}`, code)
}

// reset cuts a connection so that the other side meets ECONNRESET.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// flip changes one bit.
func flip(body []byte, dice *rand.Rand) []byte {
	if len(body) == 0 {
		return body
	}
	out := bytes.Clone(body)
	out[dice.IntN(len(out))] ^= 1 << dice.IntN(8)
	return out
}

func rest(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
