package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
)

// File is a policy file as it was read.
type File struct {
	Name string // for people, and to find what it refers to
	Data []byte
}

// Set is a policy: one file or several that add to one another.
type Set struct {
	Files   []File
	files   []*file
	signers map[string]*fileSigner // verifiers too
	roles   map[string]role
	ids     map[string]string // of verifiers
}

// role is what a name is trusted for.
type role string

const (
	roleSigner   role = "signer"
	roleVerifier role = "verifier"
)

// Parse reads a policy. Errors wrap [ErrFile] and name file, line and column.
func Parse(files []File) (*Set, error) {
	s := &Set{Files: files, signers: map[string]*fileSigner{}, roles: map[string]role{}, ids: map[string]string{}}
	if len(files) == 0 {
		return nil, fmt.Errorf("%w: there is no file", ErrFile)
	}
	for _, source := range files {
		f := &file{}
		if err := decode(source.Name, source.Data, f); err != nil {
			return nil, err
		}
		if f.Version != FileVersion {
			return nil, f.At.problem("schemaVersion is %q: this program reads %s", f.Version, FileVersion)
		}
		s.files = append(s.files, f)
		if err := s.addPeople(f); err != nil {
			return nil, err
		}
	}
	return s, s.check()
}

// addPeople notes the signers and verifiers of a file. A name is one person's.
func (s *Set) addPeople(f *file) error {
	add := func(name string, one fileSigner, r role) error {
		if have, twice := s.signers[name]; twice {
			return one.At.problem("%q is already the name of a %s, see %s:%d", name, s.roles[name], have.At.file, have.At.line)
		}
		s.signers[name], s.roles[name] = &one, r
		_, err := one.resolve(name)
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(f.Signers)) {
		if err := add(name, f.Signers[name], roleSigner); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.Verifiers)) {
		if err := add(name, f.Verifiers[name].Signer, roleVerifier); err != nil {
			return err
		}
		s.ids[name] = f.Verifiers[name].ID
	}
	return nil
}

// names lists who has a role.
func (s *Set) names(r role) (out []string) {
	for _, name := range slices.Sorted(maps.Keys(s.signers)) {
		if s.roles[name] == r {
			out = append(out, name)
		}
	}
	return out
}

// Name is what the policy calls itself, from the first file that does.
func (s *Set) Name() string {
	for _, f := range s.files {
		if f.Name != "" {
			return f.Name
		}
	}
	return ""
}

// Trusted is a key or a certificate authority that a policy refers to, for the caller
// to read.
type Trusted struct {
	Name      string // of the signer
	File      string // the policy file that refers to it
	Location  string // path or URI
	Authority bool   // certificates in PEM form; else a public key
	Verifier  bool   // its verdicts count, and nothing else
	From      time.Time
	Until     time.Time
}

// Trusts lists what the policy refers to.
func (s *Set) Trusts() (out []Trusted) {
	for _, name := range slices.Sorted(maps.Keys(s.signers)) {
		one := s.signers[name]
		t := Trusted{Name: name, File: one.At.file, Location: one.Key, Verifier: s.roles[name] == roleVerifier,
			From: at(one.ValidFrom), Until: at(one.ValidUntil)}
		if one.Authority != "" {
			t.Location, t.Authority = one.Authority, true
		}
		if t.Location != "" {
			out = append(out, t)
		}
	}
	return out
}

