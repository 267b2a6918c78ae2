package verify

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/hallmark-project/hallmark/inventory"
	"github.com/hallmark-project/hallmark/policy"
)

// checkSBOM asks an SBOM for what a policy wants of it.
func checkSBOM(c *content, rule *policy.SBOM, predicate []byte) {
	if rule.MinimumElements == "" && !rule.Bans() {
		return
	}
	doc, err := inventory.Parse(predicate)
	if !c.check(CheckSBOM, "", err) {
		c.banned = "it cannot be read"
		return
	}
	if rule.MinimumElements != "" {
		c.check(CheckMinimumElements, rule.MinimumElements, minimumElements(doc, rule.MinimumElements))
	}
	if len(rule.BannedPackages)+len(rule.AllowedPackages) > 0 {
		c.ban(CheckPackages, fmt.Sprintf("%d packages", len(doc.Components)), offending(doc, func(p inventory.Component) string { return packageFault(p, rule) }))
	}
	if len(rule.BannedLicences)+len(rule.AllowedLicences) > 0 {
		c.ban(CheckLicences, fmt.Sprintf("%d packages", len(doc.Components)), offending(doc, func(p inventory.Component) string { return licenceFault(p, rule) }))
	}
}

// ban notes what an SBOM names and must not.
func (c *content) ban(check, against string, faults []string) {
	if len(faults) == 0 {
		c.check(check, against, nil)
		return
	}
	const most = 5
	text := strings.Join(faults[:min(len(faults), most)], "; ")
	if more := len(faults) - most; more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	c.check(check, against, fmt.Errorf("%s", text))
	c.banned = check + ": " + printable(text)
}

func minimumElements(doc *inventory.Document, standard string) error {
	findings, err := inventory.Check(doc, standard)
	if err != nil {
		return err
	}
	if missing := findings.Missing(); len(missing) > 0 {
		return fmt.Errorf("it lacks %s", strings.Join(missing, ", "))
	}
	return nil
}

// offending lists what is wrong with each component that something is wrong with.
func offending(doc *inventory.Document, fault func(inventory.Component) string) (out []string) {
	for _, component := range doc.Components {
		if text := fault(component); text != "" {
			out = append(out, text)
		}
	}
	return out
}

func packageFault(p inventory.Component, rule *policy.SBOM) string {
	for _, banned := range rule.BannedPackages {
		if p.MayMatch(banned.Pattern) {
			text := fmt.Sprintf("%s is banned by %q", titleOf(p), banned.Pattern)
			if banned.Reason != "" {
				text += " (" + banned.Reason + ")"
			}
			return text
		}
	}
	if len(rule.AllowedPackages) > 0 && !slices.ContainsFunc(rule.AllowedPackages, func(r policy.PackageRule) bool { return p.Matches(r.Pattern) }) {
		return titleOf(p) + " is none of those that are allowed"
	}
	return ""
}

func titleOf(p inventory.Component) string {
	if p.PURL != "" {
		return p.PURL
	}
	return strings.TrimSpace(p.Name + " " + p.Version)
}

// licenceFault says why a component's licences are not acceptable. Of an expression with
// OR, one side has to be.
func licenceFault(p inventory.Component, rule *policy.SBOM) string {
	one := func(list []string, id string) bool {
		return slices.ContainsFunc(list, func(pattern string) bool { return policy.MatchGlob(strings.ToLower(pattern), strings.ToLower(id)) })
	}
	for _, expression := range p.Licences {
		if !inventory.Satisfies(expression, func(id string) bool { return !one(rule.BannedLicences, id) }) {
			return fmt.Sprintf("%s has the banned licence %s", titleOf(p), expression)
		}
		if word := bannedWord(expression, func(id string) bool { return one(rule.BannedLicences, id) }); word != "" {
			return fmt.Sprintf("%s has the licence %q, which is no expression that can be read and names the banned %s", titleOf(p), expression, word)
		}
		if len(rule.AllowedLicences) > 0 && !inventory.Satisfies(expression, func(id string) bool { return one(rule.AllowedLicences, id) }) {
			return fmt.Sprintf("%s has the licence %s, which is none of those that are allowed", titleOf(p), expression)
		}
	}
	if len(p.Licences) == 0 && len(rule.AllowedLicences) > 0 && !rule.UnstatedLicences {
		return titleOf(p) + " states no licence"
	}
	return ""
}

// bannedWord is a banned word in a licence that is no expression: there, nobody can tell
// what one may choose.
func bannedWord(expression string, banned func(id string) bool) string {
	if ids := inventory.LicenceIDs(expression); len(ids) != 1 || ids[0] != strings.TrimSpace(expression) {
		return "" // it was read as an expression
	}
	words := strings.FieldsFunc(expression, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune(".+:-", r)
	})
	for _, word := range words {
		if banned(word) {
			return word
		}
	}
	return ""
}

// weighSBOMs turns good SBOMs down if another that counts names what none may name. One
// that the same signer has replaced, by trusted time and in the same format, is history.
func (s *standing) weighSBOMs(d *dossier, requirement int, good []*assessment) []*assessment {
	for i := range d.assessed {
		a := &d.assessed[i]
		c := a.contents[requirement]
		if c == nil || c.banned == "" || d.replaced(a, requirement) {
			continue
		}
		s.together(CheckPackages, a.report.Digest.String(), fmt.Errorf("an SBOM that counts, %s, says otherwise: %s", a.report.Digest, c.banned))
		return nil
	}
	return good
}

// replaced reports whether the same signer has made a newer piece of the same type.
func (d *dossier) replaced(old *assessment, requirement int) bool {
	for i := range d.assessed {
		a := &d.assessed[i]
		same := a.contents[requirement] != nil && a.saying() == old.saying() && samePerson(a, old)
		if same && a.bounded && !old.signer.When().IsZero() && a.signer.When().After(old.signer.When()) {
			return true
		}
	}
	return false
}

func samePerson(a, b *assessment) bool {
	return slices.ContainsFunc(a.principals, func(id string) bool { return slices.Contains(b.principals, id) })
}
