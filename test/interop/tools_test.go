package interop

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// commandTime is how long one run of a program may take.
const commandTime = 4 * time.Minute

// testsAtOnce is more than the processors of a small machine: on a registry without the
// referrers API, much of the time is waiting.
const testsAtOnce = "4"

// password protects every private key here.
const password = "assay office"

// workshop holds what the tests share: the programs, the registries, keys and
// documents. Each part is made when a test first asks for it.
type workshop struct {
	dir string // removed in the end

	distribution, memory func() (*registry, error)
	keys                 func() (*keyring, error)
}

var shop *workshop

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == measureArgument {
		os.Exit(measureMain(os.Args[2:]))
	}
	flag.Parse()
	if err := flag.Set("test.parallel", testsAtOnce); err != nil {
		panic(err)
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "hallmark-interop-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	shop = &workshop{dir: dir}
	var stops []func()
	defer func() {
		for _, stop := range stops {
			stop()
		}
	}()
	share := func(start func() (*registry, error)) func() (*registry, error) {
		return sync.OnceValues(func() (*registry, error) {
			r, err := start()
			if r != nil {
				stops = append(stops, r.stop)
			}
			if err == nil {
				err = r.push()
			}
			return r, err
		})
	}
	shop.distribution = share(startDistribution)
	shop.memory = share(startMemory)
	shop.keys = sync.OnceValues(makeKeys)
	return m.Run()
}

// program is the path of a program or folder that the environment tells of.
func program(variable, name string) (string, error) {
	dir := os.Getenv(variable)
	if dir == "" {
		return "", fmt.Errorf("%s is not set", variable)
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%s: %w", variable, err)
	}
	return filepath.Abs(path)
}

func hallmarkProgram() (string, error) { return program("HALLMARK", "") }
func cosignProgram() (string, error)   { return program("HALLMARK_PEERS", "cosign") }
func imagesFolder() (string, error)    { return program("HALLMARK_IMAGES", "") }

// skip leaves a test out, or fails it where nothing may be left out.
func skip(t *testing.T, reason any) {
	t.Helper()
	if os.Getenv("HALLMARK_NO_SKIP") != "" {
		t.Fatalf("HALLMARK_NO_SKIP is set, and %v", reason)
	}
	t.Skip(reason)
}

// needTools skips a test if something that every test needs is not there.
func needTools(t *testing.T) {
	t.Helper()
	_, noRegistry := program("HALLMARK_PEERS", "registry")
	_, noHallmark := hallmarkProgram()
	_, noCosign := cosignProgram()
	_, noImages := imagesFolder()
	_, noSkopeo := exec.LookPath("skopeo")
	if err := errors.Join(noHallmark, noCosign, noRegistry, noImages, noSkopeo); err != nil {
		skip(t, err)
	}
}

// desk is where one test works: a folder and an environment of its own.
type desk struct {
	t    *testing.T
	dir  string
	home string
	env  []string // besides the common ones
	keys *keyring
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	needTools(t)
	keys, err := shop.keys()
	if err != nil {
		t.Fatal(err)
	}
	return &desk{t: t, dir: t.TempDir(), home: t.TempDir(), keys: keys}
}

// with is the same desk with more environment variables.
func (d *desk) with(env ...string) *desk {
	other := *d
	other.env = append(append([]string{}, d.env...), env...)
	return &other
}

// under is the same desk in a subtest.
func (d *desk) under(t *testing.T) *desk {
	other := *d
	other.t = t
	return &other
}

// file is the path of a file on the desk, written with the content given.
func (d *desk) file(name, content string) string {
	d.t.Helper()
	path := filepath.Join(d.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		d.t.Fatal(err)
	}
	return path
}

// path is where a file on the desk is or will be.
func (d *desk) path(name string) string { return filepath.Join(d.dir, name) }

// environment lets a program see nothing of this machine but its own home, and reach
// nothing but loopback.
func environment(home string, more ...string) []string {
	const nowhere = "http://127.0.0.1:1"
	return append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + os.TempDir(), "DOCKER_CONFIG=" + home, "HALLMARK_NO_CACHE=true",
		"HTTP_PROXY=" + nowhere, "HTTPS_PROXY=" + nowhere, "NO_PROXY=127.0.0.1", "COSIGN_PASSWORD=" + password,
		"OTEL_TRACES_EXPORTER=none",
	}, more...)
}

