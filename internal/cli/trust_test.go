package cli_test

import (
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-project/hallmark/internal/testkit"
	"github.com/hallmark-project/hallmark/internal/testkit/sigstore"
)

// tufJob is a job whose trust comes from a TUF repository.
type tufJob struct {
	*job
	repository *testkit.TUF
	root       string // file
}

func newTUFJob(t *testing.T) *tufJob {
	t.Helper()
	j := newJob(t, sigstore.WithClock(time.Now))
	delete(j.env, "HALLMARK_TRUSTED_ROOT")
	delete(j.env, "HALLMARK_SIGNING_CONFIG")
	r := testkit.NewTUF(t)
	r.Publish(time.Now().Add(time.Hour), j.targets())
	return &tufJob{j, r, j.write("root.json", r.Root)}
}

func (j *job) targets() map[string][]byte {
	return map[string][]byte{"trusted_root.json": j.world.TrustedRoot(), "signing_config.v0.2.json": j.world.SigningConfig()}
}

func (j *tufJob) init() {
	j.t.Helper()
	j.run(0, "trust", "init", "--mirror", j.repository.URL, "--root", j.root)
}

// TestTrustInit: what TUF delivers signs and verifies, and stays when the mirror is gone.
func TestTrustInit(t *testing.T) {
	j := newTUFJob(t)
	stdout, _ := j.run(0, "trust", "init", "--mirror", j.repository.URL, "--root", j.root, "-o", "json")
	wants(t, stdout, `"signingConfig": true`, j.repository.URL)
	j.run(0, "sign", j.image)
	j.verify(0)
	j.run(0, "trust", "update")
	before := j.repository.Count()
	j.repository.Fail(503)
	j.verify(0)
	j.verify(0, "--offline")
	if n := j.repository.Count() - before; n != 0 {
		t.Errorf("%d requests for material that is fresh, want none", n)
	}
	stdout, _ = j.run(0, "trust", "show")
	wants(t, stdout, "certificate authority", "transparency log", "timestamp authority", "certificate log")
}

