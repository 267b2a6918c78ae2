package policy

import (
	"fmt"
	"slices"
	"time"

	"github.com/hallmark-project/hallmark/inventory"
)

// FileVersion names the form of a policy file, docs/policy.schema.json describes it.
const FileVersion = "hallmark.policy/v1"

// file is a policy file as it is written.
type file struct {
	Version      string                     `yaml:"schemaVersion"`
	Name         string                     `yaml:"name"`
	Description  string                     `yaml:"description"`
	Uncovered    *choice                    `yaml:"uncovered"`
	Evidence     fileEvidence               `yaml:"evidence"`
	Signers      map[string]fileSigner      `yaml:"signers"`
	Verifiers    map[string]fileVerifier    `yaml:"verifiers"`
	Rules        []fileRule                 `yaml:"rules"`
	Deny         []fileDenial               `yaml:"deny"`
	Environments map[string]fileEnvironment `yaml:"environments"`
	At           place                      `yaml:"-"`
}

// choice is what happens to a subject that no rule speaks about.
type choice string

const (
	reject choice = "reject"
	skip   choice = "skip"
)

func (c *choice) UnmarshalText(text []byte) error {
	if *c = choice(text); *c != reject && *c != skip {
		return fmt.Errorf("%q is none of reject and skip", text)
	}
	return nil
}

// fileEvidence says how evidence has to be witnessed.
type fileEvidence struct {
	Logs            int  `yaml:"logs"`
	Timestamps      int  `yaml:"timestamps"`
	CertificateLogs int  `yaml:"certificateLogs"`
	AllowPending    bool `yaml:"allowPending"`
	AllowOlderForms bool `yaml:"allowOlderForms"`
}

// fileSigner is somebody who signs: by a key, or by a certificate.
type fileSigner struct {
	Key        string     `yaml:"key"`
	ValidFrom  *time.Time `yaml:"validFrom"`
	ValidUntil *time.Time `yaml:"validUntil"`

	Authority       string   `yaml:"authority"`
	Identity        string   `yaml:"identity"`
	IdentityPattern *Pattern `yaml:"identityPattern"`
	Issuer          string   `yaml:"issuer"`
	IssuerPattern   *Pattern `yaml:"issuerPattern"`
	GitHubRepo      string   `yaml:"githubRepo"`
	GitLabProject   string   `yaml:"gitlabProject"`

	SourceRepository  string `yaml:"sourceRepository"`
	SourceRef         string `yaml:"sourceRef"`
	SourceDigest      string `yaml:"sourceDigest"`
	BuildSignerURI    string `yaml:"buildSignerURI"`
	BuildSignerDigest string `yaml:"buildSignerDigest"`
	RunnerEnvironment string `yaml:"runnerEnvironment"`
	Trigger           string `yaml:"trigger"`

	At place `yaml:"-"`
}

// fileVerifier is somebody whose verdicts are accepted.
type fileVerifier struct {
	ID     string     `yaml:"id"`
	Signer fileSigner `yaml:"signer"`
	At     place      `yaml:"-"`
}

type fileRule struct {
	Name            string               `yaml:"name"`
	Subjects        []glob               `yaml:"subjects"`
	SameRepository  bool                 `yaml:"sameRepository"`
	Signatures      []fileSignatures     `yaml:"signatures"`
	Attestations    []fileAttestation    `yaml:"attestations"`
	SBOM            *fileSBOM            `yaml:"sbom"`
	Provenance      *fileProvenance      `yaml:"provenance"`
	Vulnerabilities *fileVulnerabilities `yaml:"vulnerabilities"`
	Verdict         *fileVerdict         `yaml:"verdict"`
	At              place                `yaml:"-"`
}

type fileSignatures struct {
	By      []string       `yaml:"by"`
	AtLeast int            `yaml:"atLeast"`
	MaxAge  *time.Duration `yaml:"maxAge"`
	At      place          `yaml:"-"`
}

type fileAttestation struct {
	Name       string         `yaml:"name"`
	Type       string         `yaml:"type"`
	By         []string       `yaml:"by"`
	AtLeast    int            `yaml:"atLeast"`
	MaxAge     *time.Duration `yaml:"maxAge"`
	Conditions []Condition    `yaml:"conditions"`
	At         place          `yaml:"-"`
}

type fileSBOM struct {
	By              []string       `yaml:"by"`
	AtLeast         int            `yaml:"atLeast"`
	Formats         []string       `yaml:"formats"`
	MaxAge          *time.Duration `yaml:"maxAge"`
	MinimumElements string         `yaml:"minimumElements"`
	Packages        filePackages   `yaml:"packages"`
	Licences        fileLicences   `yaml:"licences"`
	AcceptOnIndex   bool           `yaml:"acceptOnIndex"`
	Rederive        *fileRederive  `yaml:"rederive"`
	Conditions      []Condition    `yaml:"conditions"`
	At              place          `yaml:"-"`
}

