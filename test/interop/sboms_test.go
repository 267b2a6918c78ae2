package interop

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

func syftProgram() (string, error)   { return program("HALLMARK_PEERS", "syft") }
func skopeoProgram() (string, error) { return exec.LookPath("skopeo") }

// inSBOM is where the documents have their findings, by format: lists whose order means
// nothing.
var inSBOM = map[string][]string{
	"syft-json":      {"artifacts", "artifactRelationships", "files"},
	"cyclonedx-json": {"components", "dependencies"},
	"spdx-json":      {"packages", "files", "relationships", "hasExtractedLicensingInfos"},
}

// TestSBOMsAreSyfts: of each platform of the real image, every format says what syft's own
// program says: packages, files with their digests and layers, licences, relationships.
func TestSBOMsAreSyfts(t *testing.T) {
	needTools(t)
	if _, err := syftProgram(); err != nil {
		skip(t, err)
	}
	images, err := imagesFolder()
	if err != nil {
		t.Fatal(err)
	}
	t.Parallel()
	for _, arch := range []string{"amd64", "arm64"} {
		d := newDesk(t)
		d.run(skopeoProgram, 0, "--override-arch="+arch, "copy", "--quiet", "--preserve-digests", "oci:"+filepath.Join(images, "layout")+":app", "oci:"+d.path("one")+":app")
		theirs, ours := []string{"scan", "--quiet", "--platform=linux/" + arch, "oci-dir:" + d.path("one")}, []string{"sbom", "--no-cache", "oci:" + d.path("one") + ":app"}
		for format := range inSBOM {
			theirs = append(theirs, "-o", format+"="+d.path("theirs."+format))
			ours = append(ours, "-o", format+"="+d.path("ours."+format))
		}
		d.with("SYFT_CHECK_FOR_APP_UPDATE=false").run(syftProgram, 0, theirs...)
		d.hallmark(0, ours...)
		for format, lists := range inSBOM {
			for _, list := range lists {
				want, got := found(t, d.path("theirs."+format), list), found(t, d.path("ours."+format), list)
				if len(want) < 20 && list != "hasExtractedLicensingInfos" || len(want) == 0 {
					t.Errorf("%s, %s: syft has %d %s", arch, format, len(want), list)
				}
				difference(t, fmt.Sprintf("%s, %s, %s", arch, format, list), want, got)
			}
		}
	}
}

// found reads a list of a document, an element a line, without the document's subject,
// which each tool names in its own way.
func found(t *testing.T, file, list string) []string {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	document := decode[map[string]json.RawMessage](t, raw)
	elements := decode[[]map[string]any](t, document[list])
	var lines []string
	for _, e := range elements {
		if isSubject(e) {
			continue
		}
		withoutSubject(e)
		withoutStated(e)
		line, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, string(line))
	}
	slices.Sort(lines)
	return lines
}

// isSubject knows what a document says about the image itself.
func isSubject(e map[string]any) bool {
	return e["primaryPackagePurpose"] == "CONTAINER" || e["relationshipType"] == "DESCRIBES"
}

// withoutSubject takes the image's own identifier out of a relationship.
func withoutSubject(e map[string]any) {
	if e["relationshipType"] == "CONTAINS" {
		delete(e, "spdxElementId")
	}
}

// withoutStated takes out what hallmark says of packages and syft does not: who supplied
// them, and the digests of Go modules.
func withoutStated(e map[string]any) {
	delete(e, "supplier")
	if e["type"] == "library" {
		delete(e, "hashes")
	}
}

func difference(t *testing.T, what string, want, got []string) {
	t.Helper()
	shown := 0
	for _, line := range want {
		if _, there := slices.BinarySearch(got, line); !there && shown < 3 {
			shown++
			t.Errorf("%s: syft alone has %.300s", what, line)
		}
	}
	for _, line := range got {
		if _, there := slices.BinarySearch(want, line); !there && shown < 6 {
			shown++
			t.Errorf("%s: hallmark alone has %.300s", what, line)
		}
	}
	if len(want) != len(got) {
		t.Errorf("%s: syft has %d, hallmark %d", what, len(want), len(got))
	}
}
