package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// LineVersion names the form of a [Line].
const LineVersion = "hallmark.verify-line/v1"

// MaxLine is how long a line is at most, in bytes. One that would be longer is written
// without its report, packages and provenance.
const MaxLine = 64 << 20

// Line is the outcome for one subject of many: a JSON document of one line, with all that
// the subject has in a [Result].
type Line struct {
	SchemaVersion string `json:"schemaVersion"`
	Tool          string `json:"tool,omitempty"`
	// Position is the subject's in the list that was asked about; the first has 1.
	Position int `json:"position"`
	// Question is the digest of everything that decides: lines with another one do not
	// belong together.
	Question string     `json:"question"`
	JudgedAt time.Time  `json:"judgedAt"`
	At       *time.Time `json:"at,omitempty"` // as in [Result]
	ExitCode int        `json:"exitCode"`     // for this subject alone
	*Subject
}

// Bytes is the line with its end.
func (l *Line) Bytes() ([]byte, error) {
	raw, err := l.encode()
	if err == nil && len(raw) > MaxLine {
		short, subject := *l, *l.Subject
		subject.Report, subject.Packages, subject.Provenance = nil, nil, nil
		short.Subject = &subject
		raw, err = short.encode()
	}
	if err == nil && len(raw) > MaxLine {
		err = fmt.Errorf("the outcome for %s is larger than %d bytes", visible(l.Subject.Subject), MaxLine)
	}
	return raw, err
}

func (l *Line) encode() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(l)
	return b.Bytes(), err
}
