package cli

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra/doc"
)

// TestReference: docs/cli says what the commands say of themselves. Run with -update
// (make golden) it is written anew.
func TestReference(t *testing.T) {
	dir := t.TempDir()
	if err := doc.GenMarkdownTree(Command(), dir); err != nil {
		t.Fatal(err)
	}
	docs := filepath.Join("..", "..", "docs", "cli")
	made, err := filepath.Glob(filepath.Join(dir, "*.md"))
	if err != nil || len(made) < 12 {
		t.Fatalf("%d pages: %v", len(made), err)
	}
	update := flag.Lookup("update").Value.String() == "true"
	if update {
		if err := os.RemoveAll(docs); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(docs, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	names := map[string]bool{}
	for _, file := range made {
		name := filepath.Base(file)
		names[name] = true
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if update {
			if err := os.WriteFile(filepath.Join(docs, name), want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		have, err := os.ReadFile(filepath.Join(docs, name))
		if err != nil || !bytes.Equal(have, want) {
			t.Errorf("docs/cli/%s does not say what the command says (%v): run make golden", name, err)
		}
	}
	there, err := filepath.Glob(filepath.Join(docs, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range there {
		if !names[filepath.Base(file)] {
			t.Errorf("docs/cli/%s is about no command: run make golden", filepath.Base(file))
		}
	}
}

// TestHelpIsWhole: every command has a one-line and every flag a text.
func TestHelpIsWhole(t *testing.T) {
	for _, cmd := range (&App{Env: os.LookupEnv}).root().Commands() {
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: short help %q", cmd.Name(), cmd.Short)
		}
		if flags := cmd.Flags().FlagUsages(); strings.Contains(flags, "\n  \n") {
			t.Errorf("%s: a flag without a text\n%s", cmd.Name(), flags)
		}
	}
}
