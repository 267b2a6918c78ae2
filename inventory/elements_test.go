package inventory

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// whole is a document that has all that is asked for.
func whole() *Document {
	d := &Document{Format: CycloneDX, SpecVersion: "1.6", Created: time.Unix(1, 0), Tools: []string{"maker 1"}, Authors: []string{"Example"}, Context: "build",
		Related: map[string]bool{"a": true, "b": true}}
	for _, id := range []string{"a", "b"} {
		d.Components = append(d.Components, Component{ID: id, Name: id, Version: "1", PURL: "pkg:npm/" + id, Supplier: "Jane", Licences: []string{"MIT"}, Filename: id + ".tgz",
			Hashes:     map[string]string{"sha512": "ab"},
			Properties: map[string]string{"bsi:component:executable": "non-executable", "bsi:component:archive": "archive", "bsi:component:structured": "structured"}})
	}
	return d
}

func missing(t *testing.T, d *Document, standard string) []string {
	t.Helper()
	findings, err := Check(d, standard)
	if err != nil {
		t.Fatal(err)
	}
	return findings.Missing()
}

func TestNothingIsMissing(t *testing.T) {
	for _, standard := range Standards() {
		if got := missing(t, whole(), standard); got != nil {
			t.Errorf("%s: %q", standard, got)
		}
	}
}

// Each element that is taken away is missed, and by those standards only that want it.
func TestEachElementIsMissed(t *testing.T) {
	const of = " (1 of 2 components have it)"
	second := func(change func(*Component)) func(*Document) {
		return func(d *Document) { change(&d.Components[1]) }
	}
	for name, c := range map[string]struct {
		take            func(*Document)
		ntia, cisa, bsi string
	}{
		"supplier":   {second(func(c *Component) { c.Supplier = "" }), "supplier" + of, "software producer" + of, "component creator" + of},
		"name":       {second(func(c *Component) { c.Name = "" }), "component name" + of, "component name" + of, "component name" + of},
		"version":    {second(func(c *Component) { c.Version = "" }), "component version" + of, "component version" + of, "component version" + of},
		"identifier": {second(func(c *Component) { c.PURL = "" }), "other unique identifiers" + of, "software identifiers" + of, ""},
		"dependency": {func(d *Document) { delete(d.Related, "b") }, "dependency relationship" + of, "dependency relationship" + of, "dependency relationship" + of},
		"author":     {func(d *Document) { d.Authors = nil }, "", "author of the SBOM data", "creator of the SBOM"},
		"timestamp":  {func(d *Document) { d.Created = time.Time{} }, "timestamp", "timestamp", "timestamp"},
		"licence":    {second(func(c *Component) { c.Licences = nil }), "", "licence" + of, "distribution licences" + of},
		"hash":       {second(func(c *Component) { c.Hashes = nil }), "", "component hash" + of, "hash of the deployable component (SHA-512)" + of},
		"tool":       {func(d *Document) { d.Tools = nil }, "", "tool name", ""},
		"context":    {func(d *Document) { d.Context = "" }, "", "generation context", ""},
		"file name":  {second(func(c *Component) { c.Filename = "" }), "", "", "filename of the component" + of},
		"executable": {second(func(c *Component) { delete(c.Properties, "bsi:component:executable") }), "", "", "executable property" + of},
		"archive":    {second(func(c *Component) { delete(c.Properties, "bsi:component:archive") }), "", "", "archive property" + of},
		"structured": {second(func(c *Component) { delete(c.Properties, "bsi:component:structured") }), "", "", "structured property" + of},
		"format":     {func(d *Document) { d.SpecVersion = "1.5" }, "", "", "format: CycloneDX 1.6 or newer, or SPDX 3.0.1 or newer"},
	} {
		for standard, want := range map[string]string{NTIA2021: c.ntia, CISA2025: c.cisa, BSI21: c.bsi} {
			d := whole()
			c.take(d)
			if got := strings.Join(missing(t, d, standard), "; "); got != want {
				t.Errorf("%s without %s: %q", standard, name, got)
			}
		}
	}
}

func TestNTIAWantsSomebodyOrATool(t *testing.T) {
	d := whole()
	d.Authors, d.Tools = nil, nil
	if got := missing(t, d, NTIA2021); !slices.Equal(got, []string{"author of the SBOM data"}) {
		t.Errorf("%q", got)
	}
}

// A word for "none" is no version.
func TestUnknownIsNoVersion(t *testing.T) {
	d := whole()
	d.Components[0].Version = "UNKNOWN"
	if got := missing(t, d, NTIA2021); !slices.Equal(got, []string{"component version (1 of 2 components have it)"}) {
		t.Errorf("%q", got)
	}
}

// An SBOM that lists nothing has not said what a policy asks for.
func TestNoComponents(t *testing.T) {
	d := whole()
	d.Components = nil
	findings, err := Check(d, NTIA2021)
	if err != nil {
		t.Fatal(err)
	}
	if f := findings[0]; f.Outcome != NotApplicable || f.Of != 0 {
		t.Errorf("%+v", f)
	}
	if got := findings.Missing(); len(got) != 5 || got[0] != "supplier" {
		t.Errorf("%q", got)
	}
}

func TestLackingIsShort(t *testing.T) {
	d := listing(SPDX, "npm/a@1", "npm/b@1", "npm/c@1", "npm/d@1", "npm/e@1", "npm/f@1")
	findings, err := Check(d, NTIA2021)
	if err != nil {
		t.Fatal(err)
	}
	if f := findings[0]; f.Present != 0 || f.Of != 6 || len(f.Lacking) != 5 || f.Lacking[0] != "a 1" || f.Where != "packages[].supplier, .originator" {
		t.Errorf("%+v", f)
	}
}

func TestUnknownStandard(t *testing.T) {
	if _, err := Check(whole(), "ntia-2020"); err == nil || !strings.Contains(err.Error(), NTIA2021) {
		t.Error(err)
	}
}
