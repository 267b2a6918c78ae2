package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/hallmark-project/hallmark/internal/render"
	"github.com/hallmark-project/hallmark/verify"
)

// verdictsText answers yes or no first and says what to fix, then shows the rest.
func verdictsText(judged []*judgement, r *render.Result, details bool) []byte {
	var text bytes.Buffer
	if r.At != nil {
		fmt.Fprintf(&text, "Judged as of %s, not of the present.\n", r.At.UTC().Format(time.RFC3339))
	}
	for _, v := range judged {
		writeVerdict(&text, v, details)
	}
	return text.Bytes()
}

func writeVerdict(out io.Writer, v *judgement, details bool) {
	fmt.Fprintf(out, "%s %s\n", strings.ToUpper(v.Verdict), v.Subject.Subject)
	if len(v.Failures) > 1 {
		fmt.Fprintf(out, "  to fix first, of %d: %s\n", len(v.Failures), v.Fix)
	}
	for _, f := range v.Failures {
		fmt.Fprintf(out, "  %s: %s %s: %s\n", f.Verdict, f.Type, place(f.Platform, f.On), f.Cause)
	}
	for _, named := range v.Named {
		fmt.Fprintf(out, "  named in %s\n", named)
	}
	if v.Digest != "" && !strings.Contains(v.Subject.Subject, v.Digest) {
		fmt.Fprintf(out, "  digest %s\n", v.Digest)
	}
	if v.Evidence != "" {
		fmt.Fprintf(out, "  evidence from %s\n", v.Evidence)
	}
	if v.Covers == coversPlatforms {
		fmt.Fprintf(out, "  the index itself is not vouched for, only these platforms\n")
	}
	for _, row := range v.Verified {
		when := ""
		if t := row.Signer.When(); !t.IsZero() {
			when = " at " + t.UTC().Format(time.RFC3339)
		}
		fmt.Fprintf(out, "  %-14s %s by %s%s\n", row.Requirement, place(row.Platform, row.On.String()), row.Signer.Name(), when)
	}
	if v.err != nil {
		if v.Error != "" {
			fmt.Fprintf(out, "  %s\n", v.Error)
		}
		if remedy := verdictRemedy(v.err); remedy != "" {
			fmt.Fprintf(out, "  %s\n", remedy)
		}
	}
	if details && v.Report != nil {
		printFacts(out, v.Report)
	}
}

// verdictRemedy is what to do about a verdict.
func verdictRemedy(err error) string {
	var failed *verify.Error
	if !errors.As(err, &failed) {
		return classify(err).remedy
	}
	switch {
	case errors.Is(err, verify.ErrRejected):
		return "Do not use it. If you expected another signer, check --key, the identity or the policy; --details shows every check."
	case errors.Is(err, verify.ErrMissing):
		return "Do not use it, or ask its maker for this evidence. 'hallmark tree' shows what is attached."
	}
	return "Nothing is decided: what could not be read may hold the evidence. Try again once the cause is gone."
}

func place(platform, digest string) string {
	if platform == "" {
		return "on " + digest
	}
	return "on " + platform + " " + digest
}

func printFacts(out io.Writer, r *verify.Report) {
	for _, q := range r.Requirements {
		fmt.Fprintf(out, "  requirement %s: %s\n", q.Name, q.Asked)
		for _, on := range q.On {
			fmt.Fprintf(out, "    %s %s\n", on.Outcome, place(on.Platform, on.Digest.String()))
			for _, c := range on.Checks {
				about := ""
				if c.Evidence != "" {
					about = " [" + c.Evidence.String() + "]"
				}
				fmt.Fprintf(out, "      %s%s\n", factLine(c.Fact), about)
			}
		}
	}
	for _, e := range r.Evidence {
		fmt.Fprintf(out, "  evidence %s (%s, %s)\n", e.Digest, e.Form, e.Source)
		if e.ClaimedType != "" {
			fmt.Fprintf(out, "    says it is %s\n", e.ClaimedType)
		}
		if !e.Counts {
			fmt.Fprintf(out, "    does not count: %s\n", e.Reason)
		}
		for _, f := range e.Facts {
			fmt.Fprintf(out, "    %s\n", factLine(f))
		}
	}
	for _, u := range r.Unread {
		fmt.Fprintf(out, "  unread: %s on %s: %s\n", u.What, u.On, u.Cause)
	}
}

func factLine(f verify.Fact) string {
	line := string(f.Outcome) + ": " + f.Check
	if f.Against != "" {
		line += " (" + f.Against + ")"
	}
	if f.Cause != "" {
		line += ": " + f.Cause
	}
	return line
}
