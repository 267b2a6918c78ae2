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
	bare   *regexp.Regexp // the last part of the name
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
	p.whole, p.bare = globOf(name), globOf(name[strings.LastIndex(name, "/")+1:])
	return p, nil
}

func globOf(name string) *regexp.Regexp {
	parts := strings.Split(name, "*")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	return regexp.MustCompile(`(?is)\A` + strings.Join(parts, ".*") + `\z`)
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

// MayMatch is Matches for those who want to be sure that c is none of the packages: a
// package URL that cannot be read is taken by the component's name, and a version that
// cannot be ordered for any.
func (c Component) MayMatch(p Pattern) bool {
	if c.Matches(p) {
		return true
	}
	if p.whole == nil {
		return false
	}
	asPURL := strings.HasPrefix(p.source, "pkg:")
	named := slices.ContainsFunc(c.names(asPURL), p.whole.MatchString)
	if _, err := ParsePURL(c.PURL); asPURL && err != nil && c.PURL != "" {
		named = p.bare.MatchString(c.Name[strings.LastIndex(c.Name, "/")+1:])
	}
	return named && (len(p.bounds) == 0 || !orderable.MatchString(c.version()))
}

// orderable is a version that can be older or newer than another.
var orderable = regexp.MustCompile(`^v?[0-9]`)

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
