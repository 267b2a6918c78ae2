package oci

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// listDocument is an image index that lists referrers or, as a layout's index.json,
// images. Members and entries that are not understood are kept.
type listDocument struct {
	entries []Descriptor
	members map[string]json.RawMessage // as they were read

	added   []Descriptor // the last ones of entries
	dropped map[int]bool // of those that were read
	dirty   bool
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

// plus is the document with entries added.
func (l listDocument) plus(added []Descriptor) listDocument {
	if len(added) == 0 {
		return l
	}
	l.entries = append(slices.Clone(l.entries), added...)
	l.added = append(slices.Clone(l.added), added...)
	l.dirty = true
	return l
}

// minus is the document without some entries.
func (l listDocument) minus(gone func(Descriptor) bool) listDocument {
	old := len(l.entries) - len(l.added)
	var kept []Descriptor
	dropped := maps.Clone(l.dropped)
	if dropped == nil {
		dropped = map[int]bool{}
	}
	at := -1
	for i, d := range l.entries {
		if i < old { // the place in the document as it was read
			for at++; dropped[at]; at++ {
			}
		}
		switch {
		case !gone(d):
			kept = append(kept, d)
			continue
		case i < old:
			dropped[at] = true
		}
		l.dirty = true
	}
	l.added = slices.DeleteFunc(slices.Clone(l.added), gone)
	l.entries, l.dropped = kept, dropped
	return l
}

// marshal writes the document. The zero document becomes a new index.
func (l listDocument) marshal() ([]byte, error) {
	members := map[string]json.RawMessage{"schemaVersion": json.RawMessage("2"), "mediaType": json.RawMessage(`"` + MediaTypeIndex + `"`)}
	if l.members != nil {
		members = maps.Clone(l.members)
	}
	entries := []json.RawMessage{}
	if old, ok := members["manifests"]; ok {
		var all []json.RawMessage
		if err := json.Unmarshal(old, &all); err != nil {
			return nil, err
		}
		for i, entry := range all {
			if !l.dropped[i] {
				entries = append(entries, entry)
			}
		}
	}
	for _, d := range l.added {
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
	members["manifests"] = manifests
	return json.Marshal(members)
}
