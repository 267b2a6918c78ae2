// Package conformance runs the verification cases of the sigstore-conformance suite
// against the real program, through the client that the suite itself would call.
package conformance

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-project/hallmark/internal/testkit/sigstore"
)

// build makes hallmark and the client, side by side.
func build(t *testing.T) (client string) {
	t.Helper()
	dir := t.TempDir()
	for name, pkg := range map[string]string{"hallmark": "../../cmd/hallmark", "client": "./client"} {
		out, err := exec.Command("go", "build", "-ldflags", "-s -w", "-o", filepath.Join(dir, name), pkg).CombinedOutput()
		if err != nil {
			t.Fatalf("building %s: %v\n%s", name, err, out)
		}
	}
	return filepath.Join(dir, "client")
}

// call runs the client and reports whether it said yes.
func call(t *testing.T, client string, args ...string) (bool, string) {
	t.Helper()
	cmd := exec.Command(client, args...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "HALLMARK=", "HALLMARK_TRUSTED_ROOT=", "HALLMARK_SIGNING_CONFIG=")
	out, err := cmd.CombinedOutput()
	return err == nil, string(out)
}

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
	client := build(t)
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
		if got, out := call(t, client, append(args, subject)...); got != want {
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

// TestSignAndVerify: the client signs, a file and a statement, and verifies what it signed.
func TestSignAndVerify(t *testing.T) {
	client := build(t)
	world := sigstore.New(t, sigstore.WithClock(time.Now))
	world.Serve(t)
	dir := t.TempDir()
	write := func(name string, content []byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	artifact := write("artifact", []byte("an artifact"))
	sum := sha256.Sum256([]byte("an artifact"))
	statement := write("statement", bytes.Replace([]byte(`{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"artifact","digest":{"sha256":"HEX"}}],`+
		`"predicateType":"https://example.com/predicate/v1","predicate":{"a":1}}`), []byte("HEX"), []byte(hex.EncodeToString(sum[:])), 1))
	root, config := write("root", world.TrustedRoot()), write("config", world.SigningConfig())
	for _, c := range []struct{ file, mode string }{{artifact, "--staging=true"}, {statement, "--in-toto"}} {
		bundle := filepath.Join(dir, filepath.Base(c.file)+".bundle")
		if ok, out := call(t, client, "sign-bundle", c.mode, "--identity-token", world.Token(nil), "--trusted-root", root, "--signing-config", config, "--bundle", bundle, c.file); !ok {
			t.Fatal(out)
		}
		verify := []string{"verify-bundle", "--bundle", bundle, "--trusted-root", root, "--certificate-oidc-issuer", world.Issuer.URL, "--certificate-identity"}
		if ok, out := call(t, client, append(verify, "dev@example.com", artifact)...); !ok {
			t.Error(out)
		}
		if ok, out := call(t, client, append(verify, "other@example.com", artifact)...); ok {
			t.Error("another identity is accepted:", out)
		}
	}
	for _, bad := range [][]string{{}, {"verify"}, {"verify-bundle", artifact}, {"sign-bundle", "--bundle", "x", artifact}, {"verify-bundle", "--staging", "--bundle", "x", artifact}} {
		if ok, out := call(t, client, bad...); ok {
			t.Errorf("%v is accepted: %s", bad, out)
		}
	}
}
