// Package policy says what a verifier asks for. It is plain data: package verify
// decides whether evidence meets it.
package policy

import (
	"fmt"
	"slices"
	"strings"
)

// Signature is the requirement that `signature` names: a statement that vouches
// for the subject and says nothing else.
const Signature = "signature"

// Policy is what evidence must show. The zero value accepts nothing: with no
// requirement, nothing can be met.
type Policy struct {
	Requirements []Requirement
	// Identities are those whose certificates count; any of them does.
	Identities []Identity
	// Logs, Timestamps and SCTs are how many different authorities have to vouch for a
	// signature in each way. 0 asks for one of each kind that the trusted root names.
	Logs, Timestamps, SCTs int
	// AllowPending lets signatures count that have a timestamp and are not logged yet.
	AllowPending bool
	// AllowLegacy lets evidence in cosign's older tag-based form count.
	AllowLegacy bool
	// AcceptIndexSBOM lets an SBOM or a vulnerability result attached to an index
	// count for its platforms, although it cannot describe each of them.
	AcceptIndexSBOM bool
	// Repository, if set, must be the name that a statement gives its subject.
	Repository string
	// Denials are what must not count, whatever else holds.
	Denials []Denial
}

// Type is a predicate type as people name it: "signature", a family such as
// "spdx", or a predicate type URI.
type Type struct {
	name string
}

// family is a group of predicate types that one word names. A version suffix
// counts where the family has one.
type family struct {
	name     string
	aliases  []string
	exact    []string
	prefixes []string // URI prefixes behind which a version stands
	platform bool     // describes one platform: evidence on an index does not do
	document string   // media type of its predicates where they are documents of their own
}

var families = []family{
	{name: Signature, exact: []string{"https://sigstore.dev/cosign/sign/v1"}},
	{name: "spdx", aliases: []string{"spdxjson"}, platform: true, document: "application/spdx+json",
		exact: []string{"https://spdx.dev/Document"}, prefixes: []string{"https://spdx.dev/Document/"}},
	{name: "cyclonedx", platform: true, document: "application/vnd.cyclonedx+json",
		exact: []string{"https://cyclonedx.org/bom"}, prefixes: []string{"https://cyclonedx.org/bom/"}},
	{name: "syft", platform: true, document: "application/vnd.syft+json", exact: []string{"https://syft.dev/bom"}},
	{name: "slsaprovenance", aliases: []string{"slsaprovenance1", "slsaprovenance02"},
		exact: []string{"https://slsa.dev/provenance/v1", "https://slsa.dev/provenance/v0.2", "https://slsa.dev/provenance/v0.1"}},
	{name: "vuln", platform: true, exact: []string{
		"https://cosign.sigstore.dev/attestation/vuln/v1", "https://in-toto.io/attestation/vulns/v0.2",
		"https://in-toto.io/attestation/vulns/v0.1"}},
	{name: "openvex", exact: []string{"https://openvex.dev/ns"}, prefixes: []string{"https://openvex.dev/ns/"}},
	{name: "vsa", exact: []string{"https://slsa.dev/verification_summary/v1"}},
	{name: "test-result", exact: []string{"https://in-toto.io/attestation/test-result/v0.1"}},
	{name: "link", exact: []string{"https://in-toto.io/Link/v1", "https://in-toto.io/attestation/link/v0.3"}},
	{name: "reference", exact: []string{"https://in-toto.io/attestation/reference/v0.1"}},
}

// Names lists the words that [ParseType] knows besides URIs.
func Names() []string {
	names := make([]string, len(families))
	for i, f := range families {
		names[i] = f.name
	}
	return names
}

// ParseType reads a type as given on a command line or in a file.
func ParseType(s string) (Type, error) {
	for _, f := range families {
		if s == f.name || slices.Contains(f.aliases, s) {
			return Type{f.name}, nil
		}
		if f.has(s) && len(f.exact) == 1 && len(f.prefixes) == 0 {
			return Type{f.name}, nil
		}
	}
	if strings.Contains(s, ":") && !strings.ContainsAny(s, " \t\r\n") {
		return Type{s}, nil
	}
	return Type{}, fmt.Errorf("unknown type %q: want one of %s, or a predicate type URI", s, strings.Join(Names(), ", "))
}

// TypeOf is the type that a predicate type URI belongs to.
func TypeOf(predicateType string) Type {
	for _, f := range families {
		if f.has(predicateType) {
			return Type{f.name}
		}
	}
	return Type{predicateType}
}

// String is the word or URI that names the type.
func (t Type) String() string { return t.name }

// Matches reports whether a predicate type URI is of this type.
func (t Type) Matches(predicateType string) bool {
	if t.name == "" {
		return false
	}
	for _, f := range families {
		if f.name == t.name {
			return f.has(predicateType)
		}
	}
	return t.name == predicateType
}

// DocumentType is the media type that predicates of this type have as documents of their
// own, which statements can refer to; empty where they cannot.
func (t Type) DocumentType() string {
	for _, f := range families {
		if f.name == t.name || f.has(t.name) {
			return f.document
		}
	}
	return ""
}

// DocumentOf is the predicate type URI that documents of a media type go by; empty for
// media types that are none of [Type.DocumentType].
func DocumentOf(mediaType string) (predicateType string) {
	for _, f := range families {
		if f.document != "" && f.document == mediaType {
			return f.exact[0]
		}
	}
	return ""
}

// DescribesPlatform reports whether evidence of this type describes one platform,
// so that on an index it says nothing about the platforms.
func (t Type) DescribesPlatform() bool {
	for _, f := range families {
		if f.name == t.name || f.has(t.name) {
			return f.platform
		}
	}
	return false
}

func (f family) has(predicateType string) bool {
	if slices.Contains(f.exact, predicateType) {
		return true
	}
	for _, p := range f.prefixes {
		if strings.HasPrefix(predicateType, p) && len(predicateType) > len(p) {
			return true
		}
	}
	return false
}
