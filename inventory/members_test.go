package inventory

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// TestDetect: the format is told from the content, and JSON has to be of the strict kind.
func TestDetect(t *testing.T) {
	for text, want := range map[string]Kind{
		`{"spdxVersion":"SPDX-2.3"}`:                                    {SPDX, "2.3"},
		`{"bomFormat":"CycloneDX","specVersion":"1.6"}`:                 {CycloneDX, ""},
		`{"artifacts":[],"schema":{"version":"16"}}`:                    {Syft, ""},
		`{"@context":"https://spdx.org/rdf/3.0.1/spdx-context.jsonld"}`: {SPDX, "3"},
		`{"spdxVersion":"SPDX-2.2","artifacts":[],"schema":{}}`:         {SPDX, "2.2"},
		`{"artifacts":null,"schema":{},"bomFormat":"CycloneDX"}`:        {CycloneDX, ""},
		`{"@context":["https://spdx.org/x"],"@graph":[],"other":[1,2]}`: {SPDX, "3"},
	} {
		if got, err := Detect([]byte(text)); err != nil || got != want {
			t.Errorf("%s: %+v, want %+v: %v", text, got, want, err)
		}
	}
	for _, text := range []string{``, `[]`, `{}`, `null`, `{"spdxVersion":"SPDX-3.0"}`, `{"spdxVersion":2}`, `{"bomFormat":"cyclonedx"}`, `{"artifacts":null,"schema":{}}`, `{"artifacts":[]}`,
		`{"SpdxVersion":"SPDX-2.3"}`, `{"spdxVersion":"SPDX-2.3","spdxVersion":"SPDX-2.3"}`, `{"spdxVersion":"SPDX-2.3"}x`, `{"spdxVersion":"SPDX-2.3","a":{"b":1,"b":2}}`,
		`{"@context":"https://example.com"}`} {
		if got, err := Detect([]byte(text)); !errors.Is(err, ErrDocument) {
			t.Errorf("%s is %+v: %v", text, got, err)
		}
	}
}

// TestParseMemory: what is not kept of a document is not copied.
func TestParseMemory(t *testing.T) {
	file := `{"fileName":"` + strings.Repeat("x", 1000) + `"}`
	files := strings.Repeat(file+",", 10_000) + file
	for _, text := range []string{
		`{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","packages":[{"SPDXID":"a","name":"b"}],"files":[` + files + `]}`,
		`{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{"name":"b","type":"library"}],"other":[` + files + `]}`,
		`{"artifacts":[{"name":"b"}],"schema":{"version":"16"},"files":[` + files + `]}`,
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		d, err := Parse([]byte(text)[:len(text):len(text)])
		runtime.ReadMemStats(&after)
		if err != nil || len(d.Components) != 1 {
			t.Fatalf("%.50s: %v", text, err)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > uint64(len(text))+1<<20 { // the conversion to bytes is a copy
			t.Errorf("%.50s: %d bytes are allocated for %d", text, n, len(text))
		}
	}
}

// TestNamesInAnotherCase: what another reader would take for a member is refused.
func TestNamesInAnotherCase(t *testing.T) {
	for _, text := range []string{
		`{"spdxVersion":"SPDX-2.3","Packages":[]}`, `{"spdxVersion":"SPDX-2.3","packages":[],"RELATIONSHIPS":[]}`,
		`{"bomFormat":"CycloneDX","specVersion":"1.6","Components":[]}`, `{"artifacts":[],"schema":{},"ArtifactRelationships":[]}`,
	} {
		if d, err := Parse([]byte(text)); !errors.Is(err, ErrDocument) || !strings.Contains(err.Error(), "case") {
			t.Errorf("%s: %+v, %v", text, d, err)
		}
	}
}

// TestListsAreBounded: a list is no way to have memory taken.
func TestListsAreBounded(t *testing.T) {
	for _, list := range []string{"packages", "relationships"} {
		text := fmt.Sprintf(`{"spdxVersion":"SPDX-2.3","%s":[%s{}]}`, list, strings.Repeat("{},", maxElements))
		if _, err := Parse([]byte(text)); !errors.Is(err, ErrDocument) {
			t.Errorf("%d %s: %v", maxElements+1, list, err)
		}
	}
}
