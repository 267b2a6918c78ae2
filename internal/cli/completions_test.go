package cli

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

type cobraCommand = cobra.Command

// shell asks what could stand at the end of a command line.
func shell(t *testing.T, home string, args ...string) []string {
	t.Helper()
	var out bytes.Buffer
	env := map[string]string{"HOME": home}
	app := &App{In: strings.NewReader(""), Out: &out, Err: &bytes.Buffer{}, Now: time.Now, Env: func(name string) (string, bool) { v, ok := env[name]; return v, ok }}
	if code := app.Run(context.Background(), append([]string{"__complete"}, args...)); code != 0 {
		t.Fatalf("%v: exit code %d", args, code)
	}
	var words []string
	for _, line := range strings.Split(out.String(), "\n") {
		word, _, _ := strings.Cut(line, "\t")
		words = append(words, word)
	}
	return words
}

func TestCompletions(t *testing.T) {
	for text, want := range map[string]string{
		"attest --type s": "spdx", "verify --require signature,cyc": "signature,cyclonedx", "release --format syft": "syft-json",
		"sbom --format s": "spdx-json", "verify -o ma": "markdown", "release -o ": "json", "sign --provider git": "gitlab", "release --provenance=b": "buildkite",
		"verify --platform linux/arm": "linux/arm64", "tree oci": "oci:", "version --log-format ": "json", "sign --key ": "key", "verify --policy ": "yaml",
	} {
		args := strings.Split(text, " ")
		if strings.HasPrefix(text, "sbom --format") {
			args = []string{"sbom", "-o", "s"}
		}
		if got := shell(t, t.TempDir(), args...); !slices.Contains(got, want) {
			t.Errorf("%q offers %q, and not %q", text, got, want)
		}
	}
}

// TestHistory: references that were found are offered again; a pipeline leaves no trace.
func TestHistory(t *testing.T) {
	home := t.TempDir()
	env := func(name string) (string, bool) { return map[string]string{"HOME": home}[name], name == "HOME" }
	app := &App{Env: env, Terminal: true}
	for range 3 {
		app.remember("registry.example.com/app:v1")
	}
	app.remember("registry.example.com/\x1b[31m")
	(&App{Env: env}).remember("registry.example.com/pipeline")
	(&App{Env: env, Terminal: true, quiet: true}).remember("registry.example.com/quiet")
	if got := app.history(); !slices.Equal(got, []string{"registry.example.com/app:v1"}) {
		t.Errorf("remembered is %q", got)
	}
	if got := shell(t, home, "verify", "reg"); !slices.Contains(got, "registry.example.com/app:v1") {
		t.Errorf("offered is %q", got)
	}
	for i := range maxHistory + 5 {
		app.remember("registry.example.com/app:" + strings.Repeat("x", i+1))
	}
	if n := len(app.history()); n != maxHistory {
		t.Errorf("%d references are remembered", n)
	}
	file := filepath.Join(home, ".local/state/hallmark/references")
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%s: %v %v", file, info.Mode(), err)
	}
}

// TestVerboseHidesSecrets: what is shown of the environment holds no secret.
func TestVerboseHidesSecrets(t *testing.T) {
	var errs bytes.Buffer
	app := &App{In: strings.NewReader(""), Out: &bytes.Buffer{}, Err: &errs, Now: time.Now, Env: func(name string) (string, bool) {
		for _, v := range Variables() {
			if v.Name == name && v.Secret {
				return "s3cr3t", true
			}
		}
		return "", false
	}}
	if code := app.Run(context.Background(), []string{"version", "--verbose"}); code != 0 {
		t.Fatal(errs.String())
	}
	if got := errs.String(); strings.Contains(got, "s3cr3t") || !strings.Contains(got, "HALLMARK_PASSWORD is set") {
		t.Errorf("shown is\n%s", got)
	}
}
