// Package conformance runs the verification cases of the sigstore-conformance suite
// against the real program, through the client that the suite itself would call.
package conformance

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// programs is where hallmark and the client lie, side by side.
var programs string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "hallmark-conformance-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	programs = dir
	return m.Run()
}

// build makes hallmark and the client, once for all tests.
var build = sync.OnceValue(func() error {
	for name, pkg := range map[string]string{"hallmark": "../../cmd/hallmark", "client": "./client"} {
		out, err := exec.Command("go", "build", "-tags", "disable_grpc_modules,grpcnotrace", "-ldflags", "-s -w", "-o", filepath.Join(programs, name), pkg).CombinedOutput()
		if err != nil {
			return fmt.Errorf("building %s: %w\n%s", name, err, out)
		}
	}
	return nil
})

// theClient is the program that the suite would call.
func theClient(t *testing.T) string {
	t.Helper()
	if err := build(); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(programs, "client")
}

// call runs the client and reports whether it said yes.
func call(t *testing.T, client string, args ...string) (bool, string) {
	t.Helper()
	cmd := exec.Command(client, args...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "HALLMARK=", "HALLMARK_TRUSTED_ROOT=", "HALLMARK_SIGNING_CONFIG=")
	out, err := cmd.CombinedOutput()
	return err == nil, string(out)
}

// rejected is what the client says of hallmark's exit code for evidence that does not hold:
// a case that is refused for any other reason proves nothing.
const rejected = "exit status 3"

// What the suite's own signer is, where a case does not say otherwise.
const (
	identity = "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main"
	issuer   = "https://token.actions.githubusercontent.com"
)

// TestConformance runs every case in the folder named by SIGSTORE_CONFORMANCE_DIR.
func TestConformance(t *testing.T) {
	root := os.Getenv("SIGSTORE_CONFORMANCE_DIR")
	if root == "" {
		if os.Getenv("HALLMARK_NO_SKIP") != "" {
			t.Fatal("HALLMARK_NO_SKIP is set, and SIGSTORE_CONFORMANCE_DIR is not")
		}
		t.Skip("SIGSTORE_CONFORMANCE_DIR names no folder with cases")
	}
	cases, err := filepath.Glob(filepath.Join(root, "bundle-verify", "*", "bundle.sigstore.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(cases) < 30 {
		t.Errorf("only %d cases: the test looks in the wrong place", len(cases))
	}
	client := theClient(t)
	for _, bundle := range cases {
		dir := filepath.Dir(bundle)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			judge(t, client, root, dir)
		})
	}
}

// judge runs one case, with the artifact as a file and as a digest.
func judge(t *testing.T, client, root, dir string) {
	artifact := firstFile(t, filepath.Join(dir, "artifact"), filepath.Join(root, "bundle-verify", "a.txt"))
	args := []string{"verify-bundle", "--bundle", filepath.Join(dir, "bundle.sigstore.json"),
		"--trusted-root", firstFile(t, filepath.Join(dir, "trusted_root.json"), filepath.Join(root, "trusted_root.public-good.json"))}
	if key := filepath.Join(dir, "key.pub"); exists(key) {
		args = append(args, "--key", key)
	} else {
		args = append(args, "--certificate-identity", textOf(t, filepath.Join(dir, "identity"), identity),
			"--certificate-oidc-issuer", textOf(t, filepath.Join(dir, "issuer"), issuer))
	}
	content, err := os.ReadFile(artifact)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(content)
	want := !strings.HasSuffix(dir, "_fail")
	for _, subject := range []string{artifact, "sha256:" + hex.EncodeToString(sum[:])} {
		got, out := call(t, client, append(args, subject)...)
		if got != want || !got && !strings.Contains(out, rejected) {
			t.Errorf("%s: accepted is %v, want %v\n%s", subject, got, want, out)
		}
	}
}

func firstFile(t *testing.T, names ...string) string {
	t.Helper()
	for _, name := range names {
		if exists(name) {
			return name
		}
	}
	t.Fatalf("none of %v is there", names)
	return ""
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// textOf is the content of a file, or a default where it is not there.
func textOf(t *testing.T, name, otherwise string) string {
	t.Helper()
	raw, err := os.ReadFile(name)
	if os.IsNotExist(err) {
		return otherwise
	}
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(raw))
}
