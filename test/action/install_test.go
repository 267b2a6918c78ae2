package action

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
)

// fakeRelease is what the installer is to install: a program that says who it is.
const fakeRelease = "#!/bin/sh\necho genuine\n"

func sum(content string) string {
	digest := sha256.Sum256([]byte(content))
	return hex.EncodeToString(digest[:])
}

// fakeName is the file of a release for this machine.
func fakeName(version string) string {
	return "hallmark_" + version + "_" + runtime.GOOS + "_" + runtime.GOARCH
}

// installer is a step with a copy of the scripts and a list of digests of its own.
type installer struct {
	*step
	cache string
	asked atomic.Int32
}

func newInstaller(t *testing.T, checksums string) *installer {
	t.Helper()
	needTool(t, "curl")
	s := newStep(t)
	dir := filepath.Join(t.TempDir(), "action")
	if err := os.CopyFS(dir, os.DirFS(s.action)); err != nil {
		t.Fatal(err)
	}
	s.action = dir
	s.write(filepath.Join(dir, "checksums.txt"), "# A comment.\n"+checksums)
	i := &installer{step: s, cache: t.TempDir()}
	s.env = []string{"RUNNER_TOOL_CACHE=" + i.cache}
	return i
}

// serve starts a server for releases, and makes it the installer's mirror.
func (i *installer) serve(answer http.HandlerFunc) {
	i.t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.asked.Add(1)
		answer(w, r)
	}))
	i.t.Cleanup(server.Close)
	i.env = append(i.env, "HALLMARK_ACTION_MIRROR="+server.URL)
}

func (i *installer) install(version string) played {
	i.t.Helper()
	return i.play("install.sh", "HALLMARK_INPUT_version="+version)
}

// left are the files below the cache that somebody might run.
func (i *installer) left() []string {
	i.t.Helper()
	var files []string
	err := filepath.WalkDir(i.cache, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		i.t.Fatal(err)
	}
	return files
}

func give(content string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, content) }
}

// TestInstall: the release whose digest is pinned is fetched once, checked and found again.
func TestInstall(t *testing.T) {
	t.Parallel()
	i := newInstaller(t, sum("other")+"  hallmark_v1.2.3_plan9_amd64\n"+sum(fakeRelease)+"  "+fakeName("v1.2.3")+"\n")
	i.serve(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1.2.3/"+fakeName("v1.2.3") {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, fakeRelease)
	})
	for range 2 {
		p := i.install("v1.2.3")
		if p.code != 0 {
			t.Fatalf("code %d\n%s", p.code, p.log)
		}
		if said := run(t, i.dir, nil, p.outputs["program"]); said != "genuine\n" {
			t.Errorf("it says %q", said)
		}
	}
	if i.asked.Load() != 1 || len(i.left()) != 1 {
		t.Errorf("asked %d times; in the cache: %q", i.asked.Load(), i.left())
	}
	// Somebody changes what lies in the cache: it is not run, but replaced.
	program := i.left()[0]
	i.write(program, "#!/bin/sh\necho evil\n")
	p := i.install("v1.2.3")
	p.annotated(t, "::warning", "does not have the digest that is pinned")
	if p.code != 0 || i.read(program) != fakeRelease || i.asked.Load() != 2 {
		t.Errorf("code %d, asked %d times\n%s", p.code, i.asked.Load(), p.log)
	}
	if err := os.WriteFile(program, []byte("#!/bin/sh\necho evil\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	i.env = append(i.env, "HALLMARK_ACTION_MIRROR=http://127.0.0.1:1") // and is never run while it cannot be
	if p := i.install("v1.2.3"); p.code != 5 || p.outputs["program"] != "" {
		t.Errorf("code %d, %q\n%s", p.code, p.outputs, p.log)
	}
}

// TestInstallAgain: a server that fails once is asked again.
func TestInstallAgain(t *testing.T) {
	t.Parallel()
	i := newInstaller(t, sum(fakeRelease)+"  "+fakeName("v1.2.3")+"\n")
	i.serve(func(w http.ResponseWriter, _ *http.Request) {
		if i.asked.Load() == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		fmt.Fprint(w, fakeRelease)
	})
	if p := i.install("v1.2.3"); p.code != 0 || i.asked.Load() != 2 {
		t.Errorf("code %d, asked %d times\n%s", p.code, i.asked.Load(), p.log)
	}
}

// TestInstallRefuses: whatever else a server gives, nothing is there to be run afterwards.
func TestInstallRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		code   int
		want   string
	}{
		"another program": {give("#!/bin/sh\necho evil\n"), 3, "is pinned"},
		"nothing":         {give(""), 3, "is pinned"},
		"one byte less":   {give(fakeRelease[:len(fakeRelease)-1]), 3, "is pinned"},
		"cut off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100000")
			fmt.Fprint(w, fakeRelease)
		}, 5, "could not be fetched"},
		"not found": {http.NotFound, 5, "could not be fetched"},
		"said to be huge": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1099511627776")
			w.WriteHeader(http.StatusOK)
		}, 5, "could not be fetched"},
		"redirect to plain http": {func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/elsewhere") {
				fmt.Fprint(w, fakeRelease)
				return
			}
			http.Redirect(w, r, "http://"+r.Host+"/elsewhere", http.StatusFound)
		}, 5, "could not be fetched"},
		"redirect to a file": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		}, 5, "could not be fetched"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := newInstaller(t, sum(fakeRelease)+"  "+fakeName("v1.2.3")+"\n")
			i.serve(c.answer)
			p := i.install("v1.2.3")
			if p.code != c.code || p.outputs["program"] != "" || len(i.left()) != 0 {
				t.Errorf("code %d, %q, left %q\n%s", p.code, p.outputs, i.left(), p.log)
			}
			p.annotated(t, "::error", c.want)
		})
	}
}

