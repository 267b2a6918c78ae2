package inventory

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

const spdxExample = `{
"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","name":"app","documentNamespace":"https://example.com/app",
"creationInfo":{"created":"2026-01-02T03:04:05Z","creators":["Tool: maker-1.0","Organization: Example"],"comment":"Generation context: post-build"},
"packages":[
 {"SPDXID":"SPDXRef-root","name":"app","supplier":"Organization: Example"},
 {"SPDXID":"SPDXRef-a","name":"bash","versionInfo":"5.2-1","supplier":"Person: Jane (jane@example.com)","licenseDeclared":"LicenseRef-x","licenseConcluded":"NOASSERTION",
  "sourceInfo":"acquired package info from DPKG DB: /var/lib/dpkg/status, /usr/share/doc/bash/copyright","packageFileName":"bash.deb",
  "checksums":[{"algorithm":"SHA256","checksumValue":"AB"}],
  "externalRefs":[{"referenceType":"purl","referenceLocator":"pkg:deb/debian/bash@5.2-1?arch=amd64"},{"referenceType":"cpe23Type","referenceLocator":"cpe:2.3:a:x"}]},
 {"SPDXID":"SPDXRef-b","name":"left-pad","versionInfo":"1.3.0","supplier":"NOASSERTION","licenseDeclared":"MIT"}],
"relationships":[
 {"spdxElementId":"SPDXRef-DOCUMENT","relatedSpdxElement":"SPDXRef-root","relationshipType":"DESCRIBES"},
 {"spdxElementId":"SPDXRef-root","relatedSpdxElement":"SPDXRef-a","relationshipType":"CONTAINS"},
 {"spdxElementId":"SPDXRef-b","relatedSpdxElement":"SPDXRef-File-1","relationshipType":"CONTAINS"}],
"hasExtractedLicensingInfos":[{"licenseId":"LicenseRef-x","name":"A licence of its own"}]}`

const cycloneExample = `{
"bomFormat":"CycloneDX","specVersion":"1.6","serialNumber":"urn:uuid:1",
"metadata":{"timestamp":"2026-01-02T03:04:05Z","lifecycles":[{"phase":"post-build"}],"authors":[{"name":"Example"}],
 "tools":{"components":[{"name":"maker","version":"1.0"}]},"component":{"bom-ref":"root","type":"container","name":"app"}},
"components":[
 {"bom-ref":"a","type":"library","name":"bash","version":"5.2-1","publisher":"Jane","purl":"pkg:deb/debian/bash@5.2-1?arch=amd64","cpe":"cpe:2.3:a:x",
  "licenses":[{"license":{"name":"A licence of its own"}}],"hashes":[{"alg":"SHA-256","content":"AB"}],
  "externalReferences":[{"type":"distribution","hashes":[{"alg":"SHA-512","content":"CD"}]},{"type":"website","hashes":[{"alg":"SHA-1","content":"EF"}]}],
  "properties":[{"name":"syft:location:0:layerID","value":"sha256:1"},{"name":"syft:location:0:path","value":"/var/lib/dpkg/status"},
   {"name":"bsi:component:filename","value":"bash.deb"},{"name":"bsi:component:archive","value":"archive"}],
  "components":[{"bom-ref":"b","type":"library","group":"@scope","name":"left-pad","version":"1.3.0","licenses":[{"expression":"MIT OR ISC"}]}]},
 {"type":"file","name":"/etc/passwd"},{"type":"operating-system","name":"debian"}],
"dependencies":[{"ref":"a","dependsOn":["b","nobody"]},{"ref":"nobody"}]}`

const syftExample = `{
"schema":{"version":"16.1.0"},"descriptor":{"name":"maker","version":"1.0"},"source":{"id":"root","name":"app","type":"image","metadata":{"layers":[{"digest":"sha256:0"},{"digest":"sha256:1"}]}},
"artifacts":[
 {"id":"a","name":"bash","version":"5.2-1","type":"deb","purl":"pkg:deb/debian/bash@5.2-1?arch=amd64","cpes":[{"cpe":"cpe:2.3:a:x"}],
  "locations":[{"path":"/var/lib/dpkg/status","layerID":"sha256:1"},{"path":"/usr/share/doc/bash/copyright","layerID":"sha256:2"}],
  "licenses":[{"value":"mit","spdxExpression":"MIT"}],"metadata":{"maintainer":"Jane"}},
 {"id":"b","name":"left-pad","version":"1.3.0","type":"npm","metadata":{"author":{"name":"of another type"}}}],
"artifactRelationships":[{"parent":"root","child":"a","type":"contains"},{"parent":"b","child":"a","type":"evident-by"}]}`

