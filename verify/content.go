package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hallmark-project/hallmark/bundle"
	"github.com/hallmark-project/hallmark/policy"
)

// content is what one requirement makes of one piece of evidence whose own checks
// passed. What is kept of the evidence is what has to be weighed with others.
type content struct {
	facts []Fact
	ok    bool

	banned  string    // what an SBOM names and must not
	scanned *scan     // a vulnerability result
	verdict *judgment // a Verification Summary
	level   int       // of the build track, by the policy
}

func (c *content) check(name, against string, err error) bool {
	fact := Fact{Check: name, Against: against, Outcome: Passed}
	if err != nil {
		fact.Outcome, fact.Cause = Failed, printable(err.Error())
		c.ok = false
	}
	c.facts = append(c.facts, fact)
	return err == nil
}

func (c *content) passed() (n int) {
	for _, f := range c.facts {
		if f.Outcome == Passed {
			n++
		}
	}
	return n
}

func (c *content) failure() string {
	for _, f := range c.facts {
		if f.Outcome == Failed {
			return f.Check + ": " + f.Cause
		}
	}
	return ""
}

// judgeContents asks each requirement that wants evidence of this type what it makes of
// the piece.
func (s *assessor) judgeContents(ctx context.Context, a *assessment, payload []byte) {
	if s.inspect != nil && payload != nil {
		if statement, err := bundle.ParseStatement(payload); err == nil {
			s.show(a, statement.PredicateType, statement.Predicate)
		}
	}
	for i := range s.policy.Requirements {
		r := &s.policy.Requirements[i]
		if r.Vulnerabilities != nil && vexType.Matches(a.predicateType) {
			s.readExemptions(a, i, r, payload)
		}
		if !r.Wants(a.predicateType) {
			continue
		}
		c := &content{ok: true}
		s.judgeContent(ctx, c, a, r, &said{payload: payload})
		a.note(i, c)
	}
}

// note keeps what a requirement makes of the piece.
func (a *assessment) note(requirement int, c *content) {
	if a.contents == nil {
		a.contents = map[int]*content{}
	}
	a.contents[requirement] = c
}

// show lets whoever asked to see it have a look at what a piece says.
func (s *assessor) show(a *assessment, predicateType string, predicate []byte) {
	if s.inspect == nil {
		return
	}
	s.inspecting.Lock()
	defer s.inspecting.Unlock()
	s.inspect(a.verified(&dossier{on: a.report.On, platform: a.report.Platform}, ""), predicateType, predicate)
}

// said is what a piece says: in the statement that was signed, or in a document that this
// refers to.
type said struct {
	payload       []byte // the statement; nil for a document
	predicateType string
	predicate     []byte
}

// read takes the statement apart, if there is one.
func (s *said) read() error {
	if s.predicate != nil {
		return nil
	}
	statement, err := bundle.ParseStatement(s.payload)
	if err != nil {
		return fmt.Errorf("it is no statement, and has no content that could be judged: %w", err)
	}
	s.predicateType, s.predicate = statement.PredicateType, statement.Predicate
	return nil
}

// statement is the statement, or the one that would hold the document.
func (s *said) statement(a *assessment) ([]byte, error) {
	if s.payload != nil {
		return s.payload, nil
	}
	on := bundle.Subject{Name: a.named, Digest: map[string]string{a.report.On.Algorithm().String(): a.report.On.Encoded()}}
	return bundle.AppendStatement(nil, on, s.predicateType, s.predicate)
}

func (s *assessor) judgeContent(ctx context.Context, c *content, a *assessment, r *policy.Requirement, what *said) {
	if !checkBy(c, a, r) {
		return
	}
	if r.Repository != "" {
		var err error
		if a.named != r.Repository {
			err = fmt.Errorf("it names %q", printable(a.named))
		}
		c.check(CheckRepository, r.Repository, err)
	}
	if r.MaxAge > 0 && r.Vulnerabilities == nil && r.Verdict == nil {
		c.check(CheckAge, ageAgainst(r.MaxAge), a.tooOld(r.MaxAge, s.now))
	}
	if len(r.Conditions) == 0 && r.SBOM == nil && r.Provenance == nil && r.Vulnerabilities == nil && r.Verdict == nil {
		return
	}
	if err := what.read(); err != nil {
		c.check(CheckStatement, "", err)
		return
	}
	s.checkConditions(ctx, c, a, r, what)
	switch {
	case r.SBOM != nil:
		checkSBOM(c, r.SBOM, what.predicate)
	case r.Provenance != nil:
		checkProvenance(c, r.Provenance, a, what)
	case r.Vulnerabilities != nil:
		s.checkScan(c, r, a, what)
	case r.Verdict != nil:
		s.checkVerdict(c, r, a, what.predicate)
	}
}

