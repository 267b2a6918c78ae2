package cli

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/hallmark-project/hallmark/inventory"
)

// diffResult is what 'diff' found.
type diffResult struct {
	SchemaVersion string       `json:"schemaVersion"`
	From          string       `json:"from"`
	To            string       `json:"to"`
	Identical     bool         `json:"identical"`
	Comparisons   []comparison `json:"comparisons"`
	OnlyFrom      []string     `json:"onlyFrom"` // platforms
	OnlyTo        []string     `json:"onlyTo"`
}

// comparison is of two images, or of two platforms.
type comparison struct {
	Platform         string         `json:"platform,omitempty"`
	From             comparedSide   `json:"from"`
	To               comparedSide   `json:"to"`
	LicencesCompared bool           `json:"licencesCompared"`
	Added            []diffPackage  `json:"added"`
	Removed          []diffPackage  `json:"removed"`
	Changed          []diffChange   `json:"changed"`
	Licences         []diffLicences `json:"licences"`
}

type comparedSide struct {
	Digest   string `json:"digest,omitempty"`
	Format   string `json:"format"`
	Packages int    `json:"packages"`
}

// diffPackage is a package and where in the image it is.
type diffPackage struct {
	Name      string     `json:"name"`
	Version   string     `json:"version,omitempty"`
	Type      string     `json:"type,omitempty"`
	PURL      string     `json:"purl,omitempty"`
	Licences  []string   `json:"licences,omitempty"`
	Layer     *diffLayer `json:"layer,omitempty"`
	Locations []string   `json:"locations,omitempty"`
}

// diffLayer is a layer by the digest of its uncompressed content (its diff_id).
type diffLayer struct {
	Digest string `json:"digest"`
	Index  *int   `json:"index,omitempty"` // 0 is the base
}

type diffChange struct {
	Direction string      `json:"direction"`
	From      diffPackage `json:"from"`
	To        diffPackage `json:"to"`
}

type diffLicences struct {
	From diffPackage `json:"from"`
	To   diffPackage `json:"to"`
}

func newComparison(before, after *inventory.Document) *comparison {
	d := inventory.Compare(before, after)
	c := &comparison{LicencesCompared: before.Format == after.Format,
		From:  comparedSide{Format: before.Format, Packages: len(before.Components)},
		To:    comparedSide{Format: after.Format, Packages: len(after.Components)},
		Added: diffPackages(after, d.Added), Removed: diffPackages(before, d.Removed), Changed: []diffChange{}, Licences: []diffLicences{}}
	for _, change := range d.Changed {
		c.Changed = append(c.Changed, diffChange{change.Direction, newDiffPackage(before, change.Old), newDiffPackage(after, change.New)})
	}
	for _, change := range d.Licences {
		c.Licences = append(c.Licences, diffLicences{newDiffPackage(before, change.Old), newDiffPackage(after, change.New)})
	}
	return c
}

func diffPackages(doc *inventory.Document, list []inventory.Component) []diffPackage {
	out := []diffPackage{}
	for _, c := range list {
		out = append(out, newDiffPackage(doc, c))
	}
	return out
}

func newDiffPackage(doc *inventory.Document, c inventory.Component) diffPackage {
	p := diffPackage{Name: c.Name, Version: c.Version, Type: c.Type, PURL: c.PURL, Licences: c.Licences, Locations: c.Locations}
	if c.Layer != "" {
		p.Layer = &diffLayer{Digest: c.Layer}
		if i := slices.Index(doc.Layers, c.Layer); i >= 0 {
			p.Layer.Index = &i
		}
	}
	return p
}

// title is a package for people.
func (p diffPackage) title() string { return strings.TrimSpace(p.Name + " " + p.Version) }

// place says which layer a package is in, if that is known.
func (p diffPackage) place() string {
	switch {
	case p.Layer == nil:
		return ""
	case p.Layer.Index == nil:
		return "layer " + shortDigest(p.Layer.Digest)
	}
	return fmt.Sprintf("layer %d %s", *p.Layer.Index, shortDigest(p.Layer.Digest))
}

// diffRow is a line of the result.
type diffRow struct{ kind, sign, name, from, to, place string }

// rows are a comparison's differences, by kind and then by package.
func (c *comparison) rows() (out []diffRow) {
	for _, p := range c.Removed {
		out = append(out, diffRow{"removed", "-", p.title(), "", "", p.place()})
	}
	for _, p := range c.Added {
		out = append(out, diffRow{"added", "+", p.title(), "", "", p.place()})
	}
	for _, direction := range []string{inventory.Upgraded, inventory.Downgraded, inventory.Replaced} {
		for _, change := range c.Changed {
			if change.Direction == direction {
				out = append(out, diffRow{direction, "~", change.To.Name, versionText(change.From), versionText(change.To), change.To.place()})
			}
		}
	}
	for _, l := range c.Licences {
		out = append(out, diffRow{"licence", "~", l.To.title(), licencesText(l.From), licencesText(l.To), l.To.place()})
	}
	return out
}

