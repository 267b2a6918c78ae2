package policy

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Names of the claims that a certificate makes of the job it was issued to
// (https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md).
const (
	ClaimSourceRepository  = "source repository"
	ClaimSourceRef         = "source ref"
	ClaimSourceDigest      = "source digest"
	ClaimBuildSignerURI    = "build signer URI"
	ClaimBuildSignerDigest = "build signer digest"
	ClaimRunnerEnvironment = "runner environment"
	ClaimTrigger           = "build trigger"
)

// HostedRunner is the runner environment of jobs on the platform's own machines.
const HostedRunner = "github-hosted"

// Identity says whose certificates count. Everything that is set must hold.
type Identity struct {
	// Name is how requirements call whoever this is, see [Requirement.By].
	Name string
	// Authority is the name of the one instance that may vouch for it; empty means any
	// that the trusted root has beside those that an identity names.
	Authority string

	Subject        string   // the subject alternative name, exactly
	SubjectPattern *Pattern // or a pattern that matches all of it
	Issuer         string   // the OIDC issuer, exactly
	IssuerPattern  *Pattern
	Claims         Claims
}

// Claims are what a certificate must say of the job, exactly. An empty one is not
// asked for.
type Claims struct {
	SourceRepository  string // a URL
	SourceRef         string // such as refs/heads/main
	SourceDigest      string // commit
	BuildSignerURI    string
	BuildSignerDigest string
	RunnerEnvironment string // such as HostedRunner
	Trigger           string // such as push
}

// Claim is one claim by name.
type Claim struct{ Name, Value string }

// List gives the claims that are asked for.
func (c Claims) List() []Claim {
	var out []Claim
	for _, claim := range []Claim{
		{ClaimSourceRepository, c.SourceRepository}, {ClaimSourceRef, c.SourceRef}, {ClaimSourceDigest, c.SourceDigest},
		{ClaimBuildSignerURI, c.BuildSignerURI}, {ClaimBuildSignerDigest, c.BuildSignerDigest},
		{ClaimRunnerEnvironment, c.RunnerEnvironment}, {ClaimTrigger, c.Trigger},
	} {
		if claim.Value != "" {
			out = append(out, claim)
		}
	}
	return out
}

// ErrIdentity says that an identity is not pinned down: without an issuer anybody who
// runs one could claim the name, without a name everybody at the issuer is meant.
var ErrIdentity = errors.New("an identity needs an issuer, and a name or a source repository")

// Check reports whether i pins somebody down.
func (i Identity) Check() error {
	if i.Authority != "" { // an authority of one's own issues to nobody else
		return nil
	}
	named := i.Subject != "" || i.SubjectPattern != nil || i.Claims.SourceRepository != "" || i.Claims.BuildSignerURI != ""
	if !named || i.Issuer == "" && i.IssuerPattern == nil {
		return ErrIdentity
	}
	return nil
}

// String describes i for people.
func (i Identity) String() string {
	var parts []string
	add := func(name, exact string, pattern *Pattern) {
		if exact != "" {
			parts = append(parts, name+" "+exact)
		}
		if pattern != nil {
			parts = append(parts, name+" matching "+pattern.String())
		}
	}
	if i.Authority != "" {
		parts = append(parts, "certificate authority "+i.Authority)
	}
	add("identity", i.Subject, i.SubjectPattern)
	add("issuer", i.Issuer, i.IssuerPattern)
	for _, c := range i.Claims.List() {
		parts = append(parts, c.Name+" "+c.Value)
	}
	return strings.Join(parts, ", ")
}

// Pattern is a regular expression (https://github.com/google/re2/wiki/Syntax) that has
// to match a text from its first to its last character.
type Pattern struct {
	source      string
	whole, part *regexp.Regexp
}

// ParsePattern compiles a pattern.
func ParsePattern(source string) (*Pattern, error) {
	part, err := regexp.Compile(source)
	if err != nil {
		return nil, fmt.Errorf("pattern %q: %w", source, err)
	}
	whole, err := regexp.Compile(`\A(?:` + source + `)\z`)
	if err != nil {
		return nil, fmt.Errorf("pattern %q: %w", source, err)
	}
	return &Pattern{source, whole, part}, nil
}

// Match reports whether all of s matches.
func (p *Pattern) Match(s string) bool { return p.whole.MatchString(s) }

// MatchesPart reports whether some of s matches: enough for a hint, never for trust.
func (p *Pattern) MatchesPart(s string) bool { return p.part.MatchString(s) }

func (p *Pattern) String() string { return p.source }

// Issuers of the platforms that have a shorthand.
const (
	GitHubIssuer = "https://token.actions.githubusercontent.com"
	GitLabIssuer = "https://gitlab.com"
)

// GitHubRepo is the identity of every workflow of a repository on github.com, of the
// form OWNER/REPO, that runs for that repository.
func GitHubRepo(repo string) (Identity, error) {
	if owner, name, ok := strings.Cut(repo, "/"); !ok || !plainName(owner) || !plainName(name) {
		return Identity{}, fmt.Errorf("%q is no repository: want OWNER/REPO", repo)
	}
	url := "https://github.com/" + repo
	pattern, err := ParsePattern(regexp.QuoteMeta(url+"/.github/workflows/") + `[^@]+@.+`)
	return Identity{SubjectPattern: pattern, Issuer: GitHubIssuer, Claims: Claims{SourceRepository: url}}, err
}

// GitLabProject is the identity of every pipeline of a project on gitlab.com, of the
// form GROUP/PROJECT or GROUP/SUBGROUP/PROJECT.
func GitLabProject(project string) (Identity, error) {
	parts := strings.Split(project, "/")
	ok := len(parts) >= 2
	for _, part := range parts {
		ok = ok && plainName(part)
	}
	if !ok {
		return Identity{}, fmt.Errorf("%q is no project: want GROUP/PROJECT", project)
	}
	url := GitLabIssuer + "/" + project
	pattern, err := ParsePattern(regexp.QuoteMeta(url+"//") + `[^@]+@.+`)
	return Identity{SubjectPattern: pattern, Issuer: GitLabIssuer, Claims: Claims{SourceRepository: url}}, err
}

var nameForm = regexp.MustCompile(`\A[A-Za-z0-9._-]+\z`)

func plainName(s string) bool { return nameForm.MatchString(s) && s != "." && s != ".." }
