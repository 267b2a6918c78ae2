package cli

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds on a list of references.
const (
	maxList       = 32 << 20
	maxListed     = 200_000
	maxListedLine = 4_096
)

// readList reads a file with a reference on each line, "-" for standard input. What begins
// with # is a comment. A list that is no such list is refused before anything is done about
// any line of it.
func (a *App) readList(name string) (out []string, err error) {
	content, err := a.readInput(name, maxList)
	if err != nil {
		return nil, err
	}
	n := 0
	for line := range strings.Lines(strings.TrimPrefix(string(content), "\ufeff")) {
		n++
		if wrong := wrongInList(line); wrong != "" {
			return nil, usagef("%s line %d %s", name, n, wrong)
		}
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0 || isComment(fields[0]):
			continue
		case len(fields) > 1 && !isComment(fields[1]):
			return nil, usagef("%s line %d: want one reference, got more words", name, n)
		case len(out) == maxListed:
			return nil, usagef("%s names more than %d images: split it ('split -l %d') and verify the parts one after the other", name, maxListed, maxListed)
		}
		out = append(out, strings.Clone(fields[0]))
	}
	if len(out) == 0 {
		return nil, usagef("%s names nothing to verify", name)
	}
	return out, nil
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
