package action

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// commandTime is how long one run of a program may take.
const commandTime = 4 * time.Minute

// program is the path of a program or folder that the environment tells of. The test is
// left out if it is not there.
func program(t *testing.T, variable, name string) string {
	t.Helper()
	dir := os.Getenv(variable)
	path := absolute(t, filepath.Join(dir, name))
	_, err := os.Stat(path)
	switch {
	case dir == "":
		skip(t, variable+" is not set")
	case err != nil:
		skip(t, fmt.Sprintf("%s: %v", variable, err))
	}
	return path
}

// skip leaves a test out, or fails it where nothing may be left out.
func skip(t *testing.T, reason string) {
	t.Helper()
	if os.Getenv("HALLMARK_NO_SKIP") != "" {
		t.Fatalf("HALLMARK_NO_SKIP is set, and %s", reason)
	}
	t.Skip(reason)
}

// needTool leaves a test out where a program is not on the PATH.
func needTool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		skip(t, err.Error())
	}
	return path
}

// environment lets a program see nothing of this machine but its own home, and reach
// nothing but loopback.
func environment(home string, more ...string) []string {
	const nowhere = "http://127.0.0.1:1"
	return append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + home, "DOCKER_CONFIG=" + home,
		"HTTP_PROXY=" + nowhere, "HTTPS_PROXY=" + nowhere, "https_proxy=" + nowhere, "NO_PROXY=127.0.0.1",
	}, more...)
}

// run runs a program that has to succeed, and gives what it wrote to standard output.
func run(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), commandTime)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, env, &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %q: %v\n%s%s", name, args, err, &stdout, &stderr)
	}
	return stdout.String()
}
