package render

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/hallmark-project/hallmark/verify"
)

// csvHeader names the columns. New ones are added at the end.
var csvHeader = []string{
	"subject", "subject_digest", "subject_verdict", "requirement", "platform", "on", "verdict", "cause",
	"evidence", "signer", "signer_key", "signer_identity", "signer_issuer", "signed_at", "asked", "fix", "named",
	"policy", "policy_digest", "environment", "judged_at", "judged_as_of",
}

// CSV writes a table as RFC 4180 has it, with a header: a row for each subject,
// requirement and digest. No cell is a formula to a spreadsheet.
func CSV(w io.Writer, r *Result) error {
	return buffered(w, func(b *bufio.Writer) error {
		writeRow(b, csvHeader)
		tail := csvRun(r)
		for _, s := range r.Subjects {
			if s == nil {
				continue
			}
			for _, a := range answers(s) {
				writeRow(b, append(csvAnswer(s, a), tail...))
			}
		}
		return nil // an error sticks to b and comes out when it is flushed
	})
}

func csvRun(r *Result) []string {
	cells := []string{"", "", ""}
	if p := r.Policy; p != nil {
		cells = []string{p.Name, p.Digest, p.Environment}
	}
	return append(cells, stamp(r.JudgedAt), stamp(r.At))
}

func csvAnswer(s *Subject, a answer) []string {
	signer := verify.Signer{}
	name := ""
	if a.Signer != nil {
		signer, name = *a.Signer, a.Signer.Name()
	}
	signed := ""
	if t := signer.When(); !t.IsZero() {
		signed = stamp(&t)
	}
	return []string{
		s.Subject, s.Digest, verdictOf(s.Verdict), a.Requirement, a.Platform, a.Digest, a.Verdict, a.Cause,
		a.Evidence, name, signer.Key, signer.Identity, signer.Issuer, signed, a.Asked, s.Fix, strings.Join(s.Named, " "),
	}
}

func writeRow(b *bufio.Writer, cells []string) {
	for i, cell := range cells {
		if i > 0 {
			fmt.Fprint(b, ",")
		}
		fmt.Fprint(b, quoted(harmless(cell)))
	}
	fmt.Fprint(b, "\r\n")
}

// quoted is a cell in quotation marks if it needs them, or might to some reader.
func quoted(s string) string {
	if !strings.ContainsAny(s, "\",;'") && s == strings.TrimSpace(s) {
		return s
	}
	return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
}

// harmless is a cell that a spreadsheet takes for text: an apostrophe goes before what
// would start a formula, in the narrow and in the wide form of the sign.
func harmless(s string) string {
	first, _ := utf8.DecodeRuneInString(s)
	if strings.ContainsRune("=+-@\t\r\n＝＋－＠", first) && s != "" {
		return "'" + visible(s)
	}
	return visible(s)
}
