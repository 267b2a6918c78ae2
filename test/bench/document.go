package main

import (
	"bytes"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"time"
)

// What is between these lines is written by hand, and kept.
const (
	handBegins = "<!-- by hand: begin -->"
	handEnds   = "<!-- by hand: end -->"
)

// writeDocument writes the page about the figures.
func (b *bench) writeDocument(name string) error {
	old, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	hand, err := byHand(string(old))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	var page bytes.Buffer
	fmt.Fprintf(&page, `# Benchmarks

`+"`make bench`"+` writes this page and `+"`test/bench/results.json`"+`: hallmark beside what else there is, in the same run, taking turns, on the
same image and registries. Each figure is the median of %d runs (%d where a run of the peer takes long, %d of starting up), as ours / the
peer's (ratio): below 1, we need less.

`, b.runs, min(b.runs, heavyRuns), 4*b.runs)
	b.describe(&page)
	fmt.Fprint(&page, "\n## Goals\n\n")
	writeTable(&page, []string{"goal", "wanted", "measured", ""}, goalRows(b.table))
	fmt.Fprint(&page, "\n## Figures\n\n")
	writeTable(&page, header(), b.table.rows())
	fmt.Fprintf(&page, "\n%s\n%s%s\n", handBegins, hand, handEnds)
	return os.WriteFile(name, page.Bytes(), 0o644)
}

// byHand is what stands between the marks of an older page.
func byHand(page string) (string, error) {
	if page == "" {
		return "\n", nil
	}
	_, rest, began := strings.Cut(page, handBegins+"\n")
	hand, _, ended := strings.Cut(rest, handEnds)
	if !began || !ended {
		return "", fmt.Errorf("it has no %s and %s, so that it cannot be said what was written by hand", handBegins, handEnds)
	}
	return hand, nil
}

// describe says on what, and how, it was measured.
func (b *bench) describe(page *bytes.Buffer) {
	fmt.Fprintf(page, "| | |\n|---|---|\n")
	row := func(name, text string) { fmt.Fprintf(page, "| %s | %s |\n", name, text) }
	row("measured", time.Now().UTC().Format(time.DateOnly))
	row("machine", fmt.Sprintf("%s, %d processors, %s of memory, %s/%s", field("/proc/cpuinfo", "model name"), runtime.NumCPU(), memory(), runtime.GOOS, runtime.GOARCH))
	row("Go", strings.TrimPrefix(runtime.Version(), "go"))
	row("hallmark", b.version(b.hallmark, "version"))
	row("cosign", b.version(b.cosign, "version"))
	row("syft", builtFrom(b.syft, "github.com/anchore/syft"))
	row("skopeo", b.version(b.skopeo, "--version"))
	row("image", "Debian, Python, node and Go, linux/amd64 and linux/arm64 (`test/images`)")
	row("registries", "`distribution` of the distribution project, no referrers API; `ocimem`, with it, in memory")
	row("latency", "what a proxy on loopback adds to each request; without it in the name, none")
	row("wall, CPU", "seconds from the start of a process to its end, and of user and system together; of many images, for each")
	row("peak", "resident memory of the process with the most")
	row("depth", "requests that followed one another at least, waiting for each other")
	fmt.Fprint(page, "\nThe registries and the proxy run on the same machine and take processor time of both. cosign verifies without a log and "+
		"signs without one, as hallmark does with a key.\n")
}

// version is the line of a program's answer that says its version.
func (b *bench) version(program string, args ...string) string {
	out, err := b.output(program, args...)
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(out) {
		for _, begin := range []string{"GitVersion:", "Version:", "hallmark ", "skopeo version "} {
			if rest, ok := strings.CutPrefix(line, begin); ok {
				return strings.TrimSpace(rest)
			}
		}
	}
	return "unknown"
}

// builtFrom is the version of a module that a program was built from, for those that do not
// say it themselves.
func builtFrom(program, module string) string {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return "unknown"
	}
	for _, m := range append(info.Deps, &info.Main) {
		if m.Path == module {
			return m.Version
		}
	}
	return "unknown"
}

// field is a value in one of the kernel's tables.
func field(file, name string) string {
	raw, _ := os.ReadFile(file)
	for line := range strings.Lines(string(raw)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

func memory() string {
	var kB int64
	if _, err := fmt.Sscanf(field("/proc/meminfo", "MemTotal"), "%d kB", &kB); err != nil {
		return "unknown size"
	}
	return fmt.Sprintf("%d GB", (kB+1<<19)>>20)
}

func goalRows(t table) (out [][]string) {
	for _, g := range goals() {
		out = append(out, g.row(t))
	}
	return out
}

func writeTable(page *bytes.Buffer, head []string, rows [][]string) {
	fmt.Fprintf(page, "| %s |\n|%s\n", strings.Join(head, " | "), strings.Repeat("---|", len(head)))
	for _, row := range rows {
		fmt.Fprintf(page, "| %s |\n", strings.Join(row, " | "))
	}
}