// TestTrustUpdate: metadata that has expired, was rolled back or comes from somebody else
// is refused, and what was trusted before stays.
func TestTrustUpdate(t *testing.T) {
	later := time.Now().Add(time.Hour)
	t.Run("before init", func(t *testing.T) {
		j := newTUFJob(t)
		_, stderr := j.run(2, "trust", "update")
		wants(t, stderr, "trust init")
	})
	t.Run("without a root for another mirror", func(t *testing.T) {
		j := newTUFJob(t)
		_, stderr := j.run(2, "trust", "init", "--mirror", j.repository.URL)
		wants(t, stderr, "--root is missing")
	})
	t.Run("a root that is none", func(t *testing.T) {
		j := newTUFJob(t)
		j.run(2, "trust", "init", "--mirror", j.repository.URL, "--root", j.write("bad.json", []byte("hello")))
	})
	t.Run("expired", func(t *testing.T) {
		j := newTUFJob(t)
		j.init()
		j.repository.Publish(time.Now().Add(-time.Hour), j.targets())
		_, stderr := j.run(5, "trust", "update")
		wants(t, stderr, "expired", "still in use")
		j.run(0, "sign", j.image)
	})
	t.Run("rolled back", func(t *testing.T) {
		j := newTUFJob(t)
		j.repository.Publish(later, j.targets())
		j.init()
		j.repository.RollBack(later, j.targets())
		_, stderr := j.run(3, "trust", "update")
		wants(t, stderr, "still in use")
		j.run(0, "sign", j.image)
	})
	t.Run("a mirror that serves another root", func(t *testing.T) {
		j := newTUFJob(t)
		stranger := testkit.NewTUF(t)
		stranger.Publish(later, j.targets())
		_, stderr := j.run(3, "trust", "init", "--mirror", stranger.URL, "--root", j.root)
		wants(t, stderr, "Do not trust this mirror")
		_, stderr = j.run(2, "trust", "update")
		wants(t, stderr, "not set up")
	})
	t.Run("a failed init keeps what was there", func(t *testing.T) {
		j := newTUFJob(t)
		j.init()
		stranger := testkit.NewTUF(t)
		stranger.Publish(later, j.targets())
		j.run(3, "trust", "init", "--mirror", stranger.URL, "--root", j.root)
		j.run(0, "sign", j.image)
	})
	t.Run("mirror down", func(t *testing.T) {
		j := newTUFJob(t)
		j.init()
		j.repository.Fail(503)
		_, stderr := j.run(5, "trust", "update")
		wants(t, stderr, "503")
	})
	t.Run("a target that is no trusted root", func(t *testing.T) {
		j := newTUFJob(t)
		j.repository.Publish(later, map[string][]byte{"trusted_root.json": []byte("{}")})
		j.run(2, "trust", "init", "--mirror", j.repository.URL, "--root", j.root)
	})
	t.Run("a signing configuration that was changed", func(t *testing.T) {
		j := newTUFJob(t)
		j.repository.Tamper("signing_config.v0.2.json", []byte("{}"))
		_, stderr := j.run(3, "trust", "init", "--mirror", j.repository.URL, "--root", j.root)
		wants(t, stderr, "Do not trust this mirror")
	})
	t.Run("no signing configuration", func(t *testing.T) {
		j := newTUFJob(t)
		j.repository.Publish(later, map[string][]byte{"trusted_root.json": j.world.TrustedRoot()})
		stdout, _ := j.run(0, "trust", "init", "--mirror", j.repository.URL, "--root", j.root, "-o", "json")
		wants(t, stdout, `"signingConfig": false`)
		_, stderr := j.run(5, "sign", j.image)
		wants(t, stderr, "which services to ask")
	})
	t.Run("a folder that cannot be written", func(t *testing.T) {
		j := newTUFJob(t)
		j.env["HALLMARK_TRUST_DIR"] = j.write("file", nil)
		j.run(2, "trust", "init", "--mirror", j.repository.URL, "--root", j.root)
	})
}

