package inventory

import (
	"encoding/json"
	"strings"
)

// syftDocument has the members of syft's own format that are read
// (https://github.com/anchore/syft/tree/main/schema/json).
type syftDocument struct {
	artifacts     [][]byte // as they stand in the document
	relationships [][]byte
	source        struct {
		ID       string          `json:"id"`
		Name     string          `json:"name"`
		Version  string          `json:"version"`
		Type     string          `json:"type"`
		Supplier string          `json:"supplier"`
		Metadata json.RawMessage `json:"metadata"` // of an image, a folder, a file
	}
	descriptor struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	}
	schema struct {
		Version string `json:"version"`
	}
}

type syftRelationship struct {
	Parent string `json:"parent"`
	Child  string `json:"child"`
	Type   string `json:"type"`
}

func (doc *syftDocument) readers() map[string]reader {
	return map[string]reader{
		"artifacts": elements(&doc.artifacts), "artifactRelationships": elements(&doc.relationships),
		"source": into(&doc.source), "descriptor": into(&doc.descriptor), "schema": into(&doc.schema),
	}
}

type syftArtifact struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Version   string `json:"version"`
	Type      string `json:"type"`
	PURL      string `json:"purl"`
	Locations []struct {
		Path  string `json:"path"`
		Layer string `json:"layerID"`
	} `json:"locations"`
	Licenses []struct {
		Value      string `json:"value"`
		Expression string `json:"spdxExpression"`
	} `json:"licenses"`
	CPEs     []json.RawMessage `json:"cpes"`
	Metadata json.RawMessage   `json:"metadata"`
}

func parseSyft(data []byte) (*Document, error) {
	var doc syftDocument
	if err := readMembers(data, doc.readers()); err != nil {
		return nil, err
	}
	source := doc.source
	d := &Document{Format: Syft, SpecVersion: doc.schema.Version, Name: source.Name, Supplier: source.Supplier, Related: map[string]bool{},
		Subject: Component{ID: source.ID, Name: source.Name, Version: source.Version, Type: source.Type, Supplier: source.Supplier},
		Tools:   []string{strings.TrimSpace(doc.descriptor.Name + " " + doc.descriptor.Version)}}
	if err := d.room(len(doc.artifacts)); err != nil {
		return nil, err
	}
	d.Components = make([]Component, 0, len(doc.artifacts))
	err := eachOf(doc.artifacts, func(p *syftArtifact) error {
		d.Components = append(d.Components, p.component())
		return nil
	})
	if err != nil {
		return nil, err
	}
	d.Layers = syftLayers(source.Metadata)
	known := d.known()
	return d, eachStrictly(doc.relationships, func(r *syftRelationship) error {
		if r.Type != "evident-by" {
			d.relate(known, r.Parent, r.Child)
		}
		return nil
	})
}

func (p *syftArtifact) component() Component {
	c := Component{ID: p.ID, Name: p.Name, Version: p.Version, PURL: p.PURL, Type: p.Type, CPEs: len(p.CPEs),
		Supplier: syftSupplier(p.Metadata)}
	for i, l := range p.Locations {
		if c.Locations = append(c.Locations, l.Path); i == 0 {
			c.Layer = l.Layer
		}
	}
	for _, l := range p.Licenses {
		c.Licences = append(c.Licences, firstOf(l.Expression, l.Value))
	}
	return c
}

// syftLayers are the layers of a source that has any.
func syftLayers(metadata json.RawMessage) (digests []string) {
	var image struct {
		Layers []struct {
			Digest string `json:"digest"`
		} `json:"layers"`
	}
	if json.Unmarshal(metadata, &image) != nil {
		return nil
	}
	for _, l := range image.Layers {
		digests = append(digests, l.Digest)
	}
	return digests
}

// syftSupplier is who stands behind a package. Each ecosystem has metadata of its own,
// where these members may be missing or of another type.
func syftSupplier(metadata json.RawMessage) string {
	var members map[string]json.RawMessage
	if json.Unmarshal(metadata, &members) != nil {
		return ""
	}
	for _, key := range []string{"maintainer", "vendor", "author"} {
		var name string
		if json.Unmarshal(members[key], &name) == nil && name != "" {
			return name
		}
	}
	return ""
}
