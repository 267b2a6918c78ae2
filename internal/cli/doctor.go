package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/trust"
)

type doctorOptions struct {
	readOnly bool
	output   outputFlag
}

// errUnwell is about a registry with which some command cannot work.
var errUnwell = errors.New("not everything works with this registry")

func (a *App) doctorCommand() *cobra.Command {
	var o doctorOptions
	cmd := &cobra.Command{
		Use: "doctor REGISTRY/REPOSITORY", Short: "Find out what a registry can do, and which commands work with it", Args: wants(cobra.ExactArgs(1)),
		Long: `Find out what a registry can do with a repository: whether you may read and write, how
blobs go up, how evidence is listed, whether it can be removed, which limits and clock the
registry has, and whether your trust material is fresh. Then say for every command whether
it works, and what helps where it does not.

A small image and two pieces of evidence are put under a tag that begins with
hallmark-doctor-, and removed again; what the registry does not let be removed is named.
With --read-only nothing is put there.

Exit code 3 means that a command does not work with this registry, 5 that something could
not be found out.`,
		Example: "  hallmark doctor registry.example.com/team/app",
		RunE:    func(cmd *cobra.Command, args []string) error { return a.runDoctor(cmd.Context(), args[0], o) },
	}
	cmd.Flags().BoolVar(&o.readOnly, "read-only", false, "write nothing: leaves open what only writing shows")
	o.output.add(cmd)
	return cmd
}

type doctorResult struct {
	SchemaVersion string        `json:"schemaVersion"`
	Place         string        `json:"place"`
	ExitCode      int           `json:"exitCode"`
	Findings      []oci.Finding `json:"findings"`
	Trust         oci.Finding   `json:"trustMaterial"`
	Commands      []commandRow  `json:"commands"`
	Left          []string      `json:"leftBehind,omitempty"`
}

// commandRow is how a command fares with a registry.
type commandRow struct {
	Command string `json:"command"`
	Verdict string `json:"verdict"` // works, works but, fails, unknown
	Cause   string `json:"cause,omitempty"`
	Remedy  string `json:"remedy,omitempty"`
}

// Verdicts of [commandRow].
const (
	doctorWorks   = "works"
	doctorBut     = "works, but"
	doctorFails   = "fails"
	doctorUnknown = "unknown"
)

func (a *App) runDoctor(ctx context.Context, text string, o doctorOptions) error {
	asJSON, err := o.output.json()
	if err != nil {
		return err
	}
	ref, err := oci.ParseReference(text)
	if err != nil {
		return err
	}
	if ref.Digest != "" || ref.Scheme == oci.SchemeRegistry && !ref.Implied {
		return usagef("%s: name a repository, without tag and digest", text)
	}
	s, err := a.session()
	if err != nil {
		return err
	}
	p := a.progress("Asking " + text)
	probe, err := s.client.Probe(ctx, ref, !o.readOnly)
	p.end()
	if err != nil {
		for _, left := range leftBehind(probe) {
			a.message("%s", left)
		}
		return err
	}
	result := &doctorResult{SchemaVersion: "hallmark.doctor/v1", Place: probe.Place, Findings: probe.Findings, Trust: a.trustFinding(), Left: probe.Left}
	result.Commands = commandsOn(probe, result.Trust)
	err = result.verdict(o.readOnly)
	result.ExitCode = classifyOK(err)
	if asJSON {
		return errors.Join(a.printJSON(result), shown(err))
	}
	var out bytes.Buffer
	result.print(&out)
	if _, writeErr := out.WriteTo(a.Out); writeErr != nil {
		return writeErr
	}
	return shown(err)
}

// shown marks an error as told; nil stays nil.
func shown(err error) error {
	if err == nil {
		return nil
	}
	return shownError{err}
}

// trustFinding says whether the trust material that is set up is fresh. Nothing is
// fetched.
func (a *App) trustFinding() oci.Finding {
	const name = "trust material"
	folder, err := a.trustFolder()
	if err != nil {
		return oci.Finding{Name: name, Answer: oci.Unknown, Detail: printableLines(err.Error())}
	}
	if file, ok := a.Env(envTrustedRoot); ok && file != "" {
		return oci.Finding{Name: name, Answer: oci.Yes, Detail: "HALLMARK_TRUSTED_ROOT names " + printable(file)}
	}
	m, err := folder.Load()
	if errors.Is(err, trust.ErrUninitialized) {
		return oci.Finding{Name: name, Answer: oci.No, Detail: "none is set up: keyless signatures are judged by what can be fetched, or by the snapshot in this program"}
	}
	if err != nil {
		return oci.Finding{Name: name, Answer: oci.No, Detail: printableLines(err.Error())}
	}
	age := a.Now().Sub(m.Fetched)
	detail := fmt.Sprintf("%s, fetched %s ago", printable(m.Origin), days(age))
	if age > freshTrust {
		return oci.Finding{Name: name, Answer: oci.No, Detail: detail}
	}
	return oci.Finding{Name: name, Answer: oci.Yes, Detail: detail}
}

// freshTrust is how old trust material may be before it is worth a word.
const freshTrust = 7 * 24 * time.Hour

// verdict is an error where a command does not work or was not found out about; what only
// writing shows need not be, where nothing was to be written.
func (r *doctorResult) verdict(readOnly bool) error {
	var err error
	for _, row := range r.Commands {
		switch row.Verdict {
		case doctorFails:
			return errUnwell
		case doctorUnknown:
			if !readOnly || !strings.HasPrefix(row.Cause, oci.ProbePush) {
				err = errUnknownHealth
			}
		}
	}
	return err
}

var errUnknownHealth = errors.New("not everything could be found out about this registry")

