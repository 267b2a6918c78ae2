package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// goal is a figure that is wanted: a ratio, or an amount of ours.
type goal struct {
	text         string
	name, metric string
	most         float64
	absolute     bool // most is of ours, not of the ratio
}

// goals are those that were set before anything was measured.
func goals() []goal {
	ratio := func(text, name, metric string, most float64) goal {
		return goal{text: text, name: name, metric: metric, most: most}
	}
	const many = "verify of 1000 images, for each, ocimem, 20ms"
	return []goal{
		ratio("SBOM of the real image, cold, from a layout: wall", "SBOM, cold, from a layout", wallSeconds, 0.6),
		ratio("SBOM of the real image, cold, from a layout: memory", "SBOM, cold, from a layout", peakMB, 0.7),
		ratio("SBOM of the real image, cold, from a registry: wall", "SBOM, cold, from a registry, distribution", wallSeconds, 0.6),
		ratio("SBOM of the real image, cold, from a registry: memory", "SBOM, cold, from a registry, distribution", peakMB, 0.7),
		ratio("SBOM again, with the cache, from a layout: wall", "SBOM, again, from a layout", wallSeconds, 0.05),
		ratio("SBOM again, with the cache, from a registry: wall", "SBOM, again, from a registry, distribution", wallSeconds, 0.05),
		ratio("SBOM of 1 GB in ten layers: wall", "SBOM of 1 GB in ten layers, from a layout", wallSeconds, 0.5),
		ratio("sign at 50 ms: wall", "sign, ocimem, 50ms", wallSeconds, 0.4),
		ratio("attest 6 MB at 50 ms: wall", "attest an SBOM of 6 MB, ocimem, 50ms", wallSeconds, 0.4),
		ratio("verify at 50 ms, each what it has signed: wall", "verify what each has signed, ocimem, 50ms", wallSeconds, 0.4),
		ratio("verify what hallmark signed at 50 ms: wall", "verify what hallmark signed, ocimem, 50ms", wallSeconds, 0.4),
		ratio("verify what cosign signed at 50 ms: wall", "verify what cosign signed, ocimem, 50ms", wallSeconds, 0.4),
		ratio("verify-attestation of 6 MB: bytes", "verify-attestation of 6 MB by hallmark, ocimem, 50ms", bodyBytes, 0.5),
		ratio("release, registry with the referrers API: wall", "release of two platforms, ocimem, 20ms", wallSeconds, 0.35),
		ratio("release, registry without it: wall", "release of two platforms, distribution, 20ms", wallSeconds, 0.35),
		ratio("1,000 images at 20 ms, for each: wall", many, wallSeconds, 0.05),
		{text: "1,000 images at 20 ms: memory", name: many, metric: peakMB, most: 200, absolute: true},
		ratio("start-up of version: wall", startUp+": version", wallSeconds, 0.7),
		ratio("start-up of verify --help: wall", startUp+": verify --help", wallSeconds, 0.7),
	}
}

// row says whether a goal is met: cells of text.
func (g goal) row(t table) []string {
	want := fmt.Sprintf("at most %.2f x", g.most)
	if g.absolute {
		want = fmt.Sprintf("at most %.0f MB", g.most)
	}
	f, there := t.find(g.name, g.metric)
	if !there {
		return []string{g.text, want, "", "not measured"}
	}
	is, text := f.Ratio, fmt.Sprintf("%.3f x (%s %s)", f.Ratio, f.text(f.Ours)+" / "+f.text(f.Peer), f.PeerName)
	if g.absolute {
		is, text = f.Ours, fmt.Sprintf("%.0f MB", f.Ours)
	}
	if is > g.most {
		return []string{g.text, want, text, "missed"}
	}
	return []string{g.text, want, text, "met"}
}

// printGoals tells of the goals about which something was measured.
func printGoals(w io.Writer, t table) {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "goal\twanted\tmeasured\t")
	for _, g := range goals() {
		if row := g.row(t); row[2] != "" {
			fmt.Fprintf(out, "%s\t%s\t%s\t%s\n", row[0], row[1], row[2], row[3])
		}
	}
	_ = out.Flush()
}
