package stack

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/hallmark-project/hallmark/sandbox/internal/oidc"
)

func TestPortsStayWhereTheyAreFree(t *testing.T) {
	first, _, err := choosePorts(nil)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for _, port := range first {
		seen[port] = true
	}
	if len(seen) != len(everyPort) {
		t.Errorf("%d ports for %d services", len(seen), len(everyPort))
	}
	taken, err := net.Listen("tcp", net.JoinHostPort(Host, strconv.Itoa(first[TSA])))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	second, moved, err := choosePorts(first)
	if err != nil {
		t.Fatal(err)
	}
	for _, service := range everyPort {
		if same := second[service] == first[service]; same == (service == TSA) {
			t.Errorf("%s: %d, then %d", service, first[service], second[service])
		}
	}
	if len(moved) != 1 || moved[0] != TSA {
		t.Errorf("moved: %v", moved)
	}
}

// Fulcio refuses a token that lacks a claim of a template.
func TestWorkflowsHaveEveryClaimOfTheTemplates(t *testing.T) {
	claims, err := oidc.Workflow{Repository: "octo-org/app"}.Claims()
	if err != nil {
		t.Fatal(err)
	}
	claims["url"] = "" // a default value of the configuration
	field := regexp.MustCompile(`\{\{ \.(\w+) \}\}`)
	for extension, template := range gitHubTemplates {
		names := []string{template}
		if matches := field.FindAllStringSubmatch(template, -1); matches != nil {
			names = nil
			for _, match := range matches {
				names = append(names, match[1])
			}
		}
		for _, name := range names {
			if _, ok := claims[name]; !ok {
				t.Errorf("%s wants the claim %q", extension, name)
			}
		}
	}
}

func TestPrepareTwiceWritesTheSameBytes(t *testing.T) {
	dir := Dir(t.TempDir())
	if err := dir.make(); err != nil {
		t.Fatal(err)
	}
	read := func() map[string]string {
		t.Helper()
		if _, _, _, err := dir.prepare(time.Now()); err != nil {
			t.Fatal(err)
		}
		files := map[string]string{}
		for _, name := range []string{"trusted_root.json", "signing_config.json", "fulcio.json", "env", "github.env", "state.json",
			"tuf/root.json", "tuf/timestamp.json", "public/fulcio-chain.pem", "public/tsa-chain.pem"} {
			data, err := os.ReadFile(dir.path(name))
			if err != nil {
				t.Fatal(err)
			}
			files[name] = string(data)
		}
		return files
	}
	first, second := read(), read()
	for name, data := range first {
		if second[name] != data {
			t.Errorf("%s changed", name)
		}
	}
}

func TestNothingIsReadableByOthers(t *testing.T) {
	dir := Dir(filepath.Join(t.TempDir(), "lab"))
	if err := dir.make(); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := dir.prepare(time.Now()); err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob(dir.path("keys", "*"))
	if err != nil || len(paths) < 10 {
		t.Fatalf("%v %v", paths, err)
	}
	for _, path := range append(paths, dir.path("github.env"), string(dir)) {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
	}
}

func TestShellFilesQuote(t *testing.T) {
	if got := string(exports([][2]string{{"A", "it's"}})); got != `export A='it'\''s'`+"\n" {
		t.Error(got)
	}
}

func TestRekorFrontShowsTheLogAndNothingElse(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"checkpoint": "origin", "tile/0/000.p/1": "tile", ".state/treeState": "state"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rekor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	defer rekor.Close()
	front := rekorFront(dir, rekor.URL)
	for _, test := range []struct {
		method, path string
		want         int
	}{
		{"GET", "/api/v2/checkpoint", http.StatusOK},
		{"GET", "/api/v2/tile/0/000.p/1", http.StatusOK},
		{"GET", "/api/v2/tile/0/001", http.StatusNotFound},
		{"GET", "/api/v2/tile/0/", http.StatusNotFound},
		{"GET", "/api/v2/tile/../.state/treeState", http.StatusNotFound},
		{"GET", "/api/v2/.state/treeState", http.StatusTeapot},
		{"POST", "/api/v2/log/entries", http.StatusTeapot},
	} {
		w := httptest.NewRecorder()
		front.ServeHTTP(w, httptest.NewRequest(test.method, test.path, nil))
		if w.Code != test.want {
			t.Errorf("%s %s: %d, want %d", test.method, test.path, w.Code, test.want)
		}
	}
}

func TestLockNamesItsHolder(t *testing.T) {
	dir := Dir(t.TempDir())
	if err := dir.make(); err != nil {
		t.Fatal(err)
	}
	if pid, err := dir.supervisor(); pid != 0 || err != nil {
		t.Errorf("before: %d %v", pid, err)
	}
	lock, err := dir.lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if pid, err := dir.supervisor(); pid != os.Getpid() || err != nil {
		t.Errorf("while held: %d %v", pid, err)
	}
	if _, err := dir.lock(t.Context()); !IsRunning(err) {
		t.Errorf("a second one: %v", err)
	}
	if err := syscall.Close(lock); err != nil {
		t.Fatal(err)
	}
	if pid, err := dir.supervisor(); pid != 0 || err != nil {
		t.Errorf("after: %d %v", pid, err)
	}
}

// A port that somebody took between choosing it and listening there is worth another start,
// and nothing else is.
func TestPortTaken(t *testing.T) {
	for text, want := range map[string]bool{
		"the sandbox could not be started: rekor: exit status 1. The end of rekor.log: listen tcp 127.0.0.1:1: bind: address already in use": true,
		"the sandbox could not be started: rekor: exit status 1. The end of rekor.log: no such file":                                         false,
	} {
		if portTaken(errors.New(text)) != want {
			t.Errorf("%s: %v", text, !want)
		}
	}
	if portTaken(nil) {
		t.Error("no error is a taken port")
	}
}
