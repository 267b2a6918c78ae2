package inventory

import (
	"fmt"
	"strings"
	"testing"
)

// largeDocument is an SBOM of as many packages as a big image has.
func largeDocument(format string, version int) []byte {
	const packages = 2_000
	var list []string
	for i := range packages {
		purl := fmt.Sprintf("pkg:deb/debian/package-%d@%d.%d-1?arch=amd64", i, version, i%7)
		switch format {
		case "spdx":
			list = append(list, fmt.Sprintf(`{"SPDXID":"SPDXRef-%d","name":"package-%d","versionInfo":"%d.%d-1","supplier":"Person: Jane","licenseDeclared":"MIT",`+
				`"externalRefs":[{"referenceType":"purl","referenceLocator":%q}]}`, i, i, version, i%7, purl))
		default:
			list = append(list, fmt.Sprintf(`{"bom-ref":"%d","type":"library","name":"package-%d","version":"%d.%d-1","publisher":"Jane","licenses":[{"license":{"id":"MIT"}}],"purl":%q}`,
				i, i, version, i%7, purl))
		}
	}
	if format == "spdx" {
		return []byte(`{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","name":"app","packages":[` + strings.Join(list, ",") + `]}`)
	}
	return []byte(`{"bomFormat":"CycloneDX","specVersion":"1.6","components":[` + strings.Join(list, ",") + `]}`)
}

func BenchmarkParse(b *testing.B) {
	for _, format := range []string{"spdx", "cyclonedx"} {
		b.Run(format, func(b *testing.B) {
			raw := largeDocument(format, 1)
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				if d, err := Parse(raw); err != nil || len(d.Components) != 2_000 {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkCompare finds what changed where every package did.
func BenchmarkCompare(b *testing.B) {
	before, err := Parse(largeDocument("spdx", 1))
	if err != nil {
		b.Fatal(err)
	}
	after, err := Parse(largeDocument("cyclonedx", 2))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if d := Compare(before, after); len(d.Changed) != 2_000 {
			b.Fatalf("%d changed", len(d.Changed))
		}
	}
}
