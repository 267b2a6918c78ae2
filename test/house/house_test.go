package house

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hallmark-project/hallmark/provenance"
)

func read(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// TestDependenciesHaveTheirLine: every direct dependency is in docs/dependencies.md.
func TestDependenciesHaveTheirLine(t *testing.T) {
	docs := read(t, "docs/dependencies.md")
	direct := regexp.MustCompile(`(?m)^\t([^\s]+) v[^\s]+$`).FindAllStringSubmatch(read(t, "go.mod"), -1)
	if len(direct) < 15 {
		t.Fatalf("only %d direct dependencies found in go.mod", len(direct))
	}
	for _, m := range direct {
		if !strings.Contains(docs, m[1]) {
			t.Errorf("docs/dependencies.md has no line for %s", m[1])
		}
	}
}

// TestDecisionsAreListed: docs/design/README.md names every decision.
func TestDecisionsAreListed(t *testing.T) {
	list := read(t, "docs/design/README.md")
	files, err := filepath.Glob(filepath.Join(root, "docs/design/0*.md"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		if !strings.Contains(list, "("+filepath.Base(file)+")") {
			t.Errorf("docs/design/README.md does not name %s", filepath.Base(file))
		}
	}
}

// TestLinks: what documents link to within the repository is there.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	for _, file := range tracked(t, "*.md") {
		for _, m := range link.FindAllStringSubmatch(read(t, file), -1) {
			if _, err := os.Stat(filepath.Join(root, filepath.Dir(file), m[1])); err != nil {
				t.Errorf("%s links to %s: %v", file, m[1], err)
			}
		}
	}
}

// TestGuaranteesHaveTests: the tests that SECURITY.md names exist.
func TestGuaranteesHaveTests(t *testing.T) {
	name := regexp.MustCompile(`\bTest[A-Z]\w+`)
	var all strings.Builder
	for _, file := range tracked(t, "*_test.go") {
		all.WriteString(read(t, file))
	}
	names := name.FindAllString(read(t, "SECURITY.md"), -1)
	if len(names) < 10 {
		t.Fatalf("only %d tests named", len(names))
	}
	for _, n := range names {
		if !strings.Contains(all.String(), "func "+n+"(") {
			t.Errorf("SECURITY.md names %s, which does not exist", n)
		}
	}
}

// tracked lists the files that git tracks, or would if they were added.
func tracked(t *testing.T, pattern string) []string {
	t.Helper()
	cmd := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard", "--", pattern)
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Skip("no git checkout: ", err)
	}
	var files []string
	for _, file := range strings.Fields(string(out)) {
		if _, err := os.Stat(filepath.Join(root, file)); err == nil {
			files = append(files, file)
		}
	}
	return files
}

// TestEveryParserIsFuzzed: `make fuzz` knows every fuzz function.
func TestEveryParserIsFuzzed(t *testing.T) {
	list := read(t, "Makefile")
	name := regexp.MustCompile(`(?m)^func (Fuzz\w+)\(`)
	found := 0
	for _, file := range tracked(t, "*_test.go") {
		for _, m := range name.FindAllStringSubmatch(read(t, file), -1) {
			found++
			if !strings.Contains(list, "./"+filepath.ToSlash(filepath.Dir(file))+":"+m[1]) && m[1] != "FuzzLayers" {
				t.Errorf("make fuzz does not run %s of %s", m[1], filepath.Dir(file))
			}
		}
	}
	if found < 8 {
		t.Errorf("only %d fuzz functions found", found)
	}
}

// TestBuildTypes: docs/build-types.md names every variable that gets into provenance, and
// no other.
func TestBuildTypes(t *testing.T) {
	text := read(t, "docs/build-types.md")
	told := map[string]bool{}
	for _, match := range regexp.MustCompile("`([A-Z]+_[A-Z_]+)`").FindAllStringSubmatch(text, -1) {
		told[match[1]] = true
	}
	for kind, names := range provenance.Variables() {
		for _, name := range names[1:] { // the first only tells which system it is
			if !told[name] {
				t.Errorf("%s: %s is read and not told", kind, name)
			}
			told[name] = false
		}
	}
	for name, left := range told {
		if left {
			t.Errorf("%s is told and not read", name)
		}
	}
}
