package interop

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// goFolders lets the go command use the caches of this run in another environment.
func goFolders(t *testing.T) []string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOCACHE", "GOMODCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return []string{"GOCACHE=" + lines[0], "GOMODCACHE=" + lines[1], "GOFLAGS=-buildvcs=false", "GOPROXY=off", "GOTOOLCHAIN=local"}
}

// cloneOf is a clone of a repository, in a folder of its own.
func cloneOf(t *testing.T, from string) string {
	t.Helper()
	clone := filepath.Join(t.TempDir(), "clone")
	if out, err := exec.Command("git", "clone", "-q", from, clone).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return clone
}

// buildImage builds the image of a clone.
func buildImage(t *testing.T, builder, clone string) (layout, tag, digest string) {
	t.Helper()
	layout = filepath.Join(t.TempDir(), "image")
	out, err := execute(clone, append(environment(t.TempDir()), goFolders(t)...), builder, "-source", clone, layout)
	fields := strings.Fields(out.stdout)
	if err != nil || out.code != 0 || len(fields) != 2 {
		t.Fatalf("%v\n%s", err, out)
	}
	return layout, fields[0], fields[1]
}

// TestImage: two clones give one digest; the image is small in rights, other tools read
// it, it runs, and its SBOM names what is linked into it.
func TestImage(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	builder := d.path("builder")
	compile := exec.Command("go", "build", "-o", builder, "./internal/image")
	compile.Dir = repository
	if out, err := compile.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	clone := cloneOf(t, repository)
	layout, tag, first := buildImage(t, builder, clone)
	// A clone of the clone is of the same commit, whatever is committed meanwhile.
	if _, _, second := buildImage(t, builder, cloneOf(t, clone)); first != second {
		t.Errorf("two clones give %s and %s", first, second)
	}
	subject := "oci:" + layout + ":" + tag
	program, err := hallmarkProgram()
	if err != nil {
		t.Fatal(err)
	}
	d.must(4, "", program, "verify", "--key", d.imageKey(program)+".pub", subject)
	d.must(0, "", program, "release", "--key", d.path("image.key"), subject)
	d.must(0, "VERIFIED", program, "verify", "--key", d.path("image.pub"), "--require", "signature,spdx,cyclonedx", subject)
	d.must(0, "oras.land/oras-go/v2", program, "show", "--type", "spdx", "--predicate", "--platform", "linux/arm64", subject)

	var config struct{ Config struct{ User string } }
	said := d.must(0, "", "skopeo", "inspect", "--config", "--override-arch", runtime.GOARCH, subject)
	if err := json.Unmarshal([]byte(said), &config); err != nil || config.Config.User != "65532:65532" {
		t.Errorf("runs as %q, %v", config.Config.User, err)
	}
	single, root := d.path("single"), d.path("root")
	d.must(0, "", "skopeo", "copy", "-q", "--override-arch", runtime.GOARCH, subject, "oci:"+single+":one")
	d.must(0, "", "umoci", "unpack", "--rootless", "--image", single+":one", root)
	d.must(0, "hallmark "+tag+" ", filepath.Join(root, "rootfs", "usr", "bin", "hallmark"), "version")
	roots, err := os.ReadFile(filepath.Join(root, "rootfs", "etc", "ssl", "certs", "ca-certificates.crt"))
	if err != nil || strings.Count(string(roots), "BEGIN CERTIFICATE") < 100 {
		t.Errorf("certificate authorities: %d bytes, %v", len(roots), err)
	}
}

// imageKey makes a key pair on the desk.
func (d *desk) imageKey(program string) string {
	d.t.Helper()
	d.must(0, "", program, "keys", "generate", "--output-key-prefix", d.path("image"))
	return d.path("image")
}

// must runs a program, wants its exit code and, if that is 0, a text in what it prints.
func (d *desk) must(code int, text, program string, args ...string) string {
	d.t.Helper()
	out, err := execute(d.dir, environment(d.home, "HALLMARK_PASSWORD="+password), program, args...)
	if err != nil || out.code != code || code == 0 && !strings.Contains(out.stdout, text) {
		d.t.Fatalf("%v, want exit code %d and %q\n%.4000s", err, code, text, out)
	}
	return out.stdout
}
