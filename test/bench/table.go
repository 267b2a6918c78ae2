package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// sample is one measured run.
type sample struct {
	usage
	requests, bytes, depth int64
}

// per is the part of one of n things in a sample. Memory and depth are those of the whole.
func (s sample) per(n int) sample {
	if n > 1 {
		s.Wall, s.CPU = s.Wall/time.Duration(n), s.CPU/time.Duration(n)
		s.requests, s.bytes = s.requests/int64(n), s.bytes/int64(n)
	}
	return s
}

// The metrics, as results.json names them.
const (
	wallSeconds = "wall seconds"
	cpuSeconds  = "CPU seconds"
	peakMB      = "peak MB"
	requests    = "requests"
	bodyBytes   = "bytes"
	depth       = "sequential depth"
)

var metrics = []struct {
	name    string
	network bool
	of      func(sample) float64
}{
	{wallSeconds, false, func(s sample) float64 { return s.Wall.Seconds() }},
	{cpuSeconds, false, func(s sample) float64 { return s.CPU.Seconds() }},
	{peakMB, false, func(s sample) float64 { return float64(s.Peak) / 1e6 }},
	{requests, true, func(s sample) float64 { return float64(s.requests) }},
	{bodyBytes, true, func(s sample) float64 { return float64(s.bytes) }},
	{depth, true, func(s sample) float64 { return float64(s.depth) }},
}

// figure is one line of results.json: medians.
type figure struct {
	Name     string  `json:"name"`
	Metric   string  `json:"metric"`
	Ours     float64 `json:"ours"`
	Peer     float64 `json:"peer"`
	PeerName string  `json:"peerName"`
	Ratio    float64 `json:"ratio"`
}

type table []figure

// add adds the medians of both tools.
func (t *table) add(o operation, ours, theirs []sample) {
	for _, m := range metrics {
		if m.network && o.at == nil {
			continue
		}
		f := figure{Name: o.title(), Metric: m.name, Ours: median(ours, m.of), Peer: median(theirs, m.of), PeerName: o.peer}
		if f.Peer > 0 {
			f.Ratio = rounded(f.Ours / f.Peer)
		}
		if !m.network {
			f.Ours, f.Peer = rounded(f.Ours), rounded(f.Peer)
		}
		*t = append(*t, f)
	}
}

// rounded keeps four digits: the rest is noise.
func rounded(v float64) float64 {
	if v == 0 {
		return 0
	}
	scale := math.Pow(10, 3-math.Floor(math.Log10(math.Abs(v))))
	return math.Round(v*scale) / scale
}

func (t table) find(name, metric string) (figure, bool) {
	i := slices.IndexFunc(t, func(f figure) bool { return f.Name == name && f.Metric == metric })
	if i < 0 {
		return figure{}, false
	}
	return t[i], true
}

// rows are the figures by operation: a line of cells each.
func (t table) rows() (out [][]string) {
	var last string
	for _, f := range t {
		if f.Name != last {
			last = f.Name
			row := []string{f.Name, f.PeerName}
			for _, m := range metrics {
				cell := ""
				if g, there := t.find(f.Name, m.name); there {
					cell = g.cell()
				}
				row = append(row, cell)
			}
			out = append(out, row)
		}
	}
	return out
}

func header() []string {
	out := []string{"operation", "peer"}
	for _, m := range metrics {
		out = append(out, m.name)
	}
	return out
}

// cell is "ours / theirs (ratio)".
func (f figure) cell() string {
	text := f.text(f.Ours) + " / " + f.text(f.Peer)
	if f.Peer > 0 {
		text += fmt.Sprintf(" (%.2f)", f.Ratio)
	}
	return text
}

func (f figure) text(v float64) string {
	switch f.Metric {
	case wallSeconds, cpuSeconds:
		return fmt.Sprintf("%.3f", v)
	case peakMB:
		return fmt.Sprintf("%.0f", v)
	case bodyBytes:
		return sizeText(v)
	}
	return fmt.Sprintf("%.0f", v)
}

func sizeText(v float64) string {
	switch {
	case v < 1e3:
		return fmt.Sprintf("%.0f", v)
	case v < 1e6:
		return fmt.Sprintf("%.1fk", v/1e3)
	}
	return fmt.Sprintf("%.1fM", v/1e6)
}

func (t table) print(w io.Writer) {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, strings.Join(header(), "\t"))
	for _, row := range t.rows() {
		fmt.Fprintln(out, strings.Join(row, "\t"))
	}
	_ = out.Flush()
}

func (t table) writeJSON(name string) error {
	raw, err := json.MarshalIndent(t, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(name, append(raw, '\n'), 0o644)
}

// median is the middle one of an odd number of values, and the greater one of two in the
// middle.
func median[T any, V cmp.Ordered](samples []T, of func(T) V) V {
	values := make([]V, len(samples))
	for i, s := range samples {
		values[i] = of(s)
	}
	slices.Sort(values)
	return values[len(values)/2]
}
