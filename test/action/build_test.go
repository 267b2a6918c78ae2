package action

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// checkout copies what git tracks, or would if it were added, into a folder.
func checkout(t *testing.T, dir string) {
	t.Helper()
	list := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir = "../.."
	out, err := list.Output()
	if err != nil {
		skip(t, err.Error())
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		raw, err := os.ReadFile(filepath.Join("../..", name))
		if os.IsNotExist(err) {
			continue // removed, and not committed yet
		}
		info, statErr := os.Stat(filepath.Join("../..", name))
		path := filepath.Join(dir, name)
		if err == nil && statErr == nil {
			err = os.MkdirAll(filepath.Dir(path), 0o755)
		}
		if err == nil {
			err = os.WriteFile(path, raw, info.Mode().Perm())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// goEnvironment lets Go find what is on this machine already.
func goEnvironment(t *testing.T) []string {
	t.Helper()
	env := []string{"GOPROXY=off", "GOFLAGS=-mod=mod"}
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPATH"} {
		env = append(env, name+"="+strings.TrimSpace(run(t, ".", os.Environ(), needTool(t, "go"), "env", name)))
	}
	return env
}

// TestReproducible: the same commit built in two folders, by two users with homes of their
// own, gives the same bytes, which say what version they are.
func TestReproducible(t *testing.T) {
	t.Parallel()
	platform := runtime.GOOS + "/" + runtime.GOARCH
	var built [2][]byte
	for i := range built {
		dir, home := filepath.Join(t.TempDir(), strings.Repeat("deeper/", i)), t.TempDir()
		checkout(t, dir)
		out := run(t, dir, append(environment(home), goEnvironment(t)...), filepath.Join(dir, "action", "build-release.sh"), "dist", "v9.8.7", platform)
		name := "hallmark_v9.8.7_" + strings.ReplaceAll(platform, "/", "_")
		raw, err := os.ReadFile(filepath.Join(dir, "dist", name))
		if err != nil {
			t.Fatal(err)
		}
		if out != sum(string(raw))+"  "+name+"\n" {
			t.Errorf("checksums.txt: %q", out)
		}
		if said := run(t, dir, environment(home), filepath.Join(dir, "dist", name), "version"); !strings.Contains(said, "v9.8.7") {
			t.Errorf("it says %q", said)
		}
		if bytes.Contains(raw, []byte(dir)) {
			t.Errorf("the program holds the name of the folder")
		}
		built[i] = raw
	}
	if !bytes.Equal(built[0], built[1]) {
		t.Errorf("%d and %d bytes, and they differ", len(built[0]), len(built[1]))
	}
}

// TestInstallSource: 'source' builds the checkout of the action.
func TestInstallSource(t *testing.T) {
	t.Parallel()
	s := newStep(t)
	s.env = goEnvironment(t)
	p := s.play("install.sh", "HALLMARK_INPUT_version=source")
	if p.code != 0 {
		t.Fatalf("code %d\n%s", p.code, p.log)
	}
	if said := run(t, s.dir, environment(s.temp), p.outputs["program"], "version"); !strings.HasPrefix(said, "hallmark devel") {
		t.Errorf("it says %q", said)
	}
	// Without Go, it says what to do.
	if p := s.play("install.sh", "HALLMARK_INPUT_version=source", "PATH=/usr/bin:/bin"); p.code != 2 {
		if _, err := exec.LookPath("/usr/bin/go"); err != nil {
			t.Errorf("code %d\n%s", p.code, p.log)
		}
	}
}

// TestBuildVersion: a version that is none is refused.
func TestBuildVersion(t *testing.T) {
	for _, version := range []string{"", "main", "v1", "v1.2.3 -X a=b", "v1.2.3' x"} {
		dir := t.TempDir()
		cmd := exec.Command(absolute(t, "../../action/build-release.sh"), filepath.Join(dir, "dist"), version, "none/none")
		cmd.Env = environment(dir)
		if out, err := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != 2 {
			t.Errorf("%q: %v\n%s", version, err, out)
		}
	}
}
