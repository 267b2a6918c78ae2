package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hallmark-project/hallmark/inventory"
	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/sbom"
)

type diffOptions struct {
	platforms []string
	failOn    []string
	output    string
}

// kindsOfDifference are the words of --fail-on.
var kindsOfDifference = []string{"added", "removed", "upgraded", "downgraded", "changed", "licence"}

func (a *App) diffCommand() *cobra.Command {
	var o diffOptions
	cmd := &cobra.Command{
		Use: "diff A B", Short: "Compare what two images are made of", Args: wants(cobra.ExactArgs(2)),
		Long: `Compare the packages of two images, folders or SBOMs: which were added and removed,
which have another version or another licence, and the layer that each came from.

A and B are each a SUBJECT, of which an SBOM is made, or an SBOM that is there: sbom:FILE,
or the path of a file that ends in .json; SPDX 2, CycloneDX or syft's JSON. Packages are the
same if their package URLs are, so that formats can be mixed; licences are compared within
one format only. What an SBOM says is believed: whether it is signed is for 'hallmark verify'.

Of two indexes, each platform is compared with the one of the same name.

With --fail-on, differences of a kind end with exit code 3. "changed" is any other version,
"upgraded" and "downgraded" where the order of the two versions is known. A platform that
is on one side only counts as added or removed.`,
		Example: `  hallmark diff registry.example.com/app:v1 registry.example.com/app:v2
  hallmark diff -o markdown --fail-on downgraded,licence old.spdx.json oci:layout:v2 --platform linux/amd64`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.runDiff(cmd.Context(), args[0], args[1], o) },
	}
	cmd.Flags().StringVarP(&o.output, "output", "o", formatText, "`format` of the result: text, json or markdown")
	cmd.Flags().StringSliceVar(&o.platforms, "platform", nil, "only this `platform` of an index, such as linux/amd64; may be repeated")
	cmd.Flags().StringSliceVar(&o.failOn, "fail-on", nil, "exit with 3 at differences of this `kind`: "+strings.Join(kindsOfDifference, ", ")+"; may be repeated")
	return cmd
}

func (o *diffOptions) check() error {
	for _, kind := range o.failOn {
		if !slices.Contains(kindsOfDifference, kind) {
			return usagef("--fail-on %q: want %s", kind, strings.Join(kindsOfDifference, ", "))
		}
	}
	if diffWriters[o.output] == nil {
		return usagef("-o %q: want text, json or markdown", o.output)
	}
	return nil
}

func (a *App) runDiff(ctx context.Context, from, to string, o diffOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	defer a.makesSBOMs()()
	result, err := a.diff(ctx, from, to, o.platforms)
	if err != nil {
		return err
	}
	if err := diffWriters[o.output](a, result); err != nil {
		return fmt.Errorf("printing the differences: %w", err) // what nobody could read is no success
	}
	return result.judge(o.failOn)
}

func (a *App) diff(ctx context.Context, from, to string, platforms []string) (*diffResult, error) {
	s, err := a.session()
	if err != nil {
		return nil, err
	}
	old, err := a.openCatalogued(ctx, s, from, platforms)
	if err != nil {
		return nil, err
	}
	now, err := a.openCatalogued(ctx, s, to, platforms)
	if err != nil {
		return nil, err
	}
	if len(platforms) > 0 && !old.index && !now.index {
		return nil, usagef("--platform goes with an index: neither %s nor %s is one", from, to)
	}
	result := &diffResult{SchemaVersion: "hallmark.diff/v1", From: from, To: to, Comparisons: []comparison{}, OnlyFrom: []string{}, OnlyTo: []string{}}
	pairs, err := pairUp(old, now, result)
	if err != nil {
		return nil, err
	}
	for _, p := range pairs {
		c, err := a.comparePair(ctx, old, now, p)
		if err != nil {
			return nil, err
		}
		result.Comparisons = append(result.Comparisons, *c)
	}
	result.Identical = result.identical()
	return result, nil
}

// pair is a place in each of two things.
type pair struct{ old, now int }

