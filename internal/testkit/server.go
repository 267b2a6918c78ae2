package testkit

import (
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"cuelabs.dev/go/oci/ociregistry/ocimem"
	"cuelabs.dev/go/oci/ociregistry/ociserver"
	ggcr "github.com/google/go-containerregistry/pkg/registry"
)

// Server is a registry on loopback.
type Server struct {
	URL    string // such as "http://127.0.0.1:40001"
	Host   string // the same without the scheme
	CAFile string // PEM file of its certificate authority; empty without TLS

	*recorder
	backend http.Handler // the registry itself, behind no middleware

	mu      sync.RWMutex
	handler http.Handler
}

// Option changes a registry that [Registry] starts. A [Middleware] is one.
type Option interface{ apply(*setup) }

type setup struct {
	backend    func() http.Handler
	tls        bool
	middleware []Middleware
}

type optionFunc func(*setup)

func (f optionFunc) apply(s *setup) { f(s) }

// Middleware is a fault or a habit put in front of a registry. Of several, the one
// named first meets a request first.
type Middleware func(http.Handler) http.Handler

func (m Middleware) apply(s *setup) { s.middleware = append(s.middleware, m) }

// WithoutReferrers chooses a registry without the referrers API: it answers 404 and
// names no OCI-Subject.
func WithoutReferrers() Option {
	return optionFunc(func(s *setup) { s.backend = func() http.Handler { return ggcr.New(quiet) } })
}

// Quirky chooses a registry that lists referrers but does not say so when one is put
// (no OCI-Subject), and shows the config's media type as artifactType.
func Quirky() Option {
	return optionFunc(func(s *setup) {
		s.backend = func() http.Handler { return ggcr.New(quiet, ggcr.WithReferrersSupport(true)) }
	})
}

// TLS serves https. [Server.CAFile] is what to trust.
func TLS() Option { return optionFunc(func(s *setup) { s.tls = true }) }

var quiet = ggcr.Logger(log.New(io.Discard, "", 0))

// Registry starts a registry in this process that ends with the test: by default one
// that implements OCI distribution 1.1 with the referrers API.
func Registry(t testing.TB, options ...Option) *Server {
	t.Helper()
	set := &setup{backend: func() http.Handler { return ociserver.New(ocimem.New(), nil) }}
	for _, o := range options {
		o.apply(set)
	}
	s := &Server{recorder: &recorder{}, backend: set.backend()}
	s.handler = s.backend
	s.Use(set.middleware...)
	start(t, s, set.tls)
	return s
}

// Handler starts a server that is no registry but answers with h: the other host of a
// redirect, or a hostile one.
func Handler(t testing.TB, h http.Handler, options ...Option) *Server {
	t.Helper()
	options = append(options, optionFunc(func(s *setup) { s.backend = func() http.Handler { return h } }))
	return Registry(t, options...)
}

// Use puts middleware in front of what is there already. Requests under way keep what
// they met.
func (s *Server) Use(middleware ...Middleware) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(middleware) - 1; i >= 0; i-- {
		s.handler = middleware[i](s.handler)
	}
}

// Direct sends a request to the registry past all middleware and the record.
func (s *Server) Direct(r *http.Request) *http.Response {
	w := httptest.NewRecorder()
	s.backend.ServeHTTP(w, r)
	return w.Result()
}

func (s *Server) current() http.Handler {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.handler
}

func start(t testing.TB, s *Server, secure bool) {
	t.Helper()
	h := s.record(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.current().ServeHTTP(w, r) }))
	server := httptest.NewUnstartedServer(h)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // aborted connections are wanted here
	if secure {
		server.StartTLS()
		s.CAFile = filepath.Join(t.TempDir(), "ca.pem")
		block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
		if err := os.WriteFile(s.CAFile, block, 0o600); err != nil {
			t.Fatal(err)
		}
	} else {
		server.Start()
	}
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	s.URL = server.URL
	_, s.Host, _ = strings.Cut(server.URL, "://")
}
