package verify

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hallmark-project/hallmark/policy"
)

// standing is what the evidence about one digest comes to for one requirement.
type standing struct {
	pieces []*assessment // that count for it
	checks []PieceCheck
	met    bool
	cause  string // why it is not met, if there is evidence of the type
}

// standing weighs what was read so far. For requirements that ask what the newest piece
// says, or that none says something, it is final only when all was read.
func (d *dossier) standing(requirement int) standing {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := &d.assessor.policy.Requirements[requirement]
	var s standing
	var good []*assessment
	closest := -1 // what came furthest says why nothing counts
	for i := range d.assessed {
		a := &d.assessed[i]
		c := a.contents[requirement]
		if c == nil {
			continue
		}
		for _, fact := range c.facts {
			s.checks = append(s.checks, PieceCheck{a.report.Digest, fact})
		}
		if c.ok {
			good = append(good, a)
		} else if n := c.passed(); n > closest {
			closest, s.cause = n, fmt.Sprintf("%s %s: %s", a.report.Form, a.report.Digest, c.failure())
		}
	}
	s.weigh(d, requirement, r, good)
	return s
}

// weigh decides over the pieces that are acceptable one by one.
func (s *standing) weigh(d *dossier, requirement int, r *policy.Requirement, good []*assessment) {
	if len(good) == 0 {
		return
	}
	if n, names := distinct(good, r.By); n < r.Needed() {
		s.together(CheckDistinct, fmt.Sprintf("%d of %d", n, r.Needed()),
			fmt.Errorf("%d different signers are wanted, and there is %s%s", r.Needed(), strings.Join(names, ", "), d.missingSigners(requirement, r, names)))
		return
	} else if r.Needed() > 1 {
		s.together(CheckDistinct, fmt.Sprintf("%d of %d: %s", n, r.Needed(), strings.Join(names, ", ")), nil)
	}
	switch {
	case r.Vulnerabilities != nil:
		good = s.weighScans(d, requirement, r, good)
	case r.Verdict != nil:
		good = s.weighVerdicts(d, requirement, good)
	case r.SBOM != nil:
		good = s.weighSBOMs(d, requirement, good)
	}
	s.pieces, s.met = good, len(good) > 0
}

// together notes a check of all the evidence at once.
func (s *standing) together(check, against string, err error) {
	fact := Fact{Check: check, Against: against, Outcome: Passed}
	if err != nil {
		fact.Outcome, fact.Cause = Failed, err.Error()
		s.cause = err.Error()
	}
	s.checks = append(s.checks, PieceCheck{Fact: fact})
}

// missingSigners names those of whom nothing counts, and why what is there does not.
func (d *dossier) missingSigners(requirement int, r *policy.Requirement, have []string) string {
	var missing []string
	for _, name := range r.By {
		if !slices.Contains(have, name) {
			missing = append(missing, name+d.whyNot(requirement, r, name))
		}
	}
	if len(missing) == 0 {
		return ""
	}
	return "; nothing that counts is by " + strings.Join(missing, ", ")
}

func (d *dossier) whyNot(requirement int, r *policy.Requirement, name string) string {
	for i := range d.assessed {
		a := &d.assessed[i]
		if !a.wantedBy(r) || !slices.Contains(a.names, name) {
			continue
		}
		if !a.accepted {
			return " (" + a.firstFailure() + ")"
		}
		if c := a.contents[requirement]; c != nil && !c.ok {
			return " (" + c.failure() + ")"
		}
	}
	return ""
}

// distinct counts the different signers of pieces: as many as can be paired off, each
// person with a name of their own. One key under two names is one person, and two
// persons that one name stands for are one signer. It also gives the names of those it
// paired.
func distinct(pieces []*assessment, by []string) (int, []string) {
	people := principals(pieces)
	if len(by) == 0 && !slices.ContainsFunc(pieces, func(a *assessment) bool { return len(a.names) > 0 }) {
		var names []string
		for _, p := range people {
			names = append(names, p.title)
		}
		return len(people), names
	}
	paired := map[string]int{} // name -> person
	for i := range people {
		pair(people, i, by, paired, map[string]bool{})
	}
	var names []string
	for name := range paired {
		names = append(names, name)
	}
	slices.Sort(names)
	return len(paired), names
}

// person is who is behind several pieces, by any of the keys and identities in them.
type person struct {
	ids   []string
	names []string
	title string
}

// principals groups pieces by who signed them.
func principals(pieces []*assessment) (out []person) {
	for _, a := range pieces {
		p := person{ids: slices.Clone(a.principals), names: slices.Clone(a.names), title: a.signer.Name()}
		var others []person
		for _, have := range out {
			if slices.ContainsFunc(have.ids, func(id string) bool { return slices.Contains(p.ids, id) }) {
				p = person{append(have.ids, p.ids...), append(have.names, p.names...), have.title}
			} else {
				others = append(others, have)
			}
		}
		p.ids, p.names = sortedOnce(p.ids), sortedOnce(p.names)
		others = append(others, p)
		out = others
	}
	return out
}

