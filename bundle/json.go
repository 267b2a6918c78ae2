package bundle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// MaxDepth is how deep arrays and objects may nest in any JSON read here.
// Real SBOMs and provenance stay below 40.
const MaxDepth = 256

const (
	// maxMembers caps the members of one object, at any depth.
	maxMembers = 200_000
	// maxTop caps those of an object that is taken apart.
	maxTop = 1_000
)

// ErrJSON is wrapped by every error about JSON that is malformed, nested too
// deep or ambiguous. The document must be refused; asking again will not help.
var ErrJSON = errors.New("not acceptable JSON")

// Member is one member of a JSON object. Raw is the value with the white space
// around it, as it stands in the document: it shares memory with it.
type Member struct {
	Key string
	Raw []byte
}

// Members splits the JSON object in data into its members, in order, after
// checking all of data: syntax (RFC 8259), UTF-8, depth, and that no object at
// any depth names a member twice.
func Members(data []byte) ([]Member, error) {
	s := scanner{data: data}
	s.space()
	var members []Member
	if err := s.object(func(m Member) error {
		if len(members) == maxTop {
			return s.fail(fmt.Sprintf("an object of more than %d members", maxTop))
		}
		members = append(members, m)
		return nil
	}); err != nil {
		return nil, err
	}
	return members, s.end()
}

