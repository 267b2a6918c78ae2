package inventory

import (
	"slices"
	"strings"
)

// maxExpression caps a licence expression that is taken apart; a longer one, or one that
// is no expression (SPDX 2.3, annex D), is one identifier.
const maxExpression = 4096

// LicenceIDs are the identifiers in a licence expression, exceptions left out.
func LicenceIDs(expression string) (out []string) {
	Satisfies(expression, func(id string) bool {
		if id != "" {
			out = append(out, id)
		}
		return true
	})
	slices.Sort(out)
	return slices.Compact(out)
}

// Satisfies reports whether one may use what is under a licence expression if one accepts
// the licences for which accepted says so: of OR one side, of AND both.
func Satisfies(expression string, accepted func(id string) bool) bool {
	words := licenceWords(expression)
	p := licenceParser{words: words, accepted: accepted}
	if len(expression) <= maxExpression && len(words) > 1 && p.wellFormed() {
		p.words = words
		return p.or()
	}
	return accepted(strings.TrimSpace(expression))
}

func licenceWords(expression string) []string {
	if len(expression) > maxExpression {
		return nil
	}
	return strings.Fields(strings.NewReplacer("(", " ( ", ")", " ) ").Replace(expression))
}

// licenceParser reads an expression by recursive descent. Both sides are always read.
type licenceParser struct {
	words    []string
	accepted func(id string) bool
	depth    int
	wrong    bool
}

func (p *licenceParser) wellFormed() bool {
	check := licenceParser{words: p.words, accepted: func(string) bool { return true }}
	check.or()
	return !check.wrong && len(check.words) == 0
}

func (p *licenceParser) next(word string) bool {
	if len(p.words) > 0 && strings.EqualFold(p.words[0], word) {
		p.words = p.words[1:]
		return true
	}
	return false
}

func (p *licenceParser) or() bool {
	ok := p.and()
	for p.next("OR") {
		right := p.and()
		ok = ok || right
	}
	return ok
}

func (p *licenceParser) and() bool {
	ok := p.one()
	for p.next("AND") {
		right := p.one()
		ok = ok && right
	}
	return ok
}

func (p *licenceParser) one() bool {
	const deepest = 64
	if p.depth++; p.depth > deepest {
		p.wrong = true
		return false
	}
	defer func() { p.depth-- }()
	if p.next("(") {
		ok := p.or()
		p.wrong = p.wrong || !p.next(")")
		return ok
	}
	if len(p.words) == 0 || strings.ContainsAny(p.words[0], "()") || isOperator(p.words[0]) {
		p.wrong = true
		return false
	}
	id := p.words[0]
	p.words = p.words[1:]
	if p.next("WITH") {
		if len(p.words) == 0 || isOperator(p.words[0]) {
			p.wrong = true
			return false
		}
		p.words = p.words[1:]
	}
	return p.accepted(id)
}

func isOperator(word string) bool {
	return strings.EqualFold(word, "AND") || strings.EqualFold(word, "OR") || strings.EqualFold(word, "WITH")
}
