// Package render turns what was verified into documents for people and programs: text is
// the command line's own, here are JSON, Markdown, SARIF, JUnit, CSV and HTML. All of them
// show one [Result].
package render

import (
	"time"

	"github.com/hallmark-project/hallmark/verify"
)

// SchemaVersion names the form of a [Result] in JSON.
const SchemaVersion = "hallmark.verify/v1"

// Result is the outcome of one run for all its subjects.
type Result struct {
	SchemaVersion string     `json:"schemaVersion"`
	Verdict       string     `json:"verdict"`
	ExitCode      int        `json:"exitCode"`
	Tool          string     `json:"tool,omitempty"`     // such as hallmark/1.2.0
	JudgedAt      *time.Time `json:"judgedAt,omitempty"` // when this was decided
	// At is set where the decision is not about the present but about another time: every
	// document says so beside the verdict.
	At       *time.Time `json:"at,omitempty"`
	Policy   *Policy    `json:"policy,omitempty"` // nil: flags said what is wanted
	Subjects []*Subject `json:"subjects"`
}

// Policy says which policy was asked.
type Policy struct {
	Name        string       `json:"name,omitempty"`
	Digest      string       `json:"digest"`
	Environment string       `json:"environment,omitempty"`
	Files       []PolicyFile `json:"files,omitempty"`
}

// PolicyFile is one file of a policy.
type PolicyFile struct {
	Name   string `json:"name"`
	Digest string `json:"digest"`
}

// Subject is the outcome for one subject.
type Subject struct {
	Subject string `json:"subject"` // as it was asked for
	Digest  string `json:"digest,omitempty"`
	Verdict string `json:"verdict"` // one of the Verdict constants
	// Fix is the one thing to do about a verdict that is not "verified".
	Fix string `json:"fix,omitempty"`
	// Named says where the image is named, such as "deploy.yaml:12"; empty: on the command line.
	Named []string `json:"named,omitempty"`
	// Covers says what of an index was verified: "index", or "platforms" where nothing
	// vouches for the index itself, only for the platforms below.
	Covers   string            `json:"covers,omitempty"`
	Evidence string            `json:"evidenceRepository,omitempty"` // if not the image's own
	Verified []verify.Verified `json:"verified,omitempty"`
	Failures []Failure         `json:"failures,omitempty"`
	Error    string            `json:"error,omitempty"`
	Report   *verify.Report    `json:"report,omitempty"`

	Packages   []Package    `json:"packages,omitempty"`
	Provenance []Provenance `json:"provenance,omitempty"`
}

// Verdicts on a subject and on a run.
const (
	Verified     = "verified"
	Rejected     = "rejected"
	Missing      = "missing"
	Inconclusive = "inconclusive"
	NotCovered   = "not covered" // no rule of the policy speaks about it, and the policy lets that pass
	Failed       = "error"       // bad input
)

// Failure is a requirement that does not hold on a digest.
type Failure struct {
	Verdict  string `json:"verdict"`
	Type     string `json:"type"` // name of the requirement
	On       string `json:"on"`
	Platform string `json:"platform,omitempty"`
	Cause    string `json:"cause"`
}

// Package is a component that an SBOM which counts names.
type Package struct {
	Platform string   `json:"platform,omitempty"`
	On       string   `json:"on"`
	Evidence string   `json:"evidence"` // digest of the SBOM's attestation
	Name     string   `json:"name"`
	Version  string   `json:"version,omitempty"`
	PURL     string   `json:"purl,omitempty"`
	Licences []string `json:"licences,omitempty"`
}

// Provenance is what provenance that counts says of a build.
type Provenance struct {
	Platform   string     `json:"platform,omitempty"`
	On         string     `json:"on"`
	Evidence   string     `json:"evidence"`
	Builder    string     `json:"builder"`
	BuildType  string     `json:"buildType"`
	Source     string     `json:"source,omitempty"`
	Ref        string     `json:"ref,omitempty"`
	Commit     string     `json:"commit,omitempty"`
	Invocation string     `json:"invocation,omitempty"`
	Started    *time.Time `json:"started,omitempty"`
	Finished   *time.Time `json:"finished,omitempty"`
	Materials  []Material `json:"materials,omitempty"`
}

// Material is something that a build used.
type Material struct {
	URI    string `json:"uri"`
	Digest string `json:"digest,omitempty"`
}
