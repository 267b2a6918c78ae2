package verify

import (
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/hallmark-project/hallmark/bundle"
)

// Outcome is how a check ended.
type Outcome string

// Outcomes of checks.
const (
	Passed     Outcome = "passed"
	Failed     Outcome = "failed"
	NotChecked Outcome = "not checked"
)

// Names of checks on one piece of evidence.
const (
	CheckFormat      = "format"       // it parses, strictly
	CheckForm        = "form"         // evidence of this form may count
	CheckPayloadType = "payload type" // the envelope holds an in-toto statement
	CheckSignature   = "signature"    // a trusted key made the signature
	CheckKeyValidity = "key validity" // that key may be used at this time
	CheckStatement   = "statement"    // the payload is a statement
	CheckSubject     = "subject"      // it is about the very digest asked for
	CheckRepository  = "repository"   // it names the repository asked for
	CheckLogEntry    = "log entry"    // a log entry that is there is about this signature

	CheckCertificate  = "certificate"              // it can be read, and names one signer
	CheckTimestamp    = "timestamp"                // a trusted authority says when it was signed
	CheckLogInclusion = "log inclusion"            // a trusted log holds it
	CheckChain        = "certificate chain"        // a trusted authority issued it, valid at that time
	CheckSCT          = "certificate transparency" // a trusted log knows the certificate
	CheckIdentity     = "identity"                 // it names a signer whom the policy accepts
	CheckDenied       = "denials"                  // the policy does not deny it
)

// Names of checks that a requirement makes.
const (
	CheckSigner          = "signer"              // somebody of whom it is asked
	CheckDistinct        = "different signers"   // as many as are asked for
	CheckAge             = "age"                 // by trusted time
	CheckCondition       = "condition"           // an expression holds
	CheckDocument        = "document"            // the SBOM that a statement refers to is one
	CheckSBOM            = "sbom"                // it can be read
	CheckMinimumElements = "minimum elements"    // an SBOM has those of a standard
	CheckPackages        = "packages"            // none that is banned
	CheckLicences        = "licences"            // none that is banned
	CheckProvenance      = "provenance"          // it can be read
	CheckBuilder         = "builder"             // trusted, for the level, and named by who may
	CheckSource          = "source"              // built from where it should be
	CheckBuildType       = "build type"          // one that is expected
	CheckParameters      = "external parameters" // none that nobody expects
	CheckScan            = "scan"                // it can be read
	CheckFindings        = "findings"            // none that is not accepted
	CheckVerdict         = "verdict"             // PASSED, on the policy, the resource and the levels
)

// Fact is one check: what was checked, against what, how it ended and why.
type Fact struct {
	Check   string  `json:"check"`
	Against string  `json:"against,omitempty"`
	Outcome Outcome `json:"outcome"`
	Cause   string  `json:"cause,omitempty"`
}

// Report is everything that was looked at in deciding about one subject. It is made
// for reading: nothing in it may be taken for a verdict, which is the [Result] or
// the error beside it.
type Report struct {
	Subject      string              `json:"subject"`
	Digest       digest.Digest       `json:"digest"`
	MediaType    string              `json:"mediaType,omitempty"`
	Requirements []RequirementReport `json:"requirements"`
	Evidence     []EvidenceReport    `json:"evidence"`
	Unread       []Unread            `json:"unread,omitempty"`
	Warnings     []string            `json:"warnings,omitempty"`
}

// RequirementReport is what became of one requirement, on each digest that it was
// asked of.
type RequirementReport struct {
	Name  string        `json:"name"`
	Type  string        `json:"type,omitempty"`
	Asked string        `json:"asked,omitempty"` // what is wanted, in words
	On    []DigestState `json:"on"`
}

// DigestState is what was found on one digest for one requirement.
type DigestState struct {
	Digest   digest.Digest `json:"digest"`
	Platform string        `json:"platform,omitempty"` // empty: the subject itself
	Outcome  Outcome       `json:"outcome"`
	Cause    string        `json:"cause,omitempty"`
	Evidence digest.Digest `json:"evidence,omitempty"` // what satisfied it, the first of it
	Signer   string        `json:"signer,omitempty"`   // fingerprint of the key
	// Checks are those that were made for the requirement beyond each piece's own.
	Checks []PieceCheck `json:"checks,omitempty"`
}

// PieceCheck is a check that a requirement makes: of one piece of evidence, or, where
// Evidence is empty, of all of it together.
type PieceCheck struct {
	Evidence digest.Digest `json:"evidence,omitempty"`
	Fact
}

