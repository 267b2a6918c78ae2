package render

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func sampleLine(verdict string, code int) *Line {
	return &Line{SchemaVersion: LineVersion, Tool: "hallmark/1", Position: 3, Question: string(sum256("q")), JudgedAt: day, ExitCode: code,
		Subject: &Subject{Subject: "example.com/app:v1", Verdict: verdict, Error: strings.Join(hostile, " ")}}
}

// TestLine: a line is one line, whatever stands in it.
func TestLine(t *testing.T) {
	raw, err := sampleLine(Rejected, 3).Bytes()
	if err != nil || bytes.Count(raw, []byte("\n")) != 1 || raw[len(raw)-1] != '\n' {
		t.Fatalf("%v: %q", err, raw)
	}
	var back struct {
		SchemaVersion, Question, Subject, Verdict string
		Position, ExitCode                        int
	}
	if err := json.Unmarshal(raw, &back); err != nil {
		t.Fatal(err)
	}
	if back.SchemaVersion != LineVersion || back.Position != 3 || back.ExitCode != 3 || back.Subject != "example.com/app:v1" ||
		back.Verdict != Rejected || back.Question != string(sum256("q")) {
		t.Errorf("%+v", back)
	}
}

// TestLongLine: a line that would be too long to be read again is written without what
// makes it so.
func TestLongLine(t *testing.T) {
	l := sampleLine(Verified, 0)
	for range 70 {
		l.Packages = append(l.Packages, Package{Name: strings.Repeat("x", 1<<20)})
	}
	raw, err := l.Bytes()
	if err != nil || len(raw) > 10_000 || len(l.Packages) != 70 {
		t.Errorf("%d bytes, %v, %d packages", len(raw), err, len(l.Packages))
	}
	if !bytes.Contains(raw, []byte(`"verdict":"verified"`)) {
		t.Errorf("%s", raw)
	}
	l.Error = strings.Repeat("x", MaxLine)
	if raw, err := l.Bytes(); err == nil {
		t.Errorf("a line of %d bytes", len(raw))
	}
}

func BenchmarkLine(b *testing.B) {
	l := sampleLine(Verified, 0)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := l.Bytes(); err != nil {
			b.Fatal(err)
		}
	}
}
