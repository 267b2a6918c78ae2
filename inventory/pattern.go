package inventory

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Pattern says which packages are meant: a package URL such as pkg:npm/left-pad or
// pkg:deb/*/openssl*, or a name such as log4j*, where * stands for any run of characters;
// behind an @ there may be a version, or bounds such as >=2.0,<2.17.1.
type Pattern struct {
	source string
	whole  *regexp.Regexp
	bounds []bound
}

// bound is a version that another is compared with.
type bound struct{ operator, version string }

// operators are in the order in which they are tried.
var operators = []string{"<=", ">=", "!=", "<", ">", "="}

const maxPattern = 1024

// ParsePattern reads a pattern.
func ParsePattern(source string) (Pattern, error) {
	if source == "" || len(source) > maxPattern || strings.ContainsAny(source, " \t\r\n?#") {
		return Pattern{}, fmt.Errorf("%.100q is no pattern of packages: want pkg:TYPE/NAME, or a name, with @VERSION behind it or not", source)
	}
	p := Pattern{source: source}
	name, versions := source, ""
	if at := strings.LastIndex(source, "@"); at > 0 && source[at-1] != '/' {
		name, versions = source[:at], source[at+1:]
		if versions == "" {
			return Pattern{}, fmt.Errorf("%q: the version behind @ is missing", source)
		}
	}
	name, err := plainName(name)
	if err != nil {
		return Pattern{}, fmt.Errorf("%q: %w", source, err)
	}
	if p.bounds, err = parseBounds(versions); err != nil {
		return Pattern{}, fmt.Errorf("%q: %w", source, err)
	}
	parts := strings.Split(name, "*")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	p.whole, err = regexp.Compile(`(?is)\A` + strings.Join(parts, ".*") + `\z`)
	return p, err
}

// plainName is the part of a pattern before the @ as packages are written: a package URL
// without percent-encoding, and spelt as its type has it.
func plainName(name string) (string, error) {
	path, isPURL := strings.CutPrefix(name, "pkg:")
	if !isPURL {
		return name, nil
	}
	kind, rest, ok := strings.Cut(path, "/")
	if !ok || strings.Trim(rest, "/") == "" || !patternType.MatchString(kind) {
		return "", errors.New("want pkg:TYPE/NAME")
	}
	plain, err := url.PathUnescape(rest)
	if err != nil {
		return "", err
	}
	if kind = strings.ToLower(kind); kind == "pypi" {
		plain = strings.ReplaceAll(plain, "_", "-")
	}
	return "pkg:" + kind + "/" + plain, nil
}

// patternType is a type of package URLs, or a glob of some.
var patternType = regexp.MustCompile(`^[A-Za-z*][A-Za-z0-9.+*-]*$`)

// parseBounds reads versions with commas between them. All of them have to hold, so that
// two versions to be equal to can never be meant.
func parseBounds(versions string) (bounds []bound, err error) {
	if versions == "" {
		return nil, nil
	}
	equal := 0
	for one := range strings.SplitSeq(versions, ",") {
		b := bound{"=", one}
		for _, operator := range operators {
			if rest, ok := strings.CutPrefix(one, operator); ok {
				b = bound{operator, rest}
				break
			}
		}
		if b.version, err = url.PathUnescape(b.version); err != nil {
			return nil, err
		}
		if b.version == "" || strings.ContainsAny(b.version, "<>=!*") {
			return nil, fmt.Errorf("%q is no version: want one, or bounds such as >=1.0,<1.3.1", one)
		}
		if b.operator == "=" {
			equal++
		}
		bounds = append(bounds, b)
	}
	if equal > 1 {
		return nil, errors.New("no package has two versions at once: want one pattern for each")
	}
	return bounds, nil
}

func (p Pattern) String() string { return p.source }

// Matches reports whether c is one of the packages that p means.
func (c Component) Matches(p Pattern) bool {
	if p.whole == nil {
		return false
	}
	if !slices.ContainsFunc(c.names(strings.HasPrefix(p.source, "pkg:")), p.whole.MatchString) {
		return false
	}
	for _, b := range p.bounds {
		if !b.holds(c) {
			return false
		}
	}
	return true
}

// names are what a pattern may call c: its package URL, or else its name with and without
// the group or scope before it, which formats write in different places.
func (c Component) names(asPURL bool) []string {
	purl, err := ParsePURL(c.PURL)
	switch {
	case asPURL && err == nil:
		return []string{purl.Package()}
	case asPURL:
		return nil
	}
	names := []string{c.Name, c.Name[strings.LastIndex(c.Name, "/")+1:]}
	if err == nil {
		names = append(names, purl.Name, purl.Namespace+"/"+purl.Name)
	}
	return names
}

func (b bound) holds(c Component) bool {
	order := compareVersions(c.Type, c.version(), b.version)
	switch b.operator {
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	case ">=":
		return order >= 0
	case "!=":
		return order != 0
	}
	return order == 0
}