// Elements splits the JSON array in data into its elements, with the same
// checks as [Members]. More than limit elements are an error.
func Elements(data []byte, limit int) ([][]byte, error) {
	s := scanner{data: data}
	s.space()
	var elements [][]byte
	err := s.array(func(raw []byte) error {
		if len(elements) == limit {
			return fmt.Errorf("%w: more than %d array elements", ErrJSON, limit)
		}
		elements = append(elements, raw)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return elements, s.end()
}

// CheckJSON applies the checks of [Members] to a document of any kind.
func CheckJSON(data []byte) error {
	s := scanner{data: data}
	s.space()
	if err := s.value(); err != nil {
		return err
	}
	return s.end()
}

// scanner walks one JSON document without copying it.
type scanner struct {
	data  []byte
	pos   int
	depth int
	names [][]byte // of the members of the objects that are open, see [keySet]
}

func (s *scanner) fail(what string) error {
	return fmt.Errorf("%w: %s at byte %d", ErrJSON, what, s.pos)
}

func (s *scanner) end() error {
	s.space()
	if s.pos != len(s.data) {
		return s.fail("something follows the document")
	}
	return nil
}

func (s *scanner) space() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

func (s *scanner) peek() byte {
	if s.pos < len(s.data) {
		return s.data[s.pos]
	}
	return 0
}

func (s *scanner) value() error {
	switch c := s.peek(); {
	case c == '{':
		return s.object(nil)
	case c == '[':
		return s.array(nil)
	case c == '"':
		_, err := s.str()
		return err
	case c == '-' || (c >= '0' && c <= '9'):
		return s.number()
	default:
		return s.literal()
	}
}

func (s *scanner) open(c byte) error {
	if s.peek() != c {
		return s.fail(fmt.Sprintf("expected %q", c))
	}
	if s.depth++; s.depth > MaxDepth {
		return s.fail(fmt.Sprintf("nested deeper than %d", MaxDepth))
	}
	s.pos++
	s.space()
	return nil
}

// next is called after an element: it reports whether another one follows.
func (s *scanner) next(closing byte) (bool, error) {
	switch s.peek() {
	case ',':
		s.pos++
		return true, nil
	case closing:
		s.pos++
		s.depth--
		return false, nil
	}
	return false, s.fail(fmt.Sprintf("expected ',' or %q", closing))
}

func (s *scanner) object(emit func(Member) error) error {
	if err := s.open('{'); err != nil {
		return err
	}
	if s.peek() == '}' {
		s.pos++
		s.depth--
		return nil
	}
	keys := keySet{in: s, from: len(s.names)}
	defer keys.forget()
	for n := 0; ; n++ {
		if n == maxMembers {
			return s.fail(fmt.Sprintf("an object of more than %d members", maxMembers))
		}
		s.space()
		key, err := s.str()
		if err != nil {
			return err
		}
		if !keys.add(key) {
			return s.fail(fmt.Sprintf("member %q stands twice in one object", clip(string(key))))
		}
		s.space()
		if s.peek() != ':' {
			return s.fail("expected ':'")
		}
		s.pos++
		start := s.pos
		s.space()
		if err := s.value(); err != nil {
			return err
		}
		s.space()
		if emit != nil {
			if err := emit(Member{Key: string(key), Raw: s.data[start:s.pos]}); err != nil {
				return err
			}
		}
		if more, err := s.next('}'); err != nil || !more {
			return err
		}
	}
}

func (s *scanner) array(emit func([]byte) error) error {
	if err := s.open('['); err != nil {
		return err
	}
	if s.peek() == ']' {
		s.pos++
		s.depth--
		return nil
	}
	for {
		start := s.pos
		s.space()
		if err := s.value(); err != nil {
			return err
		}
		s.space()
		if emit != nil {
			if err := emit(s.data[start:s.pos]); err != nil {
				return err
			}
		}
		if more, err := s.next(']'); err != nil || !more {
			return err
		}
	}
}

// str reads a string and returns its text with escapes resolved. Without
// escapes, the text is a view of the document.
func (s *scanner) str() ([]byte, error) {
	if s.peek() != '"' {
		return nil, s.fail("expected a string")
	}
	start := s.pos
	escaped := false
	for s.pos++; s.pos < len(s.data); s.pos++ {
		switch c := s.data[s.pos]; {
		case c == '"':
			s.pos++
			return s.text(s.data[start:s.pos], escaped)
		case c == '\\':
			escaped = true
			s.pos++ // whatever is escaped cannot end the string
		case c < 0x20:
			return nil, s.fail("control character in a string")
		}
	}
	s.pos = len(s.data)
	return nil, s.fail("string without an end")
}

func (s *scanner) text(quoted []byte, escaped bool) ([]byte, error) {
	inner := quoted[1 : len(quoted)-1]
	if !utf8.Valid(inner) {
		return nil, s.fail("string that is not UTF-8")
	}
	if !escaped {
		return inner, nil
	}
	var out string
	if err := json.Unmarshal(quoted, &out); err != nil {
		return nil, s.fail("bad escape in a string")
	}
	return []byte(out), nil
}

func (s *scanner) number() error {
	if s.peek() == '-' {
		s.pos++
	}
	switch c := s.peek(); {
	case c == '0':
		s.pos++
	case c >= '1' && c <= '9':
		s.digits()
	default:
		return s.fail("bad number")
	}
	if s.peek() == '.' {
		s.pos++
		if !s.digits() {
			return s.fail("bad number")
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.pos++
		if c := s.peek(); c == '+' || c == '-' {
			s.pos++
		}
		if !s.digits() {
			return s.fail("bad number")
		}
	}
	return nil
}

func (s *scanner) digits() bool {
	start := s.pos
	for c := s.peek(); c >= '0' && c <= '9'; c = s.peek() {
		s.pos++
	}
	return s.pos > start
}

func (s *scanner) literal() error {
	for _, word := range []string{"true", "false", "null"} {
		if len(s.data)-s.pos >= len(word) && string(s.data[s.pos:s.pos+len(word)]) == word {
			s.pos += len(word)
			return nil
		}
	}
	return s.fail("expected a value")
}

// clip shortens text of a stranger for an error message.
func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}

// keySet finds a name that comes twice. Most objects are small: a few comparisons serve them
// without a map. Their names stand on a stack that all objects of a document share, so that a
// document of many objects leaves no garbage.
type keySet struct {
	in    *scanner
	from  int // where the object's names begin on the stack
	large map[string]struct{}
}

// mostCompared is how many names are compared one by one.
const mostCompared = 32

func (k *keySet) add(name []byte) bool {
	if k.large != nil {
		if _, twice := k.large[string(name)]; twice {
			return false
		}
		k.large[string(name)] = struct{}{}
		return true
	}
	names := k.in.names[k.from:]
	for _, seen := range names {
		if bytes.Equal(seen, name) {
			return false
		}
	}
	if len(names) < mostCompared {
		k.in.names = append(k.in.names, name)
		return true
	}
	k.large = make(map[string]struct{}, 2*mostCompared)
	for _, seen := range names {
		k.large[string(seen)] = struct{}{}
	}
	k.large[string(name)] = struct{}{}
	return true
}

// forget takes the object's names off the stack.
func (k *keySet) forget() { k.in.names = k.in.names[:k.from] }
