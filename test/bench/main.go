// Command bench measures hallmark beside cosign, in the same run and on the same
// registries, through a proxy that adds time to each request and counts them. It
// prints a table and nothing else on standard output.
//
// It reads HALLMARK (the program), HALLMARK_PEERS (a folder with cosign and registry)
// and HALLMARK_IMAGES (a folder made by test/images/build.sh), and runs in the
// repository's root. `make bench` sets all of it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// latencies are what the proxy adds to each request.
var latencies = []time.Duration{0, 50 * time.Millisecond}

func main() {
	runs := flag.Int("runs", 5, "how often each figure is measured; the median counts")
	flag.Parse()
	if err := run(*runs); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(runs int) error {
	dir, err := os.MkdirTemp("", "hallmark-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	ctx, done := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer done()
	b, err := newBench(ctx, dir, runs)
	if err != nil {
		return err
	}
	err = b.measureAll()
	for _, stop := range b.stops {
		stop()
	}
	if err != nil {
		return err
	}
	b.table.print(os.Stdout)
	return nil
}

// bench holds the programs, what they need, and the figures.
type bench struct {
	ctx              context.Context // ends with an interrupt
	dir              string          // removed in the end
	runs             int
	hallmark, cosign string
	peers, images    string
	stops            []func()
	table            table
}

func newBench(ctx context.Context, dir string, runs int) (*bench, error) {
	b := &bench{ctx: ctx, dir: dir, runs: max(1, runs),
		hallmark: os.Getenv("HALLMARK"), peers: os.Getenv("HALLMARK_PEERS"), images: os.Getenv("HALLMARK_IMAGES")}
	b.cosign = filepath.Join(b.peers, "cosign")
	for name, path := range map[string]string{"HALLMARK": b.hallmark, "HALLMARK_PEERS": b.cosign, "HALLMARK_IMAGES": filepath.Join(b.images, "layout")} {
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("%s: %w; 'make bench' builds and sets all of it", name, err)
		}
	}
	for _, config := range []struct{ name, text string }{
		{"signing-config.json", `{"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json","rekorTlogConfig":{},"tsaConfig":{}}`},
		{"trusted-root.json", `{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}`},
	} {
		if err := os.WriteFile(filepath.Join(dir, config.name), []byte(config.text), 0o600); err != nil {
			return nil, err
		}
	}
	if err := b.execute(b.hallmark, "keys", "generate", "--output-key-prefix", "k"); err != nil {
		return nil, err
	}
	if err := b.execute(b.hallmark, "sbom", "oci:"+b.layout()+":app", "-o", "spdx-json=spdx.json", "-o", "cyclonedx-json=cdx.json"); err != nil {
		return nil, err
	}
	return b, b.writeLargeSBOM()
}

func (b *bench) layout() string { return filepath.Join(b.images, "layout") }

// execute runs a program that sees nothing of this machine but the bench's own folder,
// and reaches nothing but loopback.
func (b *bench) execute(name string, args ...string) error {
	const nowhere = "http://127.0.0.1:1"
	name, err := filepath.Abs(name)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(b.ctx, name, args...) //nolint:gosec // the environment says which programs are compared
	cmd.Dir = b.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + b.dir, "DOCKER_CONFIG=" + b.dir, "TMPDIR=" + b.dir, "COSIGN_PASSWORD=bench",
		"HTTP_PROXY=" + nowhere, "HTTPS_PROXY=" + nowhere, "NO_PROXY=127.0.0.1"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %q: %w\n%s", filepath.Base(name), args, err, out)
	}
	return nil
}

func (b *bench) measureAll() error {
	startUp := operation{name: "start-up (version)",
		hallmark: func(string) [][]string { return [][]string{{b.hallmark, "version"}} },
		cosign:   func(string) [][]string { return [][]string{{b.cosign, "version"}} },
	}
	if err := b.measure(startUp, nil); err != nil {
		return err
	}
	for _, start := range []func(*bench) (*registry, error){startDistribution, startMemory} {
		r, err := start(b)
		if err != nil {
			return err
		}
		if err := r.push(b); err != nil {
			return err
		}
		for _, latency := range latencies {
			r.proxy.latency.Store(int64(latency))
			for _, o := range b.operations(r) {
				if err := b.measure(o, r); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// measure runs both tools in turn, each in a repository of its own.
func (b *bench) measure(o operation, r *registry) error {
	var ours, theirs []sample
	for n := range b.runs {
		for _, tool := range []struct {
			commands func(string) [][]string
			samples  *[]sample
		}{{o.hallmark, &ours}, {o.cosign, &theirs}} {
			fmt.Fprintf(os.Stderr, "bench: %s, run %d of %d\n", o.title(r), n+1, b.runs)
			s, err := b.once(o, r, tool.commands)
			if err != nil {
				return err
			}
			*tool.samples = append(*tool.samples, s)
		}
	}
	b.table.add(o.title(r), ours, theirs, r != nil && r.proxy.latency.Load() > 0)
	return nil
}

// once measures one run of one tool.
func (b *bench) once(o operation, r *registry, commands func(string) [][]string) (sample, error) {
	var ref string
	if r != nil {
		var err error
		if ref, err = r.fresh(); err != nil {
			return sample{}, err
		}
		if o.subject != nil {
			ref = o.subject(ref)
		}
		if o.prepare != nil {
			if err := o.prepare(ref); err != nil {
				return sample{}, err
			}
		}
		r.proxy.reset()
	}
	began := time.Now()
	for _, command := range commands(ref) {
		if err := b.execute(command[0], command[1:]...); err != nil {
			return sample{}, err
		}
	}
	s := sample{wall: time.Since(began)}
	if r != nil {
		s.requests, s.bytes, s.depth = r.proxy.counts()
	}
	return s, nil
}