// TestInstallBounded: a file without an end, of which no length is told, fills no disk. curl
// before 8.4 does not see to that itself.
func TestInstallBounded(t *testing.T) {
	t.Parallel()
	i := newInstaller(t, sum(fakeRelease)+"  "+fakeName("v1.2.3")+"\n")
	script := filepath.Join(i.action, "install.sh")
	smaller := strings.Replace(i.read(script), "max_program=$((256 << 20))", "max_program=$((1 << 20))", 1)
	if err := os.WriteFile(script, []byte(smaller), 0o700); err != nil {
		t.Fatal(err)
	}
	sent := atomic.Int64{}
	i.serve(func(w http.ResponseWriter, r *http.Request) {
		block := make([]byte, 1<<16)
		for sent.Load() < 1<<30 {
			if _, err := w.Write(block); err != nil {
				return
			}
			sent.Add(int64(len(block)))
		}
	})
	p := i.install("v1.2.3")
	if p.code != 5 || len(i.left()) != 0 || sent.Load() > 64<<20 {
		t.Errorf("code %d, left %q, %d bytes sent\n%s", p.code, i.left(), sent.Load(), p.log)
	}
}

// TestInstallVersions: which versions are refused before anybody is asked.
func TestInstallVersions(t *testing.T) {
	line := sum(fakeRelease) + "  " + fakeName("v1.2.3") + "\n"
	for name, c := range map[string]struct{ checksums, version, want string }{
		"not listed":            {line, "v1.2.4", "has no digest for " + fakeName("v1.2.4")},
		"listed twice":          {line + sum("x") + "  " + fakeName("v1.2.3") + "\n", "v1.2.3", "several digests"},
		"no digest":             {"v1.2.3  " + fakeName("v1.2.3") + "\n", "v1.2.3", "has no digest for"},
		"a comment":             {"# " + line, "v1.2.3", "has no digest for"},
		"a branch":              {line, "main", "want a release"},
		"another folder":        {line, "v1.2.3/../../x", "want a release"},
		"a command":             {line, "$(touch pwned)", "want a release"},
		"a pattern":             {line, "v1.2.*", "want a release"},
		"a line break":          {line, "v1.2.3\nx", "version holds a line break"},
		"installed, but is not": {line, "installed", "wants hallmark on the PATH"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := newInstaller(t, c.checksums)
			i.serve(give(fakeRelease))
			p := i.play("install.sh", "HALLMARK_INPUT_version="+c.version, "PATH=/usr/bin:/bin")
			if p.code != 2 || i.asked.Load() != 0 || len(i.left()) != 0 || p.outputs["program"] != "" {
				t.Errorf("code %d, asked %d times\n%s", p.code, i.asked.Load(), p.log)
			}
			p.annotated(t, "::error", c.want)
			if files, err := os.ReadDir(i.dir); err != nil || len(files) != 0 {
				t.Errorf("left %v, %v", files, err)
			}
		})
	}
}

// TestInstallPlainHTTP: a mirror without TLS is refused unless it is on this machine. The
// proxy would be asked for any other one; nothing else would be.
func TestInstallPlainHTTP(t *testing.T) {
	t.Parallel()
	i := newInstaller(t, sum(fakeRelease)+"  "+fakeName("v1.2.3")+"\n")
	proxy := httptest.NewServer(give(fakeRelease))
	t.Cleanup(proxy.Close)
	for _, mirror := range []string{"http://mirror.example", "http://127.0.0.1.mirror.example:80", "http://localhost:80@mirror.example", "ftp://mirror.example"} {
		p := i.play("install.sh", "HALLMARK_INPUT_version=v1.2.3", "HALLMARK_ACTION_MIRROR="+mirror, "http_proxy="+proxy.URL, "ftp_proxy="+proxy.URL)
		if p.code != 5 || len(i.left()) != 0 {
			t.Errorf("%s: code %d\n%s", mirror, p.code, p.log)
		}
	}
}

// TestInstallFound: 'installed' takes the one on the PATH.
func TestInstallFound(t *testing.T) {
	t.Parallel()
	i := newInstaller(t, "")
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "hallmark"), []byte(fakeRelease), 0o700); err != nil {
		t.Fatal(err)
	}
	if p := i.play("install.sh", "HALLMARK_INPUT_version=installed", "PATH="+bin+":/usr/bin:/bin"); p.outputs["program"] != filepath.Join(bin, "hallmark") {
		t.Errorf("%q\n%s", p.outputs, p.log)
	}
}