func sortedOnce(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}

// pair finds a name for a person, moving others to another of their names if need be
// (augmenting paths, as in H. W. Kuhn, The Hungarian method, 1955).
func pair(people []person, i int, by []string, paired map[string]int, tried map[string]bool) bool {
	for _, name := range people[i].names {
		if tried[name] || len(by) > 0 && !slices.Contains(by, name) {
			continue
		}
		tried[name] = true
		holder, taken := paired[name]
		if !taken || pair(people, holder, by, paired, tried) {
			paired[name] = i
			return true
		}
	}
	return false
}

// settled reports whether a requirement is met for good, whatever else there may be.
func (d *dossier) settled(requirement int) bool {
	return !final(&d.assessor.policy.Requirements[requirement]) && d.standing(requirement).met
}

// final reports whether a requirement asks what the newest says, or that nothing says
// something: that is known when everything was read.
func final(r *policy.Requirement) bool {
	return r.Vulnerabilities != nil || r.SBOM.Bans() || r.Verdict != nil
}

// vetoes reports whether something on this digest speaks against a requirement that
// another place meets.
func (d *dossier) vetoes(requirement int) bool {
	s := d.standing(requirement)
	return !s.met && s.cause != "" || len(d.unread) > 0
}

// met reports whether a requirement is met by everything that had to be read for it.
func (d *dossier) met(requirement int) bool {
	r := &d.assessor.policy.Requirements[requirement]
	return d.standing(requirement).met && (!final(r) || len(d.unread) == 0 && d.exhausted)
}

// state is what the evidence on this digest says for a requirement that is met.
func (d *dossier) state(requirement int) DigestState {
	s := d.standing(requirement)
	a := s.pieces[0]
	return DigestState{Digest: d.on, Platform: d.platform, Outcome: Passed, Evidence: a.report.Digest, Signer: a.signer.Fingerprint, Checks: s.checks}
}

// failure is why a requirement is not met on this digest.
func (d *dossier) failure(requirement int) Failure {
	s := d.standing(requirement)
	d.mu.Lock()
	defer d.mu.Unlock()
	r := &d.assessor.policy.Requirements[requirement]
	f := Failure{Type: r.Title(), On: d.on, Platform: d.platform}
	rejected := d.rejected(r)
	switch {
	case len(d.unread) > 0:
		f.Verdict = ErrInconclusive
		f.Cause = fmt.Sprintf("could not read %s: %s", d.unread[0].What, d.unread[0].Cause)
	case s.cause != "":
		f.Verdict, f.Cause = ErrRejected, s.cause
	case len(rejected) > 0:
		f.Verdict, f.Cause = ErrRejected, because(rejected)
	default:
		f.Verdict, f.Cause = ErrMissing, "there is none"+d.others()
	}
	return f
}

// rejected is the evidence that is of a type that r wants, or may be, and does not count.
func (d *dossier) rejected(r *policy.Requirement) []assessment {
	var out []assessment
	for _, a := range d.assessed {
		if a.accepted {
			continue
		}
		if a.wantedBy(r) || a.predicateType == "" && (a.report.ClaimedType == "" || r.Wants(a.report.ClaimedType)) {
			out = append(out, a)
		}
	}
	return out
}

// because says why evidence was rejected: of the piece that came furthest, the check
// that failed first.
func because(rejected []assessment) string {
	closest := rejected[0]
	for _, a := range rejected[1:] {
		if a.passed() > closest.passed() {
			closest = a
		}
	}
	text := fmt.Sprintf("%s %s: %s", closest.report.Form, closest.report.Digest, closest.firstFailure())
	if more := len(rejected) - 1; more > 0 {
		text += fmt.Sprintf(" (and %d more that do not count)", more)
	}
	return text
}

// firstFailure is the check that failed first, with its cause.
func (a *assessment) firstFailure() string {
	for _, fact := range a.report.Facts {
		if fact.Outcome == Failed {
			return fact.Check + ": " + fact.Cause
		}
	}
	return ""
}

// used are the pieces that count for some requirement.
func (d *dossier) used(requirements int) map[*assessment]bool {
	used := map[*assessment]bool{}
	for i := range requirements {
		for _, a := range d.standing(i).pieces {
			used[a] = true
		}
		for _, a := range d.exempting(i) {
			used[a] = true
		}
	}
	return used
}

// unused says why a piece did not count although its own checks passed.
func (a *assessment) unused() string {
	for _, c := range a.contents {
		if !c.ok {
			return c.failure()
		}
	}
	if len(a.contents) > 0 {
		return "another piece was wanted beside it, or a newer one stands in its place"
	}
	return "nothing is asked for that it could show, or not of its signer"
}
