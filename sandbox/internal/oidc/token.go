// Package oidc is OpenID Connect issuers for a lab: one that vouches for whatever email
// address it is told, and those that speak as GitHub Actions, GitLab CI and Buildkite do.
package oidc

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/mail"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	// DefaultAudience is what Fulcio wants an ID token to be meant for.
	DefaultAudience = "sigstore"
	// DefaultLifetime is how long an ID token is good for.
	DefaultLifetime = 10 * time.Minute
	// MaxLifetime bounds what may be asked for.
	MaxLifetime = 24 * time.Hour
)

// ErrClaims says that a token was asked for that makes no sense, such as one for an
// address without an @. It is the caller's input.
var ErrClaims = errors.New("no token can be made of this")

// EmailClaims are the claims of a person whose address was verified.
func EmailClaims(email string) (map[string]any, error) {
	address, err := mail.ParseAddress(email)
	if err != nil || address.Address != email {
		return nil, fmt.Errorf("%w: %q is no email address", ErrClaims, email)
	}
	return map[string]any{"sub": email, "email": email, "email_verified": true}, nil
}

// Workflow is a run of GitHub Actions. Empty fields get the values in parentheses.
type Workflow struct {
	Repository  string // such as "octo-org/app"
	Ref         string // ("refs/heads/main")
	File        string // in .github/workflows ("release.yml")
	SHA         string // of the commit (made up from the repository's name and the ref)
	Environment string // of the runner: "github-hosted" (the default) or "self-hosted"
	Event       string // ("push")
	RunID       string // ("1")
	RunAttempt  string // ("1")
	// Reusable is the reusable workflow that the job runs, such as
	// "octo-org/tools/.github/workflows/sign.yml@refs/heads/main" (none).
	Reusable string
}

var (
	repositoryForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+$`)
	refForm        = regexp.MustCompile(`^refs/(heads|tags|pull)/[^\s~^:?*\[\\{}]+$`)
	fileForm       = regexp.MustCompile(`^[A-Za-z0-9._-]+\.ya?ml$`)
	shaForm        = regexp.MustCompile(`^[0-9a-f]{40}$`)
	eventForm      = regexp.MustCompile(`^[a-z_]+$`)
	numberForm     = regexp.MustCompile(`^[1-9][0-9]{0,18}$`)
	reusableForm   = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+/\.github/workflows/[A-Za-z0-9._-]+\.ya?ml@refs/(heads|tags)/[^\s~^:?*\[\\{}]+)?$`)
)

func (w Workflow) filled() Workflow {
	fill := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	fill(&w.Ref, "refs/heads/main")
	fill(&w.File, "release.yml")
	fill(&w.Environment, "github-hosted")
	fill(&w.Event, "push")
	fill(&w.RunID, "1")
	fill(&w.RunAttempt, "1")
	fill(&w.SHA, commitOf(w.Repository, w.Ref))
	return w
}

func (w Workflow) check() error {
	if err := checkForms([]formed{
		{"repository", w.Repository, repositoryForm, "OWNER/REPO"},
		{"ref", w.Ref, refForm, "refs/heads/…, refs/tags/… or refs/pull/…"},
		{"workflow", w.File, fileForm, "the name of a file in .github/workflows, such as release.yml"},
		{"sha", w.SHA, shaForm, "40 hexadecimal digits"},
		{"event", w.Event, eventForm, "the name of an event, such as push"},
		{"run", w.RunID, numberForm, "a number"},
		{"attempt", w.RunAttempt, numberForm, "a number"},
		{"reusable workflow", w.Reusable, reusableForm, "OWNER/REPO/.github/workflows/FILE@REF"},
	}); err != nil {
		return err
	}
	if w.Environment != "github-hosted" && w.Environment != "self-hosted" {
		return fmt.Errorf("%w: the runner environment %q should be github-hosted or self-hosted", ErrClaims, w.Environment)
	}
	return nil
}

