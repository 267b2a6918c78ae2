package cli

import (
	"bufio"
	"bytes"
	"io"
	"strings"
)

// writeIndented writes JSON that is known to be valid, as [json.Indent] with two spaces
// does, without holding the result.
func writeIndented(w io.Writer, doc []byte) error {
	out := bufio.NewWriterSize(w, 64<<10)
	depth, opened := 0, false // opened: nothing was written since a bracket opened
	newline := func() {
		_ = out.WriteByte('\n')
		_, _ = out.WriteString(strings.Repeat("  ", depth))
	}
	for len(doc) > 0 {
		c := doc[0]
		n := 1
		switch c {
		case ' ', '\t', '\r', '\n':
			doc = doc[1:]
			continue
		case '}', ']':
			if depth--; !opened {
				newline()
			}
			opened = false
			_ = out.WriteByte(c)
			doc = doc[1:]
			continue
		case '"':
			n = stringLength(doc)
		}
		if opened {
			newline()
			opened = false
		}
		_, _ = out.Write(doc[:n])
		doc = doc[n:]
		switch c {
		case '{', '[':
			depth++
			opened = true
		case ',':
			newline()
		case ':':
			_ = out.WriteByte(' ')
		}
	}
	return out.Flush() // which keeps the first error
}

// stringLength is the length of the JSON string that doc begins with, quotes included.
func stringLength(doc []byte) int {
	for i := 1; i < len(doc); i++ {
		next := bytes.IndexAny(doc[i:], "\"\\")
		if next < 0 {
			break
		}
		if i += next; doc[i] == '"' {
			return i + 1
		}
		i++ // what a backslash stands before
	}
	return len(doc)
}
