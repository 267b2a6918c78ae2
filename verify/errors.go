package verify

import (
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
)

// Verdicts other than "verified". An [Error] wraps the gravest of its failures.
var (
	// ErrRejected says that evidence of the kind asked for is there and none of it is
	// acceptable. Do not use the subject.
	ErrRejected = errors.New("rejected")
	// ErrMissing says that there is no evidence of the kind asked for, and that
	// everything was read. Do not use the subject, or ask its maker for evidence.
	ErrMissing = errors.New("no evidence")
	// ErrInconclusive says that the requirement is not met by what could be read, and
	// that something could not be read. Try again.
	ErrInconclusive = errors.New("inconclusive")
	// ErrNothingAsked says that the policy has no requirement or the root no key, so
	// that nothing could be verified. The caller has to say whom it trusts for what.
	ErrNothingAsked = errors.New("nothing to verify against")
	// ErrPlatform says that the index has no platform to verify, or not the one that
	// was asked for. Name one that it has.
	ErrPlatform = errors.New("no such platform")
)

// Failure is a requirement that does not hold on a digest.
type Failure struct {
	Verdict  error // ErrRejected, ErrMissing or ErrInconclusive
	Type     string
	On       digest.Digest
	Platform string
	Cause    string
}

func (f Failure) Error() string {
	on := f.On.String()
	if f.Platform != "" {
		on = f.Platform + " " + on
	}
	return fmt.Sprintf("%s: %s on %s: %s", f.Verdict, f.Type, on, f.Cause)
}

// Error says that a subject is not verified, and why.
type Error struct {
	Subject  string
	Failures []Failure // at least one, the gravest first
}

func (e *Error) Error() string {
	lines := make([]string, len(e.Failures))
	for i, f := range e.Failures {
		lines[i] = f.Error()
	}
	return e.Subject + ": " + strings.Join(lines, "; ")
}

// Unwrap is the gravest verdict.
func (e *Error) Unwrap() error { return e.Failures[0].Verdict }

// gravity orders verdicts: a rejection must not hide behind a time-out, nor a
// time-out behind what is merely missing.
func gravity(verdict error) int {
	for i, v := range []error{ErrRejected, ErrInconclusive, ErrMissing} {
		if errors.Is(verdict, v) {
			return i
		}
	}
	return 3
}
