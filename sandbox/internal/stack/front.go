package stack

import (
	"context"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/hallmark-project/hallmark/sandbox/internal/ctlog"
	"github.com/hallmark-project/hallmark/sandbox/internal/oidc"
)

// fronts are the services that the supervisor serves itself.
func (d Dir) fronts(state *State, m *material) (map[Service]http.Handler, error) {
	log, err := ctlog.New(m.ctLog, m.caChain[1])
	if err != nil {
		return nil, err
	}
	return map[Service]http.Handler{
		OIDC:  oidc.New(state.URL(OIDC), m.issuer, m.bearer).Handler(),
		CTLog: log.Handler(),
		TUF:   static(d.tufDir()),
		Rekor: rekorFront(d.rekorDir(), state.URL(rekorHTTP)),
	}, nil
}

const rekorAPI = "/api/v2"

// rekorFront is the log at one address, as the public instances are: its checkpoint and
// tiles (https://c2sp.org/tlog-tiles) are files, everything else goes to Rekor.
func rekorFront(storage, server string) http.Handler {
	target, err := url.Parse(server)
	if err != nil {
		panic(err) // made of a host and a port
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, err error) {
		http.Error(w, "Rekor does not answer, its log in the sandbox's folder may say why: "+err.Error(), http.StatusBadGateway)
	}
	files := http.StripPrefix(rekorAPI, static(storage))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, ok := strings.CutPrefix(r.URL.Path, rekorAPI)
		if ok && r.Method != http.MethodPost && (path == "/checkpoint" || strings.HasPrefix(path, "/tile/")) {
			files.ServeHTTP(w, r)
			return
		}
		proxy.ServeHTTP(w, r)
	})
}

// static serves the files of a folder, but neither lists folders nor shows what is
// hidden, such as a file that is being written.
func static(dir string) http.Handler {
	files := http.FileServerFS(os.DirFS(dir))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/") || strings.Contains(r.URL.Path, "/.") {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Cache-Control", "no-cache")
		files.ServeHTTP(w, r)
	})
}

// server is one of the fronts while it is served.
type server struct {
	service Service
	http    *http.Server
}

// listen serves a handler. Its failures after that end up in logger.
func listen(state *State, service Service, handler http.Handler, logger *log.Logger) (*server, error) {
	l, err := net.Listen("tcp", state.address(service))
	if err != nil {
		return nil, err
	}
	s := &server{service, &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, ErrorLog: logger}}
	go func() { _ = s.http.Serve(l) }() // ends with Shutdown or Close
	return s, nil
}

func (s *server) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close()
	}
}
