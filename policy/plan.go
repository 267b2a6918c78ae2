package policy

import (
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/hallmark-project/hallmark/inventory"
)

// Plan is what a policy asks of one subject.
type Plan struct {
	Policy Policy
	// Covered says that a rule speaks about the subject. If none does, Skip says that it
	// may pass unjudged.
	Covered, Skip bool
	Rules         []string // that speak about it
	// Rederive, if set, wants the SBOM compared with what the image itself shows.
	Rederive *Rederive
}

// Rederive is how many packages may be different between an SBOM and the image.
type Rederive struct{ Missing, Extra, Changed int }

// For is what the policy asks of a subject in an environment. The name is that of its
// repository, "file:NAME" for a file, and empty where nobody knows one.
func (s *Set) For(name, environment string) (Plan, error) {
	layers, err := s.layers(environment)
	if err != nil {
		return Plan{}, err
	}
	b := builder{set: s, name: name, titles: map[string]int{}}
	b.plan.Skip = !slices.ContainsFunc(s.files, func(f *file) bool { return f.Uncovered == nil || *f.Uncovered != skip })
	b.plan.Policy.Identities = s.Identities()
	for _, l := range layers {
		if err := b.add(l); err != nil {
			return Plan{}, err
		}
	}
	return b.plan, nil
}

// builder turns the rules of files into requirements.
type builder struct {
	set    *Set
	name   string
	all    bool // rules count whatever they are about
	plan   Plan
	titles map[string]int
}