// TestStaleTrust: material that is older than a day is asked for anew, and used with a
// warning where that fails, unless it is older than is allowed.
func TestStaleTrust(t *testing.T) {
	j := newTUFJob(t)
	j.init()
	j.run(0, "sign", j.image)
	material := filepath.Join(j.dir, ".config", "hallmark", "trust", "material.json")
	raw, err := os.ReadFile(material)
	if err != nil {
		t.Fatal(err)
	}
	year := time.Now().UTC().Format("2006")
	old := strings.Replace(string(raw), `"fetched":"`+year, `"fetched":"2020`, 1)
	if err := os.WriteFile(material, []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	j.repository.Fail(503)
	stdout, stderr := j.run(0, "verify", "--certificate-identity", "dev@example.com", "--certificate-oidc-issuer", j.world.Issuer.URL, j.image)
	wants(t, stdout, "VERIFIED")
	wants(t, stderr, "Warning", "days ago")
	j.verify(5, "--max-root-age", "1h")
	before := j.repository.Count()
	j.verify(0, "--offline")
	if j.repository.Count() != before {
		t.Error("--offline asked the mirror")
	}
	j.repository.Fail(0)
	j.verify(0, "--max-root-age", "1h")
}

// TestSnapshot: with nothing set up, --offline uses what is inside the program, and says
// how old it is.
func TestSnapshot(t *testing.T) {
	j := newJob(t)
	delete(j.env, "HALLMARK_TRUSTED_ROOT")
	stdout, stderr := j.run(0, "trust", "show", "--offline")
	wants(t, stdout, "https://fulcio.sigstore.dev", "https://rekor.sigstore.dev")
	wants(t, stderr, "Warning", "public-good", "days ago")
	j.run(5, "trust", "show", "--offline", "--max-root-age", "24h")
	secret := j.write("secret", []byte("eyJhbGciOiJSUzI1NiJ9.e30.AAAA"))
	_, stderr = j.run(2, "trust", "show", "--trusted-root", secret)
	if strings.Contains(stderr, "eyJ") {
		t.Errorf("a file that is no trusted root is quoted:\n%s", stderr)
	}
	_, stderr = j.run(4, "verify", "--offline", "--github-repo", "octo/app", j.image)
	wants(t, stderr, "Warning")
}

// TestTrustCreate: a trusted root and a signing configuration from chains and keys.
func TestTrustCreate(t *testing.T) {
	j := newJob(t)
	file := func(name string, ders ...[]byte) string {
		var out []byte
		for _, der := range ders {
			out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
		}
		return j.write(name, out)
	}
	ca, tsa := j.world.CA.Chain(), j.world.TSAs[0].Chain()
	root, config := filepath.Join(j.dir, "made.json"), filepath.Join(j.dir, "config.json")
	args := []string{"trust", "create",
		"--fulcio", "url=" + j.urls.Fulcio + ",certificate-chain=" + file("ca.pem", ca[0].Raw, ca[1].Raw),
		"--ctfe", "url=https://ct.example,public-key=" + j.write("ct.pem", sigstore.PublicPEM(j.world.CTLogs[0].Public())),
		"--rekor", "url=" + j.urls.Logs[0] + ",api-version=2,public-key=" + j.write("log.pem", sigstore.PublicPEM(j.world.Logs[0].Public())),
		"--tsa", "url=" + j.urls.TSAs[0] + ",certificate-chain=" + file("tsa.pem", tsa[0].Raw, tsa[1].Raw, tsa[2].Raw),
		"--out", root, "--signing-config", config}
	j.run(0, args...)
	j.env["HALLMARK_TRUSTED_ROOT"], j.env["HALLMARK_SIGNING_CONFIG"] = root, config
	j.run(0, "release", j.image)
	j.verify(0)
	j.run(2, args...) // the files are there
	for _, bad := range [][]string{
		{"--fulcio", "certificate-chain=x"}, {"--fulcio", "url=nowhere,certificate-chain=x"}, {"--rekor", "url=https://x,public-key=" + root},
		{"--tsa", "url=https://x,certificate-chain=" + root}, {"--rekor-config", "SOME"}, {"--fulcio", "colour=blue"}, {"--rekor", "url=https://x,api-version=two"}, {},
	} {
		j.run(2, append([]string{"trust", "create"}, bad...)...)
	}
}

// TestSandboxProgram: the sandbox is another program, and its absence is explained.
func TestSandboxProgram(t *testing.T) {
	j := newJob(t)
	t.Setenv("PATH", t.TempDir())
	_, stderr := j.run(2, "sandbox", "up", "--dir", "lab")
	wants(t, stderr, "make sandbox")
	script := j.write("program", []byte("#!/bin/sh\necho \"$@\"\nexit 5\n"))
	if err := os.Chmod(script, 0o700); err != nil {
		t.Fatal(err)
	}
	j.env["HALLMARK_SANDBOX_PROGRAM"] = script
	stdout, _ := j.run(5, "sandbox", "token", "--email", "a@b")
	wants(t, stdout, "token --email a@b")
}

// TestDamagedTrustFolder: another deployment's material does not take the place of what
// was set up and got lost.
func TestDamagedTrustFolder(t *testing.T) {
	j := newTUFJob(t)
	j.init()
	material := filepath.Join(j.dir, ".config", "hallmark", "trust", "material.json")
	if err := os.Remove(material); err != nil {
		t.Fatal(err)
	}
	_, stderr := j.run(2, "verify", "--offline", "--github-repo", "octo/app", j.image)
	wants(t, stderr, "damaged", "trust update")
	j.run(0, "trust", "update")
	j.run(0, "sign", j.image)
	if err := os.WriteFile(material, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	j.run(2, "verify", "--offline", "--github-repo", "octo/app", j.image)
}
