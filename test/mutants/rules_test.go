package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRulesAreInStep: each rule stands in its file as the list has it, once, so that
// `make mutants` takes out what it says.
func TestRulesAreInStep(t *testing.T) {
	names := map[string]bool{}
	for _, r := range rules {
		raw, err := os.ReadFile(filepath.Join("..", "..", r.file))
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(raw), r.old); n != 1 {
			t.Errorf("%s: %s holds %q %d times, once is wanted", r.name, r.file, r.old, n)
		}
		if names[r.name] || r.old == r.new {
			t.Errorf("%s: there twice, or changes nothing", r.name)
		}
		names[r.name] = true
	}
}
