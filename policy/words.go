package policy

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Asked says in words what r asks for.
func (r *Requirement) Asked() string {
	text := r.what() + r.whose()
	var more []string
	if r.MaxAge > 0 {
		more = append(more, "not older than "+ageText(r.MaxAge))
	}
	if r.Repository != "" {
		more = append(more, "that names "+r.Repository)
	}
	for _, c := range r.Conditions {
		more = append(more, "for which "+c.String()+" holds")
	}
	for _, part := range [][]string{r.SBOM.asked(), r.Provenance.asked(), r.Vulnerabilities.asked(), r.Verdict.asked()} {
		more = append(more, part...)
	}
	if len(more) > 0 {
		text += ", " + strings.Join(more, ", ")
	}
	return text
}

func (r *Requirement) what() string {
	var names []string
	for _, t := range r.Types() {
		names = append(names, t.String())
	}
	switch {
	case r.SBOM != nil:
		return "an SBOM (" + strings.Join(names, ", ") + ")"
	case r.Provenance != nil:
		return "SLSA provenance"
	case r.Vulnerabilities != nil:
		return "a vulnerability scan"
	case r.Verdict != nil:
		return "a verdict"
	case r.Type.String() == Signature:
		return "a signature"
	}
	return "an attestation of type " + strings.Join(names, " or ")
}

func (r *Requirement) whose() string {
	switch {
	case r.Needed() > 1 && len(r.By) == 0:
		return fmt.Sprintf(" by at least %d different signers", r.Needed())
	case r.Needed() > 1:
		return fmt.Sprintf(" by at least %d of %s", r.Needed(), strings.Join(r.By, ", "))
	case len(r.By) == 1:
		return " by " + r.By[0]
	case len(r.By) > 1:
		return " by one of " + strings.Join(r.By, ", ")
	}
	return ""
}

// ageText is a length of time as policies write it.
func ageText(d time.Duration) string {
	const day = 24 * time.Hour
	if d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	return strings.TrimSuffix(strings.TrimSuffix(d.String(), "0s"), "0m")
}

func (s *SBOM) asked() (out []string) {
	if s == nil {
		return nil
	}
	if s.MinimumElements != "" {
		out = append(out, "with the minimum elements of "+s.MinimumElements)
	}
	list := func(text string, rules []PackageRule) {
		var names []string
		for _, r := range rules {
			names = append(names, r.Pattern.String())
		}
		if len(names) > 0 {
			out = append(out, text+strings.Join(names, ", "))
		}
	}
	list("without the packages ", s.BannedPackages)
	list("with no other packages than ", s.AllowedPackages)
	if len(s.BannedLicences) > 0 {
		out = append(out, "without the licences "+strings.Join(s.BannedLicences, ", "))
	}
	if len(s.AllowedLicences) > 0 {
		out = append(out, "with no other licences than "+strings.Join(s.AllowedLicences, ", "))
	}
	return out
}

func (p *Provenance) asked() (out []string) {
	if p == nil {
		return nil
	}
	var names []string
	for _, b := range p.Builders {
		if p.SignersSpeak { // there is no level that they are trusted for
			names = append(names, b.ID)
		} else {
			names = append(names, fmt.Sprintf("%s (level %d)", b.ID, b.Level))
		}
	}
	if len(names) == 0 && p.SignersSpeak {
		names = []string{"the builder that the signer's certificate names, or else the signer"}
	}
	out = append(out, "of a build by "+strings.Join(names, " or "))
	if p.Level > 0 {
		out = append(out, fmt.Sprintf("of build level %d or above", p.Level))
	}
	names = nil
	for _, s := range p.Sources {
		text := s.Repository
		if len(s.Refs) > 0 {
			text += " at " + strings.Join(s.Refs, " or ")
		}
		names = append(names, text)
	}
	if len(names) > 0 {
		out = append(out, "from "+strings.Join(names, " or "))
	}
	if len(p.BuildTypes) > 0 {
		out = append(out, "of build type "+strings.Join(p.BuildTypes, " or "))
	}
	for _, name := range slices.Sorted(maps.Keys(p.Parameters)) {
		if value := p.Parameters[name]; value != nil {
			raw, _ := json.Marshal(value)
			out = append(out, fmt.Sprintf("with the parameter %s = %s", name, raw))
		} else {
			out = append(out, "with any parameter "+name)
		}
	}
	if p.AnyParameters {
		out = append(out, "with whatever other parameters")
	} else {
		out = append(out, "with no other external parameters")
	}
	return out
}

func (v *Vulnerabilities) asked() (out []string) {
	if v == nil {
		return nil
	}
	out = append(out, "whose newest result has no finding of severity "+v.Severity+" or above")
	if !v.AcceptUnknown {
		out = append(out, "or of unknown severity")
	}
	if len(v.VEX) > 0 {
		out = append(out, "but for those that OpenVEX statements by "+strings.Join(v.VEX, ", ")+" say do not affect it or are fixed")
	}
	for _, a := range v.Accepted {
		until := ""
		if !a.Until.IsZero() {
			until = " until " + a.Until.Format(time.DateOnly)
		}
		out = append(out, "but for "+a.ID+until)
	}
	return out
}