func parse(t *testing.T, text string) *Document {
	t.Helper()
	d, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestParseTellsTheFormat(t *testing.T) {
	created := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, c := range []struct {
		text, format, version, namespace, context string
		created                                   time.Time
		authors                                   []string
	}{
		{spdxExample, SPDX, "2.3", "https://example.com/app", "post-build", created, []string{"Example"}},
		{cycloneExample, CycloneDX, "1.6", "urn:uuid:1", "post-build", created, []string{"Example"}},
		{syftExample, Syft, "16.1.0", "", "", time.Time{}, nil},
	} {
		d := parse(t, c.text)
		if d.Format != c.format || d.SpecVersion != c.version || d.Namespace != c.namespace || d.Context != c.context || !d.Created.Equal(c.created) || !slices.Equal(d.Authors, c.authors) {
			t.Errorf("%s: %+v", c.format, d)
		}
		if want := c.format == Syft; slices.Equal(d.Layers, []string{"sha256:0", "sha256:1"}) != want {
			t.Errorf("%s: layers %q", c.format, d.Layers)
		}
		if d.Subject.Name != "app" || len(d.Tools) != 1 || len(d.Components) != 2 {
			t.Errorf("%s: subject %q, tools %q, %d components", c.format, d.Subject.Name, d.Tools, len(d.Components))
		}
	}
}

func TestComponents(t *testing.T) {
	for _, text := range []string{spdxExample, cycloneExample, syftExample} {
		d := parse(t, text)
		i := slices.IndexFunc(d.Components, func(c Component) bool { return c.Name == "bash" })
		if i < 0 {
			t.Fatalf("%s: no bash in %+v", d.Format, d.Components)
		}
		c := d.Components[i]
		if c.Type != "deb" || c.CPEs != 1 || !strings.HasPrefix(c.Supplier, "Jane") || c.Locations[len(c.Locations)-1] != "/var/lib/dpkg/status" || len(c.Licences) != 1 {
			t.Errorf("%s: %+v", d.Format, c)
		}
		if d.Format != Syft && (c.Hashes["sha256"] != "ab" || c.Filename != "bash.deb" || c.Licences[0] != "A licence of its own") {
			t.Errorf("%s: hashes %v, file name %q, licences %q", d.Format, c.Hashes, c.Filename, c.Licences)
		}
		if d.Format != SPDX && c.Layer != "sha256:1" {
			t.Errorf("%s: layer %q", d.Format, c.Layer)
		}
		if d.Relationships != 1 || !d.Related[c.ID] {
			t.Errorf("%s: %d relationships: %v", d.Format, d.Relationships, d.Related)
		}
	}
}

// A relationship with a file, or with something that the document does not list, says
// nothing of what depends on what.
func TestRelationshipsAreAmongComponents(t *testing.T) {
	if d := parse(t, spdxExample); d.Related["SPDXRef-b"] || d.Related["SPDXRef-File-1"] {
		t.Errorf("SPDX: %v", d.Related)
	}
	if d := parse(t, syftExample); d.Related["b"] {
		t.Errorf("syft: %v", d.Related)
	}
	if d := parse(t, cycloneExample); d.Related["nobody"] || !d.Related["b"] {
		t.Errorf("CycloneDX: %v", d.Related)
	}
}

func TestCycloneDXParts(t *testing.T) {
	d := parse(t, cycloneExample)
	names := []string{d.Components[0].Name, d.Components[1].Name}
	if !slices.Equal(names, []string{"@scope/left-pad", "bash"}) {
		t.Errorf("components within components, groups: %q", names)
	}
	c := d.Components[1]
	if c.Hashes["sha512"] != "cd" || c.Hashes["sha1"] != "" || c.Properties["bsi:component:archive"] != "archive" {
		t.Errorf("hashes %v, properties %v", c.Hashes, c.Properties)
	}
	old := parse(t, `{"bomFormat":"CycloneDX","specVersion":"1.4","metadata":{"tools":[{"vendor":"x","name":"maker","version":"1"}]}}`)
	if !slices.Equal(old.Tools, []string{"maker 1"}) {
		t.Errorf("tools as a list: %q", old.Tools)
	}
}

// An SBOM that describes all of its packages must not hide them from who looks for banned
// ones.
func TestSeveralDescribedPackagesStay(t *testing.T) {
	d := parse(t, `{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","documentDescribes":["SPDXRef-a","SPDXRef-b"],
		"packages":[{"SPDXID":"SPDXRef-a","name":"a"},{"SPDXID":"SPDXRef-b","name":"b"}]}`)
	if len(d.Components) != 2 || d.Subject.Name != "" {
		t.Errorf("components %v, subject %v", d.Components, d.Subject)
	}
	one := parse(t, `{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","documentDescribes":["SPDXRef-a"],"packages":[{"SPDXID":"SPDXRef-a","name":"a"}]}`)
	if len(one.Components) != 1 {
		t.Errorf("components %v", one.Components)
	}
	other := parse(t, `{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","packages":[{"SPDXID":"SPDXRef-a","name":"a"},{"SPDXID":"SPDXRef-b","name":"b"}],
		"relationships":[{"spdxElementId":"SPDXRef-b","relatedSpdxElement":"SPDXRef-a","relationshipType":"DESCRIBES"}]}`)
	if len(other.Components) != 2 {
		t.Errorf("what a package describes is no subject: %v", other.Components)
	}
}

func TestDuplicatesAreMerged(t *testing.T) {
	d := parse(t, `{"schema":{},"artifacts":[
		{"id":"1","name":"x","version":"1","purl":"pkg:npm/x@1","locations":[{"path":"/b","layerID":"sha256:1"}],"licenses":[{"value":"MIT"}]},
		{"id":"2","name":"x","version":"1","purl":"pkg:npm/x@1","locations":[{"path":"/a","layerID":"sha256:2"}],"licenses":[{"value":"ISC"}]},
		{"id":"3","name":"x","version":"2","purl":"pkg:npm/x@2"},{"id":"4","name":"y","version":"1"},{"id":"5","name":"y","version":"1"}],
		"artifactRelationships":[{"parent":"2","child":"3","type":"dependency-of"}]}`)
	if len(d.Components) != 4 {
		t.Fatalf("%d components", len(d.Components))
	}
	c := d.Components[0]
	if !slices.Equal(c.Locations, []string{"/a", "/b"}) || !slices.Equal(c.Licences, []string{"ISC", "MIT"}) || c.Layer != "sha256:1" || !d.Related[c.ID] {
		t.Errorf("%+v, related %v", c, d.Related)
	}
}

func TestParseRefuses(t *testing.T) {
	nested := strings.Repeat(`{"components":[`, 20) + strings.Repeat(`]}`, 20)
	for name, text := range map[string]string{
		"nothing":               ``,
		"not JSON":              `packages: []`,
		"no SBOM":               `{"packages":[]}`,
		"a list":                `[]`,
		"SPDX 3":                `{"@context":"https://spdx.org/rdf/3.0.1/spdx-context.jsonld","@graph":[]}`,
		"SPDX 1":                `{"spdxVersion":"SPDX-1.2"}`,
		"CycloneDX 2":           `{"bomFormat":"CycloneDX","specVersion":"2.0"}`,
		"a member twice":        `{"spdxVersion":"SPDX-2.3","packages":[],"packages":[]}`,
		"a member of a package": `{"spdxVersion":"SPDX-2.3","packages":[{"name":"a","name":"b"}]}`,
		"a package of no kind":  `{"spdxVersion":"SPDX-2.3","packages":[7]}`,
		"an artifact":           `{"schema":{},"artifacts":["x"]}`,
		"a component":           `{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{"name":1}]}`,
		"nested components":     `{"bomFormat":"CycloneDX","specVersion":"1.6","components":[` + nested + `]}`,
		"something behind it":   spdxExample + `{}`,
	} {
		if d, err := Parse([]byte(text)); !errors.Is(err, ErrDocument) || d != nil {
			t.Errorf("%s: %v, %v", name, d, err)
		}
	}
}

// What a list costs is bounded before it is stored.
func TestComponentsAreBounded(t *testing.T) {
	many := strings.Repeat(`{},`, MaxComponents) + `{}`
	for _, text := range []string{
		`{"spdxVersion":"SPDX-2.3","packages":[%s]}`,
		`{"schema":{},"artifacts":[%s]}`,
		`{"bomFormat":"CycloneDX","specVersion":"1.6","components":[%s]}`,
		`{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{"components":[%s]}]}`,
	} {
		if _, err := Parse(fmt.Appendf(nil, text, many)); !errors.Is(err, ErrDocument) || !strings.Contains(err.Error(), "more than 1000000 components") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{spdxExample, cycloneExample, syftExample, `{"@context":"spdx.org"}`, `{}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := Parse(data)
		if err != nil {
			if d != nil || !errors.Is(err, ErrDocument) {
				t.Fatalf("%v beside %v", d, err)
			}
			return
		}
		if difference := Compare(d, d); !difference.Empty() {
			t.Fatalf("a document differs from itself: %+v", difference)
		}
		for _, standard := range Standards() {
			findings, err := Check(d, standard)
			if err != nil {
				t.Fatal(err)
			}
			for _, found := range findings {
				if found.Present > found.Of {
					t.Fatalf("%+v", found)
				}
			}
		}
	})
}
