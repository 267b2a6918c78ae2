package policy

import (
	"fmt"
	"regexp"
	"strings"
)

// glob is a pattern of repositories: * stands for any run of characters but /, and ** for
// any at all. What is not an image in a registry has the name "file:NAME" or "".
type glob struct {
	source string
	whole  *regexp.Regexp
}

// UnmarshalText reads a pattern such as registry.example.com/team/*.
func (g *glob) UnmarshalText(text []byte) error {
	source := string(text)
	last := source[strings.LastIndex(source, "/")+1:]
	switch {
	case source == "" || strings.ContainsAny(source, " \t\r\n"):
		return fmt.Errorf("%q is no pattern of repositories", source)
	case strings.Contains(source, "@") || strings.Contains(source, "/") && strings.Contains(last, ":"):
		return fmt.Errorf("%q names a tag or a digest: a pattern is of repositories", source)
	case strings.Contains(source, "://"):
		return fmt.Errorf("%q is a URL: leave the scheme out", source)
	}
	*g = glob{source, globPattern(source, true)}
	return nil
}

func (g glob) match(name string) bool { return g.whole.MatchString(name) }

// everything reports whether all there is matches.
func (g glob) everything() bool { return g.match("") && g.match("a.example.com/b/c") }

func (g glob) String() string { return g.source }

// globPattern translates a pattern; where segments is not set, * crosses a /.
func globPattern(source string, segments bool) *regexp.Regexp {
	var b strings.Builder
	b.WriteString(`(?s)\A`)
	for rest := source; rest != ""; {
		switch {
		case strings.HasPrefix(rest, "**"):
			b.WriteString(".*")
			rest = rest[2:]
		case rest[0] == '*' && segments:
			b.WriteString("[^/]*")
			rest = rest[1:]
		case rest[0] == '*':
			b.WriteString(".*")
			rest = rest[1:]
		default:
			next := strings.IndexByte(rest, '*')
			if next < 0 {
				next = len(rest)
			}
			b.WriteString(regexp.QuoteMeta(rest[:next]))
			rest = rest[next:]
		}
	}
	return regexp.MustCompile(b.String() + `\z`)
}

// MatchGlob reports whether * standing for any run of characters makes pattern equal to
// name.
func MatchGlob(pattern, name string) bool {
	if !strings.Contains(pattern, "*") {
		return pattern == name
	}
	return globPattern(pattern, false).MatchString(name)
}
