package sbom

import (
	"cmp"
	"slices"

	"github.com/anchore/syft/syft/pkg"
	"github.com/anchore/syft/syft/sbom"
)

// sortMetadata puts in order what syft's cataloguers list in the order of a Go map, different in each run.
func sortMetadata(s *sbom.SBOM) {
	for p := range s.Artifacts.Packages.Enumerate() {
		switch m := p.Metadata.(type) { // copies, whose slices are the originals
		case pkg.PythonUvLockEntry:
			slices.SortFunc(m.Extras, func(a, b pkg.PythonUvLockExtraEntry) int { return cmp.Compare(a.Name, b.Name) })
		case pkg.PythonPoetryLockEntry:
			slices.SortFunc(m.Extras, func(a, b pkg.PythonPoetryLockExtraEntry) int { return cmp.Compare(a.Name, b.Name) })
		}
	}
}
