package inventory

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// listing is a document of packages, each TYPE/NAME@VERSION with a licence behind a space.
func listing(format string, packages ...string) *Document {
	d := &Document{Format: format, Related: map[string]bool{}}
	for _, text := range packages {
		text, licence, _ := strings.Cut(text, " ")
		p, err := ParsePURL("pkg:" + text)
		if err != nil {
			panic(err)
		}
		d.Components = append(d.Components, Component{Name: p.Name, Version: p.Version, PURL: "pkg:" + text, Licences: []string{licence}})
	}
	d.tidy()
	return d
}

// told is a difference in short.
func told(d Difference) (out []string) {
	for _, c := range d.Added {
		out = append(out, "+"+c.Name+" "+c.Version)
	}
	for _, c := range d.Removed {
		out = append(out, "-"+c.Name+" "+c.Version)
	}
	for _, c := range d.Changed {
		out = append(out, fmt.Sprintf("%s %s %s %s", c.Direction, c.Name, c.Old.Version, c.New.Version))
	}
	for _, c := range d.Licences {
		out = append(out, fmt.Sprintf("licence %s %s %s", c.Name, strings.Join(c.Old.Licences, ","), strings.Join(c.New.Licences, ",")))
	}
	return out
}

func TestCompare(t *testing.T) {
	for name, c := range map[string]struct{ old, now, want []string }{
		"the same":                 {[]string{"npm/a@1"}, []string{"npm/a@1"}, nil},
		"added":                    {nil, []string{"npm/a@1"}, []string{"+a 1"}},
		"removed":                  {[]string{"npm/a@1"}, nil, []string{"-a 1"}},
		"upgraded":                 {[]string{"npm/a@1.9"}, []string{"npm/a@1.10"}, []string{"upgraded a 1.9 1.10"}},
		"downgraded":               {[]string{"deb/d/a@1:1"}, []string{"deb/d/a@2"}, []string{"downgraded a 1:1 2"}},
		"a commit for a commit":    {[]string{"generic/a@fe12"}, []string{"generic/a@ab34"}, []string{"changed a fe12 ab34"}},
		"no version":               {[]string{"npm/a"}, []string{"npm/a@1"}, []string{"changed a  1"}},
		"another spelling":         {[]string{"npm/a@1.0"}, []string{"npm/a@1.0.0"}, []string{"changed a 1.0 1.0.0"}},
		"a second version":         {[]string{"npm/a@1"}, []string{"npm/a@1", "npm/a@2"}, []string{"+a 2"}},
		"one of two versions":      {[]string{"npm/a@1", "npm/a@2"}, []string{"npm/a@2"}, []string{"-a 1"}},
		"one of two upgraded":      {[]string{"npm/a@1", "npm/a@2"}, []string{"npm/a@2", "npm/a@3"}, []string{"upgraded a 1 3"}},
		"two versions for one":     {[]string{"npm/a@1"}, []string{"npm/a@2", "npm/a@3"}, []string{"+a 3", "upgraded a 1 2"}},
		"of another type":          {[]string{"npm/a@1"}, []string{"pypi/a@1"}, []string{"+a 1", "-a 1"}},
		"of another group":         {[]string{"npm/x/a@1"}, []string{"npm/y/a@1"}, []string{"+a 1", "-a 1"}},
		"qualifiers do not count":  {[]string{"deb/d/a@1?arch=amd64"}, []string{"deb/d/a@1?arch=arm64"}, nil},
		"upper case":               {[]string{"deb/d/A@1"}, []string{"deb/d/a@1"}, nil},
		"percent-encoding":         {[]string{"npm/%40a/b@1%2B2"}, []string{"npm/@a/b@1+2"}, nil},
		"licence":                  {[]string{"npm/a@1 MIT"}, []string{"npm/a@1 ISC"}, []string{"licence a MIT ISC"}},
		"licence of a new version": {[]string{"npm/a@1 MIT"}, []string{"npm/a@2 ISC"}, []string{"upgraded a 1 2"}},
		"licence no longer stated": {[]string{"npm/a@1 MIT"}, []string{"npm/a@1"}, []string{"licence a MIT "}},
	} {
		if got := told(Compare(listing(SPDX, c.old...), listing(SPDX, c.now...))); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// Formats state licences in ways of their own; that is no change of a package.
func TestCompareAcrossFormats(t *testing.T) {
	d := Compare(listing(SPDX, "npm/a@1 MIT", "npm/b@1"), listing(CycloneDX, "npm/a@1 ISC", "npm/b@2"))
	if got := told(d); !slices.Equal(got, []string{"upgraded b 1 2"}) {
		t.Errorf("%q", got)
	}
}

func TestCompareWithoutPURL(t *testing.T) {
	named := func(version string) *Document {
		return &Document{Format: SPDX, Components: []Component{{Name: "tool", Type: "binary", Version: version}}}
	}
	if got := told(Compare(named("1"), named("2"))); !slices.Equal(got, []string{"upgraded tool 1 2"}) {
		t.Errorf("%q", got)
	}
}

// Documents are left as they are, whatever is compared with them.
func TestCompareChangesNothing(t *testing.T) {
	d := &Document{Format: Syft, Components: []Component{
		{Name: "a", Version: "1", PURL: "pkg:npm/a@1?x=1", Licences: []string{"MIT", "Z"}[:1:2], Locations: []string{"/1"}},
		{Name: "a", Version: "1", PURL: "pkg:npm/a@1?x=2", Licences: []string{"ISC"}, Locations: []string{"/2"}},
	}}
	Compare(d, listing(Syft))
	if c := d.Components[0]; !slices.Equal(c.Licences[:2], []string{"MIT", "Z"}) || !slices.Equal(c.Locations, []string{"/1"}) {
		t.Errorf("%+v", c)
	}
}

// A hundred thousand versions of one package take no longer than as many packages.
func TestCompareManyVersions(t *testing.T) {
	versions := func(from int) *Document {
		d := &Document{Format: SPDX}
		for i := range 100_000 {
			d.Components = append(d.Components, Component{Name: "a", PURL: fmt.Sprintf("pkg:npm/a@%d", from+i)})
		}
		return d
	}
	start := time.Now()
	d := Compare(versions(0), versions(50_000))
	if took := time.Since(start); len(d.Changed) != 50_000 || took > time.Minute {
		t.Errorf("%d changes in %s", len(d.Changed), took)
	}
}
