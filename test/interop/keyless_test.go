package interop

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

func sandboxProgram() (string, error) { return program("HALLMARK_SANDBOX_BINARY", "") }

// sigstore is a sandbox: a whole Sigstore of the real projects' programs.
type sigstore struct {
	dir         string
	issuer      string
	mirror      string
	root        string // TUF's
	stop        func() error
	trustedRoot string
	config      string
}

// openSandbox starts a sandbox that is stopped when a test ends at the latest.
func openSandbox(t *testing.T) *sigstore {
	t.Helper()
	needTools(t)
	name, err := sandboxProgram()
	if err != nil {
		skip(t, err)
	}
	dir := t.TempDir()
	s := &sigstore{dir: dir, trustedRoot: filepath.Join(dir, "trusted_root.json"), config: filepath.Join(dir, "signing_config.json")}
	home := t.TempDir()
	s.stop = sync.OnceValue(func() error {
		_, err := mustExecute(home, name, "down", "--dir", dir)
		return err
	})
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	})
	if _, err := mustExecute(home, name, "up", "--dir", dir); err != nil {
		t.Fatal(err)
	}
	s.issuer, s.mirror, s.root = s.variable(t, "env", "HALLMARK_OIDC_ISSUER"), s.variable(t, "env", "HALLMARK_TUF_MIRROR"), s.variable(t, "env", "HALLMARK_TUF_ROOT")
	return s
}

// variable is what one of the sandbox's files exports.
func (s *sigstore) variable(t *testing.T, file, name string) string {
	t.Helper()
	out, err := exec.Command("sh", "-c", `. "$1" && eval "printf %s \"\$$2\""`, "sh", filepath.Join(s.dir, file), name).Output()
	if err != nil || len(out) == 0 {
		t.Fatalf("%s of %s: %v", name, file, err)
	}
	return string(out)
}

// with is a command line of hallmark: command, flags and the rest.
func with(command string, flags []string, more ...string) []string {
	return append(append([]string{command}, flags...), more...)
}

// person is who signs here.
const person = "dev@example.com"

// token puts a person's identity token into a file.
func (d *desk) token(s *sigstore) string {
	d.t.Helper()
	out := d.run(sandboxProgram, 0, "token", "--dir", s.dir, "--email", person)
	return d.file("token", strings.TrimSpace(out.stdout)) // cosign takes a line feed as a part of it
}

// signs is the end of a hallmark command line that signs without a key.
func (d *desk) signs(s *sigstore) []string {
	return []string{"--identity-token", d.token(s), "--trusted-root", s.trustedRoot, "--signing-config", s.config}
}

// by is the flags of either tool that trust an identity under a sandbox.
func (s *sigstore) by(identity string) []string {
	return []string{"--certificate-identity", identity, "--certificate-oidc-issuer", s.issuer, "--trusted-root", s.trustedRoot}
}

// cosignSigner is the flags of cosign that sign without a key.
func (d *desk) cosignSigner(s *sigstore) []string {
	return []string{"-y", "--identity-token", d.token(s), "--signing-config", s.config, "--trusted-root", s.trustedRoot}
}

// TestKeylessRelease: what hallmark releases without a key, cosign verifies, and both
// refuse it for everybody else.
func TestKeylessRelease(t *testing.T) {
	everyRegistry(t, func(t *testing.T, r *registry) {
		s, d, i := openSandbox(t), newDesk(t), r.image(t, "oci")
		d.hallmark(0, with("release", d.signs(s), i.ref())...)
		d.hallmark(0, with("verify", s.by(person), "--require", "signature,spdx,cyclonedx", i.ref())...)
		d.cosign(0, line("verify", s.by(person), i.ref())...)
		for _, p := range i.platforms {
			ref := i.at(p.digest)
			d.cosign(0, line("verify", s.by(person), ref)...)
			d.cosign(0, line("verify-attestation", s.by(person), "--type", "spdxjson", ref)...)
			d.cosign(0, line("verify-attestation", s.by(person), "--type", "cyclonedx", ref)...)
		}
		for _, identity := range []string{"mallory@example.com", strings.TrimSuffix(person, "m"), ""} {
			by := s.by(identity)
			if identity == "" { // another issuer
				by = s.by(person)
				by[3] += "/other"
			}
			d.hallmark(3, with("verify", by, i.ref())...)
			d.cosign(refused, line("verify", by, i.ref())...)
		}
		stranger := openSandbox(t)
		by := slices.Concat(s.by(person)[:4], []string{"--trusted-root", stranger.trustedRoot})
		d.hallmark(3, with("verify", by, i.ref())...)
		d.cosign(refused, line("verify", by, i.ref())...)

		if err := s.stop(); err != nil { // and with nobody left to ask
			t.Fatal(err)
		}
		d.hallmark(0, with("verify", s.by(person), "--offline", "--require", "signature,spdx", i.ref())...)
	})
}

// TestCosignKeyless: what cosign signs without a key, hallmark verifies.
func TestCosignKeyless(t *testing.T) {
	everyRegistry(t, func(t *testing.T, r *registry) {
		s, d, i := openSandbox(t), newDesk(t), r.image(t, "oci")
		d.cosign(0, line("sign", d.cosignSigner(s), i.ref())...)
		d.hallmark(0, with("verify", s.by(person), i.ref())...)
		d.hallmark(3, with("verify", s.by("mallory@example.com"), i.ref())...)
		spdx := d.file("spdx.json", spdxDocument)
		for _, p := range i.platforms {
			ref := i.at(p.digest)
			d.cosign(0, line("attest", d.cosignSigner(s), "--type", "spdxjson", "--predicate", spdx, ref)...)
		}
		d.hallmark(0, with("verify", s.by(person), "--require", "signature,spdx", i.ref())...)
		d.hallmark(4, with("verify", s.by(person), "--require", "cyclonedx", i.ref())...)
	})
}

