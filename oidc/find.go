package oidc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// ErrNoIdentity says that there is nobody to sign as: no token, no CI system that gives
// one, and nobody to ask.
var ErrNoIdentity = errors.New("no identity to sign with")

// Options say where an identity may come from.
type Options struct {
	Env func(name string) (string, bool)
	// Provider picks one by name, empty takes what is at hand.
	Provider string
	// TokenFile is a file with a token, env://NAME, or - for Stdin.
	TokenFile string
	Stdin     io.Reader
	Device    bool // sign in with a browser elsewhere
	Client    *http.Client
	Now       func() time.Time
	// Sleep waits between requests; nil is the system's clock.
	Sleep  func(context.Context, time.Duration) error
	Person *Person // nil: there is nobody to ask
}

// Person is somebody at a terminal.
type Person struct {
	Say         func(text string)
	OpenBrowser func(url string) error
	Consent     func() error // before they sign in; nil: they have consented
}

// Request is what a token is wanted for.
type Request struct {
	Audience string
	Issuer   string // who people sign in with
}

// Source is where a token comes from. A token that it gives was checked to be for the
// audience, and not to have ended.
type Source interface {
	Name() string
	Token(ctx context.Context, r Request) (Token, error)
}

// provider is a kind of source: it tells whether it is at hand, without asking anybody.
type provider struct {
	name string
	// find gives the source. What is missing is nil and what it takes to have it.
	find func(o Options) (Source, string)
}

// providers are asked in this order: what somebody gave, what the job or the machine
// has, a person.
func providers() []provider {
	return []provider{
		{"env", findEnv}, {"gitlab", findGitLab}, {"github", findGitHub}, {"buildkite", findBuildkite}, {"google", findGoogle},
		{"spiffe", findSPIFFE}, {"file", findFile}, {"device", findDevice}, {"browser", findBrowser},
	}
}

// Names lists the providers for people.
func Names() string {
	return "file, env, gitlab, github, buildkite, spiffe, google, device, browser"
}

// Find decides where a token will come from. It asks nobody on the network. An error
// wraps [ErrNoIdentity] and says what it takes to have one.
func Find(o Options) (Source, error) {
	source, err := choose(o.complete())
	if err != nil {
		return nil, err
	}
	return quiet{source}, nil
}

// quiet is a source that says its name when it is printed by mistake, and nothing of the
// secrets that it asks with.
type quiet struct{ Source }

// Format implements [fmt.Formatter].
func (q quiet) Format(f fmt.State, _ rune) { fmt.Fprint(f, q.Name()) }

func choose(o Options) (Source, error) {
	if o.TokenFile != "" && o.Provider != "" && o.Provider != "file" {
		return nil, fmt.Errorf("%w: a token file and the provider %s are two identities: choose", ErrNoIdentity, o.Provider)
	}
	if o.TokenFile != "" {
		return fileSource(o)
	}
	if o.Device && (o.Provider == "" || o.Provider == "browser") {
		o.Provider = "device"
	}
	for _, p := range providers() {
		if o.Provider != "" && o.Provider != p.name {
			continue
		}
		source, wants := p.find(o)
		if source != nil {
			return source, nil
		}
		if o.Provider != "" {
			return nil, fmt.Errorf("%w: the provider %s is not at hand: it takes %s", ErrNoIdentity, p.name, wants)
		}
	}
	if o.Provider != "" {
		return nil, fmt.Errorf("%w: there is no provider %q: want one of %s", ErrNoIdentity, o.Provider, Names())
	}
	return nil, fmt.Errorf("%w: %s", ErrNoIdentity, advice(o))
}