// Claims are what GitHub's issuer says of the run
// (https://docs.github.com/actions/reference/security/oidc). Identifiers are made up
// from the names, the same ones each time.
func (w Workflow) Claims() (map[string]any, error) {
	w = w.filled()
	if err := w.check(); err != nil {
		return nil, err
	}
	owner, _, _ := strings.Cut(w.Repository, "/")
	file := w.Repository + "/.github/workflows/" + w.File + "@" + w.Ref
	sub, kind := "repo:"+w.Repository+":ref:"+w.Ref, "branch"
	if strings.HasPrefix(w.Ref, "refs/tags/") {
		kind = "tag"
	}
	if w.Event == "pull_request" {
		sub = "repo:" + w.Repository + ":pull_request"
	}
	job := file
	if w.Reusable != "" {
		job = w.Reusable
	}
	return map[string]any{
		"sub": sub, "jti": random(),
		"repository": w.Repository, "repository_id": number(w.Repository), "repository_visibility": "public",
		"repository_owner": owner, "repository_owner_id": number(owner),
		"ref": w.Ref, "ref_type": kind, "ref_protected": "false", "sha": w.SHA,
		"head_ref": "", "base_ref": "", "event_name": w.Event,
		"workflow": ".github/workflows/" + w.File, "workflow_ref": file, "workflow_sha": w.SHA,
		"job_workflow_ref": job, "job_workflow_sha": w.SHA,
		"run_id": w.RunID, "run_number": "1", "run_attempt": w.RunAttempt,
		"runner_environment": w.Environment, "actor": owner, "actor_id": number(owner),
	}, nil
}

// Variables are what GitHub's runner sets in the environment of the run's jobs: they agree
// with the claims.
func (w Workflow) Variables() [][2]string {
	w = w.filled()
	owner, _, _ := strings.Cut(w.Repository, "/")
	return [][2]string{
		{"GITHUB_ACTIONS", "true"}, {"GITHUB_SERVER_URL", "https://github.com"},
		{"GITHUB_REPOSITORY", w.Repository}, {"GITHUB_REPOSITORY_ID", number(w.Repository)},
		{"GITHUB_REPOSITORY_OWNER", owner}, {"GITHUB_REPOSITORY_OWNER_ID", number(owner)},
		{"GITHUB_REF", w.Ref}, {"GITHUB_SHA", w.SHA}, {"GITHUB_EVENT_NAME", w.Event},
		{"GITHUB_WORKFLOW_REF", w.Repository + "/.github/workflows/" + w.File + "@" + w.Ref},
		{"GITHUB_RUN_ID", w.RunID}, {"GITHUB_RUN_ATTEMPT", w.RunAttempt}, {"RUNNER_ENVIRONMENT", w.Environment},
	}
}

// number is an identifier for a name, as GitHub has decimal ones.
func number(name string) string {
	sum := sha256.Sum256([]byte(name))
	return strconv.Itoa(int(sum[0])<<16 | int(sum[1])<<8 | int(sum[2]) + 1)
}

// Sign makes an ID token (OpenID Connect Core section 2): claims by issuer for audience,
// good for lifetime from now. It is signed with RS256, as the tokens of public issuers
// are: clients exist that know no other.
func Sign(key *rsa.PrivateKey, issuer, audience string, claims map[string]any, now time.Time, lifetime time.Duration) (string, error) {
	if audience == "" {
		return "", fmt.Errorf("%w: the audience is empty", ErrClaims)
	}
	if lifetime <= 0 || lifetime > MaxLifetime {
		return "", fmt.Errorf("%w: a token may last up to %s, not %s", ErrClaims, MaxLifetime, lifetime)
	}
	body := map[string]any{"iss": issuer, "aud": audience, "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(lifetime).Unix()}
	for name, value := range claims {
		body[name] = value
	}
	header, err := json.Marshal(map[string]string{"alg": "RS256", "typ": "JWT", "kid": keyID(&key.PublicKey)})
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(body)
	if err != nil {
		return "", err
	}
	signed := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(payload)
	digest := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
	if err != nil {
		return "", err
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// jwk is the public key in the form of RFC 7517, without the members that are optional.
func jwk(public *rsa.PublicKey) map[string]string {
	return map[string]string{
		"kty": "RSA",
		"n":   base64.RawURLEncoding.EncodeToString(public.N.Bytes()),
		"e":   base64.RawURLEncoding.EncodeToString(big.NewInt(int64(public.E)).Bytes()),
	}
}

// keyID is the thumbprint of RFC 7638: the SHA-256 of the members in order.
func keyID(public *rsa.PublicKey) string {
	canonical, err := json.Marshal(jwk(public)) // a map's keys are sorted
	if err != nil {
		panic(err) // strings always have a form in JSON
	}
	sum := sha256.Sum256(canonical)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func random() string { return rand.Text() }
