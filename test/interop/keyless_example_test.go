package interop

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const repository = "../.."

// exampleFolder is a BUILD folder for examples/keyless: the programs and images of this
// run, and the stage on which the example's attacker works.
func exampleFolder(t *testing.T) string {
	t.Helper()
	needTools(t)
	dir := t.TempDir()
	for name, find := range map[string]func() (string, error){"hallmark": hallmarkProgram, "hallmark-sandbox": sandboxProgram, "images": imagesFolder} {
		target, err := find()
		if err != nil {
			skip(t, err)
		}
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	stage := exec.Command("go", "build", "-o", filepath.Join(dir, "quickstart-stage"), "./internal/quickstart")
	stage.Dir = repository
	if out, err := stage.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}

// TestKeylessExample runs examples/keyless to its last line, plainly and with a network
// that has loopback only.
func TestKeylessExample(t *testing.T) {
	t.Parallel()
	build := exampleFolder(t)
	script, err := filepath.Abs(repository + "/examples/keyless/run.sh")
	if err != nil {
		t.Fatal(err)
	}
	run := func(t *testing.T, line ...string) {
		t.Helper()
		temp := t.TempDir()
		out, err := execute(temp, environment(t.TempDir(), "BUILD="+build, "TMPDIR="+temp), line[0], line[1:]...)
		if err != nil || out.code != 0 || !strings.Contains(out.stdout, "== Done: released and verified without a key; another identity and tampered evidence rejected") {
			t.Errorf("%v\n%s", err, out)
		}
		if left, err := os.ReadDir(temp); err != nil || len(left) != 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	}
	t.Run("plain", func(t *testing.T) { run(t, script) })
	t.Run("loopback only", func(t *testing.T) {
		if os.Geteuid() != 0 {
			skip(t, "only root may cut a program off the network here")
		}
		// The first command proves that there is nothing but loopback.
		run(t, "unshare", "--net", "sh", "-ec", `ip link set lo up; test "$(tail -n +3 /proc/net/dev | wc -l)" = 1; exec "$1"`, "sh", script)
	})
	t.Run("own image without PACKAGE", func(t *testing.T) {
		images := filepath.Join(build, "images")
		out, err := execute(t.TempDir(), environment(t.TempDir(), "BUILD="+build), script, "oci:"+images+"/layout:app")
		if err != nil || out.code != 0 || !strings.Contains(out.stdout, "tampering left out") {
			t.Errorf("%v\n%s", err, out)
		}
	})
}
