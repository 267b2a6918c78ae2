package cli

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/hallmark-project/hallmark/internal/render"
	"github.com/hallmark-project/hallmark/verify"
)

// earlier are the outcomes that a file of lines brings along, by position from 0.
type earlier map[int]render.LineHead

// resumeLedger opens a file that an earlier run wrote, or begins one. Every line of it must
// be an answer to the same question about the same subject at the same position: a verdict by
// another policy is none by this one. What was not decided is taken out, to be judged again,
// and so is a line that was cut off, and what stands there twice.
func resumeLedger(name, question string, subjects []string) (*ledger, earlier, error) {
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		l, err := createLedger(name, len(subjects))
		return l, nil, err
	case err == nil && !info.Mode().IsRegular():
		return nil, nil, usagef("--resume: %s is no regular file, so that nothing can be read from it again", name)
	case err != nil:
		return nil, nil, fileError(err)
	}
	lock, err := lockLedger(name)
	if err != nil {
		return nil, nil, err
	}
	file, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return nil, nil, errors.Join(fileError(err), lock.Close())
	}
	l := &ledger{name: name, file: file, lock: lock, regular: true, lines: make([]span, len(subjects)), last: -1}
	r := reading{ledger: l, question: question, subjects: subjects, heads: earlier{}, twice: map[int]bool{}}
	if err = r.all(); err == nil {
		err = r.settle()
	}
	if err != nil {
		return nil, nil, errors.Join(err, l.file.Close(), l.lock.Close())
	}
	return l, r.heads, nil
}

// reading is a file of lines while it is read.
type reading struct {
	*ledger
	question string
	subjects []string
	heads    earlier
	found    []foundLine
	twice    map[int]bool
	dropped  bool
}

type foundLine struct {
	position int
	span
}

func (r *reading) all() error {
	in := bufio.NewReaderSize(r.file, 1<<20)
	var at int64
	for n := 1; ; n++ {
		line, err := boundedLine(in)
		if errors.Is(err, io.EOF) {
			r.dropped = r.dropped || len(line) > 0 // cut off
			return nil
		}
		if err == nil {
			err = r.line(line, at)
		}
		if err != nil {
			return usagef("--resume: %s line %d: %w", r.name, n, err)
		}
		at += int64(len(line))
	}
}

// boundedLine reads a line with its end. With io.EOF, what it returns has none.
func boundedLine(in *bufio.Reader) (line []byte, err error) {
	for {
		part, err := in.ReadSlice('\n')
		if len(line)+len(part) > render.MaxLine {
			return nil, fmt.Errorf("%w: it is longer than %d bytes", render.ErrLine, render.MaxLine)
		}
		if line = append(line, part...); !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

// line takes in a line.
func (r *reading) line(line []byte, at int64) error {
	h, err := render.ParseLineHead(bytes.TrimSuffix(line, []byte("\n")))
	if err != nil {
		return fmt.Errorf("%w; take the line out, or name another file", err)
	}
	if h.Question != r.question {
		return errors.New("it answers another question: policy, keys, trusted root, flags or the version of hallmark have changed since; name another file, and all of the list is verified")
	}
	i := h.Position - 1
	if i >= len(r.subjects) || r.subjects[i] != h.Subject {
		return fmt.Errorf("it is about %s at position %d, which the list does not have there: give the list that the file is of, or name another file", printable(h.Subject), h.Position)
	}
	_, known := r.heads[i]
	switch {
	case r.twice[i]:
	case known: // neither is better than the other
		r.twice[i] = true
		delete(r.heads, i)
	case h.Verdict == render.Inconclusive || h.Verdict == render.Failed:
	default:
		r.heads[i] = h
		r.found = append(r.found, foundLine{i, span{at, int64(len(line))}})
		return nil
	}
	r.dropped = true
	return nil
}

// settle leaves the lines in the file that count, and the file ready for more.
func (r *reading) settle() error {
	r.found = slices.DeleteFunc(r.found, func(f foundLine) bool { return r.twice[f.position] })
	parts := make([]span, len(r.found))
	for n, f := range r.found {
		parts[n] = f.span
		r.note(f.position, f.size)
	}
	if r.dropped {
		return r.rewrite(parts)
	}
	_, err := r.file.Seek(r.end, io.SeekStart)
	return err
}

// verdictOf is the error that a verdict of an earlier run stands for.
func verdictOf(h render.LineHead) error {
	switch h.Verdict {
	case render.Rejected:
		return fmt.Errorf("%w: %s", verify.ErrRejected, h.Subject)
	case render.Missing:
		return fmt.Errorf("%w: %s", verify.ErrMissing, h.Subject)
	}
	return nil
}
