package inventory

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// cycloneParty is a person or an organisation.
type cycloneParty struct {
	Name  string `json:"name"`
	Email string `json:"email"`
}

// cycloneComponent has the members of a component that are read
// (https://cyclonedx.org/docs/1.6/json/).
type cycloneComponent struct {
	Ref          string         `json:"bom-ref"`
	Type         string         `json:"type"`
	Group        string         `json:"group"`
	Name         string         `json:"name"`
	Version      string         `json:"version"`
	PURL         string         `json:"purl"`
	CPE          string         `json:"cpe"`
	Author       string         `json:"author"`
	Authors      []cycloneParty `json:"authors"`
	Publisher    string         `json:"publisher"`
	Supplier     cycloneParty   `json:"supplier"`
	Manufacturer cycloneParty   `json:"manufacturer"`
	Licenses     []struct {
		Expression string `json:"expression"`
		License    struct {
			ID   string `json:"id"`
			Name string `json:"name"`
		} `json:"license"`
	} `json:"licenses"`
	Hashes             []cycloneHash `json:"hashes"`
	ExternalReferences []struct {
		Type   string        `json:"type"`
		Hashes []cycloneHash `json:"hashes"`
	} `json:"externalReferences"`
	Properties []struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	} `json:"properties"`
	Components []json.RawMessage `json:"components"`
}

// parts are the components within one.
func (p *cycloneComponent) parts() [][]byte {
	out := make([][]byte, len(p.Components))
	for i, raw := range p.Components {
		out[i] = raw
	}
	return out
}

type cycloneHash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"`
}

type cycloneTool struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

type cycloneDocument struct {
	version, serial string
	metadata        struct {
		Timestamp  string          `json:"timestamp"`
		Tools      json.RawMessage `json:"tools"`
		Lifecycles []struct {
			Phase string `json:"phase"`
			Name  string `json:"name"`
		} `json:"lifecycles"`
		Authors      []cycloneParty   `json:"authors"`
		Manufacturer cycloneParty     `json:"manufacturer"`
		Supplier     cycloneParty     `json:"supplier"`
		Component    cycloneComponent `json:"component"`
	}
	components   [][]byte // as they stand in the document
	dependencies [][]byte
}

type cycloneDependency struct {
	Ref string   `json:"ref"`
	On  []string `json:"dependsOn"`
}

func (doc *cycloneDocument) readers() map[string]reader {
	return map[string]reader{
		"specVersion": into(&doc.version), "serialNumber": into(&doc.serial), "metadata": into(&doc.metadata),
		"components": elements(&doc.components), "dependencies": elements(&doc.dependencies),
	}
}

func parseCycloneDX(data []byte) (*Document, error) {
	var doc cycloneDocument
	if err := readMembers(data, doc.readers()); err != nil {
		return nil, err
	}
	if !strings.HasPrefix(doc.version, "1.") {
		return nil, fmt.Errorf("it is CycloneDX %.20q, and only 1.x is read", doc.version)
	}
	m := doc.metadata
	d := &Document{Format: CycloneDX, SpecVersion: doc.version, Name: m.Component.Name, Namespace: doc.serial, Created: parseTime(m.Timestamp),
		Supplier: m.Supplier.Name, Subject: m.Component.component(), Related: map[string]bool{}}
	var phases []string
	for _, l := range m.Lifecycles {
		phases = append(phases, firstOf(l.Phase, l.Name))
	}
	d.Context = strings.TrimSpace(strings.Join(phases, " "))
	for _, a := range m.Authors {
		d.Authors = append(d.Authors, strings.TrimSpace(a.Name+" "+a.Email))
	}
	d.Authors = append(d.Authors, m.Manufacturer.Name)
	for _, t := range cycloneTools(m.Tools) {
		d.Tools = append(d.Tools, strings.TrimSpace(t.Name+" "+t.Version))
	}
	if err := d.addCycloneDX(m.Component.parts(), 0); err != nil { // parts of the subject
		return nil, err
	}
	if err := d.addCycloneDX(doc.components, 0); err != nil {
		return nil, err
	}
	return d, d.addDependencies(&doc)
}