func at(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// Identities are the identities of all who sign with certificates.
func (s *Set) Identities() (out []Identity) {
	for _, name := range slices.Sorted(maps.Keys(s.signers)) {
		if i, err := s.signers[name].resolve(name); err == nil && i != nil {
			out = append(out, *i)
		}
	}
	return out
}

// Keyless reports whether somebody signs with a certificate of an authority that the
// policy does not name itself.
func (s *Set) Keyless() bool {
	return slices.ContainsFunc(s.Identities(), func(i Identity) bool { return i.Authority == "" })
}

// NeedsTime reports whether the policy asks when something was signed, so that a trusted
// root is needed for signatures by keys too.
func (s *Set) NeedsTime() bool {
	for _, environment := range append([]string{""}, s.Environments()...) {
		layers, err := s.layers(environment)
		if err != nil {
			return false
		}
		b := builder{set: s, all: true, titles: map[string]int{}}
		for _, l := range layers {
			if b.add(l) != nil {
				return false
			}
		}
		p := b.plan.Policy
		if p.Logs+p.Timestamps > 0 || slices.ContainsFunc(p.Denials, func(d Denial) bool { return !d.IssuedBefore.IsZero() || !d.IssuedAfter.IsZero() }) ||
			slices.ContainsFunc(p.Requirements, func(r Requirement) bool { return r.MaxAge > 0 && r.Vulnerabilities == nil }) {
			return true
		}
	}
	return false
}

// resolve is the identity that a signer has, nil for one with a key.
func (f *fileSigner) resolve(name string) (*Identity, error) {
	identity, err := f.identity(name)
	if err != nil {
		return nil, f.At.problem("signer %q: %v", name, err)
	}
	return identity, nil
}

func (f *fileSigner) identity(name string) (*Identity, error) {
	certified := *f
	certified.Key, certified.ValidFrom, certified.ValidUntil, certified.At = "", nil, nil, place{}
	if f.Key != "" {
		if certified != (fileSigner{}) {
			return nil, fmt.Errorf("it has a key, and what belongs to certificates: make two signers of it")
		}
		return nil, nil
	}
	if f.ValidFrom != nil || f.ValidUntil != nil {
		return nil, fmt.Errorf("validFrom and validUntil are of keys; for certificates, deny by date")
	}
	i := Identity{}
	var err error
	switch {
	case f.GitHubRepo != "" && f.GitLabProject != "":
		err = fmt.Errorf("githubRepo and gitlabProject are two signers")
	case f.GitHubRepo != "":
		i, err = GitHubRepo(f.GitHubRepo)
	case f.GitLabProject != "":
		i, err = GitLabProject(f.GitLabProject)
	}
	if err != nil {
		return nil, err
	}
	if err := f.refine(&i); err != nil {
		return nil, err
	}
	if i.Name = name; f.Authority != "" {
		i.Authority = name
	}
	return &i, i.Check()
}

// refine sets what the fields say on top of a shorthand.
func (f *fileSigner) refine(i *Identity) error {
	if f.Identity != "" && f.IdentityPattern != nil || f.Issuer != "" && f.IssuerPattern != nil {
		return fmt.Errorf("give an exact name or a pattern, not both")
	}
	if f.Identity != "" || f.IdentityPattern != nil {
		i.Subject, i.SubjectPattern = f.Identity, f.IdentityPattern
	}
	if f.Issuer != "" || f.IssuerPattern != nil {
		i.Issuer, i.IssuerPattern = f.Issuer, f.IssuerPattern
	}
	for _, p := range []*Pattern{f.IdentityPattern, f.IssuerPattern} {
		if p != nil && p.matchesAll() {
			return fmt.Errorf("the pattern %q matches everything, so that it asks for nothing", p)
		}
	}
	source := i.Claims.SourceRepository
	i.Claims = Claims{SourceRepository: f.SourceRepository, SourceRef: f.SourceRef, SourceDigest: f.SourceDigest, BuildSignerURI: f.BuildSignerURI,
		BuildSignerDigest: f.BuildSignerDigest, RunnerEnvironment: f.RunnerEnvironment, Trigger: f.Trigger}
	if i.Claims.SourceRepository == "" {
		i.Claims.SourceRepository = source
	}
	return nil
}

// matchesAll reports whether a pattern lets every name pass that an attacker may choose.
func (p *Pattern) matchesAll() bool {
	for _, name := range []string{"a", "zq0@x.invalid", "https://q7.invalid/a/b@c", "urn:x:\u00e9"} {
		if !p.Match(name) {
			return false
		}
	}
	return true
}

// Environments lists the environments that the policy has.
func (s *Set) Environments() []string {
	names := map[string]bool{}
	for _, f := range s.files {
		for name := range f.Environments {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// layer is what holds in an environment, or everywhere: a part of a file.
type layer struct {
	file     *file
	evidence fileEvidence
	rules    []fileRule
	deny     []fileDenial
}

// layers are the parts that hold in an environment, what it extends first; empty is none.
func (s *Set) layers(environment string) (out []layer, err error) {
	for _, f := range s.files {
		out = append(out, layer{f, f.Evidence, f.Rules, f.Deny})
	}
	chain, err := s.chain(environment)
	if err != nil {
		return nil, err
	}
	for _, name := range chain {
		for _, f := range s.files {
			if e, ok := f.Environments[name]; ok {
				out = append(out, layer{f, e.Evidence, e.Rules, e.Deny})
			}
		}
	}
	return out, nil
}

// chain follows what an environment extends to its end, and gives the end first.
func (s *Set) chain(environment string) (out []string, err error) {
	for name := environment; name != ""; {
		if slices.Contains(out, name) {
			return nil, fmt.Errorf("%w: environment %q extends itself", ErrFile, name)
		}
		out = append(out, name)
		known, next := false, ""
		for _, f := range s.files {
			e, ok := f.Environments[name]
			if !ok {
				continue
			}
			known = true
			if e.Extends != "" && next != "" && e.Extends != next {
				return nil, e.At.problem("environment %q extends %q here, and %q in another file", name, e.Extends, next)
			}
			if e.Extends != "" {
				next = e.Extends
			}
		}
		if !known {
			return nil, fmt.Errorf("%w: there is no environment %q; the policy has %v", ErrFile, name, s.Environments())
		}
		name = next
	}
	slices.Reverse(out)
	return out, nil
}

// Digest identifies what the policy asks in an environment: it covers the bytes of its
// files and, by name of the signer, the material that they refer to.
func (s *Set) Digest(environment string, material map[string]string) string {
	var files []string
	for _, source := range s.Files {
		files = append(files, digest.FromBytes(source.Data).String())
	}
	slices.Sort(files)
	raw, err := json.Marshal(map[string]any{"version": FileVersion, "files": files, "environment": environment, "material": material})
	if err != nil {
		panic(err) // strings only
	}
	sum := sha256.Sum256(raw)
	return "sha256:" + hex.EncodeToString(sum[:])
}
