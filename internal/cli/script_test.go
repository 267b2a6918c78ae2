package cli_test

import (
	"errors"
	"flag"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hallmark-project/hallmark/internal/cli"
	"github.com/hallmark-project/hallmark/internal/testkit"
)

var update = flag.Bool("update", false, "write golden files and generated documents anew")

func TestMain(m *testing.M) {
	if _, ok := os.LookupEnv("HALLMARK_NO_CACHE"); !ok { // tests that want a cache say so
		os.Setenv("HALLMARK_NO_CACHE", "true")
	}
	testscript.Main(m, map[string]func(){"hallmark": func() { os.Exit(cli.Main()) }})
}

// stage holds the registries that scripts start, by address.
type stage struct {
	t  *testing.T
	mu sync.Mutex
	by map[string]*testkit.Server
}

func newStage(t *testing.T) *stage { return &stage{t: t, by: map[string]*testkit.Server{}} }

func (s *stage) server(ts *testscript.TestScript, host string) *testkit.Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	server := s.by[host]
	if server == nil {
		ts.Fatalf("no registry at %q", host)
	}
	return server
}

// TestScripts runs every session under testdata/script. Besides testscript's own
// commands, scripts have those of params.
func TestScripts(t *testing.T) {
	testscript.Run(t, newStage(t).params("testdata/script"))
}

func (s *stage) params(dir string) testscript.Params {
	return testscript.Params{
		Dir: dir, UpdateScripts: *update,
		Setup: func(env *testscript.Env) error {
			examples, err := filepath.Abs("../../examples")
			if err != nil {
				return err
			}
			env.Setenv("EXAMPLES", examples)
			env.Setenv("HALLMARK_PASSWORD", "correct horse")
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("DOCKER_CONFIG", filepath.Join(env.WorkDir, ".docker"))
			env.Setenv("SOURCE_DATE_EPOCH", "1767225600")
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits": exits, "registry": s.registry, "push": s.push, "layout": s.layout, "fault": s.fault, "mode": mode, "same": same, "subst": subst, "large": large,
		},
	}
}

// subst FILE puts the registry's address in the place of $REG.
func subst(ts *testscript.TestScript, _ bool, args []string) {
	content := strings.ReplaceAll(ts.ReadFile(args[0]), "$REG", ts.Getenv("REG"))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(content), 0o644))
}

// exits CODE COMMAND ARGS... wants a command to end with an exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d\n%s%s", got, want, ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
}

// registry NAME [no-referrers|quirky|basic] starts a registry; $NAME is its address.
func (s *stage) registry(ts *testscript.TestScript, _ bool, args []string) {
	var options []testkit.Option
	for _, kind := range args[1:] {
		options = append(options, map[string]testkit.Option{
			"no-referrers": testkit.WithoutReferrers(), "quirky": testkit.Quirky(),
			"basic": testkit.BasicAuth("user", "secret-of-the-registry"),
		}[kind])
	}
	server := testkit.Registry(s.t, options...)
	s.mu.Lock()
	s.by[server.Host] = server
	s.mu.Unlock()
	ts.Setenv(args[0], server.Host)
}

// images are the kinds of images that push and layout know.
var images = map[string]func() *testkit.Image{
	"image":    func() *testkit.Image { return testkit.NewImage() },
	"index":    func() *testkit.Image { return testkit.NewIndex() },
	"buildkit": func() *testkit.Image { return testkit.NewIndex(testkit.Buildkit()) },
	"docker":   func() *testkit.Image { return testkit.NewIndex(testkit.Docker()) },
	"other":    func() *testkit.Image { return testkit.NewIndex(testkit.File("other", "content")) },
}

// push HOST/NAME:TAG KIND puts an image into a registry; $DIGEST, $AMD64 and $ARM64
// are its digests.
func (s *stage) push(ts *testscript.TestScript, _ bool, args []string) {
	host, name, _ := strings.Cut(args[0], "/")
	image := images[args[1]]()
	testkit.PushImage(s.t, s.server(ts, host), name, image)
	setDigests(ts, image)
}

// layout DIR TAG KIND... writes an OCI layout.
func (s *stage) layout(ts *testscript.TestScript, _ bool, args []string) {
	var list []*testkit.Image
	for _, kind := range args[2:] {
		list = append(list, images[kind]())
	}
	testkit.WriteLayout(s.t, ts.MkAbs(args[0]), args[1], list...)
	setDigests(ts, list[0])
}

func setDigests(ts *testscript.TestScript, image *testkit.Image) {
	ts.Setenv("DIGEST", image.Digest().String())
	for i, name := range []string{"AMD64", "ARM64"} {
		if i < len(image.Children) {
			ts.Setenv(name, image.Children[i].Digest().String())
		}
	}
}

// fault HOST KIND breaks a registry from now on.
func (s *stage) fault(ts *testscript.TestScript, _ bool, args []string) {
	server := s.server(ts, args[0])
	always := testkit.Always
	server.Use(map[string]testkit.Middleware{
		"throttled-referrers": testkit.Fail(testkit.Referrers, http.StatusTooManyRequests, http.Header{"Retry-After": {"1"}}, always),
		"broken-referrers":    testkit.Fail(testkit.Referrers, http.StatusInternalServerError, nil, always),
		"forbidden":           testkit.Fail(testkit.Any, http.StatusForbidden, nil, always),
		"no-blobs":            testkit.Fail(testkit.Blobs, http.StatusNotFound, nil, always),
		"flipped-blobs":       testkit.RewriteBody(testkit.Gets(testkit.Blobs), testkit.FlipBit, always),
		"cut-once":            testkit.CutBody(testkit.Gets(testkit.Blobs), 100, 1),
		"endless":             testkit.EndlessBody(testkit.Gets(testkit.Blobs)),
		"slow":                testkit.Delay(5 * time.Second),
		"gitlab":              testkit.GitLab(),
		"ecr":                 testkit.ECR(),
		"read-only":           testkit.Fail(testkit.Uploads, http.StatusForbidden, nil, always),
	}[args[1]])
}

// mode FILE MODE compares the mode of a file.
func mode(ts *testscript.TestScript, _ bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	if got := strconv.FormatInt(int64(info.Mode().Perm()), 8); got != args[1] {
		ts.Fatalf("mode of %s is %s, want %s", args[0], got, args[1])
	}
}

// large FILE writes a predicate that does not fit into a manifest: it is read as a blob.
func large(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(`{"text":"`+strings.Repeat("evidence ", 4<<10)+`"}`), 0o600))
}

// same ONE OTHER wants two files to be the same, byte for byte.
func same(ts *testscript.TestScript, neg bool, args []string) {
	if (ts.ReadFile(args[0]) == ts.ReadFile(args[1])) == neg {
		ts.Fatalf("%s and %s: same is %v", args[0], args[1], neg)
	}
}
