package workload

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
)

// heredoc is the end of a text that stands in the lines behind an instruction.
type heredoc struct {
	name string
	tabs bool // may stand before the end
}

var (
	heredocMark = regexp.MustCompile(`^\d*<<(-?)[ \t]*([^<\s][^<]*)$`)
	heredocJoin = regexp.MustCompile(`^\d*<<-?$`) // the name may be the next word
	plainBraces = regexp.MustCompile(`\$\{[A-Za-z_][A-Za-z0-9_]*\}`)
)

// heredocs passes over the texts that belong to an instruction. Where builders could
// differ about where they end, it is an error: what one takes for a text is an
// instruction to another.
func (d *dockerLines) heredocs(i instruction) error {
	if i.keyword == "ONBUILD" {
		i.keyword, i.rest = keyword(i.rest)
	}
	if i.keyword != "RUN" && i.keyword != "COPY" && i.keyword != "ADD" || !bytes.Contains(i.rest.b, []byte("<<")) {
		return nil
	}
	_, rest := buildFlags(i.rest)
	var list []string
	if bytes.HasPrefix(rest.b, []byte("[")) && json.Unmarshal(rest.b, &list) == nil {
		return nil // the form without a shell
	}
	found, certain := findHeredocs(i.rest)
	if !certain || len(found) > 0 && bytes.Contains(plainBraces.ReplaceAll(i.rest.b, nil), []byte("${")) {
		return d.wrong(i.line, "it is not certain which text follows: close quotes, write a plain name behind <<, and take ${…} out of the line")
	}
	for _, h := range found {
		if !d.skipTo(h) {
			return d.wrong(i.line, "the text behind << does not end: close it with a line "+quoted(h.name))
		}
	}
	return nil
}

// skipTo reads up to the end of a text.
func (d *dockerLines) skipTo(h heredoc) bool {
	for {
		start, end, ok := d.physical()
		if !ok {
			return false
		}
		line := d.data[start:end]
		if h.tabs {
			line = bytes.TrimLeft(line, "\t")
		}
		if string(line) == h.name {
			return true
		}
	}
}

// findHeredocs finds the words <<NAME, <<-NAME, << NAME, <<"NAME" and 3<<NAME of a
// line. The escape character is always the backslash here. It is not certain with quotes
// that are not closed, and with escapes or nothing in a name.
func findHeredocs(line text) (found []heredoc, certain bool) {
	list, certain := words(line, '\\')
	for i := 0; i < len(list); i++ {
		word := list[i].String()
		if heredocJoin.MatchString(word) && i+1 < len(list) {
			i++
			word += list[i].String()
		}
		m := heredocMark.FindStringSubmatch(word)
		if m == nil {
			continue
		}
		name := unquote(m[2])
		certain = certain && name != "" && !strings.Contains(m[2], `\`)
		found = append(found, heredoc{name, m[1] == "-"})
	}
	return found, certain
}

// unquote takes quotes and escapes out of a word.
func unquote(word string) string {
	flag, _ := flagWord(foreign(word))
	return flag.String()
}
