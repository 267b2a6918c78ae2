package chaos

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// person is who signs without a key here.
const person = "dev@example.com"

// sigstore is a whole one of the sandbox's, on loopback.
type sigstore struct {
	*lab
	program, dir, issuer string
}

// openSandbox starts a sandbox that is stopped with the test. Without the program it
// skips the test.
func openSandbox(t *testing.T, l *lab) *sigstore {
	t.Helper()
	program := os.Getenv("HALLMARK_SANDBOX_BINARY")
	if program == "" {
		skip(t, "HALLMARK_SANDBOX_BINARY is not set; 'make chaos' does that")
	}
	program, err := filepath.Abs(program)
	if err != nil {
		t.Fatal(err)
	}
	s := &sigstore{lab: l, program: program, dir: t.TempDir()}
	t.Cleanup(func() { s.do(t, "down") })
	s.do(t, "up")
	raw, err := os.ReadFile(filepath.Join(s.dir, "env"))
	if err != nil {
		t.Fatal(err)
	}
	issuer := regexp.MustCompile(`HALLMARK_OIDC_ISSUER='?([^'\s]+)`).FindSubmatch(raw)
	if issuer == nil {
		t.Fatalf("the sandbox does not name its issuer:\n%s", raw)
	}
	s.issuer = string(issuer[1])
	return s
}

// do runs a command of the sandbox and returns what it prints.
func (s *sigstore) do(t *testing.T, command string, more ...string) string {
	t.Helper()
	cmd := exec.Command(s.program, append([]string{command, "--dir", s.dir}, more...)...)
	cmd.Dir, cmd.Env = s.lab.dir, s.environment()
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("hallmark-sandbox %s: %v\n%s", command, err, out)
	}
	return strings.TrimSpace(string(out))
}

// signs is the end of a command line that signs as the person.
func (s *sigstore) signs(t *testing.T, token string) []string {
	t.Helper()
	if err := os.WriteFile(token, []byte(s.do(t, "token", "--email", person)), 0o600); err != nil {
		t.Error(err)
	}
	return []string{"--identity-token", token, "--trusted-root", filepath.Join(s.dir, "trusted_root.json"),
		"--signing-config", filepath.Join(s.dir, "signing_config.json")}
}

// trusts is the end of a command line that trusts the person.
func (s *sigstore) trusts() []string {
	return []string{"--certificate-identity", person, "--certificate-oidc-issuer", s.issuer, "--trusted-root", filepath.Join(s.dir, "trusted_root.json")}
}
