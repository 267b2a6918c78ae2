package sbom

import (
	"encoding/base64"
	"encoding/hex"
	"strings"

	"github.com/CycloneDX/cyclonedx-go"
	"github.com/anchore/syft/syft/pkg"
	"github.com/anchore/syft/syft/sbom"
	"github.com/spdx/tools-golang/spdx"
)

// What follows fills fields that standards for SBOMs ask for and syft's models leave empty, from what syft has found.

// phase is when in the life of the software its SBOM was made, in CycloneDX's words: from an image or a file, which were
// built, or from a folder, whose manifests say what will be.
func (id *identity) phase() cyclonedx.LifecyclePhase {
	if id.subject.kind == "directory" {
		return cyclonedx.LifecyclePhasePreBuild
	}
	return cyclonedx.LifecyclePhasePostBuild
}

// packageFacts are facts about packages by syft's identifier, which is part of those that the formats give them.
type packageFacts map[string]packageFact

type packageFact struct {
	name, email string // who supplies the package: whom a distribution's database names
	sha256      string // of a Go module, as go.sum has it, in hexadecimal
}

func factsOf(found *sbom.SBOM) packageFacts {
	facts := packageFacts{}
	for p := range found.Artifacts.Packages.Enumerate() {
		var f packageFact
		switch m := p.Metadata.(type) {
		case pkg.DpkgDBEntry:
			f.name, f.email = address(m.Maintainer)
		case pkg.DpkgArchiveEntry:
			f.name, f.email = address(m.Maintainer)
		case pkg.ApkDBEntry:
			f.name, f.email = address(m.Maintainer)
		case pkg.AlpmDBEntry:
			f.name, f.email = address(m.Packager)
		case pkg.RpmDBEntry:
			f.name, f.email = address(m.Vendor)
		case pkg.GolangBinaryBuildinfoEntry:
			f.sha256 = moduleHash(m.H1Digest)
		}
		if f != (packageFact{}) {
			facts[string(p.ID())] = f
		}
	}
	return facts
}

// address splits "Name <email>".
func address(text string) (name, email string) {
	name, rest, found := strings.Cut(text, "<")
	name = strings.TrimSpace(name)
	email, _, closed := strings.Cut(rest, ">")
	email = strings.TrimSpace(email)
	switch {
	case !found || !closed:
		return strings.TrimSpace(text), ""
	case name == "":
		return email, ""
	}
	return name, email
}

// moduleHash is the hexadecimal form of a hash such as h1:…=
func moduleHash(h1 string) string {
	text, ok := strings.CutPrefix(h1, "h1:")
	raw, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil || len(raw) != 32 {
		return ""
	}
	return hex.EncodeToString(raw)
}

// ofSPDX finds the facts about a package by its identifier: Package-deb-bash-0123456789abcdef.
func (f packageFacts) ofSPDX(id spdx.ElementID) packageFact {
	return f[string(id[strings.LastIndex(string(id), "-")+1:])]
}

// ofCycloneDX finds them by a package URL with a package-id in it, or the bare identifier.
func (f packageFacts) ofCycloneDX(ref string) packageFact {
	if _, rest, ok := strings.Cut(ref, "package-id="); ok {
		ref, _, _ = strings.Cut(rest, "&")
		ref, _, _ = strings.Cut(ref, "#")
	}
	return f[ref]
}

// stateSPDX adds to an SPDX document what is known.
func (f packageFacts) stateSPDX(doc *spdx.Document, id *identity) {
	doc.CreationInfo.CreatorComment = "Generation context: " + string(id.phase())
	for _, p := range doc.Packages {
		fact := f.ofSPDX(p.PackageSPDXIdentifier)
		if fact.name == "" || p.PackageSupplier != nil && p.PackageSupplier.SupplierType != "" {
			continue
		}
		p.PackageSupplier = &spdx.Supplier{SupplierType: "Organization", Supplier: fact.spdx()}
	}
}

// spdx is the supplier as SPDX 2.3, section 7.5, has it.
func (f packageFact) spdx() string {
	if f.email == "" {
		return f.name
	}
	return f.name + " (" + f.email + ")"
}

// stateCycloneDX adds to a CycloneDX document what is known.
func (f packageFacts) stateCycloneDX(bom *cyclonedx.BOM, id *identity) {
	bom.Metadata.Lifecycles = &[]cyclonedx.Lifecycle{{Phase: id.phase()}}
	if bom.Components == nil {
		return
	}
	for i := range *bom.Components {
		c := &(*bom.Components)[i]
		fact := f.ofCycloneDX(c.BOMRef)
		if fact.name != "" && c.Supplier == nil {
			c.Supplier = fact.cyclonedx()
		}
		if fact.sha256 != "" && c.Hashes == nil {
			c.Hashes = cyclonedxHashes("sha256", fact.sha256)
		}
	}
}

func (f packageFact) cyclonedx() *cyclonedx.OrganizationalEntity {
	supplier := &cyclonedx.OrganizationalEntity{Name: f.name}
	if f.email != "" {
		supplier.Contact = &[]cyclonedx.OrganizationalContact{{Email: f.email}}
	}
	return supplier
}
