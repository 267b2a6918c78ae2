package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-project/hallmark/sandbox/internal/stack"
)

// TestMain lets the test program be the services: 'up' starts its own executable.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == "supervise" || strings.HasPrefix(os.Args[1], "serve-")) {
		main()
	}
	os.Exit(m.Run())
}

// hallmark runs the command in this process.
func hallmark(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	code = run(ctx, args, &out, &errs)
	return code, out.String(), errs.String()
}

func want(t *testing.T, wanted int, args ...string) string {
	t.Helper()
	code, stdout, stderr := hallmark(t, args...)
	if code != wanted {
		t.Fatalf("%v: exit code %d, want %d\n%s%s", args, code, wanted, stdout, stderr)
	}
	return stdout
}

func read(t *testing.T, path ...string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// newLab is a folder for a sandbox that is down, with nothing left, after the test.
func newLab(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "lab")
	t.Cleanup(func() {
		hallmark(t, "down", "--dir", dir)
		if left := processes(t, dir); len(left) > 0 {
			t.Errorf("left running: %v", left)
		}
	})
	return dir
}

// processes are those with the folder in their command line, where /proc tells.
func processes(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err == nil && bytes.Contains(data, []byte(dir)) {
			found = append(found, strings.ReplaceAll(string(data), "\x00", " "))
		}
	}
	return found
}

func statusOf(t *testing.T, wanted int, dir string) stack.Status {
	t.Helper()
	var status stack.Status
	if err := json.Unmarshal([]byte(want(t, wanted, "status", "--dir", dir, "-o", "json")), &status); err != nil {
		t.Fatal(err)
	}
	return status
}

func TestUpSignDownUp(t *testing.T) {
	dir := newLab(t)
	out := want(t, 0, "up", "--dir", dir)
	if !strings.Contains(out, "up in "+dir) {
		t.Errorf("up says %q", out)
	}
	status := statusOf(t, 0, dir)
	if !status.Up || !status.Ready || len(status.Services) != len(stack.Public) {
		t.Fatalf("status %+v", status)
	}
	if out := want(t, 0, "up", "--dir", dir); !strings.Contains(out, "already up") {
		t.Errorf("a second up says %q", out)
	}

	person := newSigner(t, dir, status, want(t, 0, "token", "--dir", dir, "--email", "dev@example.com"))
	evidence := person.sign("hello")
	verifyBundle(t, dir, evidence, "hello", status.Services[0].URL, "dev@example.com")

	workflow := newSigner(t, dir, status, want(t, 0, "token", "--dir", dir, "--github-repo", "octo-org/app", "--ref", "refs/tags/v1", "--event", "release"))
	verifyBundle(t, dir, workflow.sign("release"), "release", status.GitHubIssuer,
		"https://github.com/octo-org/app/.github/workflows/release.yml@refs/tags/v1")
	checkExtensions(t, workflow.leaf, map[string]string{
		"1.3.6.1.4.1.57264.1.11": "github-hosted",
		"1.3.6.1.4.1.57264.1.12": "https://github.com/octo-org/app",
		"1.3.6.1.4.1.57264.1.14": "refs/tags/v1",
		"1.3.6.1.4.1.57264.1.20": "release",
	})

	checkFirstAPI(t, person, want(t, 0, "token", "--dir", dir, "--email", "dev@example.com"))

	trusted, signing, root := read(t, dir, "trusted_root.json"), read(t, dir, "signing_config.json"), read(t, dir, "tuf", "root.json")
	want(t, 0, "down", "--dir", dir)
	if left := processes(t, dir); len(left) > 0 {
		t.Errorf("running after down: %v", left)
	}
	if out := want(t, 0, "down", "--dir", dir); !strings.Contains(out, "already down") {
		t.Errorf("a second down says %q", out)
	}
	if status := statusOf(t, 5, dir); status.Up || status.Ready {
		t.Errorf("status after down %+v", status)
	}

	want(t, 0, "up", "--dir", dir)
	if read(t, dir, "trusted_root.json") != trusted || read(t, dir, "signing_config.json") != signing || read(t, dir, "tuf", "root.json") != root {
		t.Error("a second start wrote other files")
	}
	verifyBundle(t, dir, evidence, "hello", status.Services[0].URL, "dev@example.com")
	again := newSigner(t, dir, status, want(t, 0, "token", "--dir", dir, "--email", "dev@example.com"))
	if index := again.sign("again").GetVerificationMaterial().GetTlogEntries()[0].GetLogIndex(); index != 2 {
		t.Errorf("the log goes on at entry %d after a restart, want 2", index)
	}
}

