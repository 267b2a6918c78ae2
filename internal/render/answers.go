package render

import (
	"fmt"
	"strings"

	"github.com/hallmark-project/hallmark/verify"
)

// answer is what became of one requirement on one digest: a cell of the matrix.
type answer struct {
	Requirement string
	Asked       string
	Digest      string
	Platform    string
	Verdict     string
	Cause       string
	Evidence    string
	Signer      *verify.Signer // nil: nobody who was verified
}

// place tells people where a is about.
func (a answer) place() string {
	if a.Platform != "" {
		return a.Platform
	}
	return "subject itself"
}

// whole names the answer about a subject that has no requirement to answer for.
const whole = "verification"

// answers is what became of a subject: an answer for each requirement and digest, then
// failures that no requirement's report knows. There is at least one, and if the subject
// is not verified, at least one says so.
func answers(s *Subject) []answer {
	failures := make(map[[2]string]Failure, len(s.Failures))
	for _, f := range s.Failures {
		if _, have := failures[[2]string{f.Type, f.On}]; !have {
			failures[[2]string{f.Type, f.On}] = f
		}
	}
	all := reported(s, failures)
	if len(all) == 0 {
		all = fromVerified(s)
	}
	for _, f := range s.Failures { // in their order
		key := [2]string{f.Type, f.On}
		if _, open := failures[key]; open {
			all = append(all, answer{Requirement: f.Type, Digest: f.On, Platform: f.Platform, Verdict: verdictOf(f.Verdict), Cause: f.Cause})
			delete(failures, key)
		}
	}
	return ensureVerdict(all, s)
}

// reported are the answers that the report gives; it takes the failures that it meets
// out of failures.
func reported(s *Subject, failures map[[2]string]Failure) []answer {
	if s.Report == nil {
		return nil
	}
	signers := signersOf(s)
	var all []answer
	for _, r := range s.Report.Requirements {
		for _, on := range r.On {
			a := answer{Requirement: r.Name, Asked: r.Asked, Digest: on.Digest.String(), Platform: on.Platform,
				Verdict: verdictOfOutcome(on.Outcome), Cause: on.Cause, Evidence: on.Evidence.String()}
			if on.Outcome == verify.Passed {
				a.Signer = signers[a.Evidence]
			}
			key := [2]string{r.Name, a.Digest}
			if f, failed := failures[key]; failed {
				a.Verdict, a.Cause, a.Signer = verdictOf(f.Verdict), f.Cause, nil
				delete(failures, key)
			}
			all = append(all, a)
		}
	}
	return all
}

func fromVerified(s *Subject) []answer {
	var all []answer
	for i, v := range s.Verified {
		all = append(all, answer{Requirement: v.Requirement, Digest: v.On.String(), Platform: v.Platform,
			Verdict: Verified, Evidence: v.Evidence.String(), Signer: &s.Verified[i].Signer})
	}
	return all
}

// ensureVerdict adds the subject's own verdict where no answer carries it, so that no
// document shows a subject as better than it is.
func ensureVerdict(all []answer, s *Subject) []answer {
	verdict := verdictOf(s.Verdict)
	if verdict == Verified && len(all) > 0 {
		return all
	}
	for _, a := range all {
		if a.Verdict != Verified && verdict != Verified {
			return all
		}
	}
	return append(all, answer{Requirement: whole, Digest: s.Digest, Verdict: verdict, Cause: s.Error})
}

// signersOf finds who signed a piece of evidence, by its digest.
func signersOf(s *Subject) map[string]*verify.Signer {
	signers := make(map[string]*verify.Signer)
	for i, e := range s.Report.Evidence {
		if e.Signer != nil {
			signers[e.Digest.String()] = s.Report.Evidence[i].Signer
		}
	}
	for i, v := range s.Verified {
		signers[v.Evidence.String()] = &s.Verified[i].Signer
	}
	return signers
}

func verdictOfOutcome(o verify.Outcome) string {
	switch o {
	case verify.Passed:
		return Verified
	case verify.NotChecked:
		return Inconclusive
	}
	return Rejected
}

// verdictOf is a verdict that is one of the constants: what is not known is an error.
func verdictOf(s string) string {
	switch s {
	case Verified, Rejected, Missing, Inconclusive, NotCovered:
		return s
	case "no evidence": // as package verify says it
		return Missing
	}
	return Failed
}

// fails reports whether a verdict is one to do something about.
func fails(verdict string) bool { return verdict != Verified && verdict != NotCovered }

// title is a verdict in words, as a heading.
func title(verdict string) string {
	switch verdictOf(verdict) {
	case Verified:
		return "Verified"
	case Rejected:
		return "Rejected"
	case Missing:
		return "Evidence missing"
	case Inconclusive:
		return "Inconclusive"
	case NotCovered:
		return "Not covered by the policy"
	}
	return "Could not be judged"
}

// meaning is what a verdict means for who has to act on it.
func meaning(verdict string) string {
	switch verdictOf(verdict) {
	case Verified:
		return "Every requirement holds."
	case Rejected:
		return "Evidence of the kind asked for is there, and none of it is acceptable. Do not use it."
	case Missing:
		return "There is no evidence of the kind asked for. Do not use it."
	case Inconclusive:
		return "Nothing is decided: something could not be read, and it may hold the evidence."
	case NotCovered:
		return "No rule of the policy speaks about it, and the policy lets that pass. Nothing was verified."
	}
	return "What was asked could not be judged. Do not use it."
}

// order of verdicts in documents and in sums.
var order = []string{Rejected, Failed, Missing, Inconclusive, NotCovered, Verified}

// byConcern are the subjects with those first that need something done, otherwise in
// their order.
func byConcern(r *Result) []*Subject {
	sorted := make([]*Subject, 0, len(r.Subjects))
	for _, verdict := range order {
		for _, s := range r.Subjects {
			if s != nil && verdictOf(s.Verdict) == verdict {
				sorted = append(sorted, s)
			}
		}
	}
	return sorted
}

// sum is how many subjects have which verdict, in words.
func sum(subjects []*Subject) string {
	var parts []string
	for _, verdict := range order {
		n := 0
		for _, s := range subjects {
			if s != nil && verdictOf(s.Verdict) == verdict {
				n++
			}
		}
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, noun(verdict)))
		}
	}
	if len(parts) == 0 {
		return "no subject"
	}
	return strings.Join(parts, ", ")
}

func noun(verdict string) string {
	switch verdict {
	case Missing:
		return "without evidence"
	case Failed:
		return "not judged"
	}
	return verdict
}

// judgedAsOf is what every document says of a decision that is not about the present.
func judgedAsOf(r *Result) string {
	if r.At == nil {
		return ""
	}
	return "Judged as of " + when(*r.At) + ", not the present."
}
