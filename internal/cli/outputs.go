package cli

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hallmark-project/hallmark/internal/render"
)

// outputsFlag is -o of commands that write a result in several forms at once: one of
// them to standard output, others to files.
type outputsFlag struct{ list []string }

// formatText is the form for people at a terminal.
const formatText = "text"

func (o *outputsFlag) add(cmd *cobra.Command) {
	cmd.Flags().StringSliceVarP(&o.list, "output", "o", []string{formatText},
		"`format` of the result: text, "+strings.Join(render.Formats(), ", ")+"; FORMAT=FILE writes it to a file, several at once")
}

func (o *outputsFlag) check() error {
	onStdout := 0
	files := map[string]bool{}
	for _, one := range o.list {
		format, file, named := strings.Cut(one, "=")
		switch {
		case format != formatText && !slices.Contains(render.Formats(), format):
			return usagef("-o %q: want text, %s", format, strings.Join(render.Formats(), ", "))
		case named && file == "":
			return usagef("-o %s: the file is missing", one)
		case named && files[file]:
			return usagef("-o: %s is named twice", file)
		case !named:
			onStdout++
		}
		files[file] = named
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

// writeResult writes a result in every form that was asked for: files first, so that a
// verdict on standard output is never the only thing there is. Where no form goes to
// standard output, it gets the text.
func (a *App) writeResult(o outputsFlag, r *render.Result, judged []*judgement, details bool) error {
	stdout := ""
	for _, one := range o.list {
		format, file, named := strings.Cut(one, "=")
		if !named {
			stdout = format
			continue
		}
		content, err := rendered(format, r, judged, details)
		if err != nil {
			return err
		}
		if err := writeFile(file, content, 0o644, true); err != nil {
			return fileError(err)
		}
	}
	if stdout == "" {
		stdout = formatText
	}
	content, err := rendered(stdout, r, judged, details)
	if err != nil {
		return err
	}
	if _, err := a.Out.Write(content); err != nil { // a verdict that nobody could read is no success
		return fmt.Errorf("printing the verdict: %w", err)
	}
	if stdout == formatText {
		a.warn(judged)
	}
	return nil
}

func rendered(format string, r *render.Result, judged []*judgement, details bool) ([]byte, error) {
	if format == formatText {
		return verdictsText(judged, r, details), nil
	}
	var b bytes.Buffer
	err := render.Write(format, &b, r)
	return b.Bytes(), err
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