func versionText(p diffPackage) string {
	if p.Version == "" {
		return "no version"
	}
	return p.Version
}

func licencesText(p diffPackage) string {
	if len(p.Licences) == 0 {
		return "none stated"
	}
	return strings.Join(p.Licences, ", ")
}

// summary counts the differences of each kind.
func summary(rows []diffRow) string {
	counts := map[string]int{}
	for _, r := range rows {
		counts[r.kind]++
	}
	var parts []string
	for _, kind := range kindsOfDifference {
		if kind == "licence" && counts[kind] > 0 {
			parts = append(parts, fmt.Sprintf("%d with other licences", counts[kind]))
		} else if counts[kind] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[kind], kind))
		}
	}
	if len(parts) == 0 {
		return "no difference"
	}
	return strings.Join(parts, ", ")
}

// diffWriters write the result in each form.
var diffWriters = map[string]func(*App, *diffResult) error{
	formatText: (*App).printDiff,
	"json":     func(a *App, r *diffResult) error { return a.printJSON(r) },
	"markdown": (*App).printDiffMarkdown,
}

func (a *App) printDiff(r *diffResult) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "- %s\n+ %s\n", printable(r.From), printable(r.To))
	for i := range r.Comparisons {
		c := &r.Comparisons[i]
		rows := c.rows()
		fmt.Fprintf(&b, "\n%s: %s\n", c.title(), summary(rows))
		for _, row := range rows {
			fmt.Fprintf(&b, "  %s %-10s %s\n", row.sign, row.kind, printable(row.text()))
		}
	}
	for _, remark := range r.remarks(printable) {
		fmt.Fprintln(&b, remark)
	}
	_, err := b.WriteTo(a.Out)
	return err
}

// text is a row without its kind.
func (r diffRow) text() string {
	text := r.name
	if r.from+r.to != "" {
		text += "  " + r.from + " -> " + r.to
	}
	if r.place != "" {
		text += "  (" + r.place + ")"
	}
	return text
}

// title names what is compared, and how much of it there is.
func (c *comparison) title() string {
	if c.Platform == "" {
		return c.counts()
	}
	return c.Platform + ", " + c.counts()
}

func (c *comparison) counts() string {
	return fmt.Sprintf("%d and %d packages", c.From.Packages, c.To.Packages)
}

// remarks are what the comparisons do not say. quote makes a stranger's text harmless.
func (r *diffResult) remarks(quote func(string) string) (out []string) {
	if len(r.OnlyFrom) > 0 {
		out = append(out, "Platforms that are gone: "+quote(strings.Join(r.OnlyFrom, ", ")))
	}
	if len(r.OnlyTo) > 0 {
		out = append(out, "Platforms that are new: "+quote(strings.Join(r.OnlyTo, ", ")))
	}
	if slices.ContainsFunc(r.Comparisons, func(c comparison) bool { return !c.LicencesCompared }) {
		out = append(out, "Licences were not compared: the two SBOMs are in different formats.")
	}
	if r.Identical {
		out = append(out, "Both have the same packages.")
	}
	return out
}

func (a *App) printDiffMarkdown(r *diffResult) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Packages: %s to %s\n", codeSpan(r.From), codeSpan(r.To))
	for i := range r.Comparisons {
		c := &r.Comparisons[i]
		rows := c.rows()
		fmt.Fprintf(&b, "\n## %s\n\n%s\n", strings.TrimSpace(codeSpan(c.Platform)+" "+c.counts()), summary(rows))
		if len(rows) == 0 {
			continue
		}
		fmt.Fprint(&b, "\n| | package | before | after | layer |\n|---|---|---|---|---|\n")
		for _, row := range rows {
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", row.kind, codeSpan(row.name), codeSpan(row.from), codeSpan(row.to), codeSpan(strings.TrimPrefix(row.place, "layer ")))
		}
	}
	for _, remark := range r.remarks(codeSpan) {
		fmt.Fprintf(&b, "\n%s\n", remark)
	}
	_, err := b.WriteTo(a.Out)
	return err
}

// codeSpan makes a stranger's text code in a table, where it is neither markup nor a link
// nor a mention.
func codeSpan(text string) string {
	if text = strings.TrimSpace(printable(text)); text == "" {
		return ""
	}
	return "`" + strings.NewReplacer("`", "'", "|", "¦").Replace(text) + "`"
}
