// Package house tests the rules of the house: who may import whom, what the
// repository must hold, and that documents tell the truth.
package house

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/hallmark-project/hallmark/"

// root is the repository's folder.
const root = "../.."

// mayImport is DESIGN section 1: for each package, the packages of this module that
// it may import. A package that is not listed fails the test, so that a new one has
// to take its place here.
var mayImport = map[string][]string{
	"bundle":              {},
	"oci":                 {"internal/retry"},
	"trust":               {},
	"policy":              {"inventory"},
	"inventory":           {"bundle"}, // what SBOMs say, for policies and for comparing
	"oidc":                {"internal/retry"},
	"provenance":          {"bundle"}, // how something was built, by what a CI job knows
	"transfer":            {"oci"},    // images with their evidence from store to store
	"prune":               {"policy"}, // which evidence newer evidence supersedes
	"workload":            {},         // which images files name
	"sbom":                {"bundle", "oci", "trust", "policy"},
	"attest":              {"bundle", "oci", "trust", "policy"},
	"sign":                {"bundle", "oci", "trust", "policy", "internal/retry"},
	"verify":              {"bundle", "oci", "trust", "policy", "inventory"},
	"internal/cli":        {"bundle", "oci", "trust", "policy", "sbom", "attest", "sign", "verify", "oidc", "inventory", "pack", "workload", "provenance", "transfer", "prune", "internal/cache", "internal/render", "internal/settings"},
	"internal/render":     {"verify"},
	"internal/cache":      {}, // what is kept between runs
	"internal/retry":      {}, // which failed requests are repeated, and when
	"internal/settings":   {}, // the form of a configuration file
	"internal/man":        {"internal/cli"},
	"cmd/hallmark":        {"internal/cli"},
	"internal/testkit":    {"bundle", "oci", "trust", "policy", "sign", "attest"},
	"pack":                {}, // the form of an evidence pack: cli fills and reads it
	"internal/quickstart": {"internal/layoutpack"},
	"internal/image":      {"internal/layoutpack"}, // the container image of hallmark
	"internal/layoutpack": {},                      // programs into images of a layout
	"internal/recipe":     {},                      // plays the runners of examples/

	"internal/peer":             {},                                                                        // real registries, for benches and chaos
	"internal/testkit/sigstore": {},                                                                        // knows nothing of what it is the counterpart of
	"test/house":                {"provenance"},                                                            // whose variables a document lists
	"test/bench":                {"internal/peer", "test/bench/layout", "attest", "bundle", "oci", "sign"}, // signs a thousand images itself
	"test/bench/sizes":          {"internal/peer", "test/bench/layout"},                                    // memory of things that are large or many
	"test/bench/layout":         {},                                                                        // layouts of any size
	"test/mutants":              {},
	"test/chaos":                {"internal/peer"}, // runs the program against registries that fail

	"test/conformance":        {},
	"test/conformance/client": {}, // runs the program, as the suite does
}

// confined says where the types of a library stop.
var confined = map[string][]string{
	"oras.land/":                      {"oci"},
	"github.com/distribution/":        {"oci"},
	"github.com/containers/":          {"oci"},
	"github.com/anchore/":             {"sbom"},
	"cel.dev/":                        {"policy"},
	"go.yaml.in/":                     {"policy", "workload", "internal/settings", "internal/recipe"},
	"github.com/spf13/cobra":          {"internal/cli", "internal/man"},
	"github.com/vbauerster/mpb":       {"internal/cli"},
	"golang.org/x/term":               {"internal/cli"},
	"github.com/youmark/pkcs8":        {"sign"},
	"github.com/secure-systems-lab/":  {"sign"},
	"github.com/in-toto/attestation/": {"attest"},
	"github.com/sigstore/":            {"trust"},
	"github.com/theupdateframework/":  {"trust"},
	"github.com/transparency-dev/":    {"trust"},
	"github.com/digitorus/":           {"sign"},
	"github.com/spiffe/":              {"oidc"},
	"golang.org/x/oauth2":             {"oidc"},
	"github.com/hallmark-project/hallmark/internal/testkit": {}, // tests only
}

// goFiles calls f for every Go file of the main module.
func goFiles(t *testing.T, f func(pkg, file string, test bool)) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		if d.IsDir() {
			if rel != "." && (strings.HasPrefix(d.Name(), ".") || rel == "build" || nestedModule(path)) {
				return filepath.SkipDir
			}
			return nil
		}
		if strings.HasSuffix(rel, ".go") {
			f(filepath.ToSlash(filepath.Dir(rel)), path, strings.HasSuffix(rel, "_test.go"))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// nestedModule reports whether a folder is a module of its own.
func nestedModule(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

func importsOf(t *testing.T, file string) []string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, spec := range f.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, path)
	}
	return out
}

func TestArrows(t *testing.T) {
	seen := 0
	goFiles(t, func(pkg, file string, test bool) {
		allowed, known := mayImport[pkg]
		if !known {
			t.Errorf("%s: package %s has no place in the arrows; add it to mayImport, and say why in docs/design/", file, pkg)
			return
		}
		for _, path := range importsOf(t, file) {
			if sibling, ours := strings.CutPrefix(path, module); ours && !test {
				seen++
				if !contains(allowed, sibling) {
					t.Errorf("%s: %s must not import %s", file, pkg, sibling)
				}
			}
			checkConfined(t, pkg, file, path, test)
		}
	})
	if seen < 20 {
		t.Errorf("only %d imports seen: the test looks in the wrong place", seen)
	}
}

func checkConfined(t *testing.T, pkg, file, path string, test bool) {
	t.Helper()
	if test || strings.HasPrefix(pkg, "internal/testkit") {
		return
	}
	for library, homes := range confined {
		if strings.HasPrefix(path, library) && !contains(homes, pkg) {
			t.Errorf("%s: %s stops at %v, %s must not import it", file, path, homes, pkg)
		}
	}
}

func contains(list []string, s string) bool {
	for _, have := range list {
		if have == s {
			return true
		}
	}
	return false
}

// TestOnlyTheCLIPrints: libraries return data and errors.
func TestOnlyTheCLIPrints(t *testing.T) {
	goFiles(t, func(pkg, file string, test bool) {
		if test || strings.HasPrefix(pkg, "internal/") || strings.HasPrefix(pkg, "cmd/") || strings.HasPrefix(pkg, "test/") {
			return
		}
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, call := range []string{"fmt.Print", "os.Stdout", "os.Stderr", "log.Print", "println("} {
			if strings.Contains(string(raw), call) {
				t.Errorf("%s: %s: only internal/cli prints", file, call)
			}
		}
	})
}
