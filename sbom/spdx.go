package sbom

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/anchore/syft/syft/format/common/spdxhelpers"
	"github.com/anchore/syft/syft/sbom"
	"github.com/spdx/tools-golang/spdx"
)

const (
	spdxVersion = "2.3"
	// namespacePrefix begins the documents' names. Nothing needs to be there: SPDX 2.3, section 6.5.
	namespacePrefix = "https://github.com/hallmark-project/hallmark/spdx/"
)

// spdxDocument is syft's SPDX model with our identity and in an order of its own.
func spdxDocument(found *sbom.SBOM, id *identity) (*spdx.Document, error) {
	doc := spdxhelpers.ToFormatModel(*found)
	doc.DocumentName = id.subject.name
	doc.DocumentNamespace = namespacePrefix + id.subject.kind + "/" + id.uuid(SPDXJSON)
	if id.subject.digest != "" {
		doc.DocumentNamespace = namespacePrefix + strings.Replace(id.subject.digest, ":", "-", 1) + "/" + id.uuid(SPDXJSON)
	}
	doc.CreationInfo.Created = id.timestamp()
	doc.CreationInfo.Creators = []spdx.Creator{
		{CreatorType: "Tool", Creator: toolName + "-" + id.toolVersion},
		{CreatorType: "Tool", Creator: "syft-" + syftVersion},
	}
	root, err := rootPackage(doc)
	if err != nil {
		return nil, err
	}
	describeRoot(root, id)
	factsOf(found).stateSPDX(doc, id)
	sortSPDX(doc, root)
	return doc, nil
}

// rootPackage is the package that the document describes: syft puts it last. Packages found in SPDX files inside of an
// image keep the identifiers that those files give them, and none of them may pass for the image.
func rootPackage(doc *spdx.Document) (*spdx.Package, error) {
	if len(doc.Packages) == 0 {
		return nil, fmt.Errorf("%w: no root package", ErrCatalog)
	}
	last := len(doc.Packages) - 1
	root := doc.Packages[last]
	for _, p := range doc.Packages[:last] {
		if p.PackageSPDXIdentifier == root.PackageSPDXIdentifier || p.PackageSPDXIdentifier == doc.SPDXIdentifier {
			return nil, fmt.Errorf("%w: package %q claims to be the document or its root", ErrMalformed, p.PackageName)
		}
	}
	return root, nil
}

// describeRoot says of the root what its digest tells, and no more: syft would add a package URL made of a name.
func describeRoot(root *spdx.Package, id *identity) {
	root.PackageExternalReferences = nil
	root.PackageChecksums = nil
	if algorithm, value, ok := strings.Cut(id.subject.digest, ":"); ok {
		root.PackageVersion = id.subject.digest
		root.PackageChecksums = []spdx.Checksum{{Algorithm: spdx.ChecksumAlgorithm(strings.ToUpper(algorithm)), Value: value}}
	}
}

// sortSPDX puts everything whose order means nothing into one that does not depend on the run. The root comes first.
func sortSPDX(doc *spdx.Document, root *spdx.Package) {
	slices.SortStableFunc(doc.Packages, func(a, b *spdx.Package) int {
		return cmp.Or(first(a == root, b == root),
			cmp.Compare(a.PackageName, b.PackageName),
			cmp.Compare(a.PackageVersion, b.PackageVersion),
			cmp.Compare(a.PackageSPDXIdentifier, b.PackageSPDXIdentifier))
	})
	slices.SortStableFunc(doc.Relationships, func(a, b *spdx.Relationship) int {
		return cmp.Or(cmp.Compare(a.RefA.ElementRefID, b.RefA.ElementRefID),
			cmp.Compare(a.Relationship, b.Relationship),
			cmp.Compare(a.RefB.ElementRefID, b.RefB.ElementRefID),
			cmp.Compare(a.RelationshipComment, b.RelationshipComment))
	})
	slices.SortStableFunc(doc.OtherLicenses, func(a, b *spdx.OtherLicense) int {
		return cmp.Compare(a.LicenseIdentifier, b.LicenseIdentifier)
	})
}

// encodeSPDX writes a document. Its long lists are written element by element: the encoder
// would build the whole text first, and copy it.
func encodeSPDX(doc *spdx.Document) ([]byte, error) {
	frame := *doc
	packages, files, relationships := doc.Packages, doc.Files, doc.Relationships
	// An empty list keeps its form; in place of another one stands a list of null, which
	// nothing within a JSON string looks like.
	frame.Packages, frame.Files, frame.Relationships = stub(packages), stub(files), stub(relationships)
	text, err := encodeJSON(&frame)
	if err != nil {
		return nil, err
	}
	const aPackage, aRelationship = 1100, 250 // bytes, about
	w := splice{rest: text}
	w.out.Grow(len(text) + aPackage*len(packages) + aRelationship*len(relationships))
	return w.bytes(list{"packages", each(packages)}, list{"files", each(files)}, list{"relationships", each(relationships)})
}

func stub[T any](elements []*T) []*T {
	if len(elements) == 0 {
		return elements
	}
	return []*T{nil}
}

// list is a member of a document that is written element by element.
type list struct {
	name     string
	elements []any
}

func each[T any](elements []*T) []any {
	out := make([]any, len(elements))
	for i, e := range elements {
		out[i] = e
	}
	return out
}

// splice writes a document whose lists were left out.
type splice struct {
	rest []byte
	out  bytes.Buffer
}

// bytes puts the lists, in the order of the document, in their places.
func (s *splice) bytes(lists ...list) ([]byte, error) {
	enc := json.NewEncoder(&s.out)
	enc.SetEscapeHTML(false)
	for _, l := range lists {
		before, after, found := bytes.Cut(s.rest, []byte(`"`+l.name+`":[null]`))
		if !found {
			continue
		}
		s.out.Write(before)
		s.out.WriteString(`"` + l.name + `":[`)
		for i, e := range l.elements {
			if i > 0 {
				s.out.WriteByte(',')
			}
			if err := enc.Encode(e); err != nil {
				return nil, err
			}
			s.out.Truncate(s.out.Len() - len("\n"))
		}
		s.out.WriteByte(']')
		s.rest = after
	}
	s.out.Write(s.rest)
	return s.out.Bytes(), nil
}

// first orders what is special before what is not.
func first(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}
