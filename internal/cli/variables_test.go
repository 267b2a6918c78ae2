package cli

import (
	"bytes"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// TestEnvironment: docs/environment.md is the table of variables. Run with -update (make
// golden) it is written anew.
func TestEnvironment(t *testing.T) {
	var b bytes.Buffer
	b.WriteString("# Variables of the environment\n\nWritten by `make golden` from the code. A flag goes before the variable, the variable before a\n[configuration file](guides/configuration.md). What gets into provenance is listed in [build-types.md](build-types.md).\n\n")
	b.WriteString("| variable | what it holds | flag | secret |\n|---|---|---|---|\n")
	flags := map[string]bool{}
	walk(Command(), func(cmd *cobraCommand) {
		cmd.Flags().VisitAll(func(f *pflag.Flag) { flags[f.Name] = true })
		cmd.PersistentFlags().VisitAll(func(f *pflag.Flag) { flags[f.Name] = true })
	})
	for _, v := range Variables() {
		option, secret := "", ""
		if v.Flag != "" {
			option = "`--" + v.Flag + "`"
		}
		if v.Flag != "" && !flags[v.Flag] {
			t.Errorf("%s: there is no flag --%s", v.Name, v.Flag)
		}
		if v.Secret {
			secret = "yes"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", v.Name, v.What, option, secret)
	}
	file := filepath.Join("..", "..", "docs", "environment.md")
	if flag.Lookup("update").Value.String() == "true" {
		if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(file); err != nil || !bytes.Equal(have, b.Bytes()) {
		t.Errorf("docs/environment.md is not what the code says (%v): run make golden", err)
	}
}

// TestEveryVariableIsListed: no code reads a variable that the table does not have.
func TestEveryVariableIsListed(t *testing.T) {
	listed := map[string]bool{}
	for _, v := range Variables() {
		listed[v.Name] = true
	}
	literal := regexp.MustCompile(`"((?:HALLMARK|COSIGN|SIGSTORE|SOURCE_DATE|DOCKER|REGISTRY|XDG|SPIFFE|ACTIONS|BUILDKITE|GITHUB|GITLAB)_[A-Z_]+)"`)
	read := regexp.MustCompile(`(?:Env|env|Getenv|LookupEnv)\("([A-Z][A-Z0-9_]*)"\)`)
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(root, path)
		if d.IsDir() {
			switch name {
			case "sandbox", "test", "examples", "build", "provenance", "internal/testkit", "internal/man", "internal/image", ".git":
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		source, err := os.ReadFile(path)
		for _, pattern := range []*regexp.Regexp{literal, read} {
			for _, m := range pattern.FindAllSubmatch(source, -1) {
				if !listed[string(m[1])] {
					t.Errorf("%s reads %s, which the table does not have", name, m[1])
				}
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
