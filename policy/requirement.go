package policy

import (
	"slices"
	"time"

	"github.com/hallmark-project/hallmark/inventory"
)

// Requirement asks for evidence of a type, on every digest that the rules for its type
// name: at least one piece, by a trusted signer, that shows everything that is set here.
type Requirement struct {
	// Name is how reports call it; empty means the type.
	Name string
	Type Type
	// Alternatives are types that do as well.
	Alternatives []Type
	// By are the names of the signers who count (see [Identity] and the name of a
	// trusted key); empty means everybody who is trusted.
	By []string
	// AtLeast is how many different signers are needed; 0 means one. They are different
	// if their names are and they themselves are: one key under two names is one.
	AtLeast int
	// MaxAge, if not zero, is how old the evidence may be, by trusted time.
	MaxAge time.Duration
	// Conditions must hold of each piece.
	Conditions []Condition
	// AcceptOnIndex lets what describes one platform count from the index.
	AcceptOnIndex bool
	// Repository, if set, must be the name that the statement gives its subject.
	Repository string

	SBOM            *SBOM
	Provenance      *Provenance
	Vulnerabilities *Vulnerabilities
	Verdict         *Verdict
}

// Wants reports whether evidence of a predicate type is what r asks for.
func (r *Requirement) Wants(predicateType string) bool {
	return r.Type.Matches(predicateType) || slices.ContainsFunc(r.Alternatives, func(t Type) bool { return t.Matches(predicateType) })
}

// Types are all that r asks for.
func (r *Requirement) Types() []Type { return append([]Type{r.Type}, r.Alternatives...) }

// Title is how people call r.
func (r *Requirement) Title() string {
	if r.Name != "" {
		return r.Name
	}
	return r.Type.String()
}

// Needed is how many different signers are needed, at least one.
func (r *Requirement) Needed() int { return max(r.AtLeast, 1) }

// SBOM is what an SBOM has to show. What it must not name is asked of every SBOM that
// counts: of those by the same signer in the same format, of the newest.
type SBOM struct {
	MinimumElements string // a standard that [inventory.Check] knows; empty: none
	BannedPackages  []PackageRule
	AllowedPackages []PackageRule // not empty: no others
	BannedLicences  []string      // SPDX identifiers, * for any run of characters
	AllowedLicences []string      // not empty: no others
	// UnstatedLicences lets components pass AllowedLicences that state no licence.
	UnstatedLicences bool
}

// Bans reports whether an SBOM must not name something, so that none may.
func (s *SBOM) Bans() bool {
	return s != nil && len(s.BannedPackages)+len(s.AllowedPackages)+len(s.BannedLicences)+len(s.AllowedLicences) > 0
}

// PackageRule is a package pattern with the reason it is there for.
type PackageRule struct {
	Pattern inventory.Pattern
	Reason  string
}

// Provenance is what SLSA provenance has to show
// (https://slsa.dev/spec/v1.2/verifying-artifacts).
type Provenance struct {
	Builders []Builder
	// SignersSpeak lets everybody who is trusted speak for the builder that they name, or,
	// where Builders is empty, for any. What a certificate says of the builder has to agree
	// all the same.
	SignersSpeak bool
	Level        int // of the build track, 0 to 3
	Sources      []Source
	BuildTypes   []string // empty: any that the builder uses
	// Parameters are the external parameters that are expected besides those that name
	// the source: the value is JSON that must be equal, or nil for any.
	Parameters map[string]any
	// AnyParameters lets parameters pass that nobody expects.
	AnyParameters bool
}

// Builder is a build platform with the level it is trusted for.
type Builder struct {
	ID    string // * stands for any run of characters in the part behind the last @ only
	Level int
	By    []string // who signs for it; empty: the certificate itself has to name it
}

// Source is where software may be built from.
type Source struct {
	Repository string   // a URL such as https://github.com/octo/app
	Refs       []string // such as refs/heads/main or refs/tags/v*; empty: any
}

// Vulnerabilities is what the newest scan that counts has to show.
type Vulnerabilities struct {
	// Severity is the lowest that is not accepted: low, medium, high or critical.
	Severity string
	// AcceptUnknown lets findings pass whose severity nobody tells.
	AcceptUnknown bool
	// Accepted are findings that pass, each until a time.
	Accepted []AcceptedFinding
	// VEX are the names of those whose OpenVEX statements are taken into account.
	VEX []string
}

// AcceptedFinding is a finding that somebody has decided to live with.
type AcceptedFinding struct {
	ID     string
	Until  time.Time // zero: for good
	Reason string
}

// Verdict is what a Verification Summary has to say
// (https://slsa.dev/spec/v1.2/verification_summary).
type Verdict struct {
	// Verifiers are the ids that the verifiers go by, by the name they are trusted
	// under; an empty one is any.
	Verifiers    map[string]string
	PolicyDigest string // sha256:…; of the policy that it answers for
	Resource     string // the URI that it answers for; empty: any
	Levels       []string
}

// Denial keeps evidence from counting, or a digest from being accepted, for a reason that
// people are shown. Everything that is set must hold of what it denies.
type Denial struct {
	Digest       string // of a subject: it is rejected
	Signer       string // name of a signer
	Certificate  string // SHA-256 of the certificate or the key, in hexadecimal
	IssuedBefore time.Time
	IssuedAfter  time.Time
	Reason       string
}