// TestKeylessFiles: files, both ways.
func TestKeylessFiles(t *testing.T) {
	t.Parallel()
	s, d := openSandbox(t), newDesk(t)
	file, other := d.file("app.tgz", "not really an archive\n"), d.file("other.tgz", "something else\n")
	d.hallmark(0, with("sign", d.signs(s), "--message-signature", "--bundle", d.path("h.json"), "file:"+file)...)
	d.cosign(0, line("verify-blob", s.by(person), "--bundle", d.path("h.json"), file)...)
	d.cosign(refused, line("verify-blob", s.by(person), "--bundle", d.path("h.json"), other)...)

	predicate := d.file("provenance.json", provenance1)
	d.hallmark(0, with("attest", d.signs(s), "--type", "slsaprovenance", "--predicate", predicate, "--bundle", d.path("a.json"), "file:"+file)...)
	d.cosign(0, line("verify-blob-attestation", s.by(person), "--type", "slsaprovenance1", "--bundle", d.path("a.json"), file)...)

	// cosign wants the file to be there before it takes --trusted-root for the new form.
	d.file("c.json", "")
	d.cosign(0, line("sign-blob", d.cosignSigner(s), "--bundle", d.path("c.json"), file)...)
	d.hallmark(0, with("verify", s.by(person), "--bundle", d.path("c.json"), "file:"+file)...)
	d.hallmark(3, with("verify", s.by(person), "--bundle", d.path("c.json"), "file:"+other)...)
	d.hallmark(3, with("verify", s.by("mallory@example.com"), "--bundle", d.path("c.json"), "file:"+file)...)
}

// TestKeylessWorkflow: the runner's token endpoint, and everything that a certificate says
// of the job.
func TestKeylessWorkflow(t *testing.T) {
	everyRegistry(t, func(t *testing.T, r *registry) {
		s, d, i := openSandbox(t), newDesk(t), r.image(t, "oci")
		runner := d.with("GITHUB_ACTIONS=true", "ACTIONS_ID_TOKEN_REQUEST_URL="+s.variable(t, "github.env", "ACTIONS_ID_TOKEN_REQUEST_URL"),
			"ACTIONS_ID_TOKEN_REQUEST_TOKEN="+s.variable(t, "github.env", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"),
			"HALLMARK_TRUSTED_ROOT="+s.trustedRoot, "HALLMARK_SIGNING_CONFIG="+s.config)
		runner.hallmark(0, "sign", "--provider", "github", i.ref())
		verify := func(want int, more ...string) {
			t.Helper()
			runner.hallmark(want, append([]string{"verify", "--certificate-oidc-issuer", s.issuer + "/github", i.ref()}, more...)...)
		}
		const all = `https://github\.com/hallmark-sandbox/demo/.*`
		verify(0, "--certificate-identity-regexp", all, "--certificate-source-repository", "https://github.com/hallmark-sandbox/demo",
			"--certificate-source-ref", "refs/heads/main", "--deny-self-hosted-runners", "--certificate-build-trigger", "push")
		verify(3, "--certificate-identity-regexp", `https://github\.com/hallmark-sandbox/demo/`)
		verify(3, "--certificate-identity-regexp", all, "--certificate-source-ref", "refs/heads/dev")
		verify(2)
		d.cosign(0, line("verify", []string{"--certificate-oidc-issuer", s.issuer + "/github", "--certificate-identity-regexp", all, "--trusted-root", s.trustedRoot}, i.ref())...)
	})
}

// TestKeylessByTUF: trust that a TUF repository delivers, for hallmark and for cosign.
func TestKeylessByTUF(t *testing.T) {
	everyRegistry(t, func(t *testing.T, r *registry) {
		s, d, i := openSandbox(t), newDesk(t), r.image(t, "oci")
		d.hallmark(0, "trust", "init", "--mirror", s.mirror, "--root", s.root)
		d.hallmark(0, "sign", "--identity-token", d.token(s), i.ref())
		d.hallmark(0, "verify", "--certificate-identity", person, "--certificate-oidc-issuer", s.issuer, i.ref())
		d.cosign(0, "initialize", "--mirror", s.mirror, "--root", s.root)
		d.cosign(0, line("verify", s.by(person)[:4], i.ref())...)
	})
}

// TestKeyInLog: a signature by key that is logged and timestamped.
func TestKeyInLog(t *testing.T) {
	everyRegistry(t, func(t *testing.T, r *registry) {
		s, d, i := openSandbox(t), newDesk(t), r.image(t, "oci")
		key := d.keys.hallmark
		d.hallmark(0, "sign", "--key", key.private, i.ref())
		d.hallmark(3, "verify", "--key", key.public, "--trusted-root", s.trustedRoot, i.ref())
		d.hallmark(0, "sign", "--key", key.private, "--tlog", "--tsa", "--trusted-root", s.trustedRoot, "--signing-config", s.config, i.ref())
		d.hallmark(0, "verify", "--key", key.public, "--trusted-root", s.trustedRoot, i.ref())
		d.cosign(0, line("verify", []string{"--key", key.public, "--trusted-root", s.trustedRoot}, i.ref())...)

		key = d.keys.cosign
		d.cosign(0, line("sign", []string{"-y", "--key", key.private, "--signing-config", s.config, "--trusted-root", s.trustedRoot}, i.ref())...)
		d.hallmark(0, "verify", "--key", key.public, "--trusted-root", s.trustedRoot, i.ref())
	})
}