func (b *builder) add(l layer) error {
	p := &b.plan.Policy
	p.Logs, p.Timestamps, p.SCTs = max(p.Logs, l.evidence.Logs), max(p.Timestamps, l.evidence.Timestamps), max(p.SCTs, l.evidence.CertificateLogs)
	p.AllowPending, p.AllowLegacy = p.AllowPending || l.evidence.AllowPending, p.AllowLegacy || l.evidence.AllowOlderForms
	for _, d := range l.deny {
		denial, err := b.set.denial(d)
		if err != nil {
			return err
		}
		p.Denials = append(p.Denials, denial)
	}
	for i := range l.rules {
		if err := b.rule(&l.rules[i]); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) rule(r *fileRule) error {
	if len(r.Subjects) == 0 {
		return r.At.problem("a rule needs subjects: patterns of the repositories that it speaks about")
	}
	if !b.all && !slices.ContainsFunc(r.Subjects, func(g glob) bool { return g.match(b.name) }) {
		return nil
	}
	b.plan.Covered = true
	b.plan.Rules = append(b.plan.Rules, r.Name)
	before := len(b.plan.Policy.Requirements)
	for _, step := range []func(*fileRule) error{b.signatures, b.attestations, b.sbom, b.provenance, b.vulnerabilities, b.verdict} {
		if err := step(r); err != nil {
			return err
		}
	}
	if len(b.plan.Policy.Requirements) == before {
		return r.At.problem("the rule asks for nothing: give it signatures, attestations, sbom, provenance, vulnerabilities or verdict")
	}
	return nil
}

// require adds a requirement under a name of its own.
func (b *builder) require(r *fileRule, at place, kind string, by []string, want role, q Requirement) error {
	names, err := b.set.people(at, by, want)
	if err != nil {
		return err
	}
	q.By = names
	if q.AtLeast > len(names) {
		return at.problem("%d signers are wanted, and only %d are named", q.AtLeast, len(names))
	}
	if q.Name = kind; r.Name != "" {
		q.Name = r.Name + ": " + kind
	}
	if b.titles[q.Name]++; b.titles[q.Name] > 1 {
		q.Name = fmt.Sprintf("%s (%d)", q.Name, b.titles[q.Name])
	}
	if r.SameRepository {
		q.Repository = b.name
		if b.name == "" && !b.all {
			return at.problem("the rule compares the repository, and it is not known: say what the image is judged as (--as)")
		}
	}
	b.plan.Policy.Requirements = append(b.plan.Policy.Requirements, q)
	return nil
}

// people checks names of signers; none means all of them.
func (s *Set) people(at place, by []string, want role) ([]string, error) {
	if len(by) == 0 {
		if by = s.names(want); len(by) == 0 {
			return nil, at.problem("the policy names no %s whom this could be asked of", want)
		}
		return by, nil
	}
	for i, name := range by {
		has, known := s.roles[name]
		switch {
		case !known:
			return nil, at.problem("there is no %s %q%s", want, name, suggestion(name, s.names(want)))
		case has != want:
			return nil, at.problem("%q is a %s, and a %s is wanted here: the roles are apart", name, has, want)
		case slices.Contains(by[:i], name):
			return nil, at.problem("%q is named twice", name)
		}
	}
	return by, nil
}

func (b *builder) signatures(r *fileRule) error {
	for _, f := range r.Signatures {
		q := Requirement{Type: Type{Signature}, AtLeast: f.AtLeast, MaxAge: length(f.MaxAge)}
		if err := b.require(r, f.At, "signatures", f.By, roleSigner, q); err != nil {
			return err
		}
	}
	return nil
}

func length(d *time.Duration) time.Duration {
	if d == nil {
		return 0
	}
	return *d
}

func (b *builder) attestations(r *fileRule) error {
	for _, f := range r.Attestations {
		t, err := ParseType(f.Type)
		if err != nil {
			return f.At.problem("%v", err)
		}
		if t.name == "vsa" {
			return f.At.problem("a vsa is a verdict, which is asked for by verdict, of verifiers")
		}
		kind := f.Name
		if kind == "" {
			kind = t.String()
		}
		q := Requirement{Type: t, AtLeast: f.AtLeast, MaxAge: length(f.MaxAge), Conditions: f.Conditions}
		if err := b.require(r, f.At, kind, f.By, roleSigner, q); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) sbom(r *fileRule) error {
	f := r.SBOM
	if f == nil {
		return nil
	}
	formats := f.Formats
	if len(formats) == 0 {
		formats = []string{"spdx", "cyclonedx", "syft"}
	}
	var types []Type
	for _, name := range formats {
		if !slices.Contains([]string{"spdx", "cyclonedx", "syft"}, name) {
			return f.At.problem("%q is no SBOM format: want spdx, cyclonedx or syft", name)
		}
		types = append(types, Type{name})
	}
	if f.MinimumElements != "" && !slices.Contains(inventory.Standards(), f.MinimumElements) {
		return f.At.problem("minimumElements: there is no %q; there are %v", f.MinimumElements, inventory.Standards())
	}
	rules := &SBOM{MinimumElements: f.MinimumElements, BannedLicences: f.Licences.Banned, AllowedLicences: f.Licences.Allowed,
		UnstatedLicences: f.Licences.AllowUnstated, BannedPackages: packages(f.Packages.Banned), AllowedPackages: packages(f.Packages.Allowed)}
	if f.Rederive != nil {
		b.plan.Rederive = strictest(b.plan.Rederive, Rederive(*f.Rederive))
	}
	return b.require(r, f.At, "sbom", f.By, roleSigner, Requirement{Type: types[0], Alternatives: types[1:], AtLeast: f.AtLeast,
		MaxAge: length(f.MaxAge), Conditions: f.Conditions, AcceptOnIndex: f.AcceptOnIndex, SBOM: rules})
}

func packages(list []filePackage) (out []PackageRule) {
	for _, p := range list {
		out = append(out, PackageRule{p.Package.Pattern, p.Reason})
	}
	return out
}

func strictest(have *Rederive, more Rederive) *Rederive {
	if have == nil {
		return &more
	}
	return &Rederive{min(have.Missing, more.Missing), min(have.Extra, more.Extra), min(have.Changed, more.Changed)}
}

func (b *builder) provenance(r *fileRule) error {
	f := r.Provenance
	if f == nil {
		return nil
	}
	p := &Provenance{Level: f.Level, BuildTypes: f.BuildTypes, Parameters: f.ExternalParameters, AnyParameters: f.AllowUnknownParameters}
	if f.Level > 3 {
		return f.At.problem("the build track has levels up to 3")
	}
	if len(f.Builders) == 0 {
		return f.At.problem("provenance needs builders: whose word counts for which level")
	}
	for _, one := range f.Builders {
		if one.ID == "" || one.Level > 3 {
			return one.At.problem("a builder needs an id, and a level from 0 to 3")
		}
		if len(one.By) > 0 {
			if _, err := b.set.people(one.At, one.By, roleSigner); err != nil {
				return err
			}
		}
		p.Builders = append(p.Builders, Builder{one.ID, one.Level, one.By})
	}
	for _, one := range f.Sources {
		if one.Repository == "" {
			return one.At.problem("a source needs a repository")
		}
		p.Sources = append(p.Sources, Source{one.Repository, one.Refs})
	}
	return b.require(r, f.At, "provenance", f.By, roleSigner, Requirement{Type: Type{"slsaprovenance"}, MaxAge: length(f.MaxAge), Conditions: f.Conditions, Provenance: p})
}

func (b *builder) vulnerabilities(r *fileRule) error {
	f := r.Vulnerabilities
	if f == nil {
		return nil
	}
	if f.Severity == "" {
		return f.At.problem("vulnerabilities needs a severity: the lowest that is not accepted")
	}
	v := &Vulnerabilities{Severity: string(f.Severity), AcceptUnknown: f.AcceptUnknown}
	for _, one := range f.Accept {
		if one.ID == "" {
			return f.At.problem("a finding that is accepted needs an id")
		}
		v.Accepted = append(v.Accepted, AcceptedFinding{one.ID, at(one.Until), one.Reason})
	}
	if f.VEX != nil {
		var err error
		if v.VEX, err = b.set.people(f.At, f.VEX.By, roleSigner); err != nil {
			return err
		}
	}
	return b.require(r, f.At, "vulnerabilities", f.By, roleSigner,
		Requirement{Type: Type{"vuln"}, MaxAge: length(f.MaxAge), AcceptOnIndex: f.AcceptOnIndex, Vulnerabilities: v})
}

func (b *builder) verdict(r *fileRule) error {
	f := r.Verdict
	if f == nil {
		return nil
	}
	if !sha256Form.MatchString(f.Policy) {
		return f.At.problem("verdict needs the digest of the policy that was asked, as 'hallmark policy check' prints it: sha256:…")
	}
	if b.name == "" && !b.all {
		return f.At.problem("a verdict names a repository, and none is known: say what the image is judged as (--as)")
	}
	return b.require(r, f.At, "verdict", f.By, roleVerifier, b.set.verdict(f.By, f.Policy, f.Levels, length(f.MaxAge), b.name))
}

// verdict asks for a Verification Summary by verifiers.
func (s *Set) verdict(by []string, policyDigest string, levels []string, maxAge time.Duration, name string) Requirement {
	v := &Verdict{PolicyDigest: policyDigest, Levels: levels, Resource: ResourceURI(name), Verifiers: map[string]string{}}
	for _, name := range s.names(roleVerifier) {
		if len(by) == 0 || slices.Contains(by, name) {
			v.Verifiers[name] = s.ids[name]
		}
	}
	return Requirement{Type: Type{"vsa"}, MaxAge: maxAge, Verdict: v}
}

// Gate is a policy that is content with a verdict by one of the policy's verifiers on
// this very policy, in place of everything that it asks for; what it denies stays denied.
func (s *Set) Gate(plan Plan, name, policyDigest string, maxAge time.Duration) (Plan, error) {
	if !plan.Covered {
		return plan, nil
	}
	names, err := s.people(s.files[0].At, nil, roleVerifier)
	if err != nil {
		return plan, err
	}
	if name == "" {
		return plan, s.files[0].At.problem("a verdict names a repository, and none is known: say what the image is judged as (--as)")
	}
	q := s.verdict(nil, policyDigest, nil, maxAge, name)
	q.Name, q.By = "verdict", names
	plan.Policy.Requirements, plan.Rederive = []Requirement{q}, nil
	return plan, nil
}

// ResourceURI is how a Verification Summary names a repository.
func ResourceURI(name string) string {
	if name == "" {
		return ""
	}
	return "oci://" + name
}

// IsDigest reports whether text is a SHA-256 digest as policies write it.
func IsDigest(text string) bool { return sha256Form.MatchString(text) }

var (
	sha256Form = regexp.MustCompile(`\Asha256:[0-9a-f]{64}\z`)
	hexForm    = regexp.MustCompile(`\A[0-9a-f]{64}\z`)
)

func (s *Set) denial(f fileDenial) (Denial, error) {
	d := Denial{Digest: f.Digest, Signer: f.Signer, Certificate: f.Certificate, IssuedBefore: at(f.IssuedBefore), IssuedAfter: at(f.IssuedAfter), Reason: f.Reason}
	evidence := d.Signer != "" || d.Certificate != "" || f.IssuedBefore != nil || f.IssuedAfter != nil
	switch {
	case d.Digest == "" && !evidence:
		return d, f.At.problem("a denial needs what is denied: digest, signer, certificate, issuedBefore or issuedAfter")
	case d.Digest != "" && evidence:
		return d, f.At.problem("a digest is denied as such: leave the other fields out, or make two denials of it")
	case d.Digest != "" && !sha256Form.MatchString(d.Digest):
		return d, f.At.problem("%q is no digest: want sha256: and 64 digits", d.Digest)
	case d.Certificate != "" && !hexForm.MatchString(d.Certificate):
		return d, f.At.problem("%q is no fingerprint: want the SHA-256 of the certificate or key, 64 digits in lower case", d.Certificate)
	case d.Reason == "":
		return d, f.At.problem("a denial needs a reason: whoever is turned away is shown it")
	}
	if d.Signer != "" {
		if _, known := s.roles[d.Signer]; !known {
			return d, f.At.problem("there is no signer %q", d.Signer)
		}
	}
	return d, nil
}

// check resolves every rule in every environment once, so that what is wrong shows
// before anything is judged.
func (s *Set) check() error {
	asked := false
	for _, environment := range append([]string{""}, s.Environments()...) {
		layers, err := s.layers(environment)
		if err != nil {
			return err
		}
		b := builder{set: s, all: true, titles: map[string]int{}}
		for _, l := range layers {
			if err := b.add(l); err != nil {
				return err
			}
		}
		asked = asked || b.plan.Covered
	}
	if !asked {
		return s.files[0].At.problem("the policy has no rule, so that it could accept nothing")
	}
	return nil
}
