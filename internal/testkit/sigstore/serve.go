package sigstore

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Always is a number of times that does not end.
const Always = -1

// Fault is what a service does instead of its work.
type Fault struct {
	Status     int    // 500 if zero
	Body       string // of the answer
	RetryAfter string // the header, in seconds or as a date
	Header     http.Header

	Path  string // only requests whose path contains this
	Skip  int    // so many requests are answered properly first
	Times int    // so many are not; one if zero, all if below zero

	Hang bool // no answer until the client leaves or the test ends
	Cut  bool // the connection is closed without an answer
	Lost bool // the work is done, and only then the fault follows
}

// Twists change what the served parties hand out. Set them before requests are made.
type Twists struct {
	Cert  func(*CertRequest) // what the authority is asked for
	Entry EntryFaults
	Stamp StampFaults
}

// URLs is where the parties answer.
type URLs struct {
	Fulcio string
	Logs   []string
	TSAs   []string // whole addresses, with path
	Issuer string

	// What the runners of build services tell their jobs.
	GitHubRequestURL   string // ACTIONS_ID_TOKEN_REQUEST_URL
	GitHubRequestToken string // ACTIONS_ID_TOKEN_REQUEST_TOKEN
	BuildkiteEndpoint  string // BUILDKITE_AGENT_ENDPOINT
	BuildkiteToken     string // BUILDKITE_AGENT_ACCESS_TOKEN
	BuildkiteJob       string // BUILDKITE_JOB_ID
	MetadataHost       string // GCE_METADATA_HOST
}

// servers holds what is counted and what goes wrong.
type servers struct {
	mu     sync.Mutex
	counts map[string]int // by service, and by service and path
	faults map[string][]*Fault
	done   chan struct{}
}

func newServers() *servers {
	return &servers{counts: map[string]int{}, faults: map[string][]*Fault{}, done: make(chan struct{})}
}

// Serve starts the parties on loopback until the test ends, and gives them their
// addresses: [World.TrustedRoot] and [World.SigningConfig] name them from then on. A
// log of version 2 takes the name of its host, which its ID depends on, so serve before
// anything is logged.
func (w *World) Serve(tb testing.TB) URLs {
	tb.Helper()
	tb.Cleanup(w.servers.close)
	urls := URLs{GitHubRequestToken: gitHubRequestToken, BuildkiteToken: buildkiteToken, BuildkiteJob: buildkiteJob}
	w.CA.URL = w.start(tb, fixed("fulcio"), w.fulcio())
	urls.Fulcio = w.CA.URL
	for i, l := range w.Logs {
		l.URL = w.start(tb, fixed(numbered("rekor", i)), w.rekor(l))
		if l.Version == 2 {
			l.Name = must(url.Parse(l.URL)).Hostname()
		}
		urls.Logs = append(urls.Logs, l.URL)
	}
	for i, t := range w.TSAs {
		t.URL = w.start(tb, fixed(numbered("tsa", i)), w.tsa(t)) + timestampPath
		urls.TSAs = append(urls.TSAs, t.URL)
	}
	w.Issuer.URL = w.start(tb, issuerService, w.Issuer.handler())
	urls.Issuer = w.Issuer.URL
	urls.GitHubRequestURL = w.Issuer.URL + gitHubPath + "?api-version=2.0"
	urls.BuildkiteEndpoint = w.Issuer.URL + "/buildkite"
	urls.MetadataHost = strings.TrimPrefix(w.Issuer.URL, "http://")
	return urls
}

// Count is how many requests a service has met, faults included, of one path if given.
// Services are "fulcio", "rekor", "rekor2" and so on for further logs, "tsa" and
// "tsa2", and "issuer", which counts also as "issuer-token" and so on by
// [World.Fault]'s names.
func (w *World) Count(service string, path ...string) int {
	w.servers.mu.Lock()
	defer w.servers.mu.Unlock()
	return w.servers.counts[service+strings.Join(path, "")]
}

// Fault makes a service fail. Several faults of one service take turns, each when the
// one before is used up. Besides the names of [World.Count] there are "issuer-auth",
// "issuer-token", "issuer-device", "issuer-discovery", "issuer-keys", "github",
// "buildkite" and "gcp".
func (w *World) Fault(service string, f Fault) {
	if f.Times == 0 {
		f.Times = 1
	}
	w.servers.mu.Lock()
	defer w.servers.mu.Unlock()
	w.servers.faults[service] = append(w.servers.faults[service], &f)
}

// Heal removes all faults of a service.
func (w *World) Heal(service string) {
	w.servers.mu.Lock()
	defer w.servers.mu.Unlock()
	delete(w.servers.faults, service)
}

func numbered(name string, i int) string {
	if i == 0 {
		return name
	}
	return name + strconv.Itoa(i+1)
}

// names tells what a request counts as.
type names func(*http.Request) []string

func fixed(name string) names { return func(*http.Request) []string { return []string{name} } }

func (w *World) start(tb testing.TB, services names, h http.Handler) string {
	tb.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		fault := w.servers.meet(services(r), r.URL.Path)
		if fault == nil {
			h.ServeHTTP(rw, r)
			return
		}
		if fault.Lost {
			h.ServeHTTP(httptest.NewRecorder(), r)
		}
		w.servers.fail(rw, r, fault)
	}))
	tb.Cleanup(func() {
		w.servers.close()
		server.Close()
	})
	return server.URL
}

// meet counts a request and returns its fault, if any.
func (s *servers) meet(services []string, path string) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	var fault *Fault
	for _, service := range services {
		s.counts[service]++
		s.counts[service+path]++
		if fault == nil {
			fault = take(s.faults[service], path)
		}
	}
	return fault
}

func take(faults []*Fault, path string) *Fault {
	for _, f := range faults {
		switch {
		case f.Times == 0 || !strings.Contains(path, f.Path):
		case f.Skip > 0:
			f.Skip--
			return nil
		default:
			if f.Times > 0 {
				f.Times--
			}
			return f
		}
	}
	return nil
}

func (s *servers) fail(w http.ResponseWriter, r *http.Request, f *Fault) {
	if f.Hang {
		_, _ = io.Copy(io.Discard, r.Body) // so that the server notices when the client leaves
		select {
		case <-r.Context().Done():
		case <-s.done:
		}
	}
	if f.Hang || f.Cut {
		panic(http.ErrAbortHandler)
	}
	for name, values := range f.Header {
		w.Header()[name] = values
	}
	if f.RetryAfter != "" {
		w.Header().Set("Retry-After", f.RetryAfter)
	}
	status := f.Status
	if status == 0 {
		status = http.StatusInternalServerError
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, f.Body)
}

func (s *servers) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.done:
	default:
		close(s.done)
	}
}

const maxRequest = 32 << 20

// readJSON reads the body of a request, or answers 400 and returns false.
func readJSON(w http.ResponseWriter, r *http.Request, into any) bool {
	if err := json.NewDecoder(io.LimitReader(r.Body, maxRequest)).Decode(into); err != nil {
		refuse(w, http.StatusBadRequest, fmt.Errorf("the request is not JSON of the expected form: %w", err))
		return false
	}
	return true
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(must(json.Marshal(v)))
}

func refuse(w http.ResponseWriter, status int, err error) {
	writeJSON(w, status, map[string]any{"code": status, "message": err.Error()})
}
