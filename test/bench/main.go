// Command bench measures hallmark beside what else there is, cosign, syft and skopeo, in
// the same run, on the same images and registries, through a proxy that adds time to each
// request and counts them. Both take turns; the median counts.
//
// It reads HALLMARK (the program), HALLMARK_PEERS (a folder with cosign, syft and registry)
// and HALLMARK_IMAGES (a folder made by test/images/build.sh), and runs in the repository's
// root. `make bench` sets all of it. It prints a table on standard output, and writes
// test/bench/results.json and docs/benchmarks.md if it measured everything.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == measureArgument {
		os.Exit(measureMain())
	}
	var o options
	flag.IntVar(&o.runs, "runs", 5, "how often each figure is measured; the median counts")
	only := flag.String("only", "", "measure only what matches this `regexp`, and write no files but those of -results and -docs")
	flag.BoolVar(&o.quick, "quick", false, "one run, one latency, a small big image, 100 of many")
	flag.StringVar(&o.results, "results", "", "write the figures to this `file` (test/bench/results.json after everything was measured)")
	flag.StringVar(&o.docs, "docs", "", "write the page to this `file` (docs/benchmarks.md after everything was measured)")
	flag.Parse()
	err := o.complete(*only)
	if err == nil {
		err = run(o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are what the command line says.
type options struct {
	runs          int
	only          *regexp.Regexp
	quick         bool
	results, docs string
}

func (o *options) complete(only string) (err error) {
	if o.only, err = regexp.Compile(only); err != nil {
		return err
	}
	if o.quick {
		o.runs = 1
	}
	o.runs = max(1, o.runs)
	if only == "" && !o.quick {
		if o.results == "" {
			o.results = filepath.Join("test", "bench", "results.json")
		}
		if o.docs == "" {
			o.docs = filepath.Join("docs", "benchmarks.md")
		}
	}
	return nil
}

func run(o options) error {
	dir, err := os.MkdirTemp("", "hallmark-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	ctx, done := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer done()
	b, err := newBench(ctx, dir, o)
	if err != nil {
		return err
	}
	defer b.stop()
	if err := b.measureAll(); err != nil {
		return err
	}
	b.table.print(os.Stdout)
	fmt.Println()
	printGoals(os.Stdout, b.table)
	if o.results != "" {
		err = b.table.writeJSON(o.results)
	}
	if o.docs != "" {
		err = errors.Join(err, b.writeDocument(o.docs))
	}
	return err
}

// bench holds the programs, what they need, and the figures.
type bench struct {
	options
	ctx                    context.Context // ends with an interrupt
	began                  time.Time
	dir                    string // removed in the end
	self                   string // this program
	hallmark, cosign, syft string
	skopeo                 string
	peers, images          string
	caches                 bool // this hallmark has --cache-dir
	ready                  map[string]bool
	stops                  []func()
	table                  table

	distribution, memory *registry
	many                 *manyImages
}

func newBench(ctx context.Context, dir string, o options) (*bench, error) {
	b := &bench{options: o, ctx: ctx, began: time.Now(), dir: dir, hallmark: os.Getenv("HALLMARK"), peers: os.Getenv("HALLMARK_PEERS"),
		images: os.Getenv("HALLMARK_IMAGES"), ready: map[string]bool{}}
	b.cosign, b.syft = filepath.Join(b.peers, "cosign"), filepath.Join(b.peers, "syft")
	for name, path := range map[string]string{"HALLMARK": b.hallmark, "HALLMARK_PEERS": b.cosign, "HALLMARK_PEERS: syft": b.syft,
		"HALLMARK_IMAGES": filepath.Join(b.images, "layout")} {
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("%s: %w; 'make bench' builds and sets all of it", name, err)
		}
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	skopeo, err := exec.LookPath("skopeo")
	if err != nil {
		return nil, err
	}
	for _, program := range []struct {
		to   *string
		from string
	}{{&b.self, self}, {&b.hallmark, b.hallmark}, {&b.cosign, b.cosign}, {&b.syft, b.syft}, {&b.skopeo, skopeo}} {
		if *program.to, err = b.copyProgram(program.from); err != nil {
			return nil, err
		}
	}
	return b, b.prepareMaterial()
}

// prepareMaterial makes what all operations need: keys, and what cosign needs to do
// without the services of a Sigstore.
func (b *bench) prepareMaterial() error {
	for _, config := range []struct{ name, text string }{
		{"signing-config.json", `{"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json","rekorTlogConfig":{},"tsaConfig":{}}`},
		{"trusted-root.json", `{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}`},
	} {
		if err := os.WriteFile(b.path(config.name), []byte(config.text), 0o600); err != nil {
			return err
		}
	}
	help, err := b.output(b.hallmark, "sbom", "--help")
	if err != nil {
		return err
	}
	b.caches = slices.Contains(regexp.MustCompile(`--[a-z-]+`).FindAllString(help, -1), "--cache-dir")
	return b.execute(b.hallmark, "keys", "generate", "--output-key-prefix", "k")
}

// noCache is hallmark's variable that turns its caches off.
const noCache = "HALLMARK_NO_CACHE"

// password protects the key that is made for the bench.
const password = "bench"

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

// layout is the real image: Debian, Python, node and Go, on two platforms.
func (b *bench) layout() (string, error) { return filepath.Abs(filepath.Join(b.images, "layout")) }

// stop ends what was started, the last first.
func (b *bench) stop() {
	for _, stop := range slices.Backward(b.stops) {
		stop()
	}
}

// once does something the first time it is asked for by a name.
func (b *bench) once(name string, do func() error) error {
	if b.ready[name] {
		return nil
	}
	b.ready[name] = true
	fmt.Fprintln(os.Stderr, "bench: preparing", name)
	return do()
}

// environment lets a program see nothing of this machine but the bench's own folder, and
// reach nothing but loopback.
func (b *bench) environment() []string {
	const nowhere = "http://127.0.0.1:1"
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + b.dir, "DOCKER_CONFIG=" + b.dir, "TMPDIR=" + b.dir, "COSIGN_PASSWORD=" + password,
		"SYFT_CHECK_FOR_APP_UPDATE=false", "SYFT_REGISTRY_INSECURE_USE_HTTP=true",
		noCache + "=true", "HTTP_PROXY=" + nowhere, "HTTPS_PROXY=" + nowhere, "NO_PROXY=127.0.0.1"}
}

func (b *bench) output(name string, args ...string) (string, error) {
	cmd := exec.CommandContext(b.ctx, name, args...)
	cmd.Dir, cmd.Env = b.dir, b.environment()
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s %q: %w\n%s", filepath.Base(name), args, err, out)
	}
	return string(out), nil
}

func (b *bench) execute(name string, args ...string) error {
	_, err := b.output(name, args...)
	return err
}
