package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hallmark-project/hallmark/internal/testkit"
)

// TestRederive: an SBOM with a package removed, added or changed does not pass for what
// the image shows, and the honest one does.
func TestRederive(t *testing.T) {
	j := newJob(t)
	private, public := keyPair(t)
	j.env["HALLMARK_PASSWORD"] = ""
	layout := filepath.Join(j.dir, "packages")
	testkit.WriteLayout(t, layout, "app", testkit.NewImage(testkit.File("var/lib/dpkg/status",
		dpkgStatus("bash", "5.2-1")+dpkgStatus("zlib1g", "1.2-3")+dpkgStatus("dash", "0.5-1"))))
	image := "oci:" + layout + ":app"
	honest := filepath.Join(j.dir, "sbom.json")
	j.run(0, "sbom", image, "-o", "spdx-json="+honest)
	for name, c := range map[string]struct {
		change func(packages []any) []any
		code   int
		cause  string
	}{
		"honest":  {func(p []any) []any { return p }, 0, ""},
		"removed": {func(p []any) []any { return without(p, "zlib1g") }, 3, "1 packages of the image are missing from it: zlib1g"},
		"added": {func(p []any) []any {
			return append(p, map[string]any{"SPDXID": "SPDXRef-Package-x", "name": "ghost", "versionInfo": "1", "externalRefs": []any{
				map[string]any{"referenceType": "purl", "referenceLocator": "pkg:deb/debian/ghost@1"}}})
		}, 3, "1 packages that it names are not in the image: ghost 1"},
		"changed": {func(p []any) []any { return replaced(t, p, "5.2-1", "9.9-9") }, 3, "1 packages have another version: bash is 5.2-1 in the image, not 9.9-9"},
	} {
		t.Run(name, func(t *testing.T) {
			var doc map[string]any
			raw, err := os.ReadFile(honest)
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(raw, &doc); err != nil {
				t.Fatal(err)
			}
			doc["packages"] = c.change(doc["packages"].([]any))
			if raw, err = json.Marshal(doc); err != nil {
				t.Fatal(err)
			}
			own := filepath.Join(t.TempDir(), "layout")
			if err := os.CopyFS(own, os.DirFS(layout)); err != nil {
				t.Fatal(err)
			}
			subject := "oci:" + own + ":app"
			j.run(0, "attest", "--key", private, "--type", "spdx", "--predicate", j.write("p.json", raw), subject)
			stdout, _ := j.run(c.code, "verify", "--key", public, "--require", "spdx", "--rederive", subject)
			wants(t, stdout, c.cause)
			j.run(0, "verify", "--key", public, "--require", "spdx", subject)
		})
	}
}

func dpkgStatus(name, version string) string {
	return "Package: " + name + "\nStatus: install ok installed\nArchitecture: amd64\nVersion: " + version + "\nMaintainer: A <a@example.com>\nDescription: x\n\n"
}

func without(packages []any, name string) (out []any) {
	for _, p := range packages {
		if p.(map[string]any)["name"] != name {
			out = append(out, p)
		}
	}
	return out
}

// replaced puts one text in the place of another wherever it stands.
func replaced(t *testing.T, packages []any, old, text string) (out []any) {
	t.Helper()
	raw, err := json.Marshal(packages)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(raw), old) {
		t.Fatalf("%s is not there", old)
	}
	if err := json.Unmarshal([]byte(strings.ReplaceAll(string(raw), old, text)), &out); err != nil {
		t.Fatal(err)
	}
	return out
}
