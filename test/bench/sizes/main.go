// Command sizes measures how much memory hallmark takes for big things: an SBOM of 200
// MB, an image of 5 GB, 10,000 referrers. It prints a table on standard output, and ends
// with 1 where a figure is above its limit.
//
// It reads HALLMARK (the program) and HALLMARK_PEERS (a folder with registry), and needs
// about three times the size of the image on the disk of TMPDIR; `SIZES=1 make bench`
// sets all of it. What hallmark cannot do is left out and said so.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"text/tabwriter"
)

// Peak memory that is not to be exceeded, in bytes.
const (
	limitSBOM      = 300 << 20
	limitCopy      = 150 << 20
	limitReferrers = 100 << 20
)

func main() {
	if len(os.Args) > 2 && os.Args[1] == measureArgument {
		os.Exit(measureMain(os.Args[2:]))
	}
	sbom := flag.Int64("sbom", 200, "size of the SBOM in MB; 0 leaves it out")
	image := flag.Int64("image", 5000, "size of the image in MB; 0 leaves it out")
	referrers := flag.Int("referrers", 10_000, "number of referrers; 0 leaves them out")
	flag.Parse()
	if err := run(*sbom*1_000_000, *image*1_000_000, *referrers); err != nil {
		fmt.Fprintln(os.Stderr, "sizes:", err)
		os.Exit(1)
	}
}

func run(sbom, image int64, referrers int) error {
	b, err := newBench()
	if err != nil {
		return err
	}
	defer b.stop()
	for _, part := range []struct {
		wanted  bool
		measure func() error
	}{
		{referrers > 0, func() error { return b.referrers(referrers) }},
		{sbom > 0, func() error { return b.bigSBOM(sbom) }},
		{image > 0, func() error { return b.bigImage(image) }},
	} {
		if part.wanted {
			if err := part.measure(); err != nil {
				return err
			}
		}
	}
	return b.print()
}

// bench holds what is measured with, and the figures.
type bench struct {
	ctx             context.Context // ends with an interrupt
	dir             string          // removed in the end
	hallmark, peers string
	stops           []func()
	rows            []row
}

type row struct {
	name    string
	limit   int64
	peak    int64
	seconds float64
}

func newBench() (*bench, error) {
	ctx, done := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	b := &bench{ctx: ctx, peers: os.Getenv("HALLMARK_PEERS"), stops: []func(){done}}
	var err error
	if b.hallmark, err = filepath.Abs(os.Getenv("HALLMARK")); err != nil {
		return nil, err
	}
	for name, path := range map[string]string{"HALLMARK": b.hallmark, "HALLMARK_PEERS": filepath.Join(b.peers, "registry")} {
		if info, err := os.Stat(path); err != nil || info.IsDir() {
			return nil, fmt.Errorf("%s does not lead to %s; 'make bench' builds and sets all of it", name, path)
		}
	}
	if b.dir, err = os.MkdirTemp("", "hallmark-sizes-"); err != nil {
		return nil, err
	}
	b.stops = append(b.stops, func() { _ = os.RemoveAll(b.dir) })
	err = b.copyProgram()
	if err == nil {
		err = b.prepare("keys", "generate", "--output-key-prefix", "k")
	}
	if err != nil {
		b.stop()
		return nil, err
	}
	return b, nil
}

// copyProgram makes a copy of the program, which is what is measured. How much of a
// program's file the kernel maps in at once, and counts as memory of the process, depends
// on how the file was written: of one that the linker has just written it is tens of
// megabytes more than of one that was unpacked or downloaded.
func (b *bench) copyProgram() error {
	from, err := os.Open(b.hallmark)
	if err != nil {
		return err
	}
	defer from.Close()
	b.hallmark = b.path("hallmark")
	to, err := os.OpenFile(b.hallmark, os.O_CREATE|os.O_WRONLY, 0o700)
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{to}, struct{ io.Reader }{from}, make([]byte, 32<<10))
	return errors.Join(err, to.Close())
}

// stop ends what was started, the last first.
func (b *bench) stop() {
	for len(b.stops) > 0 {
		last := len(b.stops) - 1
		defer b.stops[last]()
		b.stops = b.stops[:last]
	}
}

// has reports whether this hallmark has a command.
func (b *bench) has(command string) bool {
	out, err := b.command("help", command).Output()
	return err == nil && strings.Contains(string(out), "hallmark "+command)
}

func (b *bench) print() error {
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "name\tpeak memory, MB\tlimit, MB\tseconds")
	var above []string
	for _, r := range b.rows {
		fmt.Fprintf(out, "%s\t%.0f\t%.0f\t%.1f\n", r.name, float64(r.peak)/(1<<20), float64(r.limit)/(1<<20), r.seconds)
		if r.peak > r.limit {
			above = append(above, r.name)
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	if len(above) > 0 {
		return errors.New("above the limit: " + strings.Join(above, ", "))
	}
	return nil
}
