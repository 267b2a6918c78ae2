package cli

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"github.com/hallmark-project/hallmark/internal/render"
)

// text tells people about one of many: a line, or with --details everything.
func (m *many) text(v *judgement) string {
	if m.o.details {
		var b bytes.Buffer
		writeVerdict(&b, v, true)
		return b.String()
	}
	return oneLine(strings.ToUpper(v.Verdict)+" "+atDigest(v)+why(v)) + "\n"
}

// atDigest is the subject with the digest that was judged.
func atDigest(v *judgement) string {
	if v.Digest == "" || strings.Contains(v.Subject.Subject, v.Digest) {
		return v.Subject.Subject
	}
	return v.Subject.Subject + "@" + v.Digest
}

// why is the first cause of a verdict that is not "verified".
func why(v *judgement) string {
	switch {
	case len(v.Failures) > 0:
		f := v.Failures[0]
		text := ": " + f.Type + ": " + f.Cause
		if f.Platform != "" {
			text = ": " + f.Platform + text
		}
		if more := len(v.Failures) - 1; more > 0 {
			text += fmt.Sprintf(" (and %d more)", more)
		}
		return text
	case v.Error != "":
		return ": " + v.Error
	case v.Covers == coversPlatforms:
		return " (its platforms; the index itself is not vouched for)"
	}
	return ""
}

func oneLine(text string) string { return printable(strings.ReplaceAll(text, "\n", " ")) }

// summary is how many there are of each verdict.
func (m *many) summary() string {
	var parts []string
	for _, verdict := range []string{render.Verified, render.Rejected, render.Missing, render.Inconclusive, render.NotCovered, render.Failed} {
		if n := m.counts[verdict]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, verdict))
		}
	}
	text := fmt.Sprintf("%d in all: %s.", len(m.subjects), strings.Join(parts, ", "))
	if m.resumed > 0 {
		text += fmt.Sprintf(" %d of them were judged before, and %s says how.", m.resumed, m.ledger.name)
	}
	return text
}

// countBar shows how many of so many are done, on a terminal that the results do not go to:
// there they show it themselves.
func (a *App) countBar(label string, total, done int) (step, end func()) {
	if out, ok := a.Out.(*os.File); a.quiet || !a.Terminal || a.logFormat == logJSON || ok && isTerminal(out) {
		return func() {}, func() {}
	}
	bar := a.bars.take(a.Err).New(int64(total), barStyle(), mpb.BarRemoveOnComplete(), mpb.PrependDecorators(decor.Name(label+" ")),
		mpb.AppendDecorators(decor.CountersNoUnit("%d / %d"), decor.Elapsed(decor.ET_STYLE_GO, decor.WC{W: 6})))
	bar.SetCurrent(int64(done))
	return bar.Increment, func() { bar.Abort(true); a.bars.leave() }
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }
