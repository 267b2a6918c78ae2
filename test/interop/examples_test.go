package interop

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestExamples runs the remaining examples to their last line. TestKeylessExample and
// TestRecipes run the others.
func TestExamples(t *testing.T) {
	t.Parallel()
	build := exampleFolder(t)
	layout := filepath.Join(t.TempDir(), "layout")
	if err := os.CopyFS(layout, os.DirFS(filepath.Join(build, "images", "layout"))); err != nil {
		t.Fatal(err)
	}
	near, far := oneRegistry(t, shop.memory), oneRegistry(t, shop.distribution)
	for name, example := range map[string]struct {
		args []string
		last string
	}{
		"airgap":           {[]string{near.host + "/airgap", far.host + "/airgap"}, "== Done: the same verdict on both sides of the gap"},
		"audit":            {[]string{filepath.Join(t.TempDir(), "out")}, "== Done: verified, ten times turned down for the right reason, and verified again from the pack"},
		"release-with-key": {[]string{"oci:" + layout + ":app"}, "Released and verified: oci:" + layout + ":app"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			script, err := filepath.Abs(filepath.Join(repository, "examples", name, "run.sh"))
			if err != nil {
				t.Fatal(err)
			}
			env := environment(t.TempDir(), "BUILD="+build, "TMPDIR="+t.TempDir(), "PATH="+build+":"+os.Getenv("PATH"))
			out, err := execute(t.TempDir(), env, script, example.args...)
			if err != nil || out.code != 0 || !strings.HasSuffix(strings.TrimSpace(out.stdout), example.last) {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// TestEveryExampleRuns: no example is left out. That of quickstart is `make quickstart`, which
// builds what it needs.
func TestEveryExampleRuns(t *testing.T) {
	t.Parallel()
	scripts, err := filepath.Glob(filepath.Join(repository, "examples", "*", "run.sh"))
	if err != nil || len(scripts) < 9 {
		t.Fatalf("%d examples, %v", len(scripts), err)
	}
	known := " airgap audit buildkite gitlab jenkins keyless quickstart release-with-key shell tekton "
	for _, script := range scripts {
		if name := filepath.Base(filepath.Dir(script)); !strings.Contains(known, " "+name+" ") {
			t.Errorf("nothing runs examples/%s/run.sh", name)
		}
	}
}
