package oci

import (
	"fmt"
	"strings"
)

// nextLink finds the target of rel="next" among Link headers (RFC 8288 section 3);
// empty where there is none. Whatever is not of that form is an error, because it
// might have named the next page.
func nextLink(headers []string) (string, error) {
	for _, header := range headers {
		for rest := strings.TrimSpace(header); rest != ""; {
			target, params, ok := strings.Cut(rest, ">")
			if !ok || !strings.HasPrefix(target, "<") {
				return "", fmt.Errorf("%w: Link header %q", ErrManifest, printable(header))
			}
			var mine string
			mine, rest = cutUnquoted(params, ',')
			if isNext(mine) {
				return target[1:], nil
			}
			rest = strings.TrimSpace(rest)
		}
	}
	return "", nil
}

// isNext reports whether one of the relation types among a link's parameters is
// "next".
func isNext(params string) bool {
	for params != "" {
		var param string
		param, params = cutUnquoted(params, ';')
		name, value, _ := strings.Cut(param, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "rel") {
			continue
		}
		for kind := range strings.FieldsSeq(strings.Trim(strings.TrimSpace(value), `"`)) {
			if strings.EqualFold(kind, "next") {
				return true
			}
		}
	}
	return false
}

// cutUnquoted cuts s at the first separator outside of quotes.
func cutUnquoted(s string, separator byte) (before, after string) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case s[i] == separator && !quoted:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}
