package oci

import (
	"encoding/json"
	"fmt"
)

// listDocument is an image index that lists referrers or, as a layout's index.json,
// images. Members and entries that are not understood are kept.
type listDocument struct {
	entries []Descriptor
	members map[string]json.RawMessage
}

// parseListDocument reads an image index of any number of entries.
func parseListDocument(raw []byte) (listDocument, error) {
	bad := func(format string, args ...any) (listDocument, error) {
		return listDocument{}, fmt.Errorf("%w: list of manifests: "+format, append([]any{ErrManifest}, args...)...)
	}
	var doc listDocument
	if err := json.Unmarshal(raw, &doc.members); err != nil {
		return bad("%w", err)
	}
	if err := checkMembers(raw); err != nil {
		return bad("%w", err)
	}
	var version int
	var mediaType string
	if err := json.Unmarshal(doc.members["schemaVersion"], &version); err != nil || version != 2 {
		return bad("not an image index of schema version 2")
	}
	if m, ok := doc.members["mediaType"]; ok && (json.Unmarshal(m, &mediaType) != nil || mediaType != MediaTypeIndex) {
		return bad("it says it is %s", printable(string(m)))
	}
	for _, foreign := range []string{"layers", "fsLayers", "config"} {
		if _, ok := doc.members[foreign]; ok {
			return bad("an index with %s", foreign)
		}
	}
	// Registries write "manifests": null for an empty list; without the member it is
	// no list.
	manifests, ok := doc.members["manifests"]
	if !ok {
		return bad("no manifests")
	}
	if err := json.Unmarshal(manifests, &doc.entries); err != nil {
		return bad("%w", err)
	}
	for _, d := range doc.entries {
		if err := checkDigest(d.Digest); err != nil {
			return bad("%w", err)
		}
		if d.Size < 0 {
			return bad("%s has size %d", d.Digest, d.Size)
		}
	}
	return doc, nil
}

// with writes the document with entries added. The zero document becomes a new index.
func (l listDocument) with(added []Descriptor) ([]byte, error) {
	members := map[string]json.RawMessage{"schemaVersion": json.RawMessage("2"), "mediaType": json.RawMessage(`"` + MediaTypeIndex + `"`)}
	if l.members != nil {
		members = l.members
	}
	var entries []json.RawMessage
	if old, ok := members["manifests"]; ok {
		if err := json.Unmarshal(old, &entries); err != nil {
			return nil, err
		}
	}
	for _, d := range added {
		entry, err := json.Marshal(d)
		if err != nil {
			return nil, err
		}
		entries = append(entries, entry)
	}
	manifests, err := json.Marshal(entries)
	if err != nil {
		return nil, err
	}
	out := map[string]json.RawMessage{}
	for name, value := range members {
		out[name] = value
	}
	out["manifests"] = manifests
	return json.Marshal(out)
}
