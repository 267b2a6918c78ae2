package settings

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	f, err := Parse("c.yaml", []byte("log-format: json\nretries: 5\ncommands:\n  trust init:\n    mirror: https://x\n  release:\n    format: [spdx-json, syft-json]\n    retries: 7\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []Setting{
		{"format", []string{"spdx-json", "syft-json"}, true, "c.yaml:7:5"}, {"retries", []string{"7"}, false, "c.yaml:8:5"},
		{"log-format", []string{"json"}, false, "c.yaml:1:1"},
	}
	if got := f.For("release"); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if f.PlaceOf("trust init") != "c.yaml:4:3" {
		t.Errorf("the command stands at %s", f.PlaceOf("trust init"))
	}
	for _, empty := range []string{"", "\n# nothing\n", "commands:\n"} {
		if f, err := Parse("c.yaml", []byte(empty)); err != nil || len(f.For("release")) > 0 {
			t.Errorf("%q: %v", empty, err)
		}
	}
}

func TestBadFiles(t *testing.T) {
	for name, text := range map[string]string{
		"list": "- a", "scalar": "text", "nested": "a: {b: c}", "nested list": "a: [[b]]", "null": "a:", "null in a list": "a: [~]", "twice": "a: 1\na: 2",
		"anchor": "a: &x 1\nb: *x", "merge": "a: 1\n<<: {b: 2}", "documents": "a: 1\n---\nb: 2", "dashes": "--a: 1", "number as name": "1: 2",
		"empty list": "a: []", "no yaml": "a: [", "commands a list": "commands: [a]", "command a text": "commands: {sign: x}", "binary": "a: !!binary aGk=",
		"huge": strings.Repeat("#", MaxFile+1),
	} {
		if _, err := Parse("c.yaml", []byte(text)); !errors.Is(err, ErrFile) || !strings.Contains(err.Error(), "c.yaml") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("log-format: json\ncommands:\n  release:\n    format: [spdx-json]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse("c.yaml", data)
		if err != nil {
			if !errors.Is(err, ErrFile) {
				t.Error(err)
			}
			return
		}
		for _, s := range file.For("release") {
			if s.Flag == "" && len(s.Values) == 0 {
				t.Error("a setting of nothing")
			}
		}
	})
}
