package verify

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

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
	levels []string
	at     time.Time // trusted
	said   time.Time // by the verifier
}

// checkVerdict checks that a verdict is by the verifier that the policy means, on the
// policy and about the resource that are asked for. Which one is the newest, and what
// it says, is weighed with the others.
func checkVerdict(c *content, rule *policy.Verdict, a *assessment, predicate []byte) {
	var s Summary
	if err := json.Unmarshal(predicate, &s); err != nil {
		c.check(CheckVerdict, "", fmt.Errorf("%w: %w", ErrSummary, err))
		return
	}
	c.check(CheckVerdict, "verifier", verifierOf(rule, a, s))
	var err error
	if have := "sha256:" + s.Policy.Digest["sha256"]; have != rule.PolicyDigest {
		err = fmt.Errorf("it is on the policy %s", have)
	}
	c.check(CheckVerdict, "policy "+rule.PolicyDigest, err)
	if err = nil; rule.Resource != "" && s.ResourceURI != rule.Resource {
		err = fmt.Errorf("it is about %q", s.ResourceURI)
	}
	c.check(CheckVerdict, "resource "+rule.Resource, err)
	if !c.ok {
		return
	}
	c.verdict = &judgment{s.Result, s.Levels, a.signer.When(), s.TimeVerified}
	if s.Result != ResultPassed {
		c.check(CheckVerdict, ResultPassed, fmt.Errorf("the verdict is %q", s.Result))
		return
	}
	c.check(CheckVerdict, ResultPassed, nil)
	for _, level := range rule.Levels {
		if !slices.Contains(s.Levels, level) {
			c.check(CheckVerdict, level, fmt.Errorf("it verified %s", strings.Join(s.Levels, ", ")))
		}
	}
}

// verifierOf compares the id that the verdict names with that of whoever signed it.
func verifierOf(rule *policy.Verdict, a *assessment, s Summary) error {
	if len(rule.Verifiers) == 0 {
		return nil
	}
	for _, name := range a.names {
		if id, known := rule.Verifiers[name]; known && (id == "" || id == s.Verifier.ID) {
			return nil
		}
	}
	return fmt.Errorf("it names the verifier %q, which its signer, %s, is not trusted to be", s.Verifier.ID, a.signer.Name())
}

// newer orders verdicts: by trusted time, and where one has none, by what the verifiers
// themselves say.
func (j *judgment) newer(than *judgment) bool {
	if !j.at.IsZero() && !than.at.IsZero() && !j.at.Equal(than.at) {
		return j.at.After(than.at)
	}
	return j.said.After(than.said)
}

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
