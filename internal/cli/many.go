package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/hallmark-project/hallmark/internal/render"
	"github.com/hallmark-project/hallmark/verify"
)

// manyFlags are about verifying many subjects in one run.
type manyFlags struct {
	list     string
	parallel int
	resume   bool
	flags    *pflag.FlagSet // all of the command
}

func (m *manyFlags) add(cmd *cobra.Command) {
	m.flags = cmd.Flags()
	m.flags.StringVar(&m.list, "list", "", "`file` with an image on each line to verify, '-' for standard input")
	m.flags.IntVar(&m.parallel, "parallel", defaultParallel, "how `many` images are verified at once")
	m.flags.BoolVar(&m.resume, "resume", false, "with -o jsonl=FILE: verify what FILE does not answer yet, and add it there")
}

// check refuses what contradicts itself.
func (m *manyFlags) check(o *verifyOptions) error {
	const most = 256
	file, _ := o.output.lines()
	switch {
	case m.parallel < 1 || m.parallel > most:
		return usagef("--parallel %d: want 1 to %d", m.parallel, most)
	case m.list == "-" && slices.Contains(append(slices.Clone(o.named.files), o.bundles...), "-"):
		return usagef("standard input can be one thing: the list, or what -f or --bundle names")
	case !m.resume:
		return nil
	case file == "":
		return usagef("--resume goes on with a file of lines: give -o jsonl=FILE")
	case o.verdict.on || o.named.pin:
		return usagef("--resume: nothing is signed or pinned because a file says that it was verified: leave --verdict and --pin out, or verify all of it")
	case len(o.output.whole().list) > 0:
		return usagef("--resume: the other forms tell the whole of a run, which is not at hand for what was verified before: leave them out")
	}
	return nil
}

// asked is what a command line asks about.
type asked struct {
	subjects []string
	named    named
	from     int // where the subjects begin that files name
}

func (a *App) asked(subjects []string, o *verifyOptions) (asked, error) {
	out := asked{subjects: slices.Clone(subjects)}
	if o.many.list != "" {
		list, err := a.readList(o.many.list, "a reference")
		if err != nil {
			return out, err
		}
		for _, l := range list {
			out.subjects = append(out.subjects, l.words[0])
		}
	}
	var err error
	out.named, err = a.namedIn(o.named, o.platforms)
	out.from = len(out.subjects)
	out.subjects = append(out.subjects, out.named.references()...)
	return out, err
}

// places are where files name a subject.
func (q asked) places(i int) []string {
	if i < q.from {
		return nil
	}
	return q.named.images[i-q.from].places
}

// many is a run that tells what it finds as it goes.
type many struct {
	*bench
	asked
	keep     bool    // a form wants all judgements at the end
	lines    bool    // JSON lines are wanted
	question string  // that they answer
	ledger   *ledger // where they go; nil is standard output
	todo     []int   // subjects that no earlier run answered
	resumed  int     // how many one did

	waiting *room // of lines

	judged []*judgement
	counts map[string]int // by verdict
	worst  error
}

// maxWaiting is how many bytes of lines may wait for one that takes longer.
const maxWaiting = 64 << 20

// finished is what is left of a judgement once it is known.
type finished struct {
	line     []byte // as JSON
	err      error  // why there is no line
	text     string
	warnings []string
	verdict  string
	outcome  error
	whole    *judgement // if it is kept
}

// runMany verifies what is asked about, and tells of each subject as soon as it and all
// before it are done.
func (b *bench) runMany(ctx context.Context, q asked) (err error) {
	m := &many{bench: b, asked: q, keep: b.o.verdict.on || b.o.named.pin || len(b.o.output.whole().list) > 0, counts: map[string]int{}, waiting: newRoom(maxWaiting)}
	if err := m.begin(); err != nil {
		return err
	}
	side := *m
	side.bench = b.sideBySide()
	step, end := b.app.countBar("Verifying", len(m.subjects), m.resumed)
	err = inOrder(len(m.todo), b.parallel(), m.waiting, func(n int) finished { return side.one(ctx, m.todo[n]) },
		func(n int, f finished) error {
			if err := interrupted(ctx); err != nil {
				return err
			}
			step()
			return m.tell(m.todo[n], f)
		})
	end()
	return m.end(ctx, err)
}

