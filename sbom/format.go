package sbom

import (
	"fmt"
	"slices"
	"strings"
)

// Format names a document format and its serialisation, as users write it.
type Format string

// The formats Generate can write.
const (
	SPDXJSON      Format = "spdx-json"      // SPDX 2.3 as JSON
	CycloneDXJSON Format = "cyclonedx-json" // CycloneDX 1.6 as JSON
	SyftJSON      Format = "syft-json"      // syft's own schema, which loses nothing
)

// Formats lists every format Generate can write, in the order to show them.
func Formats() []Format {
	return []Format{SPDXJSON, CycloneDXJSON, SyftJSON}
}

// predicateTypes are the URIs under which in-toto statements carry each format.
var predicateTypes = map[Format]string{
	SPDXJSON:      "https://spdx.dev/Document",
	CycloneDXJSON: "https://cyclonedx.org/bom",
	SyftJSON:      "https://syft.dev/bom",
}

// ParseFormat reads a format's name. An unknown one is an error that wraps ErrFormat and lists what is known.
func ParseFormat(s string) (Format, error) {
	if f := Format(s); slices.Contains(Formats(), f) {
		return f, nil
	}
	names := make([]string, 0, len(Formats()))
	for _, f := range Formats() {
		names = append(names, string(f))
	}
	return "", fmt.Errorf("%w %q: known are %s", ErrFormat, s, strings.Join(names, ", "))
}

// PredicateType is the in-toto predicate type of a document in this format; "" for an unknown format.
func (f Format) PredicateType() string {
	return predicateTypes[f]
}
