package policy

import (
	"fmt"
	"maps"
	"slices"
)

// Lint finds what a policy is allowed to say and probably does not mean. Each line
// begins with file, line and column.
func (s *Set) Lint() (out []string) {
	warn := func(at place, format string, args ...any) { out = append(out, at.problem(format, args...).Error()) }
	used := map[string]bool{}
	for _, f := range s.files {
		for _, rules := range allRules(f) {
			for i := range rules {
				s.lintRule(&rules[i], used, warn)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.signers)) {
		one := s.signers[name]
		if !used[name] && s.roles[name] == roleSigner && len(used) > 0 && !used[""] {
			warn(one.At, "signer %q is asked nowhere", name)
		}
		if twin := s.twin(name); twin != "" && twin < name {
			warn(one.At, "signers %q and %q are the same key, and count as one", twin, name)
		}
		if one.Issuer == GitHubIssuer && one.SourceRepository == "" && one.GitHubRepo == "" && one.BuildSignerURI == "" && one.Identity == "" {
			warn(one.At, "signer %q names no repository: a pattern may match workflows that others wrote", name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (s *Set) twin(name string) string {
	for _, other := range slices.Sorted(maps.Keys(s.signers)) {
		if other != name && s.signers[other].Key != "" && s.signers[other].Key == s.signers[name].Key {
			return other
		}
	}
	return ""
}

func allRules(f *file) [][]fileRule {
	out := [][]fileRule{f.Rules}
	for _, name := range slices.Sorted(maps.Keys(f.Environments)) {
		out = append(out, f.Environments[name].Rules)
	}
	return out
}

// lintRule notes whom a rule asks; an empty name in used is everybody.
func (s *Set) lintRule(r *fileRule, used map[string]bool, warn func(place, string, ...any)) {
	for _, g := range r.Subjects {
		if g.everything() {
			warn(r.At, "the pattern %q speaks about everything, layouts and files included", g)
		}
	}
	for _, by := range askedNames(r) {
		if len(by) == 0 {
			used[""] = true
		}
		for _, name := range by {
			used[name] = true
		}
	}
	if p := r.Provenance; p != nil {
		for _, b := range p.Builders {
			if b.Level < p.Level {
				warn(b.At, "builder %q is trusted for level %d, and level %d is wanted: it never counts", b.ID, b.Level, p.Level)
			}
		}
		if len(p.Sources) == 0 {
			warn(p.At, "provenance without sources: an image built from any repository will do")
		}
		if p.AllowUnknownParameters {
			warn(p.At, "allowUnknownParameters lets parameters pass that change what is built")
		}
	}
	if v := r.Vulnerabilities; v != nil && v.MaxAge == nil {
		warn(v.At, "vulnerabilities without maxAge: the scan may be years old")
	}
	if v := r.Verdict; v != nil && v.MaxAge == nil {
		warn(v.At, "verdict without maxAge: it may be years old")
	}
}

func askedNames(r *fileRule) (out [][]string) {
	for _, f := range r.Signatures {
		out = append(out, f.By)
	}
	for _, f := range r.Attestations {
		out = append(out, f.By)
	}
	if r.SBOM != nil {
		out = append(out, r.SBOM.By)
	}
	if p := r.Provenance; p != nil {
		out = append(out, p.By)
		for _, b := range p.Builders {
			if len(b.By) > 0 {
				out = append(out, b.By)
			}
		}
	}
	if v := r.Vulnerabilities; v != nil {
		out = append(out, v.By)
		if v.VEX != nil && len(v.VEX.By) > 0 {
			out = append(out, v.VEX.By)
		}
	}
	return out
}

// Summary counts what a policy holds, for people.
func (s *Set) Summary() string {
	rules, denials := 0, 0
	for _, f := range s.files {
		for _, list := range allRules(f) {
			rules += len(list)
		}
		denials += len(f.Deny)
		for _, e := range f.Environments {
			denials += len(e.Deny)
		}
	}
	return fmt.Sprintf("%d files, %d signers, %d verifiers, %d rules, %d denials, environments: %v",
		len(s.files), len(s.names(roleSigner)), len(s.names(roleVerifier)), rules, denials, s.Environments())
}
