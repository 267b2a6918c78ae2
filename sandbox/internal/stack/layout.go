// Package stack is the sandbox as a whole: its folder, its keys, the files it writes
// for clients, and the processes that serve it.
package stack

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/hallmark-project/hallmark/sandbox/internal/oidc"
	"github.com/hallmark-project/hallmark/sandbox/internal/pki"
)

// Host is where everything listens. It is also the origin of the log's checkpoints,
// which clients derive from the log's address.
const Host = "127.0.0.1"

var (
	// ErrNoSandbox says that a folder holds no sandbox. 'up' makes one there.
	ErrNoSandbox = errors.New("there is no sandbox in this folder")
	// ErrFolder says that a folder cannot be used for a sandbox. Name another one.
	ErrFolder = errors.New("this folder cannot be used for a sandbox")
	// ErrStart says that a service could not be started. Its log says why.
	ErrStart = errors.New("the sandbox could not be started")
	// ErrEnded says that a service ended by itself, and the others were ended for that.
	// 'up' starts them again.
	ErrEnded = errors.New("a service of the sandbox ended")
)

// Service names a port of the sandbox.
type Service string

// The services. The last three are Rekor's own; clients use the one named Rekor.
const (
	OIDC         Service = "oidc"
	CTLog        Service = "ctlog"
	Fulcio       Service = "fulcio"
	Rekor        Service = "rekor"
	TSA          Service = "tsa"
	TUF          Service = "tuf"
	rekorHTTP    Service = "rekor-http"
	rekorGRPC    Service = "rekor-grpc"
	rekorMetrics Service = "rekor-metrics"
)

// Public are the services that clients use, in the order in which they are shown.
var Public = []Service{OIDC, Fulcio, CTLog, Rekor, TSA, TUF}

var everyPort = append(append([]Service{}, Public...), rekorHTTP, rekorGRPC, rekorMetrics)

// Dir is a sandbox's folder.
type Dir string

func (d Dir) path(elements ...string) string {
	return filepath.Join(append([]string{string(d)}, elements...)...)
}

func (d Dir) stateFile() string            { return d.path("state.json") }
func (d Dir) lockFile() string             { return d.path("run", "supervisor.lock") }
func (d Dir) readyFile() string            { return d.path("run", "ready") }
func (d Dir) logFile(name string) string   { return d.path("logs", name+".log") }
func (d Dir) key(name string) string       { return d.path("keys", name+".pem") }
func (d Dir) public(name string) string    { return d.path("public", name+".pem") }
func (d Dir) issuersFile() string          { return d.path("fulcio.json") }
func (d Dir) trustedRootFile() string      { return d.path("trusted_root.json") }
func (d Dir) signingConfigFile() string    { return d.path("signing_config.json") }
func (d Dir) tufDir() string               { return d.path("tuf") }
func (d Dir) rekorDir() string             { return d.path("rekor") }
func (d Dir) chainFile(name string) string { return d.public(name + "-chain") }

// State is what a sandbox remembers between starts.
type State struct {
	Created time.Time       `json:"created"` // start of every validity period
	Ports   map[Service]int `json:"ports"`
}

// URL is the address of a service.
func (s *State) URL(service Service) string { return "http://" + s.address(service) }

// GitHubIssuer is the identifier of the GitHub-shaped issuer.
func (s *State) GitHubIssuer() string { return s.URL(OIDC) + oidc.GitHubPath }

func (s *State) address(service Service) string {
	return net.JoinHostPort(Host, strconv.Itoa(s.Ports[service]))
}

// Load reads the state of the sandbox in dir. The error wraps [ErrNoSandbox] if there is
// none.
func (d Dir) Load() (*State, error) {
	data, err := os.ReadFile(d.stateFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrNoSandbox, d)
	}
	if err != nil {
		return nil, err
	}
	state := &State{}
	if err := json.Unmarshal(data, state); err != nil {
		return nil, fmt.Errorf("%s: %w; remove the folder to start anew", d.stateFile(), err)
	}
	for _, service := range everyPort {
		if state.Ports[service] == 0 {
			return nil, fmt.Errorf("%s names no port for %s; remove the folder to start anew", d.stateFile(), service)
		}
	}
	return state, nil
}

func (d Dir) save(state *State) error {
	data, err := json.MarshalIndent(state, "", "  ")
	if err != nil {
		return err
	}
	return pki.WriteFile(d.stateFile(), append(data, '\n'), 0o600)
}

// make creates the folder, which must be new, empty or a sandbox's.
func (d Dir) make() error {
	entries, err := os.ReadDir(string(d))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", ErrFolder, err)
	}
	_, run := os.Stat(d.path("run"))
	if len(entries) > 0 && run != nil {
		return fmt.Errorf("%w: %s holds other files; name a new or empty one", ErrFolder, d)
	}
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return fmt.Errorf("%w: %w", ErrFolder, err)
	}
	if err := os.Chmod(string(d), 0o700); err != nil {
		return fmt.Errorf("%w: %w", ErrFolder, err)
	}
	for _, name := range []string{"run", "logs", "keys", "public", "tuf", "rekor"} {
		if err := os.MkdirAll(d.path(name), 0o700); err != nil {
			return fmt.Errorf("%w: %w", ErrFolder, err)
		}
	}
	return nil
}