// checkBy checks that the signer is one of those whom the requirement asks.
func checkBy(c *content, a *assessment, r *policy.Requirement) bool {
	if len(r.By) == 0 {
		return true
	}
	against := strings.Join(r.By, ", ")
	if slices.ContainsFunc(a.names, func(name string) bool { return slices.Contains(r.By, name) }) {
		return c.check(CheckSigner, against, nil)
	}
	return c.check(CheckSigner, against, fmt.Errorf("it is by %s, of whom this is not asked", strings.Join(a.names, ", ")))
}

// tooOld is an error about the age of what was signed. When a key signed is known by what
// the statement says only, if it does.
func (a *assessment) tooOld(most time.Duration, now time.Time) error {
	if when := a.signer.When(); !when.IsZero() && !a.bounded {
		return errors.New("a key signed it, and anybody can have that stamped again: its age is not known")
	}
	return tooOld(a.signer.When(), most, now)
}

func ageAgainst(most time.Duration) string { return "at most " + most.String() }

// tooOld is an error about evidence that is older than it may be, or of no time that
// anybody trusted vouches for.
func tooOld(t time.Time, most time.Duration, now time.Time) error {
	switch {
	case t.IsZero():
		return fmt.Errorf("nobody whom the trusted root names says how old it is: sign it with a timestamp")
	case now.Sub(t) > most:
		return fmt.Errorf("it is of %s, %s ago", t.UTC().Format(time.RFC3339), now.Sub(t).Round(time.Minute))
	}
	return nil
}

// maxConditionInput is the size of a statement that conditions can be asked about: taken
// apart, it needs many times that.
const maxConditionInput = 64 << 20

func (s *assessor) checkConditions(ctx context.Context, c *content, a *assessment, r *policy.Requirement, what *said) {
	if len(r.Conditions) == 0 {
		return
	}
	if n := max(len(what.payload), len(what.predicate)); n > maxConditionInput {
		c.check(CheckCondition, r.Conditions[0].String(), fmt.Errorf("the statement has %d bytes, more than conditions can be asked about", n))
		return
	}
	var facts policy.Facts
	statement, err := what.statement(a)
	if err == nil {
		facts, err = policy.NewFacts(statement, what.predicateType, s.now)
	}
	for _, condition := range r.Conditions {
		if err == nil {
			c.check(CheckCondition, condition.String(), condition.Holds(ctx, facts))
		} else {
			c.check(CheckCondition, condition.String(), err)
		}
	}
}

// checkDenials keeps evidence from counting that the policy denies. What has no trusted
// time is denied by every rule about time.
func (s *assessor) checkDenials(a *assessment) {
	if !a.accepted || len(s.policy.Denials) == 0 {
		return
	}
	for _, d := range s.policy.Denials {
		if d.Digest == "" && denies(d, a) {
			a.check(CheckDenied, d.String(), fmt.Errorf("the policy denies it: %s", printable(d.Reason)))
			return
		}
	}
	a.check(CheckDenied, fmt.Sprintf("%d denials", len(s.policy.Denials)), nil)
}

func denies(d policy.Denial, a *assessment) bool {
	when := a.signer.When()
	switch {
	case d.Signer != "" && !slices.Contains(a.names, d.Signer):
		return false
	case d.Certificate != "" && d.Certificate != a.signer.Fingerprint:
		return false
	case !d.IssuedBefore.IsZero() && !when.IsZero() && a.bounded && !when.Before(d.IssuedBefore):
		return false
	case !d.IssuedAfter.IsZero() && !when.IsZero() && !when.After(d.IssuedAfter):
		return false
	}
	return true
}
