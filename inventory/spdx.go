package inventory

import (
	"slices"
	"strings"
)

// spdxDocument has the members of SPDX 2.3 that are read
// (https://spdx.github.io/spdx-spec/v2.3/).
type spdxDocument struct {
	version, id, name, namespace string
	creation                     struct {
		Created  string   `json:"created"`
		Creators []string `json:"creators"`
		Comment  string   `json:"comment"`
	}
	describes     []string
	packages      [][]byte // as they stand in the document
	relationships [][]byte
	licences      []struct {
		ID   string `json:"licenseId"`
		Name string `json:"name"`
	}
}

type spdxRelationship struct {
	From string `json:"spdxElementId"`
	To   string `json:"relatedSpdxElement"`
	Type string `json:"relationshipType"`
}

func (doc *spdxDocument) readers() map[string]reader {
	return map[string]reader{
		"spdxVersion": into(&doc.version), "SPDXID": into(&doc.id), "name": into(&doc.name), "documentNamespace": into(&doc.namespace),
		"creationInfo": into(&doc.creation), "documentDescribes": into(&doc.describes), "hasExtractedLicensingInfos": into(&doc.licences),
		"packages": elements(&doc.packages), "relationships": elements(&doc.relationships),
	}
}

type spdxPackage struct {
	ID           string `json:"SPDXID"`
	Name         string `json:"name"`
	Version      string `json:"versionInfo"`
	Supplier     string `json:"supplier"`
	Originator   string `json:"originator"`
	Concluded    string `json:"licenseConcluded"`
	Declared     string `json:"licenseDeclared"`
	SourceInfo   string `json:"sourceInfo"`
	FileName     string `json:"packageFileName"`
	ExternalRefs []struct {
		Type    string `json:"referenceType"`
		Locator string `json:"referenceLocator"`
	} `json:"externalRefs"`
	Checksums []struct {
		Algorithm string `json:"algorithm"`
		Value     string `json:"checksumValue"`
	} `json:"checksums"`
}

func parseSPDX(data []byte) (*Document, error) {
	var doc spdxDocument
	if err := readMembers(data, doc.readers()); err != nil {
		return nil, err
	}
	d := &Document{Format: SPDX, SpecVersion: strings.TrimPrefix(doc.version, "SPDX-"), Name: doc.name, Namespace: doc.namespace,
		Created: parseTime(doc.creation.Created), Related: map[string]bool{}}
	for _, creator := range doc.creation.Creators {
		if tool, ok := strings.CutPrefix(creator, "Tool: "); ok {
			d.Tools = append(d.Tools, tool)
		} else {
			d.Authors = append(d.Authors, agent(creator))
		}
	}
	if stage, ok := strings.CutPrefix(doc.creation.Comment, "Generation context: "); ok {
		d.Context = stage
	}
	if err := d.addSPDX(&doc); err != nil {
		return nil, err
	}
	known := d.known()
	return d, eachOf(doc.relationships, func(r *spdxRelationship) error {
		if r.Type != "OTHER" {
			d.relate(known, r.From, r.To)
		}
		return nil
	})
}

// described are the elements that the document says it is about.
func (doc *spdxDocument) described() (map[string]bool, error) {
	roots := map[string]bool{}
	for _, id := range doc.describes {
		roots[id] = true
	}
	return roots, eachStrictly(doc.relationships, func(r *spdxRelationship) error {
		switch {
		case r.Type == "DESCRIBES" && r.From == doc.id:
			roots[r.To] = true
		case r.Type == "DESCRIBED_BY" && r.To == doc.id:
			roots[r.From] = true
		}
		return nil
	})
}

// addSPDX adds the packages. The one that the document describes is the subject; where it
// describes several, or has only one, they are what it lists.
func (d *Document) addSPDX(doc *spdxDocument) error {
	if err := d.room(len(doc.packages)); err != nil {
		return err
	}
	roots, err := doc.described()
	if err != nil {
		return err
	}
	names := map[string]string{}
	for _, l := range doc.licences {
		names[l.ID] = l.Name
	}
	var subjects []int
	d.Components = make([]Component, 0, len(doc.packages))
	err = eachOf(doc.packages, func(p *spdxPackage) error {
		if roots[p.ID] {
			subjects = append(subjects, len(d.Components))
		}
		d.Components = append(d.Components, p.component(names))
		return nil
	})
	if err != nil {
		return err
	}
	if len(subjects) == 1 && len(d.Components) > 1 {
		at := subjects[0]
		d.Subject = d.Components[at]
		d.Components = slices.Delete(d.Components, at, at+1)
		d.Supplier = d.Subject.Supplier
	}
	return nil
}

// component is p with the names of the licences that the document defines itself.
func (p *spdxPackage) component(names map[string]string) Component {
	c := Component{ID: p.ID, Name: p.Name, Version: p.Version, Supplier: firstOf(agent(p.Supplier), agent(p.Originator)),
		Licences: []string{p.Concluded, p.Declared}, Filename: stated(p.FileName)}
	for i, id := range c.Licences {
		if name := names[id]; name != "" {
			c.Licences[i] = name
		}
	}
	for _, r := range p.ExternalRefs {
		if r.Type == "purl" && c.PURL == "" {
			c.PURL = r.Locator
		} else if strings.HasPrefix(r.Type, "cpe2") {
			c.CPEs++
		}
	}
	for _, sum := range p.Checksums {
		c.addHash(sum.Algorithm, sum.Value)
	}
	if found, paths, ok := strings.Cut(p.SourceInfo, ": "); ok && strings.HasPrefix(found, "acquired package info from") {
		c.Locations = strings.Split(paths, ", ") // as syft writes it
	}
	return c
}

// agent is the name of a person or an organisation, as SPDX writes it.
func agent(text string) string {
	for _, kind := range []string{"Organization: ", "Person: "} {
		text = strings.TrimPrefix(text, kind)
	}
	return stated(strings.TrimSpace(text))
}