// output is how a program ended and what it said.
type output struct {
	line           string
	code           int
	stdout, stderr string
	took           time.Duration
}

func (o output) String() string {
	return fmt.Sprintf("%s\nexit code %d\n%s%s", o.line, o.code, o.stdout, o.stderr)
}

// execute runs a program to its end. The error is about running it, not its exit code.
func execute(dir string, env []string, name string, args ...string) (output, error) {
	ctx, cancel := context.WithTimeout(context.Background(), commandTime)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, env, &stdout, &stderr
	began := time.Now()
	err := cmd.Run()
	out := output{line: filepath.Base(name) + " " + strings.Join(args, " "), stdout: stdout.String(), stderr: stderr.String(), took: time.Since(began)}
	var exit *exec.ExitError
	if ctx.Err() == nil && errors.As(err, &exit) && exit.Exited() {
		out.code, err = exit.ExitCode(), nil
	}
	return out, err
}

// mustExecute runs a program that has to succeed, outside of a test.
func mustExecute(home, name string, args ...string) (output, error) {
	out, err := execute(home, environment(home), name, args...)
	if err == nil && out.code != 0 {
		err = errors.New(out.String())
	}
	return out, err
}

// refused is any exit code of cosign's that says no.
const refused = -1

func (d *desk) run(find func() (string, error), want int, args ...string) output {
	d.t.Helper()
	name, err := find()
	if err != nil {
		d.t.Fatal(err)
	}
	out, err := execute(d.dir, environment(d.home, d.env...), name, args...)
	if err != nil {
		d.t.Fatalf("%v\n%s", err, out)
	}
	if want == refused && out.code == 0 || want != refused && out.code != want {
		d.t.Errorf("want exit code %d\n%s", want, out)
	}
	return out
}

// hallmark runs hallmark and wants an exit code.
func (d *desk) hallmark(want int, args ...string) output {
	d.t.Helper()
	return d.run(hallmarkProgram, want, args...)
}

// cosign runs cosign and wants an exit code.
func (d *desk) cosign(want int, args ...string) output {
	d.t.Helper()
	return d.run(cosignProgram, want, args...)
}

// Flags of cosign for keys without a transparency log.

func (d *desk) signFlags(key string) []string {
	return []string{"-y", "--key", key, "--signing-config", d.keys.signingConfig, "--trusted-root", d.keys.trustedRoot}
}

func (d *desk) verifyFlags(pub string) []string {
	return []string{"--key", pub, "--insecure-ignore-tlog", "--trusted-root", d.keys.trustedRoot}
}

// oldFlags make cosign write what it wrote before the bundle.
func oldFlags(key string) []string {
	return []string{"-y", "--key", key, "--new-bundle-format=false", "--use-signing-config=false", "--tlog-upload=false"}
}

// line is a command line of cosign; with a registry, it has to be told that there is
// no TLS.
func line(command string, flags []string, more ...string) []string {
	args := append([]string{command}, flags...)
	if !strings.Contains(command, "blob") {
		args = append(args, "--allow-http-registry")
	}
	return append(args, more...)
}

func (d *desk) cosignSigns(ref string, more ...string) {
	d.t.Helper()
	d.cosign(0, line("sign", d.signFlags(d.keys.cosign.private), append(more, ref)...)...)
}

func (d *desk) cosignAttests(kind, predicate, ref string) {
	d.t.Helper()
	d.cosign(0, line("attest", d.signFlags(d.keys.cosign.private), "--type", kind, "--predicate", predicate, ref)...)
}

func (d *desk) cosignVerifies(want int, pub, ref string, more ...string) output {
	d.t.Helper()
	return d.cosign(want, line("verify", d.verifyFlags(pub), append(more, ref)...)...)
}

func (d *desk) cosignVerifiesType(want int, pub, kind, ref string, more ...string) output {
	d.t.Helper()
	return d.cosign(want, line("verify-attestation", d.verifyFlags(pub), append(more, "--type", kind, ref)...)...)
}
