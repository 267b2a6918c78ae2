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
		s.inspecting.Lock()
		s.inspect(a.verified(&dossier{on: a.report.On, platform: a.report.Platform}, ""), payload)
		s.inspecting.Unlock()
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
		s.judgeContent(ctx, c, a, r, payload)
		if a.contents == nil {
			a.contents = map[int]*content{}
		}
		a.contents[i] = c
	}
}

func (s *assessor) judgeContent(ctx context.Context, c *content, a *assessment, r *policy.Requirement, payload []byte) {
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
	statement, err := bundle.ParseStatement(payload)
	if err != nil {
		c.check(CheckStatement, "", fmt.Errorf("it is no statement, and has no content that could be judged: %w", err))
		return
	}
	s.checkConditions(ctx, c, r, statement, payload)
	switch {
	case r.SBOM != nil:
		checkSBOM(c, r.SBOM, statement.Predicate)
	case r.Provenance != nil:
		checkProvenance(c, r.Provenance, a, statement)
	case r.Vulnerabilities != nil:
		s.checkScan(c, r, a, statement)
	case r.Verdict != nil:
		s.checkVerdict(c, r, a, statement.Predicate)
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

func (s *assessor) checkConditions(ctx context.Context, c *content, r *policy.Requirement, statement *bundle.Statement, payload []byte) {
	if len(r.Conditions) == 0 {
		return
	}
	if len(payload) > maxConditionInput {
		c.check(CheckCondition, r.Conditions[0].String(), fmt.Errorf("the statement has %d bytes, more than conditions can be asked about", len(payload)))
		return
	}
	facts, err := policy.NewFacts(payload, statement.PredicateType, s.now)
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