type filePackages struct {
	Banned  []filePackage `yaml:"banned"`
	Allowed []filePackage `yaml:"allowed"`
}

type filePackage struct {
	Package packagePattern `yaml:"package"`
	Reason  string         `yaml:"reason"`
}

// packagePattern reads a pattern of packages.
type packagePattern struct{ inventory.Pattern }

func (p *packagePattern) UnmarshalText(text []byte) (err error) {
	p.Pattern, err = inventory.ParsePattern(string(text))
	return err
}

type fileLicences struct {
	Banned        []string `yaml:"banned"`
	Allowed       []string `yaml:"allowed"`
	AllowUnstated bool     `yaml:"allowUnstated"`
}

// fileRederive is how far an SBOM may be from what the image itself shows.
type fileRederive struct {
	Missing int `yaml:"missing"`
	Extra   int `yaml:"extra"`
	Changed int `yaml:"changed"`
}

type fileProvenance struct {
	By                     []string       `yaml:"by"`
	Level                  int            `yaml:"level"`
	Builders               []fileBuilder  `yaml:"builders"`
	Sources                []fileSource   `yaml:"sources"`
	BuildTypes             []string       `yaml:"buildTypes"`
	ExternalParameters     map[string]any `yaml:"externalParameters"`
	AllowUnknownParameters bool           `yaml:"allowUnknownParameters"`
	MaxAge                 *time.Duration `yaml:"maxAge"`
	Conditions             []Condition    `yaml:"conditions"`
	At                     place          `yaml:"-"`
}

type fileBuilder struct {
	ID    string   `yaml:"id"`
	Level int      `yaml:"level"`
	By    []string `yaml:"by"`
	At    place    `yaml:"-"`
}

type fileSource struct {
	Repository string   `yaml:"repository"`
	Refs       []string `yaml:"refs"`
	At         place    `yaml:"-"`
}

type fileVulnerabilities struct {
	By            []string       `yaml:"by"`
	MaxAge        *time.Duration `yaml:"maxAge"`
	Severity      severity       `yaml:"severity"`
	AcceptUnknown bool           `yaml:"acceptUnknownSeverity"`
	Accept        []fileAccepted `yaml:"accept"`
	VEX           *fileVEX       `yaml:"vex"`
	AcceptOnIndex bool           `yaml:"acceptOnIndex"`
	At            place          `yaml:"-"`
}

type fileAccepted struct {
	ID     string     `yaml:"id"`
	Until  *time.Time `yaml:"until"`
	Reason string     `yaml:"reason"`
}

type fileVEX struct {
	By []string `yaml:"by"`
}

// severity is how bad a finding is.
type severity string

// Severities lists the severities of findings, the least first.
func Severities() []string { return []string{"none", "low", "medium", "high", "critical"} }

func (s *severity) UnmarshalText(text []byte) error {
	if *s = severity(text); !slices.Contains(Severities()[1:], string(text)) {
		return fmt.Errorf("%q is no severity: want one of low, medium, high and critical", text)
	}
	return nil
}

type fileVerdict struct {
	By     []string       `yaml:"by"`
	Policy string         `yaml:"policy"`
	Levels []string       `yaml:"levels"`
	MaxAge *time.Duration `yaml:"maxAge"`
	At     place          `yaml:"-"`
}

type fileDenial struct {
	Digest       string     `yaml:"digest"`
	Signer       string     `yaml:"signer"`
	Certificate  string     `yaml:"certificate"`
	IssuedBefore *time.Time `yaml:"issuedBefore"`
	IssuedAfter  *time.Time `yaml:"issuedAfter"`
	Reason       string     `yaml:"reason"`
	At           place      `yaml:"-"`
}

// fileEnvironment adds to what holds everywhere.
type fileEnvironment struct {
	Extends  string       `yaml:"extends"`
	Evidence fileEvidence `yaml:"evidence"`
	Rules    []fileRule   `yaml:"rules"`
	Deny     []fileDenial `yaml:"deny"`
	At       place        `yaml:"-"`
}

// UnmarshalText reads a pattern.
func (p *Pattern) UnmarshalText(text []byte) error {
	read, err := ParsePattern(string(text))
	if err == nil {
		*p = *read
	}
	return err
}

// UnmarshalText reads a condition.
func (c *Condition) UnmarshalText(text []byte) (err error) {
	*c, err = ParseCondition(string(text))
	return err
}
