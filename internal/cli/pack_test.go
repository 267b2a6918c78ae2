package cli_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-project/hallmark/internal/testkit/sigstore"
)

// audit is an image released by a job and signed by a key, a policy that wants both, and
// an auditor with a key.
type audit struct {
	*job
	auditor, auditorPublic string
	policy                 string
	as                     []string
}

func newAudit(t *testing.T) *audit {
	t.Helper()
	a := &audit{job: newJob(t)}
	release, releasePublic := keyPair(t)
	a.auditor, a.auditorPublic = keyPair(t)
	a.env["HALLMARK_PASSWORD"] = ""
	a.as = []string{"--as", "registry.example.com/team/app"}
	a.policy = a.write("policy.yaml", []byte(`schemaVersion: hallmark.policy/v1
signers:
  release: {key: "`+releasePublic+`"}
  ci: {issuer: "`+a.world.Issuer.URL+`", identity: dev@example.com}
rules:
  - subjects: [registry.example.com/team/*]
    signatures: [{by: [release, ci], atLeast: 2}, {by: [ci], maxAge: 30d}]
    sbom: {by: [ci], formats: [spdx]}
`))
	a.run(0, "release", "--format", "spdx-json", a.image)
	a.run(0, "sign", "--key", release, a.image)
	return a
}

// pack makes an evidence pack that somebody has signed.
func (a *audit) pack(name, key string) string {
	a.t.Helper()
	file := filepath.Join(a.dir, name)
	a.run(0, append(a.as, "report", "--policy", a.policy, "--pack", file, "--sign", "--key", key, "--tsa", a.image)...)
	return file
}

// TestPackYearsLater: a decision is repeated from a pack, as of when it was sealed, with
// nothing else at hand but the auditor's key and the trusted root.
func TestPackYearsLater(t *testing.T) {
	a := newAudit(t)
	file := a.pack("app.tar", a.auditor)
	root := a.env["HALLMARK_TRUSTED_ROOT"]
	if err := os.RemoveAll(filepath.Join(a.dir, "layout")); err != nil {
		t.Fatal(err)
	}
	a.world.Advance(5 * 365 * 24 * time.Hour)
	delete(a.env, "HALLMARK_TRUSTED_ROOT")
	before := a.world.Count("tsa") + a.world.Count("rekor") + a.world.Count("fulcio")
	stdout, stderr := a.run(0, "verify", "--pack", file, "--key", a.auditorPublic, "--trusted-root", root)
	wants(t, stdout, "Judged as of ", "VERIFIED "+a.image)
	wants(t, stderr, "The pack is signed by key", "Since then something has changed: as of now it is rejected", "age: it is of ")
	if after := a.world.Count("tsa") + a.world.Count("rekor") + a.world.Count("fulcio"); after != before {
		t.Errorf("%d requests were made", after-before)
	}
	stdout, _ = a.run(0, "verify", "--pack", file, "--key", a.auditorPublic, "--trusted-root", root, "-o", "json")
	wants(t, stdout, `"at": "`)
	a.run(0, append(a.as, "verify", "--pack", file, "--policy", a.policy, "--trusted-root", root, "--at", a.start.Add(time.Hour).Format(time.RFC3339))...)
	a.run(3, append(a.as, "verify", "--pack", file, "--policy", a.policy, "--trusted-root", root)...) // it is too old by now
	stdout, _ = a.run(3, "verify", "--pack", file, "--policy", a.policy, "--trusted-root", root)      // whoever made it does not say what it is judged as
	wants(t, stdout, "--as")
	a.run(3, "verify", "--as", "registry.example.com/other/app", "--pack", file, "--policy", a.policy, "--trusted-root", root)
	for _, more := range [][]string{{"-f", "x.yaml"}, {"--bundle", "x"}, {"--require", "vsa"}, {"--rederive"}, {"--platform", "linux/arm64"}, {"--check-repository"}} {
		a.run(2, append([]string{"verify", "--pack", file, "--key", a.auditorPublic, "--trusted-root", root}, more...)...)
	}

	// Another root, another auditor, nobody's word.
	other := a.write("other_root.json", sigstore.New(t).TrustedRoot())
	a.run(3, "verify", a.as[0], a.as[1], "--pack", file, "--policy", a.policy, "--trusted-root", other, "--at", a.start.Add(time.Hour).Format(time.RFC3339))
	_, strangerPublic := keyPair(t)
	a.run(3, "verify", "--pack", file, "--key", strangerPublic, "--trusted-root", root)
	a.run(2, "verify", "--pack", file)
	a.run(2, "verify", "--pack", file, "--key", a.auditorPublic, a.image)
	a.run(2, "verify", "--pack", filepath.Join(a.dir, "none.tar"), "--key", a.auditorPublic)
}

