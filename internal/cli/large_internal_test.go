package cli

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestWriteIndented: a statement is printed as the standard library lays JSON out.
func TestWriteIndented(t *testing.T) {
	for _, doc := range []string{
		`{}`, `[]`, `[[],{},[{}]]`, `{"a":1}`, ` { "a" : [ 1 , 2.5e3 , "x" ] , "b" : { } } `, `"a"`, `"a\"{,}\\"`, `[true,null,"\\",-0]`,
		`{"a":{"b":{"c":["d",{"e":[[1]]}]}},"f":"é <>& \u00e9"}`, "[\n\n]", "{\t}", `{"":""}`,
	} {
		var want, got bytes.Buffer
		if err := json.Indent(&want, []byte(strings.TrimSpace(doc)), "", "  "); err != nil {
			t.Fatal(err)
		}
		if err := writeIndented(&got, []byte(doc)); err != nil || got.String() != want.String() {
			t.Errorf("%s: %v\n%s\nwant\n%s", doc, err, got.String(), want.String())
		}
	}
	if err := writeIndented(io.Discard, []byte(`"broken`)); err != nil {
		t.Error(err)
	}
}

// TestBundlesIn: a file is one bundle, or one on each line.
func TestBundlesIn(t *testing.T) {
	long := `{"a":"` + strings.Repeat("x", 200_000) + `"}`
	for content, want := range map[string][]string{
		"":                              {""},
		"{}":                            {"{}"},
		"{}\n":                          {"{}\n"},
		"{}\n{}\n":                      {"{}", "{}"},
		"\n{}\n\n \n{\"a\":1}\n\n":      {"{}", `{"a":1}`},
		"{\n}\n":                        {"{\n}\n"},
		"{\"a\":\"}\\\"\n{}\n":          {"{\"a\":\"}\\\"\n{}\n"},
		"{\"a\":\"{\"}\n{}":             {`{"a":"{"}`, "{}"},
		"{}}\n{}":                       {"{}}\n{}"},
		"x{}\n{}":                       {"x{}\n{}"},
		long + "\n" + long:              {long, long},
		"\n" + long + "\n":              {"\n" + long + "\n"},
		long[:100_000] + "\n{}\n" + "}": {long[:100_000] + "\n{}\n" + "}"},
	} {
		file := filepath.Join(t.TempDir(), "bundles")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{file, "-"} {
			a := &App{In: strings.NewReader(content)}
			list, err := a.bundlesIn(name, 1<<20)
			if err != nil {
				t.Fatalf("%.50q: %v", content, err)
			}
			var got []string
			for _, one := range list {
				in, err := one.Open()
				if err != nil {
					t.Fatal(err)
				}
				raw, err := io.ReadAll(in)
				if err != nil || in.Close() != nil || int64(len(raw)) != one.Size {
					t.Fatalf("%.50q: %d bytes, said to be %d: %v", content, len(raw), one.Size, err)
				}
				got = append(got, string(raw))
			}
			if !slices.Equal(got, want) {
				t.Errorf("%.50q is %d bundles, %.80q, want %.80q", content, len(got), got, want)
			}
		}
	}
	a := &App{In: strings.NewReader(strings.Repeat("{}\n", maxBundlesInFile+2))}
	if _, err := a.bundlesIn("-", 1<<20); classify(err).code != exitUsage {
		t.Errorf("more bundles than may be: %v", err)
	}
	a.In = strings.NewReader("12345")
	if _, err := a.bundlesIn("-", 4); classify(err).code != exitUsage {
		t.Errorf("more than the limit: %v", err)
	}
}
