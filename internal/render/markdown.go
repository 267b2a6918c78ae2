package render

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/hallmark-project/hallmark/verify"
)

// Limits of what GitHub shows as the summary of a step: 1 MiB, or nothing at all.
const (
	mostMarkdown = 1000 << 10
	mostSection  = 200 << 10 // of one subject
	mostOverview = 300 << 10 // of the table of all subjects
)

// markdown collects a document.
type markdown struct{ bytes.Buffer }

func (m *markdown) line(format string, args ...any) { fmt.Fprintf(m, format+"\n", args...) }

// Markdown writes a summary that fits GITHUB_STEP_SUMMARY: the verdict first, then the
// subjects, those with failures before others. Everything that somebody else wrote is in
// code spans, where it is neither markup nor a link nor a mention. It has less than
// 1 MiB, and says what was left out for that.
func Markdown(w io.Writer, r *Result) error {
	var m markdown
	m.head(r)
	subjects := byConcern(r)
	if len(subjects) > 1 {
		m.overview(subjects)
	}
	m.sections(subjects)
	_, err := w.Write(m.Bytes())
	return err
}

func (m *markdown) head(r *Result) {
	m.line("# %s %s\n", mark(r.Verdict), title(r.Verdict))
	if at := judgedAsOf(r); at != "" {
		m.line("> **%s**\n", at)
	}
	m.line("%s\n", sentence(len(r.Subjects), sum(r.Subjects)))
	var facts []string
	if r.JudgedAt != nil {
		facts = append(facts, "judged "+when(*r.JudgedAt))
	}
	if p := r.Policy; p != nil {
		policy := strings.TrimSpace("policy " + code(p.Name) + " " + code(p.Digest))
		if p.Environment != "" {
			policy += " for " + code(p.Environment)
		}
		facts = append(facts, policy)
	}
	if r.Tool != "" {
		facts = append(facts, "by "+code(r.Tool))
	}
	if len(facts) > 0 {
		m.line("%s\n", strings.Join(facts, " · "))
	}
}

func sentence(n int, sum string) string {
	return count(n, "subject", "subjects") + ": " + sum + "."
}

// overview is a table of all subjects, or of as many as there is room for.
func (m *markdown) overview(subjects []*Subject) {
	m.line("| verdict | subject | to fix first |\n|---|---|---|")
	for i, s := range subjects {
		if m.Len() > mostOverview {
			m.line("\n*%s left out of this table: %s.*", count(len(subjects)-i, "subject", "subjects"), sum(subjects[i:]))
			break
		}
		m.line("| %s %s | %s | %s |", mark(s.Verdict), title(s.Verdict), code(s.Subject), code(s.Fix))
	}
	m.line("")
}

func (m *markdown) sections(subjects []*Subject) {
	for i, s := range subjects {
		var section markdown
		section.subject(s)
		if m.Len()+section.Len() > mostMarkdown {
			m.line("*Left out, because GitHub shows no summary of more than 1 MiB: details of %s (%s). The JSON document has them.*",
				count(len(subjects)-i, "subject", "subjects"), sum(subjects[i:]))
			return
		}
		m.Write(section.Bytes())
	}
}

// subject writes a section. Every part of it is bounded.
func (m *markdown) subject(s *Subject) {
	m.line("## %s %s %s\n", mark(s.Verdict), title(s.Verdict), code(s.Subject))
	m.line("%s\n", meaning(s.Verdict))
	if s.Digest != "" {
		m.line("- Digest: %s", code(s.Digest))
	}
	if len(s.Named) > 0 {
		m.line("- Named in: %s", codes(s.Named, 20))
	}
	if s.Evidence != "" {
		m.line("- Evidence from: %s", code(s.Evidence))
	}
	if s.Covers == "platforms" {
		m.line("- The index itself is not vouched for, only its platforms.")
	}
	if s.Fix != "" {
		m.line("- **To fix first:** %s", code(s.Fix))
	}
	if s.Error != "" {
		m.line("- Error: %s", code(s.Error))
	}
	m.line("")
	all := answers(s)
	m.matrix(matrixOf(all))
	m.failures(all)
	if s.Report != nil {
		m.evidence(s.Report)
		m.remarks(s.Report)
	}
}