func TestTwoStartsAtOnce(t *testing.T) {
	dir := newLab(t)
	outs := make(chan string, 2)
	for range cap(outs) {
		go func() {
			code, stdout, stderr := hallmark(t, "up", "--dir", dir)
			if code != 0 {
				t.Errorf("exit code %d, %s", code, stderr)
			}
			outs <- stdout
		}()
	}
	if both := <-outs + <-outs; strings.Count(both, "already up") != 1 {
		t.Errorf("not one of them was first:\n%s", both)
	}
}

func TestFailingServiceIsNamed(t *testing.T) {
	dir := newLab(t)
	want(t, 0, "up", "--dir", dir)
	want(t, 0, "down", "--dir", dir)
	// Rekor cannot use this storage.
	if err := os.RemoveAll(filepath.Join(dir, "rekor", ".state")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "rekor", ".state"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, stderr := hallmark(t, "up", "--dir", dir)
	if code != 5 || !strings.Contains(stderr, "rekor: exit status 1") || !strings.Contains(stderr, "not a directory") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	if left := processes(t, dir); len(left) > 0 {
		t.Errorf("running after a failed start: %v", left)
	}
}

func TestServicesEndWithTheirSupervisor(t *testing.T) {
	dir := newLab(t)
	want(t, 0, "up", "--dir", dir)
	supervisor, err := os.FindProcess(statusOf(t, 0, dir).PID)
	if err != nil {
		t.Fatal(err)
	}
	if err := supervisor.Kill(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); len(processes(t, dir)) > 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("running after the supervisor was killed: %v", processes(t, dir))
		}
	}
	want(t, 0, "up", "--dir", dir)
}

func TestForegroundEndsWithItsContext(t *testing.T) {
	dir := newLab(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan int)
	var out, errs bytes.Buffer
	go func() { ended <- run(ctx, []string{"up", "--dir", dir, "--foreground"}, &out, &errs) }()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if code, _, _ := hallmark(t, "status", "--dir", dir); code == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("not up")
		}
	}
	if code, _, stderr := hallmark(t, "up", "--dir", dir, "--foreground"); code != 5 || !strings.Contains(stderr, "up already") {
		t.Errorf("a second one: exit code %d, %s", code, stderr)
	}
	cancel()
	if code := <-ended; code != 0 {
		t.Errorf("exit code %d\n%s", code, errs.String())
	}
	if left := processes(t, dir); len(left) > 0 {
		t.Errorf("left running: %v", left)
	}
	if !strings.Contains(errs.String(), "for tests, demos and labs only") {
		t.Errorf("no notice: %s", errs.String())
	}
}

// The servers that are linked in would add theirs.
func TestHelpShowsNoFlagsOfOthers(t *testing.T) {
	help := want(t, 0, "up", "--help")
	for _, flag := range []string{"--host", "--port", "--scheme", "--tls"} {
		if strings.Contains(help, flag) {
			t.Errorf("up --help shows %s:\n%s", flag, help)
		}
	}
	if top := want(t, 0); !strings.Contains(top, "tests, demos and labs") || strings.Contains(top, "serve-") {
		t.Errorf("help:\n%s", top)
	}
}

func TestExitCodes(t *testing.T) {
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "thesis.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	none := filepath.Join(full, "none")
	for _, test := range []struct {
		name, want string
		args       []string
	}{
		{"no folder named", "--dir", []string{"up"}},
		{"folder of something else", "holds other files", []string{"up", "--dir", full}},
		{"no sandbox", "up --dir", []string{"token", "--dir", none, "--email", "a@example.com"}},
		{"nothing to end", "up --dir", []string{"down", "--dir", none}},
		{"nothing to ask", "up --dir", []string{"status", "--dir", none}},
		{"nobody", "either --email or --github-repo", []string{"token", "--dir", none}},
		{"both", "either --email or --github-repo", []string{"token", "--dir", none, "--email", "a@example.com", "--github-repo", "o/r"}},
		{"person with a ref", "go with --github-repo", []string{"token", "--dir", none, "--email", "a@example.com", "--ref", "refs/heads/x"}},
		{"no address", "no email address", []string{"token", "--dir", none, "--email", "a"}},
		{"no such output", "text or json", []string{"status", "--dir", none, "-o", "yaml"}},
		{"no such flag", "unknown flag", []string{"up", "--dri", none}},
		{"no such command", "not expected", []string{"upp"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			code, stdout, stderr := hallmark(t, test.args...)
			if code != 2 || stdout != "" || !strings.Contains(stderr, test.want) {
				t.Errorf("exit code %d, %q, %q", code, stdout, stderr)
			}
		})
	}
	if _, err := os.Stat(none); err == nil {
		t.Error("a folder was made")
	}
}
