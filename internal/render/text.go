package render

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// mostText is how many bytes of one text a document for people shows.
const mostText = 2000

// visible is s as one line that shows what is in it: what does not print, such as line
// ends, terminal escapes, characters that turn the direction of writing around, and
// bytes that are no UTF-8, is written as in Go. It has at most mostText bytes.
func visible(s string) string {
	cut := len(s) > mostText
	if cut {
		n := mostText
		for n > mostText-utf8.UTFMax && !utf8.RuneStart(s[n]) {
			n--
		}
		s = s[:n]
	}
	if strings.ContainsFunc(s, hidden) {
		s = spellOut(s)
	}
	if cut {
		s += "…"
	}
	return s
}

// hidden reports whether a character would not be seen. It takes bytes that are no UTF-8
// for such characters, and with them U+FFFD itself.
func hidden(c rune) bool { return c == utf8.RuneError || !unicode.IsPrint(c) }

func spellOut(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		c, size := utf8.DecodeRuneInString(s)
		switch {
		case c == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case c == utf8.RuneError || unicode.IsPrint(c):
			b.WriteRune(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\t':
			b.WriteString(`\t`)
		case c == '\r':
			b.WriteString(`\r`)
		case c < 0x80:
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			fmt.Fprintf(&b, `\u%04x`, c)
		}
		s = s[size:]
	}
	return b.String()
}

// shorten is s in no more than most characters, the middle left out.
func shorten(s string, most int) string {
	s = visible(s)
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	all := []rune(s)
	head := (most - 1) * 2 / 3
	return string(all[:head]) + "…" + string(all[len(all)-(most-1-head):])
}

// when is a time for people, always in UTC.
func when(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// stamp is a time for programs, empty if there is none.
func stamp(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// count is n with the word for what is counted.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
