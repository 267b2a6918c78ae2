package inventory

import (
	"fmt"
	"slices"
	"strings"
)

// Standards that say what an SBOM has to have at least.
const (
	// NTIA2021 is "The Minimum Elements For a Software Bill of Materials (SBOM)" of the
	// United States Department of Commerce, July 12, 2021, section III, data fields.
	NTIA2021 = "ntia-2021"
	// CISA2025 is "2025 Minimum Elements for a Software Bill of Materials (SBOM)", the
	// draft that CISA put out for comment in August 2025.
	CISA2025 = "cisa-2025"
	// BSI21 is the German BSI's TR-03183-2, version 2.1.0 of August 2025: section 4 (formats),
	// 5.2.1 (fields of the SBOM) and 5.2.2 (fields of each component), which are required,
	// and of 5.2.4, required where it exists, the other unique identifiers.
	BSI21 = "bsi-tr-03183-2"
)

// Standards are those that [Check] knows.
func Standards() []string { return []string{NTIA2021, CISA2025, BSI21} }

// Finding is one element of a standard, and whether an SBOM has it.
type Finding struct {
	Element  string `json:"element"`
	Required bool   `json:"required"`
	// Present is in how many of Of places the element stands: components, or 1 for what
	// is said of the whole document.
	Present int      `json:"present"`
	Of      int      `json:"of"`
	Where   string   `json:"where,omitempty"`   // in the document, as a JSON path
	Lacking []string `json:"lacking,omitempty"` // some components that lack it
	Note    string   `json:"note,omitempty"`
	Outcome string   `json:"outcome"` // Passed, Failed or NotApplicable
}

// Outcomes of looking for an element.
const (
	Passed        = "passed"
	Failed        = "failed"
	NotApplicable = "not applicable" // there is nothing that could have it
)

// Complete reports whether the element stands everywhere.
func (f Finding) Complete() bool { return f.Present == f.Of }

// Findings is what an SBOM has of a standard.
type Findings []Finding

// Missing are the required elements that do not stand everywhere, in words. An SBOM that
// names no component lacks those of components: nothing was found out about them.
func (list Findings) Missing() (out []string) {
	for _, f := range list {
		switch {
		case f.Required && f.Outcome != Passed && f.Of <= 1:
			out = append(out, f.Element)
		case f.Required && f.Outcome != Passed:
			out = append(out, fmt.Sprintf("%s (%d of %d components have it)", f.Element, f.Present, f.Of))
		}
	}
	return out
}

// element is a row of a standard.
type element struct {
	name     string
	required bool
	document func(*Document) bool             // of the whole
	each     func(*Document, *Component) bool // or of each component
	where    map[string]string                // by format
	note     string
}

var (
	author = element{name: "author of the SBOM data", document: func(d *Document) bool { return len(d.Authors)+len(d.Tools) > 0 }, where: at("creationInfo.creators", "metadata.authors, .manufacturer, .tools", "descriptor"),
		note: "a tool that is named counts as the author"}
	// Where the tool is an element of its own, it is not the author too.
	person = element{name: "author of the SBOM data", document: func(d *Document) bool { return len(d.Authors) > 0 }, where: at("creationInfo.creators (Person, Organization)", "metadata.authors, .manufacturer", ""),
		note: "whether it is the name or address of somebody is not checked"}
	timestamp = element{name: "timestamp", document: func(d *Document) bool { return !d.Created.IsZero() }, where: at("creationInfo.created", "metadata.timestamp", "")}
	tool      = element{name: "tool name", document: func(d *Document) bool { return len(d.Tools) > 0 }, where: at("creationInfo.creators", "metadata.tools", "descriptor")}
	context   = element{name: "generation context", document: func(d *Document) bool { return d.Context != "" }, where: at("creationInfo.comment", "metadata.lifecycles", "")}
	supplier  = element{name: "supplier", each: func(_ *Document, c *Component) bool { return c.Supplier != "" }, where: at("packages[].supplier, .originator", "components[].supplier, .manufacturer, .publisher, .authors", "artifacts[].metadata")}
	name      = element{name: "component name", each: func(_ *Document, c *Component) bool { return c.Name != "" }, where: at("packages[].name", "components[].name", "artifacts[].name")}
	version   = element{name: "component version", each: func(_ *Document, c *Component) bool { return !slices.Contains(noVersions, c.Version) }, where: at("packages[].versionInfo", "components[].version", "artifacts[].version")}
	unique    = element{name: "other unique identifiers", each: func(_ *Document, c *Component) bool { return c.PURL != "" || c.CPEs > 0 }, where: at("packages[].externalRefs", "components[].purl, .cpe", "artifacts[].purl")}
	related   = element{name: "dependency relationship", each: func(d *Document, c *Component) bool { return d.Related[c.ID] }, where: at("relationships", "dependencies", "artifactRelationships"),
		note: "that nothing depends on a component cannot be told from that nobody says so"}
	licence = element{name: "licence", each: func(_ *Document, c *Component) bool { return len(c.Licences) > 0 }, where: at("packages[].licenseDeclared, .licenseConcluded", "components[].licenses", "artifacts[].licenses")}
	hash    = element{name: "component hash", each: func(_ *Document, c *Component) bool { return len(c.Hashes) > 0 }, where: at("packages[].checksums", "components[].hashes", "")}
	sha512  = element{name: "hash of the deployable component (SHA-512)", each: func(_ *Document, c *Component) bool { return c.Hashes["sha512"] != "" }, where: at("packages[].checksums", "components[].externalReferences[type=distribution].hashes, .hashes", "")}
	file    = element{name: "filename of the component", each: func(_ *Document, c *Component) bool { return c.Filename != "" }, where: at("packages[].packageFileName", "components[].properties[bsi:component:filename]", "")}
	format  = element{name: "format: CycloneDX 1.6 or newer, or SPDX 3.0.1 or newer", document: func(d *Document) bool {
		return d.Format == CycloneDX && compareDotted(d.SpecVersion, "1.6") >= 0
	}, where: at("spdxVersion", "specVersion", "schema.version")}
)

