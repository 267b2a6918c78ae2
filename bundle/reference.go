package bundle

import (
	"fmt"
)

// PredicateReference is the predicate type of a statement that refers to documents which
// are kept elsewhere
// (https://github.com/in-toto/attestation/blob/main/spec/predicates/reference.md).
const PredicateReference = "https://in-toto.io/attestation/reference/v0.1"

// maxReferences caps the documents that one statement refers to.
const maxReferences = 100

// Reference is the predicate of a statement that refers to documents, unverified.
type Reference struct {
	Attester  string // a URI that identifies what provides the documents
	Documents []Document
}

// Document is a document that a [Reference] refers to.
type Document struct {
	MediaType string
	// Location is where the document can be had. It is a stranger's word on where to go,
	// and for people only.
	Location string
	Digest   map[string]string // hexadecimal, by algorithm
}

// ParseReference reads the predicate of a reference. As the specification asks, members
// that it does not know are passed over.
func ParseReference(predicate []byte) (*Reference, error) {
	members, err := Members(predicate)
	if err != nil {
		return nil, fmt.Errorf("reference: %w", err)
	}
	var r Reference
	for _, m := range members {
		switch m.Key {
		case "attester":
			r.Attester, err = textIn(m.Raw, "id")
		case "references":
			r.Documents, err = parseDocuments(m.Raw)
		}
		if err != nil {
			return nil, fmt.Errorf("reference: %w", err)
		}
	}
	switch {
	case r.Attester == "":
		err = fmt.Errorf("%w: attester.id is missing", ErrFormat)
	case len(r.Documents) == 0:
		err = fmt.Errorf("%w: it refers to nothing", ErrFormat)
	}
	if err != nil {
		return nil, fmt.Errorf("reference: %w", err)
	}
	return &r, nil
}

func parseDocuments(raw []byte) ([]Document, error) {
	elements, err := Elements(raw, maxReferences)
	if err != nil {
		return nil, err
	}
	var out []Document
	for _, raw := range elements {
		members, err := Members(raw)
		if err != nil {
			return nil, err
		}
		var d Document
		for _, m := range members {
			switch m.Key {
			case "mediaType":
				d.MediaType, err = text(m)
			case "downloadLocation":
				d.Location, err = text(m)
			case "digest":
				d.Digest, err = parseDigests(m.Raw)
			}
			if err != nil {
				return nil, err
			}
		}
		if d.MediaType == "" || d.Location == "" { // "MUST be provided for each"
			return nil, fmt.Errorf("%w: a document without mediaType or downloadLocation", ErrFormat)
		}
		if len(d.MediaType) > maxName || len(d.Location) > maxName {
			return nil, fmt.Errorf("%w: a name of more than %d bytes", ErrFormat, maxName)
		}
		out = append(out, d)
	}
	return out, nil
}

// AppendJSON appends the predicate's JSON form to dst. The same reference always gives the
// same bytes.
func (r *Reference) AppendJSON(dst []byte) []byte {
	dst = append(appendString(append(dst, `{"attester":{"id":`...), r.Attester), `},"references":[`...)
	for i, d := range r.Documents {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(append(dst, `{"downloadLocation":`...), d.Location)
		dst = appendDigests(append(dst, `,"digest":`...), d.Digest)
		dst = append(appendString(append(dst, `,"mediaType":`...), d.MediaType), '}')
	}
	return append(dst, `]}`...)
}
