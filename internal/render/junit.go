package render

import (
	"bufio"
	"encoding/xml"
	"fmt"
	"io"
)

// JUnit writes the XML that Jenkins and GitLab read as a test report: a suite for each
// subject, a case for each requirement and digest. What is rejected or missing is a
// failure, what could not be found out an error, and what no rule speaks about skipped.
func JUnit(w io.Writer, r *Result) error {
	return buffered(w, func(b *bufio.Writer) error {
		var total tally
		for _, s := range r.Subjects {
			if s != nil {
				total.add(answers(s))
			}
		}
		fmt.Fprint(b, xml.Header)
		element(b, "<testsuites", append([]string{"name", "hallmark verify"}, total.attributes()...)...)
		for _, s := range r.Subjects {
			if s != nil {
				writeSuite(b, r, s)
			}
		}
		fmt.Fprint(b, "</testsuites>\n")
		return nil // an error sticks to b and comes out when it is flushed
	})
}

// tally is what a suite says of its cases.
type tally struct{ tests, failures, errors, skipped int }

func (t *tally) add(all []answer) {
	for _, a := range all {
		t.tests++
		switch outcomeElement(a.Verdict) {
		case "failure":
			t.failures++
		case "error":
			t.errors++
		case "skipped":
			t.skipped++
		}
	}
}

func (t tally) attributes() []string {
	return []string{"tests", fmt.Sprint(t.tests), "failures", fmt.Sprint(t.failures),
		"errors", fmt.Sprint(t.errors), "skipped", fmt.Sprint(t.skipped), "time", "0"}
}

// outcomeElement is the element that tells a case's outcome, empty if it passed.
func outcomeElement(verdict string) string {
	switch verdict {
	case Verified:
		return ""
	case Rejected, Missing:
		return "failure"
	case NotCovered:
		return "skipped"
	}
	return "error"
}

func writeSuite(b *bufio.Writer, r *Result, s *Subject) {
	all := answers(s)
	var t tally
	t.add(all)
	attributes := append([]string{"name", s.Subject}, t.attributes()...)
	if r.JudgedAt != nil {
		attributes = append(attributes, "timestamp", r.JudgedAt.UTC().Format("2006-01-02T15:04:05"))
	}
	element(b, "  <testsuite", attributes...)
	writeProperties(b, r, s)
	for _, a := range all {
		writeCase(b, s, a)
	}
	fmt.Fprint(b, "  </testsuite>\n")
}

func writeProperties(b *bufio.Writer, r *Result, s *Subject) {
	fmt.Fprint(b, "    <properties>\n")
	property := func(name, value string) {
		if value != "" {
			empty(b, "      <property", "name", name, "value", value)
		}
	}
	property("verdict", verdictOf(s.Verdict))
	property("digest", s.Digest)
	property("covers", s.Covers)
	property("fix", s.Fix)
	for _, named := range s.Named {
		property("named", named)
	}
	if r.Policy != nil {
		property("policy", r.Policy.Name)
		property("policyDigest", r.Policy.Digest)
		property("environment", r.Policy.Environment)
	}
	property("judgedAsOf", stamp(r.At))
	fmt.Fprint(b, "    </properties>\n")
}

func writeCase(b *bufio.Writer, s *Subject, a answer) {
	name := a.Requirement + " on " + a.place()
	attributes := []string{"name", name, "classname", s.Subject, "time", "0"}
	outcome := outcomeElement(a.Verdict)
	if outcome == "" {
		empty(b, "    <testcase", attributes...)
		return
	}
	element(b, "    <testcase", attributes...)
	message := title(a.Verdict)
	if a.Cause != "" {
		message += ": " + a.Cause
	}
	if outcome == "skipped" {
		empty(b, "      <skipped", "message", message)
	} else {
		writeOutcome(b, outcome, message, s, a)
	}
	fmt.Fprint(b, "    </testcase>\n")
}

// writeOutcome repeats the message in the text, because Jenkins shows the one and GitLab
// the other.
func writeOutcome(b *bufio.Writer, outcome, message string, s *Subject, a answer) {
	fmt.Fprintf(b, "      <%s", outcome)
	attribute(b, "type", a.Verdict)
	attribute(b, "message", message)
	fmt.Fprint(b, ">")
	escape(b, message)
	lines := []string{"subject: " + s.Subject, "on: " + a.Digest}
	if s.Fix != "" {
		lines = append(lines, "to fix first: "+s.Fix)
	}
	for _, line := range lines {
		fmt.Fprint(b, "\n")
		escape(b, line)
	}
	fmt.Fprintf(b, "</%s>\n", outcome)
}

func element(b *bufio.Writer, open string, attributes ...string) {
	fmt.Fprint(b, open)
	for i := 0; i+1 < len(attributes); i += 2 {
		attribute(b, attributes[i], attributes[i+1])
	}
	fmt.Fprint(b, ">\n")
}

func empty(b *bufio.Writer, open string, attributes ...string) {
	fmt.Fprint(b, open)
	for i := 0; i+1 < len(attributes); i += 2 {
		attribute(b, attributes[i], attributes[i+1])
	}
	fmt.Fprint(b, "/>\n")
}

func attribute(b *bufio.Writer, name, value string) {
	fmt.Fprintf(b, ` %s="`, name)
	escape(b, value)
	fmt.Fprint(b, `"`)
}

// escape writes text that XML can hold: what it cannot is visible already.
func escape(b *bufio.Writer, s string) {
	_ = xml.EscapeText(b, []byte(visible(s))) // an error sticks to b
}