func (m *markdown) matrix(t matrix) {
	m.line("| platform |%s\n|---|%s", cells(t.Columns, func(c column) string { return code(c.Name) }), strings.Repeat("---|", len(t.Columns)))
	for i, r := range t.Rows {
		if m.Len() > mostSection {
			m.line("\n*%s left out.*", count(len(t.Rows)-i, "row", "rows"))
			break
		}
		name := code(r.Platform)
		if name == "" {
			name = "subject itself"
		}
		m.line("| %s |%s", name, cells(r.Cells, func(c cell) string {
			if c.Verdict == "" {
				return "–"
			}
			return mark(c.Verdict) + " " + strings.ToLower(title(c.Verdict))
		}))
	}
	m.line("")
}

func cells[T any](all []T, text func(T) string) string {
	var b strings.Builder
	for _, c := range all {
		b.WriteString(" " + text(c) + " |")
	}
	return b.String()
}

func (m *markdown) failures(all []answer) {
	for _, a := range all {
		if !fails(a.Verdict) || a.Cause == "" && a.Requirement == whole {
			continue
		}
		if m.Len() > mostSection {
			m.line("- *More failures are left out.*")
			break
		}
		on := code(a.place())
		if a.Platform == "" {
			on = a.place()
		}
		m.line("- **%s:** %s on %s: %s", title(a.Verdict), code(a.Requirement), on, code(a.Cause))
	}
	m.line("")
}

func (m *markdown) evidence(r *verify.Report) {
	counting := 0
	for _, e := range r.Evidence {
		if e.Counts {
			counting++
		}
	}
	m.line("<details><summary>Evidence: %d, of which %d count</summary>\n", len(r.Evidence), counting)
	m.line("| counts | type | on | signer | evidence |\n|---|---|---|---|---|")
	for i, e := range r.Evidence {
		if m.Len() > mostSection {
			m.line("\n*%d left out.*", len(r.Evidence)-i)
			break
		}
		counts, signer := "no: "+code(e.Reason), "–"
		if e.Counts {
			counts = "yes"
		}
		if e.Signer != nil {
			signer = code(e.Signer.Name())
		}
		m.line("| %s | %s | %s | %s | %s |", counts, code(kind(e)), code(e.Platform), signer, code(shorten(e.Digest.String(), 26)))
	}
	m.line("\n</details>\n")
}

// kind is what a piece of evidence says that it is.
func kind(e verify.EvidenceReport) string {
	if e.ClaimedType == "" {
		return string(e.Form)
	}
	return e.ClaimedType
}

func (m *markdown) remarks(r *verify.Report) {
	for i, u := range r.Unread {
		if m.Len() > mostSection {
			m.line("- *%d more could not be read.*", len(r.Unread)-i)
			break
		}
		m.line("- Could not be read: %s: %s", code(u.What), code(u.Cause))
	}
	for i, text := range r.Warnings {
		if m.Len() > mostSection {
			m.line("- *%s more.*", count(len(r.Warnings)-i, "warning", "warnings"))
			break
		}
		m.line("- Warning: %s", code(text))
	}
	m.line("")
}

func mark(verdict string) string {
	switch verdictOf(verdict) {
	case Verified:
		return "✅"
	case Inconclusive:
		return "⚠️"
	case NotCovered:
		return "➖"
	}
	return "❌"
}

func codes(all []string, most int) string {
	var parts []string
	for i, s := range all {
		if i == most {
			parts = append(parts, fmt.Sprintf("and %d more", len(all)-i))
			break
		}
		parts = append(parts, code(s))
	}
	return strings.Join(parts, ", ")
}

// code is text as a code span, in which nothing is markup, a link or a mention. A pipe is
// spelled out, because a table would see it in a span, too.
func code(s string) string {
	if s == "" {
		return ""
	}
	s = strings.ReplaceAll(visible(s), "|", `\x7c`)
	fence := strings.Repeat("`", longestRun(s, '`')+1)
	if s[0] == '`' || s[len(s)-1] == '`' || strings.HasPrefix(s, " ") {
		s = " " + s + " "
	}
	return fence + s + fence
}

func longestRun(s string, of byte) int {
	longest, run := 0, 0
	for i := range len(s) {
		run++
		if s[i] != of {
			run = 0
		}
		longest = max(longest, run)
	}
	return longest
}
