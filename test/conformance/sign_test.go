package conformance

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-project/hallmark/internal/testkit/sigstore"
)

const artifactText = "an artifact"

func artifactDigest() string {
	sum := sha256.Sum256([]byte(artifactText))
	return hex.EncodeToString(sum[:])
}

// write makes a file and returns its path.
func write(t *testing.T, dir, name, content string) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestSignAndVerify: the client signs a file and a statement, and verifies what it signed,
// the artifact given as a path and as a digest.
func TestSignAndVerify(t *testing.T) {
	client := theClient(t)
	world := sigstore.New(t, sigstore.WithClock(time.Now))
	world.Serve(t)
	dir := t.TempDir()
	artifact, other := write(t, dir, "artifact", artifactText), write(t, dir, "other", "something else")
	statement := write(t, dir, "statement", "{\n  "+`"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"artifact","digest":{"sha256":"`+
		artifactDigest()+`"}}],"predicateType":"https://example.com/predicate/v1","predicate":{"a":1}}`+"\n")
	root, config := write(t, dir, "root", string(world.TrustedRoot())), write(t, dir, "config", string(world.SigningConfig()))
	for _, c := range []struct{ file, mode, form string }{{artifact, "--staging=true", "messageSignature"}, {statement, "--in-toto", "dsseEnvelope"}} {
		bundle := c.file + ".bundle"
		if ok, out := call(t, client, "sign-bundle", c.mode, "--identity-token", world.Token(nil), "--trusted-root", root, "--signing-config", config, "--bundle", bundle, c.file); !ok {
			t.Fatal(out)
		}
		checkBundle(t, bundle, c.form, statement)
		verify := func(want bool, identity, subject string) {
			t.Helper()
			got, out := call(t, client, "verify-bundle", "--bundle", bundle, "--trusted-root", root, "--certificate-oidc-issuer", world.Issuer.URL, "--certificate-identity", identity, subject)
			if got != want {
				t.Errorf("%s, %s by %s: accepted is %v, want %v\n%s", c.form, subject, identity, got, want, out)
			}
		}
		verify(true, "dev@example.com", artifact)
		verify(true, "dev@example.com", "sha256:"+artifactDigest())
		verify(false, "dev@example.com", other)
		verify(false, "dev@example.com", "sha256:"+strings.Repeat("0", 64))
		verify(false, "other@example.com", artifact)
	}
}

// checkBundle wants a bundle of one form; in an envelope, the statement of the file byte
// for byte.
func checkBundle(t *testing.T, file, form, statement string) {
	t.Helper()
	var members map[string]json.RawMessage
	readJSON(t, file, &members)
	for _, other := range []string{"messageSignature", "dsseEnvelope"} {
		if _, there := members[other]; there != (other == form) {
			t.Errorf("%s: %s is there: %v", file, other, there)
		}
	}
	if form != "dsseEnvelope" {
		return
	}
	var envelope struct {
		Payload []byte `json:"payload"`
	}
	if err := json.Unmarshal(members["dsseEnvelope"], &envelope); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(statement)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(envelope.Payload, want) {
		t.Errorf("signed is %s, want %s", envelope.Payload, want)
	}
}

func readJSON(t *testing.T, file string, v any) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, v); err != nil {
		t.Fatal(err)
	}
}

// TestUsage: what the protocol does not have is refused, for a reason that names it.
func TestUsage(t *testing.T) {
	client := theClient(t)
	by := []string{"--certificate-identity", "a@example.com", "--certificate-oidc-issuer", "https://example.com"}
	for _, c := range []struct {
		want string
		args []string
	}{
		{"sign-bundle or verify-bundle", nil},
		{"unknown command", []string{"verify", "--bundle", "x", "file"}},
		{"--bundle", []string{"verify-bundle", "file"}},
		{"one artifact", append([]string{"verify-bundle", "--bundle", "x"}, by...)},
		{"--identity-token", []string{"sign-bundle", "--bundle", "x", "file"}},
		{"staging", append([]string{"verify-bundle", "--staging", "--bundle", "x"}, append(by, "file")...)},
		{"either --key", []string{"verify-bundle", "--bundle", "x", "file"}},
		{"either --key", []string{"verify-bundle", "--bundle", "x", "--certificate-identity", "a@example.com", "file"}},
		{"either --key", append([]string{"verify-bundle", "--bundle", "x", "--key", "k"}, append(by, "file")...)},
		{"not defined", []string{"verify-bundle", "--bundle", "x", "--unheard-of", "file"}},
	} {
		if ok, out := call(t, client, c.args...); ok || !strings.Contains(out, c.want) {
			t.Errorf("%v: accepted is %v, want a refusal with %q:\n%s", c.args, ok, c.want, out)
		}
	}
}

// TestDigestOrPath: what looks like a digest is a path where there is such a file, and
// where the length is wrong.
func TestDigestOrPath(t *testing.T) {
	client := theClient(t)
	world := sigstore.New(t, sigstore.WithClock(time.Now))
	world.Serve(t)
	dir := t.TempDir()
	t.Chdir(dir)
	root, config := write(t, dir, "root", string(world.TrustedRoot())), write(t, dir, "config", string(world.SigningConfig()))
	for _, name := range []string{"sha256:" + strings.Repeat("0", 64), "sha256:abc"} {
		write(t, dir, name, artifactText)
		if ok, out := call(t, client, "sign-bundle", "--identity-token", world.Token(nil), "--bundle", "b", "--trusted-root", root, "--signing-config", config, name); !ok {
			t.Fatal(out)
		}
		if ok, out := call(t, client, "verify-bundle", "--bundle", "b", "--certificate-identity", "dev@example.com", "--certificate-oidc-issuer", world.Issuer.URL, "--trusted-root", root, name); !ok {
			t.Error(out)
		}
	}
}