// pairUp says what is compared with what. Two indexes pair off by platform; what is left
// over is noted. Anything else wants one on each side.
func pairUp(old, now *catalogued, result *diffResult) ([]pair, error) {
	if !old.index || !now.index {
		for _, c := range []*catalogued{old, now} {
			if c.count() > 1 {
				return nil, usagef("%s is an index of %s, and the other side is none: choose one with --platform", c.text, strings.Join(c.platforms(), ", "))
			}
		}
		return []pair{{0, 0}}, nil
	}
	var pairs []pair
	taken := map[int]bool{}
	for i, p := range old.images {
		j := counterpart(p.Name, now.images, taken)
		if j < 0 {
			result.OnlyFrom = append(result.OnlyFrom, p.Name)
			continue
		}
		taken[j] = true
		pairs = append(pairs, pair{i, j})
	}
	for j := range now.images {
		if !taken[j] {
			result.OnlyTo = append(result.OnlyTo, now.images[j].Name)
		}
	}
	if len(pairs) == 0 {
		return nil, usagef("%s and %s have no platform in common: one has %s, the other %s", old.text, now.text,
			strings.Join(old.platforms(), ", "), strings.Join(now.platforms(), ", "))
	}
	return pairs, nil
}

// counterpart is the place of the platform of this name among those that are not taken, or
// else of one whose name says more or less of the same: linux/arm64 and linux/arm64/v8. It
// is -1 if there is none.
func counterpart(name string, images []oci.Platform, taken map[int]bool) int {
	similar := -1
	for j, p := range images {
		switch {
		case taken[j]:
		case p.Name == name:
			return j
		case similar < 0 && (oci.MatchPlatform(p.Name, name) || oci.MatchPlatform(name, p.Name)):
			similar = j
		}
	}
	return similar
}

func (c *catalogued) platforms() (names []string) {
	for _, p := range c.images {
		names = append(names, p.Name)
	}
	return names
}

// comparePair compares two images. Both are catalogued in one format, so that licences can
// be compared: that of the SBOM which is there already, else syft's, which knows layers.
func (a *App) comparePair(ctx context.Context, old, now *catalogued, at pair) (*comparison, error) {
	format := sbom.SyftJSON
	for _, c := range []*catalogued{old, now} {
		if c.doc != nil {
			format = formatsByName[c.doc.Format]
		}
	}
	before, err := a.readCatalogued(ctx, old, at.old, format)
	if err != nil {
		return nil, err
	}
	after, err := a.readCatalogued(ctx, now, at.now, format)
	if err != nil {
		return nil, err
	}
	c := newComparison(before, after)
	c.Platform = firstName(now.platform(at.now), old.platform(at.old))
	c.From.Digest, c.To.Digest = old.digest(at.old), now.digest(at.now)
	return c, nil
}

func firstName(names ...string) string {
	for _, n := range names {
		if n != "" {
			return n
		}
	}
	return ""
}

// judge is the error of differences that --fail-on names.
func (r *diffResult) judge(failOn []string) error {
	var found []string
	for _, kind := range kindsOfDifference {
		if n := r.count(kind); n > 0 && slices.Contains(failOn, kind) {
			found = append(found, fmt.Sprintf("%d %s", n, kind))
		}
	}
	if len(found) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %w", errFailedCases, errors.New(strings.Join(found, ", ")))
}

// count is how many differences of a kind there are. Each package of a platform that came
// or went did so too; the platform counts once for all of them.
func (r *diffResult) count(kind string) (n int) {
	for _, c := range r.Comparisons {
		switch kind {
		case "added":
			n += len(c.Added)
		case "removed":
			n += len(c.Removed)
		case "licence":
			n += len(c.Licences)
		default:
			for _, change := range c.Changed {
				if kind == inventory.Replaced || change.Direction == kind {
					n++
				}
			}
		}
	}
	switch kind {
	case "added":
		n += len(r.OnlyTo)
	case "removed":
		n += len(r.OnlyFrom)
	}
	return n
}

func (r *diffResult) identical() bool {
	return r.count("added")+r.count("removed")+r.count("changed")+r.count("licence") == 0
}
