package inventory

import (
	"encoding/json"
	"strings"

	"github.com/hallmark-project/hallmark/bundle"
)

// syftDocument has the members of syft's own format that are read
// (https://github.com/anchore/syft/tree/main/schema/json).
type syftDocument struct {
	Artifacts     []json.RawMessage `json:"artifacts"`
	Relationships []struct {
		Parent string `json:"parent"`
		Child  string `json:"child"`
		Type   string `json:"type"`
	} `json:"artifactRelationships"`
	Source struct {
		ID       string          `json:"id"`
		Name     string          `json:"name"`
		Version  string          `json:"version"`
		Type     string          `json:"type"`
		Supplier string          `json:"supplier"`
		Metadata json.RawMessage `json:"metadata"` // of an image, a folder, a file
	} `json:"source"`
	Descriptor struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	} `json:"descriptor"`
	Schema struct {
		Version string `json:"version"`
	} `json:"schema"`
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
	if err := bundle.Decode(data, &doc); err != nil {
		return nil, err
	}
	d := &Document{Format: Syft, SpecVersion: doc.Schema.Version, Name: doc.Source.Name, Supplier: doc.Source.Supplier, Related: map[string]bool{},
		Subject: Component{ID: doc.Source.ID, Name: doc.Source.Name, Version: doc.Source.Version, Type: doc.Source.Type, Supplier: doc.Source.Supplier},
		Tools:   []string{strings.TrimSpace(doc.Descriptor.Name + " " + doc.Descriptor.Version)}}
	if err := d.room(len(doc.Artifacts)); err != nil {
		return nil, err
	}
	for _, raw := range doc.Artifacts {
		var p syftArtifact
		if err := json.Unmarshal(raw, &p); err != nil {
			return nil, err
		}
		d.Components = append(d.Components, p.component())
	}
	d.Layers = syftLayers(doc.Source.Metadata)
	known := d.known()
	for _, r := range doc.Relationships {
		if r.Type != "evident-by" {
			d.relate(known, r.Parent, r.Child)
		}
	}
	return d, nil
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
