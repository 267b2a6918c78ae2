package render

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// writers are the documents by name, in the order in which they are told.
var writers = []struct {
	name  string
	write func(io.Writer, *Result) error
}{
	{"json", JSON},
	{"markdown", Markdown},
	{"sarif", SARIF},
	{"junit", JUnit},
	{"csv", CSV},
	{"html", HTML},
	{"github", GitHub},
}

// Formats are the names that [Write] takes.
func Formats() []string {
	names := make([]string, len(writers))
	for i, f := range writers {
		names[i] = f.name
	}
	return names
}

// Write writes r as the document that format names. The same r gives the same bytes.
// After an error, w may hold a part of the document.
func Write(format string, w io.Writer, r *Result) error {
	for _, f := range writers {
		if f.name == format {
			return f.write(w, r)
		}
	}
	return fmt.Errorf("no format is called %s: take one of %s", visible(format), strings.Join(Formats(), ", "))
}

// JSON writes r as it is, indented. It is the one document that leaves nothing out. One
// subject at a time is in memory as text.
func JSON(w io.Writer, r *Result) error {
	const open, end = "\"subjects\": []", "\n}\n"
	if len(r.Subjects) == 0 {
		return encode(w, r, "")
	}
	frame := *r
	frame.Subjects = []*Subject{}
	var b bytes.Buffer
	if err := encode(&b, frame, ""); err != nil {
		return err
	}
	head, fits := strings.CutSuffix(b.String(), open+end)
	if !fits { // subjects are not the last member any more
		return encode(w, r, "")
	}
	return buffered(w, func(b *bufio.Writer) error {
		fmt.Fprint(b, head+strings.TrimSuffix(open, "]"))
		separator := "\n    "
		for _, s := range r.Subjects {
			fmt.Fprint(b, separator)
			var one bytes.Buffer
			if err := encode(&one, s, "    "); err != nil {
				return err
			}
			fmt.Fprintf(b, "%s", bytes.TrimSuffix(one.Bytes(), []byte("\n")))
			separator = ",\n    "
		}
		fmt.Fprint(b, "\n  ]"+end)
		return nil // an error sticks to b and comes out when it is flushed
	})
}

func encode(w io.Writer, v any, prefix string) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent(prefix, "  ")
	return enc.Encode(v)
}

// buffered gives write a buffer in front of w and flushes it.
func buffered(w io.Writer, write func(*bufio.Writer) error) error {
	b := bufio.NewWriterSize(w, 64<<10)
	if err := write(b); err != nil {
		return err
	}
	return b.Flush()
}
