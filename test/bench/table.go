package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// sample is one measured run.
type sample struct {
	wall                   time.Duration
	requests, bytes, depth int64
}

type row struct{ name, hallmark, peer, ratio string }

type table []row

// add adds the medians of both tools; requests only if they were counted.
func (t *table) add(name string, ours, theirs []sample, counted bool) {
	wall := func(s sample) float64 { return s.wall.Seconds() }
	t.compare(name+": seconds", "%.3f", median(ours, wall), median(theirs, wall))
	if !counted {
		return
	}
	for _, figure := range []struct {
		name string
		of   func(sample) float64
	}{
		{"requests", func(s sample) float64 { return float64(s.requests) }},
		{"bytes", func(s sample) float64 { return float64(s.bytes) }},
		{"depth", func(s sample) float64 { return float64(s.depth) }},
	} {
		t.compare(name+": "+figure.name, "%.0f", median(ours, figure.of), median(theirs, figure.of))
	}
}

func (t *table) compare(name, format string, ours, theirs float64) {
	r := row{name: name, hallmark: fmt.Sprintf(format, ours), peer: fmt.Sprintf(format, theirs), ratio: "-"}
	if theirs > 0 {
		r.ratio = fmt.Sprintf("%.2f", ours/theirs)
	}
	*t = append(*t, r)
}

func (t table) print(w io.Writer) {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "name\thallmark\tcosign\tratio")
	for _, r := range t {
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\n", r.name, r.hallmark, r.peer, r.ratio)
	}
	_ = out.Flush()
}

// median is the middle one of an odd number of values.
func median[T any, V cmp.Ordered](samples []T, of func(T) V) V {
	values := make([]V, len(samples))
	for i, s := range samples {
		values[i] = of(s)
	}
	slices.Sort(values)
	return values[len(values)/2]
}
