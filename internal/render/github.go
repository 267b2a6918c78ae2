package render

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// mostAnnotations is how many lines the form for GitHub has: a step shows ten errors and
// ten warnings, and the summary has the rest.
const mostAnnotations = 20

// GitHub writes workflow commands that annotate a job of GitHub Actions: an error for
// each failure and for each subject that could not be judged, a warning for what a
// verified subject could not show. Where everything is verified without a warning, it
// writes nothing
// (https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands).
func GitHub(w io.Writer, r *Result) error {
	return buffered(w, func(b *bufio.Writer) error {
		if at := judgedAsOf(r); at != "" {
			fmt.Fprintln(b, annotation("notice", "As of", at))
		}
		left := mostAnnotations
		for _, s := range byConcern(r) {
			for _, line := range annotations(s) {
				if left--; left < 0 {
					return nil
				}
				fmt.Fprintln(b, line)
			}
		}
		return nil // an error sticks to b and comes out when it is flushed
	})
}

func annotations(s *Subject) []string {
	var out []string
	if s.Verdict == Verified {
		if s.Report != nil {
			for _, warning := range s.Report.Warnings {
				out = append(out, annotation("warning", s.Subject, warning))
			}
		}
		return out
	}
	for _, a := range answers(s) {
		if !fails(a.Verdict) || a.Cause == "" && a.Requirement == whole {
			continue
		}
		out = append(out, annotation("error", title(a.Verdict)+": "+s.Subject, a.Requirement+" on "+a.place()+": "+a.Cause))
	}
	if len(out) == 0 && s.Verdict == NotCovered {
		return []string{annotation("notice", s.Subject, title(s.Verdict))}
	}
	if len(out) == 0 {
		out = []string{annotation("error", title(s.Verdict)+": "+s.Subject, s.Error)}
	}
	return out
}

// annotation is one workflow command. What somebody else wrote can neither end it nor
// give it another property.
func annotation(kind, title, text string) string {
	return "::" + kind + " title=" + escapeProperty.Replace(visible(title)) + "::" + escapeData.Replace(visible(text))
}

// What the runner takes for a command's own syntax, in a property and behind it.
var (
	escapeData     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	escapeProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)
