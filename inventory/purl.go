package inventory

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// purlType is how the type of a package URL is written.
var purlType = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9.+-]*$`)

// PURL is a package URL without its qualifiers and subpath: what tells packages apart.
type PURL struct {
	Type      string
	Namespace string // segments with / between them; empty: none
	Name      string
	Version   string
}

// caseless are the types whose namespaces and names are the same in upper and lower case,
// by the purl specification's list of types.
var caseless = map[string]bool{"alpm": true, "apk": true, "bitbucket": true, "bitnami": true, "composer": true, "deb": true, "github": true,
	"golang": true, "hex": true, "luarocks": true, "npm": true, "oci": true, "otp": true, "pub": true, "pypi": true}

// ParsePURL reads a package URL
// (https://github.com/package-url/purl-spec/blob/main/PURL-SPECIFICATION.rst).
func ParsePURL(text string) (PURL, error) {
	const scheme = "pkg:"
	ok := len(text) > len(scheme) && strings.EqualFold(text[:len(scheme)], scheme)
	rest := text[min(len(scheme), len(text)):]
	if !ok {
		return PURL{}, fmt.Errorf("%.100q is no package URL", text)
	}
	rest, _, _ = strings.Cut(rest, "#")
	rest, _, _ = strings.Cut(rest, "?")
	rest = strings.TrimLeft(rest, "/")
	kind, path, _ := strings.Cut(rest, "/")
	if !purlType.MatchString(kind) {
		return PURL{}, fmt.Errorf("%.100q is no package URL: its type is wrong or missing", text)
	}
	var p PURL
	p.Type = strings.ToLower(kind)
	if at := strings.LastIndex(path, "@"); at > 0 && !strings.Contains(path[at:], "/") {
		var err error
		if p.Version, err = url.PathUnescape(path[at+1:]); err != nil {
			return PURL{}, fmt.Errorf("%.100q is no package URL: %w", text, err)
		}
		path = path[:at]
	}
	var segments []string
	for s := range strings.SplitSeq(path, "/") {
		plain, err := url.PathUnescape(s)
		if err != nil {
			return PURL{}, fmt.Errorf("%.100q is no package URL: %w", text, err)
		}
		if plain = strings.Trim(plain, "/"); plain != "" { // empty ones do not count
			segments = append(segments, plain)
		}
	}
	if len(segments) == 0 {
		return PURL{}, fmt.Errorf("%.100q is no package URL: it has no name", text)
	}
	p.Name = segments[len(segments)-1]
	p.Namespace = strings.Join(segments[:len(segments)-1], "/")
	p.normalise()
	return p, nil
}

func (p *PURL) normalise() {
	if caseless[p.Type] {
		p.Name, p.Namespace = strings.ToLower(p.Name), strings.ToLower(p.Namespace)
	}
	switch p.Type {
	case "pypi":
		p.Name = strings.ReplaceAll(p.Name, "_", "-")
	case "rpm":
		p.Namespace = strings.ToLower(p.Namespace)
	}
}

// Package is the package without its version, such as pkg:npm/@scope/name.
func (p PURL) Package() string {
	if p.Namespace == "" {
		return "pkg:" + p.Type + "/" + p.Name
	}
	return "pkg:" + p.Type + "/" + p.Namespace + "/" + p.Name
}

// identity is what tells a component's package from others, whatever its version.
func (c Component) identity() string {
	if p, err := ParsePURL(c.PURL); err == nil {
		return p.Package()
	}
	return c.Type + " " + c.Name
}

// version is the component's version, of its package URL if it has one.
func (c Component) version() string {
	if p, err := ParsePURL(c.PURL); err == nil && p.Version != "" {
		return p.Version
	}
	return c.Version
}