// TestPackTampered: one byte anywhere, or a pack that somebody else made again.
func TestPackTampered(t *testing.T) {
	a := newAudit(t)
	file := a.pack("app.tar", a.auditor)
	root := a.env["HALLMARK_TRUSTED_ROOT"]
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i := 300; i < len(raw); i += len(raw) / 40 {
		changed := bytes.Clone(raw)
		changed[i] ^= 4
		a.run(3, "verify", "--pack", a.write("flipped.tar", changed), "--key", a.auditorPublic, "--trusted-root", root)
		a.run(3, append(a.as, "verify", "--pack", filepath.Join(a.dir, "flipped.tar"), "--policy", a.policy, "--trusted-root", root)...)
	}
	stranger, _ := keyPair(t)
	_, stderr := a.run(3, "verify", "--pack", a.pack("again.tar", stranger), "--key", a.auditorPublic, "--trusted-root", root)
	wants(t, stderr, "the pack's signature")
	_, stderr = a.run(2, append(a.as, "report", "--policy", a.policy, "--pack", file, a.image)...)
	wants(t, stderr, "exists")
	if again, err := os.ReadFile(file); err != nil || !bytes.Equal(again, raw) {
		t.Errorf("the pack that was there was changed: %v", err)
	}
}

// TestPackIsDeterministic: the same decision at the same time makes the same bytes.
func TestPackIsDeterministic(t *testing.T) {
	a := newAudit(t)
	var packs [2][]byte
	for i := range packs {
		file := filepath.Join(a.dir, strings.Repeat("p", i+1)+".tar")
		a.run(0, append(a.as, "report", "--policy", a.policy, "--pack", file, a.image)...)
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		packs[i] = raw
	}
	if !bytes.Equal(packs[0], packs[1]) {
		t.Error("two packs of the same decision differ")
	}
}

// TestReport: flags that make no sense, and what is refused before anything is judged.
func TestReport(t *testing.T) {
	a := newAudit(t)
	file := filepath.Join(a.dir, "x.tar")
	a.run(2, "report", a.image)
	a.run(2, "report", "--policy", a.policy, "--sign", a.image)
	a.run(2, "report", "--policy", a.policy, "--pack", file, "--key", a.auditor, a.image)
	a.run(2, "report", "--policy", a.policy, "--pack", file, "--at", "2030-01-01", a.image)
	a.run(2, "report", "--policy", a.policy, "--pack", file, a.image, a.image)
	a.run(3, "report", "--policy", a.policy, a.image) // nobody says what the layout is judged as
	if _, err := os.Stat(file); err == nil {
		t.Error("a pack was written")
	}
	stdout, _ := a.run(0, append(a.as, "report", "--policy", a.policy, "-o", "html="+filepath.Join(a.dir, "r.html"), a.image)...)
	wants(t, stdout, "VERIFIED")
	html, err := os.ReadFile(filepath.Join(a.dir, "r.html"))
	if err != nil {
		t.Fatal(err)
	}
	wants(t, string(html), "dev@example.com", "Content-Security-Policy")
}

// TestVerdictWithoutKey: the verdict of a job is a gate's, by the job's identity.
func TestVerdictWithoutKey(t *testing.T) {
	a := newAudit(t)
	gate := a.write("gate.yaml", []byte(`schemaVersion: hallmark.policy/v1
signers: {ci: {issuer: "`+a.world.Issuer.URL+`", identity: dev@example.com}}
verifiers: {gate: {id: "https://example.com/gate", signer: {issuer: "`+a.world.Issuer.URL+`", identity: gate@example.com}}}
rules: [{subjects: ['registry.example.com/**'], signatures: [{}]}]
`))
	a.env["HALLMARK_ID_TOKEN"] = a.world.Token(sigstore.Claims{"sub": "gate", "email": "gate@example.com", "email_verified": true})
	a.run(0, append(a.as, "verify", "--policy", gate, "--verdict", "--verifier-id", "https://example.com/gate", a.image)...)
	a.run(0, append(a.as, "verify", "--policy", gate, "--require", "vsa", "--max-verdict-age", "24h", a.image)...)
	a.world.Advance(48 * time.Hour)
	stdout, _ := a.run(3, append(a.as, "verify", "--policy", gate, "--require", "vsa", "--max-verdict-age", "24h", a.image)...)
	wants(t, stdout, "age")
	a.run(0, append(a.as, "verify", "--policy", gate, "--require", "vsa", a.image)...)
	// The job that signs is no verifier.
	a.env["HALLMARK_ID_TOKEN"] = a.world.Token(nil)
	a.run(0, append(a.as, "verify", "--policy", gate, "--verdict", "--verifier-id", "https://example.com/gate", a.image)...)
	a.world.Advance(time.Hour)
	a.run(0, append(a.as, "verify", "--policy", gate, "--require", "vsa", a.image)...)
	stdout, _ = a.run(3, append(a.as, "verify", "--policy", gate, "--require", "vsa", "--max-verdict-age", "24h", a.image)...)
	wants(t, stdout, "age")
}

// TestVerifierIsNoSigner: who is trusted as a signer too gives no verdicts, whatever names
// the policy has for them.
func TestVerifierIsNoSigner(t *testing.T) {
	a := newAudit(t)
	both := a.write("both.yaml", []byte(`schemaVersion: hallmark.policy/v1
signers: {ci: {issuer: "`+a.world.Issuer.URL+`", identity: dev@example.com}}
verifiers: {gate: {signer: {issuer: "`+a.world.Issuer.URL+`", identityPattern: '.*@example\.com'}}}
rules: [{subjects: ['registry.example.com/**'], signatures: [{}]}]
`))
	a.run(0, append(a.as, "verify", "--policy", both, "--verdict", "--verifier-id", "https://example.com/gate", a.image)...)
	stdout, _ := a.run(3, append(a.as, "verify", "--policy", both, "--require", "vsa", a.image)...)
	wants(t, stdout, "the roles are apart")
}
