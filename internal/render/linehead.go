package render

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// LineHead is what it takes to go on with a file of lines.
type LineHead struct {
	SchemaVersion, Question, Subject, Verdict string
	Position, ExitCode                        int
}

// ErrLine says that a line is none of those that [Line.Bytes] gives. Take it out, or leave its
// file alone.
var ErrLine = errors.New("not a line of 'hallmark verify -o jsonl'")

// ParseLineHead reads a line, without its end. Its exit code is that of its verdict. That
// it is true what the line says, nobody vouches for.
func ParseLineHead(raw []byte) (h LineHead, err error) {
	members := map[string]any{"schemaVersion": &h.SchemaVersion, "question": &h.Question, "subject": &h.Subject, "verdict": &h.Verdict,
		"position": &h.Position, "exitCode": &h.ExitCode}
	if err := h.read(json.NewDecoder(bytes.NewReader(raw)), members); err != nil {
		return h, fmt.Errorf("%w: %w", ErrLine, err)
	}
	return h, h.check()
}

// read reads an object and nothing behind it. A member that is known, by its very name, stands
// once, as does every other one.
func (h *LineHead) read(in *json.Decoder, known map[string]any) error {
	if token, err := in.Token(); err != nil || token != json.Delim('{') {
		return errors.Join(errors.New("it is no JSON object"), err)
	}
	seen := map[string]bool{}
	for in.More() {
		token, err := in.Token()
		if err != nil {
			return err
		}
		name, _ := token.(string) // the decoder sees to it
		if seen[name] {
			return fmt.Errorf("%s stands there twice", visible(name))
		}
		seen[name] = true
		to := known[name]
		if to == nil {
			to = &json.RawMessage{}
		}
		if err := in.Decode(to); err != nil {
			return fmt.Errorf("%s: %w", visible(name), err)
		}
	}
	if _, err := in.Token(); err != nil { // the end of the object
		return err
	}
	if _, err := in.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something stands behind the object")
	}
	return nil
}

// lineCodes are the exit codes that a verdict on one subject may have.
var lineCodes = map[string][]int{Verified: {0}, NotCovered: {0}, Rejected: {3}, Missing: {4}, Inconclusive: {5}, Failed: {1, 2}}

func (h *LineHead) check() error {
	codes, known := lineCodes[h.Verdict]
	switch {
	case h.SchemaVersion != LineVersion:
		return fmt.Errorf("%w: its schemaVersion is %s, not %s", ErrLine, visible(h.SchemaVersion), LineVersion)
	case !known:
		return fmt.Errorf("%w: its verdict is %s", ErrLine, visible(h.Verdict))
	case !slices.Contains(codes, h.ExitCode):
		return fmt.Errorf("%w: its verdict is %q and its exit code %d", ErrLine, h.Verdict, h.ExitCode)
	case h.Position < 1:
		return fmt.Errorf("%w: its position is %d", ErrLine, h.Position)
	}
	return nil
}
