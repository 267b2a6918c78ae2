package verify

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hallmark-project/hallmark/bundle"
	"github.com/hallmark-project/hallmark/policy"
)

// Summary is a Verification Summary, the predicate of a verdict
// (https://slsa.dev/spec/v1.2/verification_summary).
type Summary struct {
	Verifier struct {
		ID      string            `json:"id"`
		Version map[string]string `json:"version,omitempty"`
	} `json:"verifier"`
	TimeVerified time.Time      `json:"timeVerified"`
	ResourceURI  string         `json:"resourceUri"`
	Policy       Reference      `json:"policy"`
	Inputs       []Reference    `json:"inputAttestations,omitempty"`
	Result       string         `json:"verificationResult"`
	Levels       []string       `json:"verifiedLevels"`
	Dependencies map[string]int `json:"dependencyLevels,omitempty"`
	SLSAVersion  string         `json:"slsaVersion,omitempty"`
}

// Reference names something by where it is and what it is.
type Reference struct {
	URI    string            `json:"uri,omitempty"`
	Digest map[string]string `json:"digest,omitempty"`
}

// ResultPassed is the one result that lets a subject pass.
const ResultPassed = "PASSED"

// ErrSummary says that a Verification Summary cannot be read.
var ErrSummary = errors.New("the verdict cannot be read")

// judgment is a verdict as it is weighed.
type judgment struct {
	result string
	at     time.Time
}

// checkVerdict checks that a verdict is by the verifier that the policy means, on the
// policy and about the resource that are asked for. Which one is the newest, and what
// it says, is weighed with the others; one that is too old may still take another back.
func (s *assessor) checkVerdict(c *content, r *policy.Requirement, a *assessment, predicate []byte) {
	var summary Summary
	if err := bundle.Decode(predicate, &summary); err != nil {
		c.check(CheckVerdict, "", fmt.Errorf("%w: %w", ErrSummary, err))
		return
	}
	rule := r.Verdict
	meant := c.check(CheckVerdict, "verifier", verifierOf(rule, a, summary))
	var err error
	if have := summary.Policy.Digest["sha256"]; have == "" || "sha256:"+have != rule.PolicyDigest {
		err = fmt.Errorf("it is on the policy sha256:%s", have)
	}
	meant = c.check(CheckVerdict, "policy "+rule.PolicyDigest, err) && meant
	if err = nil; rule.Resource != "" && summary.ResourceURI != rule.Resource {
		err = fmt.Errorf("it is about %q", summary.ResourceURI)
	}
	if meant = c.check(CheckVerdict, "resource "+rule.Resource, err) && meant; !meant {
		return
	}
	c.verdict = newJudgment(summary, a)
	if summary.Result != ResultPassed {
		c.check(CheckVerdict, ResultPassed, fmt.Errorf("the verdict is %q", summary.Result))
		return
	}
	c.check(CheckVerdict, ResultPassed, nil)
	if r.MaxAge > 0 {
		when := c.verdict.at
		if a.signer.When().IsZero() {
			when = time.Time{}
		}
		c.check(CheckAge, ageAgainst(r.MaxAge), tooOld(when, r.MaxAge, s.now))
	}
	for _, level := range rule.Levels {
		if !slices.Contains(summary.Levels, level) {
			c.check(CheckVerdict, level, fmt.Errorf("it verified %s", strings.Join(summary.Levels, ", ")))
		}
	}
}

// newJudgment dates a verdict by what its verifier says, or by trusted time where that is
// earlier: a stamp can be had again later, the word of the verifier cannot.
func newJudgment(s Summary, a *assessment) *judgment {
	j := &judgment{result: s.Result, at: s.TimeVerified}
	if signed := a.signer.When(); !signed.IsZero() && signed.Before(j.at) {
		j.at = signed
	}
	return j
}

// verifierOf compares the id that the verdict names with that of whoever signed it.
func verifierOf(rule *policy.Verdict, a *assessment, s Summary) error {
	if len(rule.Verifiers) == 0 {
		return nil
	}
	as := ""
	for _, name := range a.names {
		id, known := rule.Verifiers[name]
		if !known {
			return fmt.Errorf("its signer is trusted as %s too, which is no verifier here: the roles are apart", name)
		}
		if id == "" || id == s.Verifier.ID {
			as = name
		}
	}
	if as != "" {
		return nil
	}
	return fmt.Errorf("it names the verifier %q, which its signer, %s, is not trusted to be", s.Verifier.ID, a.signer.Name())
}

func (j *judgment) newer(than *judgment) bool { return j.at.After(than.at) }

// weighVerdicts lets the newest verdict decide, whatever it says. Of two of the same
// time, one that did not pass does.
func (s *standing) weighVerdicts(d *dossier, requirement int, good []*assessment) []*assessment {
	for i := range d.assessed {
		c := d.assessed[i].contents[requirement]
		if c == nil || c.verdict == nil || c.verdict.result == ResultPassed {
			continue
		}
		if !slices.ContainsFunc(good, func(a *assessment) bool { return a.contents[requirement].verdict.newer(c.verdict) }) {
			s.together(CheckVerdict, d.assessed[i].report.Digest.String(), fmt.Errorf("the newest verdict, %s, is %q", d.assessed[i].report.Digest, printable(c.verdict.result)))
			return nil
		}
	}
	newest := good[0]
	for _, a := range good[1:] {
		if a.contents[requirement].verdict.newer(newest.contents[requirement].verdict) {
			newest = a
		}
	}
	return []*assessment{newest}
}
