package cli

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hallmark-project/hallmark/internal/render"
)

// outputsFlag is -o of commands that write a result in several forms at once: one of
// them to standard output, others to files.
type outputsFlag struct{ formats, list []string }

// The forms that every command has, and the one for the summary of a CI job.
const (
	formatText     = "text"
	formatJSON     = "json"
	formatMarkdown = "markdown"
)

// formatLines has a line for each subject, written when it is known.
const formatLines = "jsonl"

func (o *outputsFlag) add(cmd *cobra.Command, formats []string) {
	o.formats = formats
	cmd.Flags().StringSliceVarP(&o.list, "output", "o", []string{formatText},
		"`format` of the result: "+strings.Join(formats, ", ")+"; FORMAT=FILE writes it to a file, several at once")
}

// verdictFormats are the forms of a verdict.
func verdictFormats() []string { return append([]string{formatText}, render.Formats()...) }

// writtenFormats are the forms of what was signed.
func writtenFormats() []string { return []string{formatText, formatJSON, formatMarkdown} }

func (o *outputsFlag) check() error {
	onStdout, lines := 0, 0
	files := map[string]bool{}
	for _, one := range o.list {
		format, file, named := strings.Cut(one, "=")
		switch {
		case !slices.Contains(o.formats, format):
			return usagef("-o %q: want %s", format, strings.Join(o.formats, ", "))
		case named && file == "":
			return usagef("-o %s: the file is missing", one)
		case named && files[file]:
			return usagef("-o: %s is named twice", file)
		case !named:
			onStdout++
		}
		if files[file] = named; format == formatLines {
			lines++
		}
	}
	if lines > 1 {
		return usagef("-o jsonl: the lines go to one place")
	}
	if onStdout > 1 {
		return usagef("-o: one format can go to standard output, the others need a file: FORMAT=FILE")
	}
	return nil
}

// full reports whether some form shows every piece of evidence there is.
func (o *outputsFlag) full() bool {
	return slices.ContainsFunc(o.list, func(one string) bool {
		format, _, _ := strings.Cut(one, "=")
		return format == "html" || format == "csv"
	})
}

// onStdout is the form that goes to standard output.
func (o *outputsFlag) onStdout() string {
	for _, one := range o.list {
		if !strings.Contains(one, "=") {
			return one
		}
	}
	return formatText
}

// lines reports whether a line for each subject is wanted, and in which file; "" is
// standard output.
func (o *outputsFlag) lines() (file string, wanted bool) {
	for _, one := range o.list {
		if format, file, _ := strings.Cut(one, "="); format == formatLines {
			return file, true
		}
	}
	return "", false
}

// whole are the forms that tell of all subjects at once: what goes to standard output is
// told as it is known, and so are lines.
func (o *outputsFlag) whole() outputsFlag {
	out := outputsFlag{formats: o.formats}
	for _, one := range o.list {
		if format, _, named := strings.Cut(one, "="); format != formatLines && (named || format != formatText) {
			out.list = append(out.list, one)
		}
	}
	return out
}

// write writes a result in every form that was asked for: files first, so that a
// verdict on standard output is never the only thing there is. Where no form goes to
// standard output, it gets the text. It returns the form that did.
func (o *outputsFlag) write(stdout io.Writer, form func(format string) ([]byte, error)) (shown string, err error) {
	shown = formatText
	for _, one := range o.list {
		format, file, named := strings.Cut(one, "=")
		if !named {
			shown = format
			continue
		}
		content, err := form(format)
		if err != nil {
			return shown, err
		}
		if err := writeFile(file, content, 0o644, true); err != nil {
			return shown, fileError(err)
		}
	}
	content, err := form(shown)
	if err != nil {
		return shown, err
	}
	if _, err := stdout.Write(content); err != nil { // a result that nobody could read is no success
		return shown, fmt.Errorf("printing the result: %w", err)
	}
	return shown, nil
}

// writeResult writes a verdict.
func (a *App) writeResult(o outputsFlag, r *render.Result, judged []*judgement, details bool) error {
	shown, err := o.write(a.Out, func(format string) ([]byte, error) {
		if format == formatText {
			return verdictsText(judged, r, details), nil
		}
		var b bytes.Buffer
		err := render.Write(format, &b, r)
		return b.Bytes(), err
	})
	if shown == formatText && err == nil {
		a.warn(judged)
	}
	return err
}

// writeWritten writes what was signed: as JSON the whole of it, doc.
func (a *App) writeWritten(o outputsFlag, w render.Written, doc any) error {
	_, err := o.write(a.Out, func(format string) ([]byte, error) {
		var b bytes.Buffer
		switch format {
		case formatJSON:
			err := writeJSON(&b, doc)
			return b.Bytes(), err
		case formatMarkdown:
			err := render.WrittenMarkdown(&b, &w)
			return b.Bytes(), err
		}
		writtenText(&b, w)
		return b.Bytes(), nil
	})
	return err
}

// writtenText tells what was attached, by digest.
func writtenText(b *bytes.Buffer, w render.Written) {
	fmt.Fprintln(b, w.Subject)
	on, added := "", 0
	for _, r := range w.Evidence {
		if r.On != on {
			on = r.On
			fmt.Fprintln(b, "  "+strings.TrimSpace(r.On+" "+r.Platform))
		}
		if r.Status != statusPresent {
			added++
		}
		fmt.Fprintf(b, "    %-9s %-14s %s\n", r.Status, r.Type, r.Evidence)
	}
	if added == 0 {
		fmt.Fprintln(b, "Nothing to add: all of it is there already.")
	}
	if w.Closing != "" {
		fmt.Fprintln(b, w.Closing)
	}
}

func (a *App) warn(judged []*judgement) {
	for _, v := range judged {
		if v.Report == nil || v.err != nil {
			continue
		}
		for _, w := range v.Report.Warnings {
			a.message("Warning: %s", w)
		}
	}
}
