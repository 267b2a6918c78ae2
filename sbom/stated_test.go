package sbom

import (
	"strings"
	"testing"
)

// What standards ask for and syft's models leave empty stands in the documents.
func TestSupplierAndContextAreStated(t *testing.T) {
	status := strings.ReplaceAll(dpkgStatus("libalpha"), "A B <a@b.example>", "The Alpha Team of 2026 <alpha@lists.example>")
	img := ociImage(t, gzLayer(t, entry{name: "etc/"}, entry{name: "etc/os-release", body: osRelease}, entry{name: "var/lib/dpkg/status", body: status}))
	docs := mustGenerate(t, img.source(), Options{Formats: []Format{SPDXJSON, CycloneDXJSON}})
	spdxDoc := decode[struct {
		CreationInfo struct{ Comment string }
		Packages     []struct{ Name, Supplier string }
	}](t, docs[0])
	if spdxDoc.CreationInfo.Comment != "Generation context: post-build" {
		t.Errorf("SPDX: context %q", spdxDoc.CreationInfo.Comment)
	}
	if p := spdxDoc.Packages[1]; p.Name != "libalpha" || !strings.HasSuffix(p.Supplier, ": The Alpha Team of 2026 (alpha@lists.example)") {
		t.Errorf("SPDX: %+v", p)
	}
	cdx := decode[struct {
		Metadata struct {
			Lifecycles []struct{ Phase string }
		}
		Components []struct {
			Name     string
			Supplier struct {
				Name    string
				Contact []struct{ Email string }
			}
		}
	}](t, docs[1])
	if l := cdx.Metadata.Lifecycles; len(l) != 1 || l[0].Phase != "post-build" {
		t.Errorf("CycloneDX: lifecycles %v", l)
	}
	if c := cdx.Components[0]; c.Name != "libalpha" || c.Supplier.Name != "The Alpha Team of 2026" || len(c.Supplier.Contact) != 1 || c.Supplier.Contact[0].Email != "alpha@lists.example" {
		t.Errorf("CycloneDX: %+v", c)
	}
}

func TestFolderIsReadBeforeItIsBuilt(t *testing.T) {
	docs := mustGenerate(t, Directory(t.TempDir()), Options{Formats: []Format{SPDXJSON}})
	if !strings.Contains(string(docs[0].Bytes), `"comment":"Generation context: pre-build"`) {
		t.Errorf("%.400s", docs[0].Bytes)
	}
}

func TestAddress(t *testing.T) {
	for text, want := range map[string][2]string{
		"Jane Doe <jane@example.com>": {"Jane Doe", "jane@example.com"},
		"Red Hat, Inc.":               {"Red Hat, Inc.", ""},
		"<jane@example.com>":          {"jane@example.com", ""},
		"Jane <jane":                  {"Jane <jane", ""},
		"Jane <>":                     {"Jane", ""},
		"":                            {"", ""},
	} {
		if name, email := address(text); name != want[0] || email != want[1] {
			t.Errorf("%q: %q, %q", text, name, email)
		}
	}
}

func TestModuleHash(t *testing.T) {
	for h1, want := range map[string]string{
		"h1:" + strings.Repeat("A", 43) + "=": strings.Repeat("00", 32),
		strings.Repeat("A", 43) + "=":         "",
		"h1:AAAA":                             "",
		"h1:!":                                "",
		"":                                    "",
	} {
		if got := moduleHash(h1); got != want {
			t.Errorf("%q: %q", h1, got)
		}
	}
}

func TestFactsAreFoundByIdentifier(t *testing.T) {
	facts := packageFacts{"0123": {name: "Jane"}}
	for _, ref := range []string{"0123", "pkg:deb/debian/a@1?arch=all&package-id=0123&upstream=b", "pkg:npm/a@1?package-id=0123#sub"} {
		if facts.ofCycloneDX(ref).name != "Jane" {
			t.Errorf("CycloneDX: nothing for %s", ref)
		}
	}
	if facts.ofSPDX("Package-deb-a-b-0123").name != "Jane" || facts.ofSPDX("Package-0123-x").name != "" || facts.ofCycloneDX("pkg:npm/0123") != (packageFact{}) {
		t.Error("SPDX, or what is none")
	}
}
