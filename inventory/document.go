package inventory

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// ErrDocument says that something is no SBOM that can be read.
var ErrDocument = errors.New("not an SBOM that can be read")

// MaxComponents caps the components of an SBOM.
const MaxComponents = 1_000_000

// Formats of SBOMs that are read: SPDX 2.2 and 2.3, CycloneDX 1.2 to 1.6, syft's own;
// each as JSON.
const (
	SPDX      = "spdx"
	CycloneDX = "cyclonedx"
	Syft      = "syft"
)

// Document is what an SBOM says, unverified.
type Document struct {
	Format      string
	SpecVersion string
	Name        string
	Namespace   string      // what tells the document from all others; empty: not stated
	Created     time.Time   // zero: not stated
	Tools       []string    // name and version of each
	Authors     []string    // people and organisations
	Supplier    string      // of what is described
	Context     string      // when in the life of the software it was made, such as post-build
	Subject     Component   // what is described, such as the image; empty if the document does not say
	Layers      []string    // digests of the image's layers, the base first; nil: not stated
	Components  []Component // neither files nor the subject
	// Related are the IDs of components that the document relates to another one or to the
	// subject: by dependency or containment.
	Related       map[string]bool
	Relationships int // how often it does so
}

// Component is a package. Lists are sorted, each entry stands in them once.
type Component struct {
	ID        string // within the document
	Name      string
	Version   string
	PURL      string // see https://github.com/package-url/purl-spec
	CPEs      int    // how many identifiers of the CPE scheme it has
	Type      string // of the purl, else the document's own word
	Supplier  string
	Licences  []string          // SPDX expressions, identifiers or names, as stated
	Hashes    map[string]string // algorithm in lower case, such as sha256, and hexadecimal
	Locations []string          // paths in the image
	Layer     string            // digest of the layer that the first location is in
	Filename  string
	// Properties are those that a standard of ours asks for, such as bsi:component:archive.
	Properties map[string]string
}

// Parse reads an SBOM and tells the format from its content. What it returns does not share
// memory with data.
func Parse(data []byte) (*Document, error) {
	kind, err := Detect(data)
	if err != nil {
		return nil, err
	}
	var d *Document
	switch {
	case kind.Format == SPDX && !strings.HasPrefix(kind.Version, "2."):
		err = errors.New("it is SPDX 3, which this program does not read yet: use SPDX 2.3 or CycloneDX")
	case kind.Format == SPDX:
		d, err = parseSPDX(data)
	case kind.Format == CycloneDX:
		d, err = parseCycloneDX(data)
	default:
		d, err = parseSyft(data)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDocument, err)
	}
	d.tidy()
	return d, nil
}

// Kind is the format of an SBOM.
type Kind struct {
	Format  string // SPDX, CycloneDX or Syft
	Version string // of SPDX, 2.… or 3; otherwise empty
}

// Detect tells the format of an SBOM from its content, which is checked to be JSON of the
// strict kind. Whether all of it is as its format wants it, [Parse] finds out.
func Detect(data []byte) (kind Kind, err error) {
	var spdx, cycloneDX string
	var context json.RawMessage
	var schema, artifacts bool
	if err := readMembers(data, map[string]reader{
		"spdxVersion": into(&spdx), "bomFormat": into(&cycloneDX), "@context": into(&context), "schema": there(&schema), "artifacts": there(&artifacts),
	}); err != nil {
		return kind, fmt.Errorf("%w: %w", ErrDocument, err)
	}
	switch {
	case strings.HasPrefix(spdx, "SPDX-2."):
		return Kind{SPDX, strings.TrimPrefix(spdx, "SPDX-")}, nil
	case cycloneDX == "CycloneDX":
		return Kind{Format: CycloneDX}, nil
	case artifacts && schema:
		return Kind{Format: Syft}, nil
	case strings.Contains(string(context), "spdx.org"):
		return Kind{SPDX, "3"}, nil
	}
	return kind, fmt.Errorf("%w: it is neither SPDX 2 nor CycloneDX nor syft's JSON", ErrDocument)
}

