package chaos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-project/hallmark/internal/peer"
)

const (
	// commandTime is what hallmark may take for a command, besides stallsAtMost times the
	// length of a stall. More is a failure: a run must end by itself.
	commandTime  = 5 * time.Minute
	stallsAtMost = 60
	// atOnce is how many runs go on beside each other. Most of the time they wait.
	atOnce = 6

	defaultRuns     = 30
	defaultKills    = 20
	defaultTogether = time.Minute
	defaultStall    = 300 * time.Millisecond
)

// number is a whole number that the environment sets.
func number(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s=%s is no number", name, text)
	}
	return n
}

// duration is a length of time that the environment sets, such as 20s.
func duration(t *testing.T, name string, otherwise time.Duration) time.Duration {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return d
}

// skip leaves a test out, or fails it where nothing may be left out.
func skip(t *testing.T, reason any) {
	t.Helper()
	if os.Getenv("HALLMARK_NO_SKIP") != "" {
		t.Fatalf("HALLMARK_NO_SKIP is set, and %v", reason)
	}
	t.Skip(reason)
}

// lab holds what the tests of this package share.
type lab struct {
	dir        string // removed in the end
	hallmark   string
	patience   time.Duration // for one command
	home       string
	registries []*registry // distribution, and one with the referrers API
}

// registry is a running one.
type registry struct {
	name, host string
	referrers  bool // it has the referrers API
}

var theLab struct {
	once  sync.Once
	lab   *lab
	err   error
	stops []func()
}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, stop := range theLab.stops {
		stop()
	}
	os.Exit(code)
}

// open gives a test the lab. Without HALLMARK, as in `make test`, the test is skipped
// in any case: it is not part of that.
func open(t *testing.T) *lab {
	t.Helper()
	if os.Getenv("HALLMARK") == "" {
		t.Skip("HALLMARK is not set; 'make chaos' does that")
	}
	stall := duration(t, "STALL", defaultStall)
	theLab.once.Do(func() { theLab.lab, theLab.err = newLab(stall) })
	if theLab.err != nil {
		t.Fatal(theLab.err)
	}
	return theLab.lab
}

func newLab(stall time.Duration) (*lab, error) {
	hallmark, err := filepath.Abs(os.Getenv("HALLMARK"))
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "hallmark-chaos-")
	if err != nil {
		return nil, err
	}
	theLab.stops = append(theLab.stops, func() { os.RemoveAll(dir) })
	l := &lab{dir: dir, hallmark: hallmark, home: filepath.Join(dir, "home"), patience: commandTime + stallsAtMost*stall}
	if err := os.Mkdir(l.home, 0o700); err != nil {
		return nil, err
	}
	for _, start := range []func() (*registry, error){l.startDistribution, startMemory} {
		r, err := start()
		if err != nil {
			return nil, err
		}
		l.registries = append(l.registries, r)
	}
	for _, name := range []string{"release", "mallory"} {
		if out := l.run("keys", "generate", "--output-key-prefix", filepath.Join(dir, name)); out.code != 0 {
			return nil, errors.New(out.String())
		}
	}
	return l, nil
}

func (l *lab) key(name string) string    { return filepath.Join(l.dir, name+".key") }
func (l *lab) public(name string) string { return filepath.Join(l.dir, name+".pub") }

// startDistribution starts the distribution project's registry: no referrers API.
func (l *lab) startDistribution() (*registry, error) {
	peers := os.Getenv("HALLMARK_PEERS")
	if peers == "" {
		return nil, errors.New("HALLMARK_PEERS is not set; 'make chaos' builds the peers and sets it")
	}
	host, stop, err := peer.Distribution(filepath.Join(peers, "registry"), l.dir)
	if err != nil {
		return nil, err
	}
	theLab.stops = append([]func(){stop}, theLab.stops...)
	return &registry{name: "distribution", host: host}, nil
}

// startMemory starts a registry with the referrers API in this process.
func startMemory() (*registry, error) {
	host, stop, err := peer.Memory()
	if err != nil {
		return nil, err
	}
	theLab.stops = append([]func(){stop}, theLab.stops...)
	return &registry{name: "referrers API", host: host, referrers: true}, nil
}

// environment lets a program see nothing of this machine but its own home, and reach
// nothing but loopback.
func (l *lab) environment() []string {
	const nowhere = "http://127.0.0.1:1"
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + l.home, "TMPDIR=" + l.dir, "DOCKER_CONFIG=" + l.home, "HALLMARK_NO_CACHE=true",
		"HTTP_PROXY=" + nowhere, "HTTPS_PROXY=" + nowhere, "NO_PROXY=127.0.0.1", "HALLMARK_PASSWORD=chaos",
		"OTEL_TRACES_EXPORTER=none",
	}
}

// killed is the code of a program that did not end by itself.
const killed = -1

// output is how a program ended and what it said.
type output struct {
	line           string
	code           int
	stdout, stderr string
	took           time.Duration
}

func (o output) String() string {
	return fmt.Sprintf("%s\nexit code %d after %.1f s\n%s%s", o.line, o.code, o.took.Seconds(), o.stdout, o.stderr)
}

// command is hallmark, to be started.
func (l *lab) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, l.hallmark, args...)
	cmd.Dir, cmd.Env = l.dir, l.environment()
	return cmd
}

// run runs hallmark to its end.
func (l *lab) run(args ...string) output {
	ctx, done := context.WithTimeout(context.Background(), l.patience)
	defer done()
	return watch(l.command(ctx, args...))
}

// watch runs a program and says how it ended.
func watch(cmd *exec.Cmd) output {
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	out := output{line: "hallmark " + strings.Join(cmd.Args[1:], " "), code: killed}
	began := time.Now()
	err := cmd.Run()
	out.stdout, out.stderr, out.took = stdout.String(), stderr.String(), time.Since(began)
	var exit *exec.ExitError
	switch {
	case err == nil:
		out.code = 0
	case errors.As(err, &exit) && exit.Exited():
		out.code = exit.ExitCode()
	case !errors.As(err, &exit) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded):
		out.stderr += err.Error()
	}
	return out
}

// must runs hallmark, which has to succeed.
func (l *lab) must(t *testing.T, args ...string) output {
	t.Helper()
	out := l.run(args...)
	if out.code != 0 {
		t.Fatalf("want exit code 0\n%s", out)
	}
	return out
}

// has reports whether this hallmark has a command.
func (l *lab) has(command string) bool {
	return strings.Contains(l.run("help", command).stdout, "hallmark "+command)
}

// need skips a test where hallmark lacks a command.
func (l *lab) need(t *testing.T, commands ...string) {
	t.Helper()
	for _, command := range commands {
		if !l.has(command) {
			skip(t, "this hallmark has no command "+command)
		}
	}
}

// each runs jobs 0 to n-1, some at once, and waits for all.
func each(n int, job func(n int)) {
	var group sync.WaitGroup
	tickets := make(chan struct{}, atOnce)
	for i := range n {
		tickets <- struct{}{}
		group.Go(func() {
			defer func() { <-tickets }()
			job(i)
		})
	}
	group.Wait()
}
