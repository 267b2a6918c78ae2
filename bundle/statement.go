package bundle

import (
	"fmt"
	"strings"
)

// Types of an in-toto statement (https://github.com/in-toto/attestation/tree/main/spec).
// Version 1 is written, both are read.
const (
	StatementV1  = "https://in-toto.io/Statement/v1"
	statementV01 = "https://in-toto.io/Statement/v0.1"
)

// PredicateSignature is the predicate type of a statement that says no more than
// "I vouch for this": what cosign v3 writes as a signature. Its predicate is {}.
const PredicateSignature = "https://sigstore.dev/cosign/sign/v1"

// Caps on what one statement may carry.
const (
	MaxSubjects       = 1024
	maxSubjectDigests = 32
	maxName           = 2048 // bytes of a type or a hint
)

// Statement is an in-toto statement, unverified. Predicate holds the bytes of the
// predicate as they stand in the payload, white space around them included, and
// shares memory with it.
type Statement struct {
	Type          string
	Subjects      []Subject
	PredicateType string
	Predicate     []byte
}

// Subject is what a statement speaks about. Digest maps an algorithm such as
// "sha256" to a value in hexadecimal.
type Subject struct {
	Name   string
	Digest map[string]string
}

// String gives the name and one digest, in one printable line.
func (s Subject) String() string {
	for _, algorithm := range sortedKeys(s.Digest) {
		return clip(strings.TrimSpace(s.Name + " " + algorithm + ":" + s.Digest[algorithm]))
	}
	return clip(s.Name)
}

// ParseStatement reads an in-toto statement, version 0.1 or 1. As the
// specification asks, members it does not know are passed over.
func ParseStatement(payload []byte) (*Statement, error) {
	members, err := Members(payload)
	if err != nil {
		return nil, fmt.Errorf("in-toto statement: %w", err)
	}
	var s Statement
	seen := map[string]bool{}
	for _, m := range members {
		seen[m.Key] = true
		switch m.Key {
		case "_type":
			s.Type, err = text(m)
		case "predicateType":
			s.PredicateType, err = text(m)
		case "predicate":
			s.Predicate = m.Raw
		case "subject":
			s.Subjects, err = parseSubjects(m.Raw)
		}
		if err != nil {
			return nil, fmt.Errorf("in-toto statement: %w", err)
		}
	}
	switch {
	case s.Type != StatementV1 && s.Type != statementV01:
		err = fmt.Errorf("%w: _type %q is no statement this reads", ErrFormat, clip(s.Type))
	case s.PredicateType == "":
		err = fmt.Errorf("%w: predicateType is missing", ErrFormat)
	case len(s.PredicateType) > maxName:
		err = fmt.Errorf("%w: a predicateType of %d bytes", ErrFormat, len(s.PredicateType))
	case !seen["predicate"]:
		err = fmt.Errorf("%w: predicate is missing", ErrFormat)
	case len(s.Subjects) == 0:
		err = fmt.Errorf("%w: no subject", ErrFormat)
	}
	if err != nil {
		return nil, fmt.Errorf("in-toto statement: %w", err)
	}
	return &s, nil
}

func parseSubjects(raw []byte) ([]Subject, error) {
	elements, err := Elements(raw, MaxSubjects)
	if err != nil {
		return nil, err
	}
	var out []Subject
	for _, raw := range elements {
		members, err := Members(raw)
		if err != nil {
			return nil, err
		}
		var s Subject
		for _, m := range members {
			switch m.Key {
			case "name":
				s.Name, err = text(m)
			case "digest":
				s.Digest, err = parseDigests(m.Raw)
			}
			if err != nil {
				return nil, err
			}
		}
		if len(s.Digest) == 0 {
			return nil, fmt.Errorf("%w: a subject without a digest", ErrFormat)
		}
		out = append(out, s)
	}
	return out, nil
}

func parseDigests(raw []byte) (map[string]string, error) {
	members, err := Members(raw)
	if err != nil {
		return nil, err
	}
	if len(members) > maxSubjectDigests {
		return nil, fmt.Errorf("%w: a subject with %d digests", ErrFormat, len(members))
	}
	out := make(map[string]string, len(members))
	for _, m := range members {
		if out[m.Key], err = text(m); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Names reports the subject that carries this very digest, if there is one.
// Algorithm and value must both be equal, to the letter.
func (s *Statement) Names(algorithm, hex string) (Subject, bool) {
	for _, subject := range s.Subjects {
		if value, ok := subject.Digest[algorithm]; ok && value == hex && hex != "" {
			return subject, true
		}
	}
	return Subject{}, false
}

// AppendStatement appends a statement of version 1 about one subject to dst. The
// predicate is spliced in as it is, byte for byte; it must be JSON, which is
// checked.
func AppendStatement(dst []byte, subject Subject, predicateType string, predicate []byte) ([]byte, error) {
	if err := CheckJSON(predicate); err != nil {
		return nil, fmt.Errorf("predicate: %w", err)
	}
	head, tail := StatementAround(subject, predicateType)
	return append(append(append(dst, head...), predicate...), tail...), nil
}

// StatementAround is what stands before and behind the predicate in a statement as
// [AppendStatement] writes it, for predicates that are too large to be copied.
func StatementAround(subject Subject, predicateType string) (head, tail []byte) {
	head = append(head, `{"_type":"`+StatementV1+`","subject":[{`...)
	if subject.Name != "" {
		head = append(appendString(append(head, `"name":`...), subject.Name), ',')
	}
	head = appendDigests(append(head, `"digest":`...), subject.Digest)
	head = append(head, `}],"predicateType":`...)
	head = appendString(head, predicateType)
	return append(head, `,"predicate":`...), []byte{'}'}
}

func appendDigests(dst []byte, digests map[string]string) []byte {
	dst = append(dst, '{')
	for i, algorithm := range sortedKeys(digests) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendString(dst, algorithm), ':')
		dst = appendString(dst, digests[algorithm])
	}
	return append(dst, '}')
}