// ailment is a finding that a command suffers from.
type ailment struct {
	name   string
	answer oci.Answer
	fatal  bool
	remedy string
}

// What commands suffer from. The first that applies is named.
var (
	cannotRead    = ailment{oci.ProbePull, oci.No, true, "Log in with the tool of your registry, or ask for the right to pull."}
	readUnknown   = ailment{oci.ProbePull, oci.Unknown, false, "Try again later."}
	putUnknown    = ailment{oci.ProbeSubject, oci.Unknown, false, "Try again later."}
	listUnknown   = ailment{oci.ProbeFallback, oci.Unknown, false, "Try again later."}
	cannotWrite   = ailment{oci.ProbePush, oci.No, true, "Log in with the tool of your registry, or ask for the right to push."}
	writeUnknown  = ailment{oci.ProbePush, oci.Unknown, false, "Run 'hallmark doctor' without --read-only, as somebody who may push."}
	listsBroken   = ailment{oci.ProbePages, oci.No, true, "Evidence cannot be listed to its end here: keep it in another registry with --evidence-repository, and tell the registry's maker."}
	offClock      = ailment{oci.ProbeClock, oci.No, false, "Set the clock of this machine, or of the registry: tokens, trusted times and --max-age rest on it."}
	limited       = ailment{oci.ProbeLimits, oci.Yes, false, "Requests are held back when the registry asks for it; --timeout and --retries say how long."}
	badLabels     = ailment{oci.ProbeLabels, oci.No, false, "Lists say wrongly what evidence is, so that more of it is read than was asked for. Verdicts do not rest on labels."}
	wholeAgain    = ailment{oci.ProbeRange, oci.No, false, "A download that breaks off begins anew."}
	noChunks      = ailment{oci.ProbeChunked, oci.No, false, "A large upload that breaks off begins anew."}
	noMount       = ailment{oci.ProbeMount, oci.No, false, "Copies within this registry move all content."}
	noDelete      = ailment{oci.ProbeDelete, oci.No, true, "Ask whoever runs the registry to allow deleting, or use its own clean-up."}
	deleteUnknown = ailment{oci.ProbeDelete, oci.Unknown, false, "Try again later."}
	stale         = ailment{"trust material", oci.No, false, "'hallmark trust init' or 'hallmark trust update' fetches it. With --key none is needed."}
)

// noAPI is about registries that do not list evidence themselves.
var noAPI = ailment{oci.ProbeReferrers, oci.No, false, "Lists are kept under a tag: attaching waits some seconds, so that no other writer's entry is lost, and other tools may lose entries."}

// commandsOn says of every command how it fares.
func commandsOn(p *oci.Probe, trusted oci.Finding) []commandRow {
	nowhere := ailment{oci.ProbeFallback, oci.No, true, "Evidence cannot be listed here at all: keep it in another registry with --evidence-repository."}
	table := []struct {
		command string
		suffers []ailment
	}{
		{"tree, show", []ailment{cannotRead, readUnknown, listsBroken, nowhere, badLabels, limited}},
		{"verify, report", []ailment{cannotRead, readUnknown, listsBroken, nowhere, offClock, stale, badLabels, wholeAgain, limited}},
		{"sign, attest, release", []ailment{cannotRead, cannotWrite, listsBroken, nowhere, writeUnknown, putUnknown, listUnknown, noAPI, noChunks, limited}},
		{"copy from here", []ailment{cannotRead, readUnknown, listsBroken, nowhere, wholeAgain, limited}},
		{"copy to here", []ailment{cannotWrite, listsBroken, nowhere, writeUnknown, putUnknown, listUnknown, noAPI, noMount, noChunks, limited}},
		{"prune", []ailment{cannotRead, cannotWrite, listsBroken, nowhere, noDelete, writeUnknown, deleteUnknown, offClock}},
	}
	var rows []commandRow
	for _, entry := range table {
		row := commandRow{Command: entry.command, Verdict: doctorWorks}
		for _, s := range entry.suffers {
			finding := p.Finding(s.name)
			if s.name == trusted.Name {
				finding = trusted
			}
			// Only of the right to write does it matter that nobody asked.
			if finding.Answer != s.answer || finding.Name == "" && s != writeUnknown {
				continue
			}
			row.Verdict, row.Cause, row.Remedy = doctorBut, s.name+": "+firstOf(finding.Detail, "not tried"), s.remedy
			switch {
			case s.fatal:
				row.Verdict = doctorFails
			case s.answer == oci.Unknown:
				row.Verdict = doctorUnknown
			}
			break
		}
		rows = append(rows, row)
	}
	return rows
}

func (r *doctorResult) print(w io.Writer) {
	fmt.Fprintln(w, r.Place)
	for _, f := range append(r.Findings, r.Trust) {
		fmt.Fprintf(w, "  %-18s %-8s %s\n", f.Name, f.Answer, f.Detail)
	}
	fmt.Fprintln(w, "Commands:")
	for _, row := range r.Commands {
		fmt.Fprintf(w, "  %-22s %s\n", row.Command, strings.TrimSpace(row.Verdict+" "+row.Cause))
		if row.Remedy != "" {
			fmt.Fprintf(w, "  %-22s %s\n", "", row.Remedy)
		}
	}
	for _, left := range r.Left {
		fmt.Fprintln(w, leftText+left)
	}
}

const leftText = "Left behind, because the registry does not let it be removed: "

// leftBehind says what a probe could not remove, if there was one.
func leftBehind(p *oci.Probe) (out []string) {
	if p == nil {
		return nil
	}
	for _, left := range p.Left {
		out = append(out, leftText+left)
	}
	return out
}
