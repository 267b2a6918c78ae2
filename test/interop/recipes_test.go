package interop

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRecipes runs the recipes of CI systems: the files that people copy, by a player of
// each runner, against a registry and a private Sigstore.
func TestRecipes(t *testing.T) {
	t.Parallel()
	build := exampleFolder(t)
	peers, err := filepath.Abs(os.Getenv("HALLMARK_PEERS"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"gitlab", "tekton", "buildkite", "jenkins", "shell"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			script, err := filepath.Abs(filepath.Join(repository, "examples", name, "run.sh"))
			if err != nil {
				t.Fatal(err)
			}
			temp := t.TempDir()
			env := append(environment(t.TempDir(), "BUILD="+build, "HALLMARK_PEERS="+peers, "TMPDIR="+temp), goFolders(t)...)
			out, err := execute(temp, env, script)
			if err != nil || out.code != 0 || !strings.HasSuffix(out.stdout, "== Done: "+name+"\n") {
				t.Errorf("%v\n%s", err, out)
			}
			if left, err := os.ReadDir(temp); err != nil || len(left) != 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}