// begin opens the file of lines, and finds out what is left to do.
func (m *many) begin() (err error) {
	var before earlier
	var file string
	if file, m.lines = m.o.output.lines(); m.lines {
		if m.question, err = m.bench.question(); err != nil {
			return err
		}
	}
	switch {
	case file == "":
	case m.o.many.resume:
		m.ledger, before, err = resumeLedger(file, m.question, m.subjects)
	default:
		m.ledger, err = createLedger(file, len(m.subjects))
	}
	if err != nil {
		return err
	}
	for i := range m.subjects {
		h, there := before[i]
		if !there {
			m.todo = append(m.todo, i)
			continue
		}
		m.count(h.Verdict, verdictOf(h))
	}
	m.resumed = len(m.subjects) - len(m.todo)
	if !m.at.IsZero() && m.o.output.onStdout() == formatText {
		_, err = fmt.Fprintf(m.results(), "Judged as of %s, not of the present.\n", m.at.UTC().Format(time.RFC3339))
	}
	return err
}

func (m *many) count(verdict string, err error) {
	m.counts[verdict]++
	m.worst = graver(m.worst, err)
}

// one judges a subject, and lets go of what is not wanted any more.
func (m *many) one(ctx context.Context, i int) finished {
	v := m.judgeSafely(ctx, m.subjects[i])
	v.Named = m.places(i)
	f := finished{verdict: v.Verdict, outcome: v.err, text: m.text(v)}
	if v.Report != nil && v.err == nil {
		f.warnings = v.Report.Warnings
	}
	if m.lines {
		line := render.Line{SchemaVersion: render.LineVersion, Tool: "hallmark/" + Version(), Position: i + 1, Question: m.question,
			JudgedAt: m.now, ExitCode: classifyOK(v.err), Subject: v.Subject}
		if !m.at.IsZero() {
			line.At = &m.at
		}
		f.line, f.err = line.Bytes()
	}
	m.waiting.take(len(f.line) + len(f.text))
	if m.keep {
		f.whole = v
	}
	return f
}

// tell tells what became of a subject.
func (m *many) tell(i int, f finished) error {
	m.waiting.give(len(f.line) + len(f.text))
	if f.err != nil {
		return f.err
	}
	m.count(f.verdict, f.outcome)
	if m.keep {
		m.judged = append(m.judged, f.whole)
	}
	if m.ledger != nil {
		if err := m.ledger.add(i, f.line); err != nil {
			return err
		}
	}
	out := []byte(f.text)
	if shown := m.o.output.onStdout(); shown == formatLines {
		out = f.line
	} else if shown != formatText {
		return nil
	}
	if _, err := m.results().Write(out); err != nil {
		return fmt.Errorf("printing the result: %w", err)
	}
	if m.keep { // told at the end
		return nil
	}
	for _, w := range f.warnings {
		m.app.message("Warning: %s: %s", m.subjects[i], w)
	}
	return nil
}

// results is where results go.
func (m *many) results() io.Writer { return m.app.resultsBeside(m.o.named).Out }

// end ends the file of lines, and tells what the whole comes to.
func (m *many) end(ctx context.Context, err error) error {
	if m.ledger != nil {
		err = errors.Join(err, m.ledger.close())
	}
	if err != nil {
		m.whatIsKept()
		return err
	}
	if m.counts[render.NotCovered] == len(m.subjects) {
		m.worst = fmt.Errorf("%w: %w, and nothing else was verified", verify.ErrMissing, errUncovered)
	}
	if m.o.output.onStdout() == formatText {
		if _, err := fmt.Fprintln(m.results(), m.summary()); err != nil {
			return fmt.Errorf("printing the result: %w", err)
		}
	}
	if !m.keep {
		if m.worst != nil {
			return shownError{m.worst}
		}
		return nil
	}
	result := m.blank()
	conclude(result, m.judged)
	return m.finish(ctx, m.asked, result, m.judged)
}

// whatIsKept tells how to go on after a run that ended early.
func (m *many) whatIsKept() {
	if m.ledger == nil || !m.ledger.regular {
		return
	}
	done := 0
	for i := range m.subjects {
		if m.ledger.has(i) {
			done++
		}
	}
	m.app.message("%s holds %d of %d: the same command with --resume goes on.", m.ledger.name, done, len(m.subjects))
}
