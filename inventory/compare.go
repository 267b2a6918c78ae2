package inventory

import (
	"cmp"
	"slices"
	"strings"
)

// Directions of a change.
const (
	Upgraded   = "upgraded"
	Downgraded = "downgraded"
	Replaced   = "changed" // which of the two is newer cannot be told
)

// Change is a package that two SBOMs name in different versions.
type Change struct {
	Name      string
	Old, New  Component
	Direction string // Upgraded, Downgraded or Replaced
}

// Difference is what the second of two SBOMs has and the first has not, and the other
// way round. Lists are sorted by package.
type Difference struct {
	Added, Removed []Component
	Changed        []Change
	Licences       []Change // same version, other licences
}

// Empty reports whether both name the same packages and licences.
func (d Difference) Empty() bool {
	return len(d.Added)+len(d.Removed)+len(d.Changed)+len(d.Licences) == 0
}

// Compare compares the packages of two SBOMs, in whatever formats they are. Packages are
// the same if their package URLs are, but for version, qualifiers and subpath.
func Compare(a, b *Document) Difference {
	old, now := grouped(a), grouped(b)
	var d Difference
	for _, key := range keysOf(old, now) {
		d.add(old[key], now[key])
	}
	// Licences are compared within one format: each states them in its own way.
	if a.Format != b.Format {
		d.Licences = nil
	}
	return d
}

func grouped(d *Document) map[string][]Component {
	out := map[string][]Component{}
	for _, c := range d.Components {
		out[c.identity()] = append(out[c.identity()], c)
	}
	return out
}

func keysOf(maps ...map[string][]Component) (keys []string) {
	for _, m := range maps {
		for key := range m {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// add compares the versions of one package: those on both sides pair off first, the rest
// are changes as far as there are pairs.
func (d *Difference) add(old, now []Component) {
	old, now = distinctVersions(old), distinctVersions(now)
	unpaired := map[string]Component{}
	for _, n := range now {
		unpaired[n.version()] = n
	}
	var left, right []Component
	for _, o := range old {
		n, both := unpaired[o.version()]
		if !both {
			left = append(left, o)
			continue
		}
		if delete(unpaired, o.version()); !slices.Equal(o.Licences, n.Licences) {
			d.Licences = append(d.Licences, Change{Name: o.Name, Old: o, New: n, Direction: Replaced})
		}
	}
	for _, n := range now {
		if _, alone := unpaired[n.version()]; alone {
			right = append(right, n)
		}
	}
	pairs := min(len(left), len(right))
	for i := range pairs {
		d.Changed = append(d.Changed, Change{Name: left[i].Name, Old: left[i], New: right[i], Direction: direction(left[i], right[i])})
	}
	d.Removed, d.Added = append(d.Removed, left[pairs:]...), append(d.Added, right[pairs:]...)
}

func direction(old, now Component) string {
	order := compareVersions(old.Type, old.version(), now.version())
	switch {
	case order == 0 || !ordered(old.version()) || !ordered(now.version()):
		return Replaced
	case order < 0:
		return Upgraded
	}
	return Downgraded
}

// distinctVersions merges what is the same package at several places, and sorts by version.
func distinctVersions(list []Component) (out []Component) {
	at := map[string]int{}
	for _, c := range list {
		i, again := at[c.version()]
		if !again {
			at[c.version()] = len(out)
			c.Licences, c.Locations = slices.Clone(c.Licences), slices.Clone(c.Locations) // the document keeps its own
			out = append(out, c)
			continue
		}
		out[i].Licences, out[i].Locations = append(out[i].Licences, c.Licences...), append(out[i].Locations, c.Locations...)
	}
	for i := range out {
		out[i].Licences, out[i].Locations = once(out[i].Licences), once(out[i].Locations)
	}
	slices.SortStableFunc(out, func(x, y Component) int {
		return cmp.Or(compareVersions(x.Type, x.version(), y.version()), strings.Compare(x.version(), y.version()))
	})
	return out
}