// room refuses more components than there may be, before memory is spent on them.
func (d *Document) room(more int) error {
	if len(d.Components)+more > MaxComponents {
		return fmt.Errorf("it has more than %d components", MaxComponents)
	}
	return nil
}

// relate notes that two elements are related, if both are components or the subject.
func (d *Document) relate(known map[string]bool, from, to string) {
	if known[from] && known[to] {
		d.Related[from], d.Related[to] = true, true
		d.Relationships++
	}
}

// known are the IDs that relationships may name.
func (d *Document) known() map[string]bool {
	ids := map[string]bool{}
	for _, c := range d.Components {
		ids[c.ID] = true
	}
	ids[d.Subject.ID] = true
	delete(ids, "")
	return ids
}

// tidy brings components into the one order that does not depend on the format.
func (d *Document) tidy() {
	d.Subject.tidy()
	for i := range d.Components {
		d.Components[i].tidy()
	}
	d.merge()
	slices.SortStableFunc(d.Components, func(a, b Component) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version), cmp.Compare(a.PURL, b.PURL), cmp.Compare(a.ID, b.ID))
	})
	d.Tools, d.Authors = once(d.Tools), once(d.Authors)
}

func (c *Component) tidy() {
	c.Licences, c.Locations = once(c.Licences), once(c.Locations)
	if p, err := ParsePURL(c.PURL); err == nil {
		c.Type = p.Type
	}
}

// merge makes one of components that the document lists several times: with the same
// package URL, name and version. The first stands for all.
func (d *Document) merge() {
	first := map[[3]string]int{}
	kept := d.Components[:0] // never ahead of what is read
	for _, c := range d.Components {
		key := [3]string{c.PURL, c.Name, c.Version}
		at, again := first[key]
		if c.PURL == "" || !again {
			if c.PURL != "" {
				first[key] = len(kept)
			}
			kept = append(kept, c)
			continue
		}
		kept[at].absorb(&c)
		if d.Related[c.ID] && kept[at].ID != "" {
			d.Related[kept[at].ID] = true
		}
	}
	for i := range kept {
		kept[i].Licences, kept[i].Locations = once(kept[i].Licences), once(kept[i].Locations)
	}
	d.Components = kept
}

// absorb takes over what c lacks, and what may stand several times.
func (c *Component) absorb(other *Component) {
	c.Licences = append(c.Licences, other.Licences...)
	c.Locations = append(c.Locations, other.Locations...)
	c.CPEs = max(c.CPEs, other.CPEs)
	c.Supplier, c.Filename, c.Layer = firstOf(c.Supplier, other.Supplier), firstOf(c.Filename, other.Filename), firstOf(c.Layer, other.Layer)
	c.Hashes, c.Properties = union(c.Hashes, other.Hashes), union(c.Properties, other.Properties)
}

// union has what either map has; what both have is a's.
func union(a, b map[string]string) map[string]string {
	for key, value := range b {
		if _, have := a[key]; have {
			continue
		}
		if a == nil {
			a = map[string]string{}
		}
		a[key] = value
	}
	return a
}

// addHash notes a hash; the first of an algorithm counts.
func (c *Component) addHash(stated, value string) {
	name := algorithm(stated)
	if _, have := c.Hashes[name]; have {
		return
	}
	if c.Hashes == nil {
		c.Hashes = map[string]string{}
	}
	c.Hashes[name] = strings.ToLower(value)
}

// algorithm is the name of a hash function as components have it: sha256, sha3-256.
func algorithm(stated string) string {
	lower := strings.ToLower(stated)
	if bits, ok := strings.CutPrefix(lower, "sha-"); ok {
		return "sha" + bits
	}
	return lower
}

// firstOf is the first text that is not empty.
func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// once sorts a list and leaves out what is said of nothing.
func once(list []string) []string {
	list = slices.DeleteFunc(list, func(s string) bool { return s == "" || s == "NOASSERTION" || s == "NONE" })
	slices.Sort(list)
	return slices.Compact(list)
}

// stated is a text unless it says that nothing is stated.
func stated(text string) string {
	if text == "NOASSERTION" || text == "NONE" {
		return ""
	}
	return text
}

// parseTime reads a time; one that cannot be read was not stated.
func parseTime(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}
	}
	return t
}
