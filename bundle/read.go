package bundle

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Read is [Parse] for a bundle that arrives, of at most size bytes as far as anybody
// promises: memory is taken for the decoded payload and for what is around it, never for the
// text of the payload. Parse and Read agree on every document.
//
// r is read to its end in any case, so that a reader that checks a digest has had its say:
// an error of r is returned as it is, before anything is said of the document.
func Read(r io.Reader, size int64) (*Bundle, error) {
	s := splitter{in: bufio.NewReaderSize(r, 64<<10), size: size}
	err := s.split()
	if errors.Is(err, ErrFormat) || errors.Is(err, ErrJSON) {
		if _, broken := io.Copy(io.Discard, s.in); broken != nil {
			return nil, broken
		}
		return nil, fmt.Errorf("sigstore bundle: %w", err)
	}
	if err != nil {
		return nil, err
	}
	return parse(s.rest, s.payload)
}

// given is a payload that was taken out of a document: there, an empty text stands in its
// place.
type given struct{ bytes []byte }

// of is the payload: the one that was taken out, else what the member holds.
func (g *given) of(m Member) ([]byte, error) {
	if g != nil {
		return g.bytes, nil
	}
	return base64Text(m)
}

// splitter takes the payload of an envelope out of a bundle while both arrive. It finds its
// way by brackets, quotes and names alone: what stands around the payload is kept as it is,
// for the parser to judge.
type splitter struct {
	in   *bufio.Reader
	size int64

	rest    []byte // the document without the payload's text
	payload *given // nil until it was met

	depth  int
	object [3]bool   // whether what is open at this depth is an object
	name   [3]string // of the member that is read at this depth
	text   []byte    // the last string, where it may be a name
}

// firstRest is how large what is around the payload usually is at most.
const firstRest = 64 << 10

func (s *splitter) split() error {
	for {
		c, err := s.in.ReadByte()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		s.keep(c)
		switch c {
		case '"':
			if err := s.str(); err != nil {
				return err
			}
		case '{', '[':
			if s.depth++; s.depth < len(s.object) {
				s.object[s.depth], s.name[s.depth] = c == '{', ""
			}
		case '}', ']':
			s.depth = max(s.depth-1, 0)
		case ':':
			s.member()
		case ',':
			if s.depth < len(s.name) {
				s.name[s.depth] = ""
			}
		}
	}
}

// keep adds to what is around the payload. Once that is more than usual, it gets all the
// memory that the document may need: what is not written to costs nothing.
func (s *splitter) keep(text ...byte) {
	if n := len(s.rest) + len(text); n > cap(s.rest) {
		room := int64(firstRest)
		if n > firstRest {
			room = max(min(s.size, mostReserved), int64(2*n))
		}
		s.rest = append(make([]byte, 0, room), s.rest...)
	}
	s.rest = append(s.rest, text...)
}

// member notes the name that stands before a colon.
func (s *splitter) member() {
	if s.depth >= len(s.name) || !s.object[s.depth] || s.text == nil {
		return
	}
	var name string
	if json.Unmarshal(s.text, &name) == nil {
		s.name[s.depth] = memberName(name)
	}
	s.text = nil
}

// atPayload reports whether the value that begins here is the payload of the envelope.
func (s *splitter) atPayload() bool {
	return s.payload == nil && s.depth == 2 && s.object[1] && s.object[2] && s.name[1] == "dsseEnvelope" && s.name[2] == "payload"
}

// str goes on behind the quote that a string begins with.
func (s *splitter) str() error {
	if s.atPayload() {
		return s.takePayload()
	}
	start := len(s.rest) - 1
	for escaped := false; ; {
		c, err := s.in.ReadByte()
		if err == io.EOF {
			return nil // the parser says what is wrong
		}
		if err != nil {
			return err
		}
		s.keep(c)
		if c == '"' && !escaped {
			break
		}
		escaped = c == '\\' && !escaped
	}
	s.text = nil
	if s.depth < len(s.name) {
		s.text = s.rest[start:]
	}
	return nil
}

// mostReserved is how much memory is taken on the word of whoever promised a size.
const mostReserved = 512 << 20

// takePayload decodes a string of base64 up to and with its closing quote.
func (s *splitter) takePayload() error {
	room := min(max(s.size-int64(len(s.rest)), 0), mostReserved)/4*3 + 4
	d := textDecoder{out: make([]byte, 0, room)}
	for {
		if _, err := s.in.Peek(1); err == io.EOF {
			return nil // and no end of the string: the parser says so
		} else if err != nil {
			return err
		}
		text, _ := s.in.Peek(s.in.Buffered())
		if i := bytes.IndexAny(text, "\"\\"); i >= 0 {
			text = text[:i]
		}
		if !d.write(text) {
			return errPayload
		}
		if _, err := s.in.Discard(len(text)); err != nil {
			return err
		}
		c, err := s.in.ReadByte()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		switch c {
		case '"':
			if !d.end() {
				return errPayload
			}
			s.keep(c)
			s.payload = &given{d.out}
			return nil
		case '\\':
			if err := s.escaped(&d); err != nil {
				return err
			}
		default: // the text went to the end of what was at hand
			if err := s.in.UnreadByte(); err != nil {
				return err
			}
		}
	}
}

var errPayload = fmt.Errorf("DSSE envelope: %w: %q is no base64", ErrFormat, "payload")

// escaped decodes what stands behind a backslash: "\/" is a legal way to write a slash.
func (s *splitter) escaped(d *textDecoder) error {
	sequence := []byte(`"\`)
	c, err := s.in.ReadByte()
	if err == io.EOF {
		return nil
	}
	sequence = append(sequence, c)
	for i := 0; i < 4 && c == 'u' && err == nil; i++ {
		var digit byte
		if digit, err = s.in.ReadByte(); err == nil {
			sequence = append(sequence, digit)
		}
	}
	if err == io.EOF {
		return nil
	}
	if err != nil {
		return err
	}
	var text string
	if json.Unmarshal(append(sequence, '"'), &text) != nil || !d.write([]byte(text)) {
		return errPayload
	}
	return nil
}