// noVersions are what stands in the place of a version where there is none: syft's word, and
// Go's for a main module that was built from a working tree.
var noVersions = []string{"", "UNKNOWN", "(devel)"}

// tables are the standards. A row that is not required is shown, and fails nobody.
var tables = map[string][]element{
	NTIA2021: {must(supplier), must(name), must(version), must(unique), must(related), must(author), must(timestamp)},
	CISA2025: {must(renamed(supplier, "software producer")), must(name), must(version), must(renamed(unique, "software identifiers")), must(hash), must(licence),
		must(related), must(person), must(timestamp), must(tool), must(context)},
	BSI21: {must(format), must(renamed(person, "creator of the SBOM")), must(timestamp), must(renamed(supplier, "component creator")), must(name), must(version),
		must(file), must(related), must(renamed(licence, "distribution licences")), must(sha512), must(property("executable")), must(property("archive")),
		must(property("structured")), unique},
}

func must(e element) element {
	e.required = true
	return e
}

func renamed(e element, name string) element {
	e.name = name
	return e
}

// property is a field of components that only the BSI has, and CycloneDX as a property.
func property(name string) element {
	return element{name: name + " property", each: func(_ *Document, c *Component) bool { return c.Properties["bsi:component:"+name] != "" },
		where: at("", "components[].properties[bsi:component:"+name+"]", "")}
}

func at(spdx, cycloneDX, syft string) map[string]string {
	return map[string]string{SPDX: spdx, CycloneDX: cycloneDX, Syft: syft}
}

// Check looks for the elements of a standard. Whether what stands there is true, it does
// not know.
func Check(d *Document, standard string) (Findings, error) {
	table, known := tables[standard]
	if !known {
		return nil, fmt.Errorf("there is no standard %q; there are %s", standard, strings.Join(Standards(), ", "))
	}
	var out Findings
	for _, e := range table {
		out = append(out, e.find(d))
	}
	return out, nil
}

func (e element) find(d *Document) Finding {
	f := Finding{Element: e.name, Required: e.required, Of: 1, Where: e.where[d.Format], Note: e.note, Outcome: Failed}
	if f.Where == "" {
		f.Note = "this program knows no place for it in this format"
	}
	switch {
	case e.document == nil && len(d.Components) == 0:
		f.Of, f.Note, f.Outcome = 0, "the SBOM names no component", NotApplicable
		return f
	case e.document == nil:
		e.count(d, &f)
	case e.document(d):
		f.Present = 1
	}
	if f.Complete() {
		f.Outcome = Passed
	}
	return f
}

// count looks at each component.
func (e element) count(d *Document, f *Finding) {
	const most = 5
	f.Of = len(d.Components)
	for i := range d.Components {
		c := &d.Components[i]
		if e.each(d, c) {
			f.Present++
			continue
		}
		if title := strings.TrimSpace(c.Name + " " + c.Version); len(f.Lacking) < most && !slices.Contains(f.Lacking, title) {
			f.Lacking = append(f.Lacking, title)
		}
	}
}
