package inventory

import (
	"encoding/json"
	"strings"

	"github.com/hallmark-project/hallmark/bundle"
)

// spdxDocument has the members of SPDX 2.3 that are read
// (https://spdx.github.io/spdx-spec/v2.3/).
type spdxDocument struct {
	Version      string `json:"spdxVersion"`
	ID           string `json:"SPDXID"`
	Name         string `json:"name"`
	Namespace    string `json:"documentNamespace"`
	CreationInfo struct {
		Created  string   `json:"created"`
		Creators []string `json:"creators"`
		Comment  string   `json:"comment"`
	} `json:"creationInfo"`
	Describes     []string          `json:"documentDescribes"`
	Packages      []json.RawMessage `json:"packages"`
	Relationships []struct {
		From string `json:"spdxElementId"`
		To   string `json:"relatedSpdxElement"`
		Type string `json:"relationshipType"`
	} `json:"relationships"`
	Licences []struct {
		ID   string `json:"licenseId"`
		Name string `json:"name"`
	} `json:"hasExtractedLicensingInfos"`
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
	if err := bundle.Decode(data, &doc); err != nil {
		return nil, err
	}
	d := &Document{Format: SPDX, SpecVersion: strings.TrimPrefix(doc.Version, "SPDX-"), Name: doc.Name, Namespace: doc.Namespace,
		Created: parseTime(doc.CreationInfo.Created), Related: map[string]bool{}}
	for _, creator := range doc.CreationInfo.Creators {
		if tool, ok := strings.CutPrefix(creator, "Tool: "); ok {
			d.Tools = append(d.Tools, tool)
		} else {
			d.Authors = append(d.Authors, agent(creator))
		}
	}
	if stage, ok := strings.CutPrefix(doc.CreationInfo.Comment, "Generation context: "); ok {
		d.Context = stage
	}
	if err := d.addSPDX(&doc); err != nil {
		return nil, err
	}
	known := d.known()
	for _, r := range doc.Relationships {
		if r.Type != "OTHER" {
			d.relate(known, r.From, r.To)
		}
	}
	return d, nil
}

// described are the elements that the document says it is about.
func (doc *spdxDocument) described() map[string]bool {
	roots := map[string]bool{}
	for _, id := range doc.Describes {
		roots[id] = true
	}
	for _, r := range doc.Relationships {
		switch {
		case r.Type == "DESCRIBES" && r.From == doc.ID:
			roots[r.To] = true
		case r.Type == "DESCRIBED_BY" && r.To == doc.ID:
			roots[r.From] = true
		}
	}
	return roots
}

// addSPDX adds the packages. The one that the document describes is the subject; where it
// describes several, or has only one, they are what it lists.
func (d *Document) addSPDX(doc *spdxDocument) error {
	if err := d.room(len(doc.Packages)); err != nil {
		return err
	}
	names, roots := map[string]string{}, doc.described()
	for _, l := range doc.Licences {
		names[l.ID] = l.Name
	}
	var subjects []int
	for _, raw := range doc.Packages {
		var p spdxPackage
		if err := json.Unmarshal(raw, &p); err != nil {
			return err
		}
		if roots[p.ID] {
			subjects = append(subjects, len(d.Components))
		}
		d.Components = append(d.Components, p.component(names))
	}
	if len(subjects) == 1 && len(d.Components) > 1 {
		at := subjects[0]
		d.Subject = d.Components[at]
		d.Components = append(d.Components[:at:at], d.Components[at+1:]...)
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
