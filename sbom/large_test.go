package sbom

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/spdx/tools-golang/spdx"
)

// TestManyPackages: every package of many is in the document, once. BenchmarkManyPackages does
// the same with fifty thousand.
func TestManyPackages(t *testing.T) { manyAreThere(t, manyPackages+1_000) }

func BenchmarkManyPackages(b *testing.B) {
	for b.Loop() {
		manyAreThere(b, 50_000)
	}
}

func manyAreThere(t testing.TB, many int) {
	t.Helper()
	var status strings.Builder
	for i := range many {
		fmt.Fprintf(&status, "Package: lib%05d\nStatus: install ok installed\nMaintainer: Somebody <somebody@example.org>\nArchitecture: amd64\nVersion: 1.%d-1\nDescription: a library\n\n", i, i%31)
	}
	img := ociImage(t, gzLayer(t, entry{name: "etc/os-release", body: "ID=debian\nVERSION_ID=\"12\"\n"}, entry{name: "var/lib/dpkg/status", body: status.String()}))
	docs, err := Generate(context.Background(), img.source(), Options{Formats: []Format{SPDXJSON}})
	check(t, err)
	var doc struct {
		Packages []struct {
			Name string `json:"name"`
		} `json:"packages"`
	}
	check(t, json.Unmarshal(docs[0].Bytes, &doc))
	seen := map[string]bool{}
	for _, p := range doc.Packages {
		if strings.HasPrefix(p.Name, "lib") {
			seen[p.Name] = true
		}
	}
	if len(seen) != many || len(doc.Packages) != many+1 || docs[0].Packages != many {
		t.Errorf("%d packages of %d names in the document, said to be %d", len(doc.Packages), len(seen), docs[0].Packages)
	}
}

// TestEncodeSPDX: what is written element by element is what the encoder writes.
func TestEncodeSPDX(t *testing.T) {
	tricky := `"packages":[null],"relationships":[null]<&>` + "\u2028"
	packages := []*spdx.Package{{PackageName: tricky}, {PackageName: "b", PackageSPDXIdentifier: "b"}}
	a, b := spdx.DocElementID{ElementRefID: "a"}, spdx.DocElementID{ElementRefID: "b"}
	relationships := []*spdx.Relationship{{RefA: a, RefB: b, Relationship: "OTHER", RelationshipComment: tricky}, {RefA: b, RefB: a, Relationship: "CONTAINS"}}
	files := []*spdx.File{{FileName: tricky}}
	for name, doc := range map[string]*spdx.Document{
		"everything":       {DocumentName: tricky, Packages: packages, Files: files, Relationships: relationships, OtherLicenses: []*spdx.OtherLicense{{LicenseName: tricky}}},
		"nothing":          {DocumentName: tricky},
		"empty lists":      {Packages: []*spdx.Package{}, Files: []*spdx.File{}, Relationships: []*spdx.Relationship{}},
		"one package":      {Packages: packages[:1]},
		"no files":         {Packages: packages, Relationships: relationships},
		"no relationships": {Packages: packages, Files: files},
	} {
		want, err := encodeJSON(doc)
		check(t, err)
		got, err := encodeSPDX(doc)
		check(t, err)
		if !bytes.Equal(got, want) {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, want)
		}
	}
}
