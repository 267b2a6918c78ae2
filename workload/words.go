package workload

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// words splits what stands behind an instruction at blanks that are not in quotes.
// Quotes and escapes stay in the words. Closed says whether each quote is.
func words(t text, escape byte) (list []text, closed bool) {
	start, quote := -1, byte(0)
	for i := 0; i < len(t.b); i++ {
		c := t.b[i]
		if r, size := utf8.DecodeRune(t.b[i:]); quote == 0 && unicode.IsSpace(r) {
			if start >= 0 {
				list = append(list, t.cut(start, i))
			}
			start = -1
			i += size - 1
			continue
		}
		if start < 0 {
			start = i
		}
		switch {
		case c == escape && quote != '\'':
			i++
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '\'' || c == '"'):
			quote = c
		}
	}
	if start >= 0 {
		list = append(list, t.cut(start, len(t.b)))
	}
	return list, quote == 0
}

// flagBlanks end a flag, byte by byte, also within a character: so BuildKit has it.
const flagBlanks = " \t\v\f\r\n\x85\xa0"

// buildFlags takes the words that begin with -- from the head of an instruction,
// without their quotes and escapes.
func buildFlags(t text) (flags []text, rest text) {
	for {
		t = t.trim()
		if len(t.b) < 2 || t.b[0] != '-' || t.b[1] != '-' {
			return flags, t
		}
		var flag text
		flag, t = flagWord(t)
		if flag.String() == "--" {
			return flags, t.trim()
		}
		flags = append(flags, flag)
	}
}

func flagWord(t text) (flag, rest text) {
	quote := byte(0)
	for i := 0; i < len(t.b); i++ {
		c := t.b[i]
		switch {
		case quote == 0 && strings.IndexByte(flagBlanks, c) >= 0:
			return flag, t.cut(i, len(t.b))
		case c == '\\' && quote != '\'':
			if i++; i < len(t.b) {
				flag = flag.join(t.cut(i, i+1))
			}
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '\'' || c == '"'):
			quote = c
		default:
			flag = flag.join(t.cut(i, i+1))
		}
	}
	return flag, text{}
}
