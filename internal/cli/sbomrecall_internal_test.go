package cli

import (
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/hallmark-project/hallmark/bundle"
	"github.com/hallmark-project/hallmark/sbom"
)

// FuzzCheckRecalled: what passes for an SBOM of an image names it, and is not taken for one of another image.
func FuzzCheckRecalled(f *testing.F) {
	image, other := digest.FromString("image"), digest.FromString("another image")
	name := image.String()
	good := []sbom.Document{
		{Format: sbom.SPDXJSON, Version: "2.3", Packages: 1, Bytes: []byte(`{"spdxVersion":"SPDX-2.3","documentNamespace":"https://example.com/sha256-` +
			image.Encoded() + `/1","packages":[{"versionInfo":"` + name + `"},{}]}`)},
		{Format: sbom.CycloneDXJSON, Version: "1.6", Packages: 1, Bytes: []byte(`{"bomFormat":"CycloneDX","specVersion":"1.6","metadata":{"component":{"version":"` +
			name + `"}},"components":[{"type":"library"},{"type":"file"},{"type":"operating-system"}]}`)},
		{Format: sbom.SyftJSON, Version: "16", Packages: 1, Bytes: []byte(`{"schema":{"version":"16"},"source":{"version":"` + name + `"},"artifacts":[{}]}`)},
	}
	for _, doc := range good {
		if err := checkRecalled(doc, image); err != nil {
			f.Fatalf("%s: %v", doc.Format, err)
		}
		f.Add(string(doc.Format), doc.Version, doc.Packages, doc.Bytes)
	}
	f.Fuzz(func(t *testing.T, format, version string, packages int, text []byte) {
		doc := sbom.Document{Format: sbom.Format(format), Version: version, Packages: packages, Bytes: text}
		if checkRecalled(doc, image) != nil {
			return
		}
		if packages < 0 || bundle.CheckJSON(text) != nil {
			t.Errorf("%q passes, with %d packages", text, packages)
		}
		if checkRecalled(doc, other) == nil {
			t.Errorf("%q passes for two images", text)
		}
	})
}
