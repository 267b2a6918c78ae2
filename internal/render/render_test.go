package render

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write golden files anew")

var samples = []struct {
	name string
	make func() *Result
}{
	{"verified", verifiedSample}, {"rejected", rejectedSample}, {"mixed", mixedSample}, {"hostile", hostileSample},
}

func written(t testing.TB, format string, r *Result) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(format, &b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestGolden(t *testing.T) {
	endings := map[string]string{"json": "json", "markdown": "md", "sarif": "sarif", "junit": "xml", "csv": "csv", "html": "html", "github": "github"}
	for _, sample := range samples {
		for _, format := range Formats() {
			got, path := written(t, format, sample.make()), filepath.Join("testdata", sample.name+"."+endings[format])
			if again := written(t, format, sample.make()); again != got {
				t.Errorf("%s: the same result gives another document", path)
			}
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				continue
			}
			if want, err := os.ReadFile(path); err != nil || string(want) != got {
				t.Errorf("%s is not what is written now (%v); see what differs after go test ./internal/render -update", path, err)
			}
		}
	}
}

func TestWriteUnknownFormat(t *testing.T) {
	err := Write("pdf\n", io.Discard, verifiedSample())
	if err == nil || !strings.Contains(err.Error(), `pdf\n`) || !strings.Contains(err.Error(), "sarif, junit") {
		t.Errorf("got %v, want an error that tells the formats", err)
	}
}

// full is a disk without room.
type full struct{ room int }

var errFull = errors.New("no space left")

func (f *full) Write(p []byte) (int, error) {
	if f.room -= len(p); f.room < 0 {
		return 0, errFull
	}
	return len(p), nil
}

// TestWriteFails: a document that could not be written is an error, wherever it stopped.
func TestWriteFails(t *testing.T) {
	for _, format := range Formats() {
		size := len(written(t, format, mixedSample()))
		for _, room := range []int{0, size / 2, size - 1} {
			if err := Write(format, &full{room}, mixedSample()); !errors.Is(err, errFull) {
				t.Errorf("%s with room for %d of %d bytes: %v", format, room, size, err)
			}
		}
	}
}

// TestEmpty: odd results are documents, too, and none of them says verified.
func TestEmpty(t *testing.T) {
	for name, r := range map[string]*Result{
		"nothing": {}, "nil subject": {Subjects: []*Subject{nil}}, "empty subject": {Subjects: []*Subject{{}}},
		"verdict against its answers": {Verdict: Rejected, Subjects: []*Subject{func() *Subject { s := sampleSubject("x", 0); s.Verdict = Rejected; return s }()}},
	} {
		for _, format := range Formats() {
			got := written(t, format, r)
			if format == "junit" && len(r.Subjects) > 0 && r.Subjects[0] != nil && !strings.Contains(got, "<failure") && !strings.Contains(got, "<error") {
				t.Errorf("%s as junit has neither failure nor error:\n%s", name, got)
			}
			if format == "html" && strings.Contains(got, "<h1>Verified") {
				t.Errorf("%s as html says verified", name)
			}
			if format == "markdown" && strings.HasPrefix(got, "# ✅") {
				t.Errorf("%s as markdown says verified", name)
			}
		}
	}
}

// TestAsOf: a decision about another time says so in every document.
func TestAsOf(t *testing.T) {
	for _, format := range Formats() {
		if got := written(t, format, mixedSample()); !strings.Contains(got, "2025-11-20") {
			t.Errorf("%s does not say as of when this was judged", format)
		}
	}
}

// TestGrowth: ten times the subjects take about ten times the room at most, and time that
// is far from what anything but steady growth would take.
func TestGrowth(t *testing.T) {
	few, many := manySample(100), manySample(1000)
	for _, format := range Formats() {
		small := len(written(t, format, few))
		began := time.Now()
		large := len(written(t, format, many))
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("%s: 1,000 subjects took %v", format, took)
		}
		if large > 12*small {
			t.Errorf("%s: %d bytes for 100 subjects, %d for 1,000", format, small, large)
		}
		if format == "markdown" && large >= 1<<20 {
			t.Errorf("markdown has %d bytes, GitHub takes less than 1 MiB", large)
		}
	}
}

func BenchmarkFormats(b *testing.B) {
	many := manySample(1000)
	for _, format := range Formats() {
		b.Run(format, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := Write(format, io.Discard, many); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