func (v *Verdict) asked() (out []string) {
	if v == nil {
		return nil
	}
	out = append(out, "PASSED, the newest of its kind, on the policy "+v.PolicyDigest)
	if v.Resource != "" {
		out = append(out, "about "+v.Resource)
	}
	if len(v.Levels) > 0 {
		out = append(out, "with "+strings.Join(v.Levels, ", "))
	}
	return out
}

// String says in words what is denied.
func (d Denial) String() string {
	var parts []string
	if d.Digest != "" {
		parts = append(parts, "the image "+d.Digest)
	} else {
		parts = append(parts, "evidence")
	}
	if d.Signer != "" {
		parts = append(parts, "by "+d.Signer)
	}
	if d.Certificate != "" {
		parts = append(parts, "by the certificate or key "+d.Certificate)
	}
	if !d.IssuedBefore.IsZero() {
		parts = append(parts, "from before "+d.IssuedBefore.UTC().Format(time.RFC3339)+" or without a trusted time")
	}
	if !d.IssuedAfter.IsZero() {
		parts = append(parts, "from after "+d.IssuedAfter.UTC().Format(time.RFC3339)+" or without a trusted time")
	}
	return strings.Join(parts, " ") + ": " + d.Reason
}

// Explain says in words what the policy asks for in an environment.
func (s *Set) Explain(environment string) (string, error) {
	layers, err := s.layers(environment)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	s.explainPeople(&b)
	for _, l := range layers {
		for i := range l.rules {
			if err := s.explainRule(&b, l, &l.rules[i]); err != nil {
				return "", err
			}
		}
	}
	all := builder{set: s, all: true, titles: map[string]int{}}
	for _, l := range layers {
		if err := all.add(l); err != nil {
			return "", err
		}
	}
	p := all.plan.Policy
	for _, d := range p.Denials {
		fmt.Fprintf(&b, "Never counts: %s.\n", d)
	}
	fmt.Fprintf(&b, "Every signature needs %s.\n", witnesses(p))
	plan, err := s.For("\x00", environment)
	if err != nil {
		return "", err
	}
	if plan.Skip {
		b.WriteString("A subject that no rule speaks about is skipped.\n")
	} else {
		b.WriteString("A subject that no rule speaks about is rejected.\n")
	}
	return b.String(), nil
}

func (s *Set) explainPeople(b *strings.Builder) {
	for _, name := range slices.Sorted(maps.Keys(s.signers)) {
		one := s.signers[name]
		who := "the key " + one.Key
		if identity, err := one.resolve(name); err == nil && identity != nil {
			who = identity.String()
		}
		fmt.Fprintf(b, "%s %s is %s.\n", strings.ToUpper(string(s.roles[name][:1]))+string(s.roles[name][1:]), name, who)
	}
}

func (s *Set) explainRule(b *strings.Builder, l layer, r *fileRule) error {
	one := builder{set: s, all: true, titles: map[string]int{}}
	if err := one.rule(r); err != nil {
		return err
	}
	var names []string
	for _, g := range r.Subjects {
		names = append(names, g.String())
	}
	fmt.Fprintf(b, "Images of %s (%s:%d) need\n", strings.Join(names, " or "), l.file.At.file, r.At.line)
	for _, q := range one.plan.Policy.Requirements {
		fmt.Fprintf(b, "  - %s%s.\n", q.Asked(), everyPlatform(q))
	}
	if r.SameRepository {
		b.WriteString("  - in each of these, the name of the very repository that is asked for.\n")
	}
	if d := one.plan.Rederive; d != nil {
		fmt.Fprintf(b, "  - an SBOM that says what the image itself shows, but for %d missing, %d extra and %d changed packages.\n", d.Missing, d.Extra, d.Changed)
	}
	return nil
}

func everyPlatform(q Requirement) string {
	if q.Type.DescribesPlatform() && !q.AcceptOnIndex {
		return ", on every platform"
	}
	return ""
}

func witnesses(p Policy) string {
	count := func(n int, what string) string {
		if n == 0 {
			return "one " + what + " if the trusted root has any"
		}
		return fmt.Sprintf("%d different %ss", n, what)
	}
	text := count(p.Logs, "transparency log") + ", " + count(p.Timestamps, "timestamp authority") + " and " + count(p.SCTs, "certificate log")
	text = strings.ReplaceAll(text, "authoritys", "authorities")
	if p.AllowPending {
		text += "; one that is not logged yet counts"
	}
	if p.AllowLegacy {
		text += "; evidence in cosign's older form counts"
	}
	return text
}