// addDependencies notes what depends on what. A component with an entry of its own and
// nothing in it is known to depend on nothing, which is a statement too.
func (d *Document) addDependencies(doc *cycloneDocument) error {
	known := d.known()
	return eachStrictly(doc.dependencies, func(dependency *cycloneDependency) error {
		if known[dependency.Ref] {
			d.Related[dependency.Ref] = true
		}
		for _, on := range dependency.On {
			d.relate(known, dependency.Ref, on)
		}
		return nil
	})
}

// cycloneTools reads both forms that the list of tools has had.
func cycloneTools(raw json.RawMessage) []cycloneTool {
	var old []cycloneTool
	if json.Unmarshal(raw, &old) == nil {
		return old
	}
	var now struct {
		Components []cycloneTool `json:"components"`
		Services   []cycloneTool `json:"services"`
	}
	if json.Unmarshal(raw, &now) != nil {
		return nil
	}
	return append(now.Components, now.Services...)
}

// notPackages are the types of components that are no packages.
var notPackages = []string{"file", "operating-system", "data", "cryptographic-asset"}

// addCycloneDX adds components and those within them.
func (d *Document) addCycloneDX(list [][]byte, depth int) error {
	const deepest = 16
	if len(list) > 0 && depth > deepest {
		return fmt.Errorf("its components nest deeper than %d", deepest)
	}
	if err := d.room(len(list)); err != nil {
		return err
	}
	for _, raw := range list {
		var p cycloneComponent
		if err := json.Unmarshal(raw, &p); err != nil {
			return err
		}
		if !slices.Contains(notPackages, p.Type) {
			if err := d.room(1); err != nil {
				return err
			}
			d.Components = append(d.Components, p.component())
		}
		if err := d.addCycloneDX(p.parts(), depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (p *cycloneComponent) component() Component {
	c := Component{ID: p.Ref, Name: p.Name, Version: p.Version, PURL: p.PURL, Type: p.Type,
		Supplier: firstOf(p.Supplier.Name, p.Manufacturer.Name, p.Publisher, p.Author)}
	if p.Group != "" {
		c.Name = p.Group + "/" + p.Name
	}
	if p.CPE != "" {
		c.CPEs = 1
	}
	for _, a := range p.Authors {
		c.Supplier = firstOf(c.Supplier, a.Name, a.Email)
	}
	for _, l := range p.Licenses {
		c.Licences = append(c.Licences, firstOf(l.Expression, l.License.ID, l.License.Name))
	}
	p.addHashes(&c)
	for _, property := range p.Properties {
		c.addProperty(property.Name, property.Value)
	}
	return c
}

// addHashes adds the hashes of the component, and those of the form it is distributed in.
func (p *cycloneComponent) addHashes(to *Component) {
	hashes := slices.Clone(p.Hashes)
	for _, r := range p.ExternalReferences {
		if r.Type == "distribution" {
			hashes = append(hashes, r.Hashes...)
		}
	}
	for _, h := range hashes {
		to.addHash(h.Algorithm, h.Content)
	}
}

// addProperty reads what syft and the taxonomy of the BSI
// (https://github.com/BSI-Bund/tr-03183-cyclonedx-property-taxonomy) put into properties.
func (c *Component) addProperty(name, value string) {
	switch {
	case strings.HasPrefix(name, "syft:location:") && strings.HasSuffix(name, ":path"):
		c.Locations = append(c.Locations, value)
	case name == "syft:location:0:layerID":
		c.Layer = value
	case name == "bsi:component:filename":
		c.Filename = value
	case strings.HasPrefix(name, "bsi:component:") && value != "":
		if c.Properties == nil {
			c.Properties = map[string]string{}
		}
		c.Properties[name] = value
	}
}
