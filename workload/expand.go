package workload

import (
	"errors"
	"fmt"
	"strings"
)

// Bounds on variables.
const (
	maxValue   = 4 << 10
	maxNesting = 16
)

// variable is what a name stands for. Reading one that has a problem is an error.
type variable struct {
	value   text
	set     bool
	problem error
}

// expander puts variables in, as Dockerfiles and compose files do: $NAME, ${NAME},
// and in braces a default (:- and -), a text for when there is a value (:+ and +) and
// a demand for one (:? and ?).
type expander struct {
	shell  bool // quotes and the escape character mean something; else $$ is a dollar
	escape byte
	lookup func(name string) variable
}

var errBraces = errors.New("a variable has { but no }: close it, or write the image out")

var errOperator = errors.New("${…} is written in a way that is not worked out here (only :-, -, :+, +, :? and ? are): write the image out")

// expand works a text out. A variable without a value is an error.
func (e expander) expand(t text) (text, error) {
	s := scan{expander: e, in: t}
	err := s.until(0)
	return s.out, err
}

// scan is the state of an expansion.
type scan struct {
	expander
	in, out text
	pos     int
	depth   int
	idle    bool // what is read is not used
}

func (s *scan) more() bool { return s.pos < len(s.in.b) }

func (s *scan) peek(ahead int) byte {
	if s.pos+ahead < len(s.in.b) {
		return s.in.b[s.pos+ahead]
	}
	return 0
}

// take moves the next byte to what is put out.
func (s *scan) take() {
	end := min(s.pos+1, len(s.in.b))
	s.out = s.out.join(s.in.cut(s.pos, end))
	s.pos = end
}

// until works out what comes before the byte stop, and skips that; 0 is the end.
func (s *scan) until(stop byte) error {
	for s.more() {
		if len(s.out.b) > maxValue {
			return fmt.Errorf("the value is longer than %d bytes: write the image out", maxValue)
		}
		var err error
		switch c := s.peek(0); {
		case stop != 0 && c == stop:
			s.pos++
			return nil
		case c == '$':
			err = s.dollar()
		case s.shell && c == s.escape:
			s.pos++
			s.take()
		case s.shell && c == '\'':
			err = s.single()
		case s.shell && c == '"':
			err = s.double()
		default:
			s.take()
		}
		if err != nil {
			return err
		}
	}
	if stop != 0 {
		return errBraces
	}
	return nil
}

var errQuote = errors.New("a quote is not closed: close it")

func (s *scan) single() error {
	for s.pos++; s.more(); s.take() {
		if s.peek(0) == '\'' {
			s.pos++
			return nil
		}
	}
	return errQuote
}

func (s *scan) double() error {
	for s.pos++; s.more(); {
		switch c := s.peek(0); {
		case c == '"':
			s.pos++
			return nil
		case c == '$':
			if err := s.dollar(); err != nil {
				return err
			}
		case c == s.escape && (s.peek(1) == '"' || s.peek(1) == '$' || s.peek(1) == s.escape):
			s.pos++
			s.take()
		default:
			s.take()
		}
	}
	return errQuote
}

// dollar works out what begins with a dollar.
func (s *scan) dollar() error {
	s.pos++
	if !s.shell && s.peek(0) == '$' {
		s.take()
		return nil
	}
	if s.peek(0) == '{' {
		s.pos++
		return s.braces()
	}
	name := s.name()
	if name == "" {
		return errors.New("a $ stands before what is no name of a variable: write the image out")
	}
	return s.put(name, s.lookup(name))
}

func (s *scan) name() string {
	start := s.pos
	for s.more() && isName(s.peek(0), s.pos == start) {
		s.pos++
	}
	return s.in.cut(start, s.pos).String()
}

func isName(c byte, first bool) bool {
	return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || !first && '0' <= c && c <= '9'
}

// put puts the value of a variable out.
func (s *scan) put(name string, v variable) error {
	switch {
	case s.idle:
		return nil
	case v.problem != nil:
		return v.problem
	case !v.set:
		return fmt.Errorf("the variable %s has no value here: give it one, or write a default as ${%s:-…}", name, name)
	}
	s.out = s.out.join(v.value)
	return nil
}

// braces works out ${NAME…}, from behind the brace.
func (s *scan) braces() error {
	if s.depth++; s.depth > maxNesting {
		return fmt.Errorf("variables are nested more than %d deep: write the image out", maxNesting)
	}
	defer func() { s.depth-- }()
	name := s.name()
	operator := s.operator()
	if operator == "" && !s.more() {
		return errBraces
	}
	if name == "" || operator == "" {
		return errOperator
	}
	v := s.lookup(name)
	if operator == "}" {
		return s.put(name, v)
	}
	if v.problem != nil && !s.idle {
		return v.problem
	}
	given := v.set && (operator[0] != ':' || len(v.value.b) > 0)
	kind := operator[len(operator)-1]
	if err := s.word(kind == '+' && given || kind == '-' && !given); err != nil {
		return err
	}
	switch {
	case kind == '?' && !given && !s.idle:
		return fmt.Errorf("the variable %s has no value here, and the file demands one: give it one", name)
	case kind != '+' && given:
		return s.put(name, v)
	}
	return nil
}

// word reads up to the closing brace. What is not used is not put out, and may have
// variables without a value.
func (s *scan) word(used bool) error {
	before, idle := s.out, s.idle
	s.idle = idle || !used
	err := s.until('}')
	if s.idle = idle; !used {
		s.out = before
	}
	return err
}

// operator reads what stands behind the name in braces; "" is one that is not known.
func (s *scan) operator() string {
	for _, known := range []string{"}", ":-", ":+", ":?", "-", "+", "?"} {
		if strings.HasPrefix(string(s.in.b[s.pos:min(s.pos+2, len(s.in.b))]), known) {
			s.pos += len(known)
			return known
		}
	}
	return ""
}