// EvidenceReport is one piece of evidence with the checks it went through. Members
// that start with Claimed are what the evidence says of itself.
type EvidenceReport struct {
	On            digest.Digest `json:"on"`
	Platform      string        `json:"platform,omitempty"`
	Digest        digest.Digest `json:"digest"`
	Form          Form          `json:"form"`
	Source        string        `json:"source,omitempty"`
	ClaimedType   string        `json:"claimedPredicateType,omitempty"`
	ClaimedSigner string        `json:"claimedSigner,omitempty"`
	// Claimed is who the certificate says it is of, by nobody's word but its own.
	Claimed *Signer `json:"claimed,omitempty"`
	Facts   []Fact  `json:"facts"`
	// Document is the SBOM that it refers to, where that was read.
	Document *Document `json:"document,omitempty"`
	// Signer is who signed it, where that was verified. That alone makes nothing count.
	Signer *Signer `json:"signer,omitempty"`
	// Counts says that every check of its own passed, and Reason why not.
	Counts bool   `json:"counts"`
	Reason string `json:"reason,omitempty"`
}

// Unread is something that could not be read, so that nothing may be concluded from
// its absence.
type Unread struct {
	On     digest.Digest `json:"on"`
	What   string        `json:"what"`
	Cause  string        `json:"cause"`
	reason error

	document bool // that a statement refers to
}

// Result is what was verified: one entry for each requirement and each digest that
// satisfied it. It exists only when every requirement holds.
type Result struct {
	subject  string
	digest   digest.Digest
	verified []Verified
}

// Subject is the subject that was verified, as it was asked for, with its digest.
func (r *Result) Subject() string { return r.subject }

// Digest is the digest that was verified.
func (r *Result) Digest() digest.Digest { return r.digest }

// Verified lists what was verified, requirements in the policy's order.
func (r *Result) Verified() []Verified { return append([]Verified(nil), r.verified...) }

// Verified is a piece of evidence that satisfied a requirement.
type Verified struct {
	Requirement   string        `json:"requirement"`
	On            digest.Digest `json:"on"`
	Platform      string        `json:"platform,omitempty"`
	PredicateType string        `json:"predicateType"`
	Evidence      digest.Digest `json:"evidence"`
	Payload       digest.Digest `json:"payload,omitempty"` // of the signed bytes
	Form          Form          `json:"form"`
	Signer        Signer        `json:"signer"`
	Repository    string        `json:"repository,omitempty"` // as the signed statement names it
	Level         int           `json:"buildLevel,omitempty"` // of the SLSA build track, by the policy
	Document      *Document     `json:"document,omitempty"`   // the SBOM that it refers to

	// Refers is what its statement says that it refers to; nil if to no SBOM.
	Refers *Referral `json:"-"`
	// Bounded says that Signer.When is close to when it was signed, because the certificate
	// lived no longer. Of what a key signed it is an upper bound: anybody can have an old
	// signature stamped again.
	Bounded bool `json:"-"`
	// Since is the time before which it cannot have been signed: that of the certificate.
	Since time.Time `json:"-"`
}

// Says is the predicate type that v counts as: of what its statement holds, or of the SBOM that
// it refers to, read or not.
func (v Verified) Says() string {
	switch {
	case v.Document != nil:
		return v.Document.PredicateType
	case v.Refers != nil && v.Refers.defect == nil:
		return v.Refers.types[0]
	}
	return v.PredicateType
}

// Signer is who signed: a trusted key, or the identity in a certificate.
type Signer struct {
	Key         string         `json:"key,omitempty"` // the name it was trusted under
	Identity    string         `json:"identity,omitempty"`
	Issuer      string         `json:"issuer,omitempty"`
	Claims      *bundle.Claims `json:"claims,omitempty"`
	Names       []string       `json:"trustedAs,omitempty"` // by a policy file
	Fingerprint string         `json:"fingerprint"`         // SHA-256 of the key or certificate
	Algorithm   string         `json:"algorithm"`

	// What vouches for it, where a trusted root was asked.
	Instance             string      `json:"trustedRoot,omitempty"`
	Times                []time.Time `json:"signedAt,omitempty"` // by trusted authorities
	Logs                 []string    `json:"logs,omitempty"`
	TimestampAuthorities []string    `json:"timestampAuthorities,omitempty"`
}

// Name tells people who signed.
func (s Signer) Name() string {
	if s.Identity == "" {
		return "key " + s.Key
	}
	return fmt.Sprintf("%s (issuer %s)", printable(s.Identity), printable(s.Issuer))
}

// When is the earliest time at which somebody whom the trusted root names saw the
// signature, zero if nobody did.
func (s Signer) When() (t time.Time) {
	for _, seen := range s.Times {
		if t.IsZero() || seen.Before(t) {
			t = seen
		}
	}
	return t
}

func fingerprint(der []byte) string { return digest.FromBytes(der).Encoded() }