// complete gives what the caller left out its default.
func (o Options) complete() Options {
	if o.Client == nil {
		o.Client = http.DefaultClient
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Env == nil {
		o.Env = func(string) (string, bool) { return "", false }
	}
	if o.Stdin == nil {
		o.Stdin = strings.NewReader("")
	}
	if o.Person != nil && o.Person.Say == nil {
		person := *o.Person
		person.Say = func(string) {}
		o.Person = &person
	}
	return o
}

// advice says what to do where nothing was at hand.
func advice(o Options) string {
	switch {
	case o.on("GITHUB_ACTIONS"):
		return "this GitHub Actions job may not ask for a token. Give it 'permissions: id-token: write'"
	case o.on("GITLAB_CI"):
		return "this GitLab job has no token. Give it 'id_tokens: SIGSTORE_ID_TOKEN: aud: sigstore'"
	}
	return "no --key, no token in HALLMARK_ID_TOKEN or --identity-token, no CI system or machine that gives one (" + Names() + "), and no terminal to sign in at. Sign with --key, or name a token file"
}

// on reports whether a variable says yes.
func (o Options) on(name string) bool {
	value, _ := o.Env(name)
	return value == "true" || value == "1"
}

func (o Options) env(name string) string {
	value, _ := o.Env(name)
	return value
}

// fixed is a token that is at hand already.
type fixed struct {
	name string
	now  func() time.Time
	read func() (string, error)
}

func (s fixed) Name() string { return s.name }

func (s fixed) Token(_ context.Context, r Request) (Token, error) {
	raw, err := s.read()
	if err != nil {
		return Token{}, err
	}
	return parseFor(raw, r.Audience, s.now())
}

// parseFor reads a token and checks it.
func parseFor(raw, audience string, now time.Time) (Token, error) {
	t, err := Parse(raw)
	if err != nil {
		return Token{}, err
	}
	if err := t.Check(audience, now); err != nil {
		return Token{}, err
	}
	return t, nil
}

// variable is a token in a variable of the environment.
func (o Options) variable(name, variable string) Source {
	value := o.env(variable)
	if value == "" {
		return nil
	}
	return fixed{name, o.Now, func() (string, error) { return value, nil }}
}

const envToken = "HALLMARK_ID_TOKEN"

func findEnv(o Options) (Source, string) {
	return o.variable("the variable "+envToken, envToken), envToken
}

func findGitLab(o Options) (Source, string) {
	const name = "SIGSTORE_ID_TOKEN"
	return o.variable("the variable "+name, name), name + " (in the job: id_tokens: SIGSTORE_ID_TOKEN: aud: sigstore)"
}

// tokenFile is where cosign looks for a token that something else puts into a file.
const tokenFile = "/var/run/sigstore/cosign/oidc-token" //nolint:gosec // a path, not a secret

func findFile(o Options) (Source, string) {
	if _, err := os.Stat(tokenFile); err != nil {
		return nil, "--identity-token FILE, or " + tokenFile
	}
	return fixed{"the file " + tokenFile, o.Now, func() (string, error) { return readToken(tokenFile) }}, ""
}

// fileSource is the file, variable or stream that --identity-token names.
func fileSource(o Options) (Source, error) {
	if isToken(o.TokenFile) {
		return nil, fmt.Errorf("%w: that is a token itself, and others can read a command line: put it into a file, or into %s", ErrNoIdentity, envToken)
	}
	if name, ok := strings.CutPrefix(o.TokenFile, "env://"); ok {
		if s := o.variable("the variable "+name, name); s != nil {
			return s, nil
		}
		return nil, fmt.Errorf("%w: the environment has no variable %q", ErrNoIdentity, name)
	}
	if o.TokenFile == "-" {
		return fixed{"standard input", o.Now, func() (string, error) { return readAll(o.Stdin) }}, nil
	}
	if _, err := os.Stat(o.TokenFile); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoIdentity, err)
	}
	return fixed{"the file " + o.TokenFile, o.Now, func() (string, error) { return readToken(o.TokenFile) }}, nil
}

// isToken reports whether a text that should name a file looks like a token, whole or
// not: the claims of one start with {".
func isToken(text string) bool {
	return strings.HasPrefix(text, "eyJ") || strings.Contains(text, ".eyJ") || strings.Contains(text, " eyJ")
}

func readToken(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNoIdentity, err)
	}
	defer f.Close()
	return readAll(f)
}

func readAll(r io.Reader) (string, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxAnswer))
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNoIdentity, err)
	}
	return strings.TrimSpace(string(raw)), nil
}
