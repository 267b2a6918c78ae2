package cli

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds on a list of references.
const (
	maxList       = 32 << 20
	maxListed     = 200_000
	maxListedLine = 2*4_096 + 2
)

// listed is a line of a list.
type listed struct {
	place string // for errors
	words []string
}

// readList reads a file with references on each line, as many as are named in wants; "-"
// for standard input. What begins with # is a comment. A list that is no such list is
// refused before anything is done about any line of it.
func (a *App) readList(name string, wants ...string) (out []listed, err error) {
	content, err := a.readInput(name, maxList)
	if err != nil {
		return nil, err
	}
	n := 0
	for line := range strings.Lines(strings.TrimPrefix(string(content), "\ufeff")) {
		n++
		place := fmt.Sprintf("%s line %d", name, n)
		if wrong := wrongInList(line); wrong != "" {
			return nil, usagef("%s %s", place, wrong)
		}
		words := withoutComment(strings.Fields(line))
		switch {
		case len(words) == 0:
			continue
		case len(words) != len(wants):
			return nil, usagef("%s: want %s, got %d words", place, strings.Join(wants, " and "), len(words))
		case len(out) == maxListed:
			return nil, usagef("%s has more than %d lines: split it ('split -l %d') and give the parts one after the other", name, maxListed, maxListed)
		}
		out = append(out, listed{place, words})
	}
	if len(out) == 0 {
		return nil, usagef("%s is empty: want %s on each line", name, strings.Join(wants, " and "))
	}
	return out, nil
}

// withoutComment cuts a line where a word begins with #. Within a word, it may be part of
// a path.
func withoutComment(words []string) []string {
	for i, word := range words {
		if strings.HasPrefix(word, "#") {
			return words[:i]
		}
	}
	return words
}

// wrongInList says what is wrong with a line of a list that no person wrote.
func wrongInList(line string) string {
	switch {
	case len(line) > maxListedLine:
		return "is longer than any reference"
	case !utf8.ValidString(line):
		return "is no text"
	case strings.ContainsFunc(line, func(c rune) bool { return !unicode.IsPrint(c) && !strings.ContainsRune("\t\r\n", c) }):
		return "holds characters that cannot be seen"
	}
	return ""
}
