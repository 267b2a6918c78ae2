package cli_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/hallmark-project/hallmark/internal/cli"
	"github.com/hallmark-project/hallmark/internal/testkit"
	"github.com/hallmark-project/hallmark/internal/testkit/sigstore"
)

// job is somebody who signs without a key: a served Sigstore, a layout with an image, an
// environment, and a clock that only moves when the program waits.
type job struct {
	t      *testing.T
	world  *sigstore.World
	urls   sigstore.URLs
	dir    string
	image  string
	env    map[string]string
	start  time.Time
	claims sigstore.Claims // of the user; nil: the issuer's own
	onWait func()          // after each wait
}

func newJob(t *testing.T, options ...sigstore.Option) *job {
	t.Helper()
	j := &job{t: t, world: sigstore.New(t, options...), dir: t.TempDir()}
	j.urls = j.world.Serve(t)
	j.start = j.world.Now()
	layout := filepath.Join(j.dir, "layout")
	testkit.WriteLayout(t, layout, "app", testkit.NewIndex())
	j.image = "oci:" + layout + ":app"
	j.env = map[string]string{
		"HOME": j.dir, "HALLMARK_ID_TOKEN": j.world.Token(nil),
		"HALLMARK_TRUSTED_ROOT":   j.write("trusted_root.json", j.world.TrustedRoot()),
		"HALLMARK_SIGNING_CONFIG": j.write("signing_config.json", j.world.SigningConfig()),
	}
	return j
}

func (j *job) write(name string, content []byte) string {
	j.t.Helper()
	file := filepath.Join(j.dir, name)
	if err := os.WriteFile(file, content, 0o600); err != nil {
		j.t.Fatal(err)
	}
	return file
}

// run runs one command line and wants an exit code. No output may hold the token.
func (j *job) run(code int, args ...string) (stdout, stderr string) {
	j.t.Helper()
	var out, errs bytes.Buffer
	app := &cli.App{In: strings.NewReader(""), Out: &out, Err: &errs, Now: j.world.Now,
		Env: func(name string) (string, bool) { value, ok := j.env[name]; return value, ok },
		Sleep: func(_ context.Context, d time.Duration) error {
			j.world.Advance(d)
			if j.onWait != nil {
				j.onWait()
			}
			return nil
		}}
	if got := app.Run(context.Background(), args); got != code {
		j.t.Fatalf("hallmark %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), got, code, out.String(), errs.String())
	}
	if token := j.env["HALLMARK_ID_TOKEN"]; token != "" && strings.Contains(out.String()+errs.String(), token) {
		j.t.Errorf("hallmark %s: the token is in its output", strings.Join(args, " "))
	}
	return out.String(), errs.String()
}

// verify verifies the image as signed by the issuer's user.
func (j *job) verify(code int, more ...string) (stdout string) {
	j.t.Helper()
	stdout, _ = j.run(code, append([]string{"verify", "--certificate-identity", "dev@example.com",
		"--certificate-oidc-issuer", j.world.Issuer.URL, j.image}, more...)...)
	return stdout
}

func (j *job) elapsed() time.Duration { return j.world.Now().Sub(j.start) }

// wants fails unless text has every one of the parts.
func wants(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q is missing in\n%s", part, text)
		}
	}
}

// TestKeylessRelease: release and verify without a key, and again, which adds nothing.
func TestKeylessRelease(t *testing.T) {
	for name, options := range map[string][]sigstore.Option{
		"log of version 2": nil, "log of version 1": {sigstore.WithRekorV1()},
		"no log": {sigstore.WithoutLog()}, "no certificate log": {sigstore.WithoutCT()},
	} {
		t.Run(name, func(t *testing.T) {
			j := newJob(t, options...)
			_, stderr := j.run(0, "release", j.image)
			wants(t, stderr, "Identity token from the variable HALLMARK_ID_TOKEN", "Signing as dev@example.com")
			stdout := j.verify(0, "--require", "signature", "--require", "spdx", "--require", "cyclonedx", "--offline")
			wants(t, stdout, "by dev@example.com (issuer "+j.world.Issuer.URL+") at 2026-01-15T12:0")
			stdout, _ = j.run(0, "release", j.image)
			wants(t, stdout, "Nothing to add")
			j.world.Advance(400 * 24 * time.Hour) // the certificate has ended long ago
			j.verify(0)
		})
	}
}

// TestOneCertificate: a release of 20 platforms asks for one token and one certificate,
// and for one log entry each (cosign#3153: one of each per digest).
func TestOneCertificate(t *testing.T) {
	j := newJob(t)
	var platforms []ocispec.Platform
	for i := range 20 {
		platforms = append(platforms, ocispec.Platform{OS: "linux", Architecture: fmt.Sprintf("arch%d", i)})
	}
	layout := filepath.Join(j.dir, "many")
	testkit.WriteLayout(t, layout, "app", testkit.NewIndex(testkit.For(platforms...)))
	delete(j.env, "HALLMARK_ID_TOKEN")
	j.env["ACTIONS_ID_TOKEN_REQUEST_URL"], j.env["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] = j.urls.GitHubRequestURL, j.urls.GitHubRequestToken
	j.run(0, "release", "--format", "spdx-json", "oci:"+layout+":app")
	const signatures = 1 + 20*2
	for service, want := range map[string]int{"github": 1, "fulcio": 1, "rekor": signatures, "tsa": signatures} {
		if got := j.world.Count(service); got != want {
			t.Errorf("%d requests to %s, want %d", got, service, want)
		}
	}
}

// TestOutages: what happens while a service is down, on the test's clock.
func TestOutages(t *testing.T) {
	down := sigstore.Fault{Status: 502, Times: sigstore.Always, Body: "upstream is gone"}
	t.Run("log down for a minute", func(t *testing.T) {
		j := newJob(t)
		j.world.Fault("rekor", down)
		j.onWait = func() {
			if j.elapsed() > time.Minute {
				j.world.Heal("rekor")
			}
		}
		_, stderr := j.run(0, "release", j.image)
		wants(t, stderr, "Trying again: the transparency log")
		j.verify(0)
	})
	t.Run("log down for good", func(t *testing.T) {
		j := newJob(t)
		j.world.Fault("rekor", down)
		_, stderr := j.run(5, "release", j.image, "--retry-for", "90s")
		wants(t, stderr, "transparency log", "502", "tried", "--log-later")
		j.verify(4)
		start := j.elapsed() // the signatures of a release share the test's clock, and each has its budget
		j.run(5, "sign", j.image, "--retry-for", "90s")
		if took := j.elapsed() - start; took > 90*time.Second {
			t.Errorf("it took %s, and the budget is 90s", took)
		}
	})
	t.Run("certificate authority throttles", func(t *testing.T) {
		j := newJob(t)
		j.world.Fault("fulcio", sigstore.Fault{Status: 429, RetryAfter: "7", Times: 3})
		j.run(0, "sign", j.image)
		if j.elapsed() < 21*time.Second {
			t.Errorf("waited %s, and was asked three times for 7s", j.elapsed())
		}
	})
	t.Run("certificate authority asks for more time than there is", func(t *testing.T) {
		j := newJob(t)
		j.world.Fault("fulcio", sigstore.Fault{Status: 429, RetryAfter: "3600", Times: sigstore.Always})
		_, stderr := j.run(5, "sign", j.image)
		wants(t, stderr, "certificate authority", "429")
		if j.elapsed() > 0 {
			t.Errorf("waited %s for nothing", j.elapsed())
		}
	})
	t.Run("timestamp authority down", func(t *testing.T) {
		j := newJob(t)
		j.world.Fault("tsa", sigstore.Fault{Cut: true, Times: sigstore.Always})
		_, stderr := j.run(5, "sign", j.image)
		wants(t, stderr, "timestamp authority", "could not be reached")
	})
	t.Run("an answer that got lost", func(t *testing.T) {
		j := newJob(t, sigstore.WithRekorV1())
		j.world.Fault("rekor", sigstore.Fault{Status: 502, Lost: true})
		j.run(0, "sign", j.image)
		j.verify(0)
	})
	t.Run("a service that says no", func(t *testing.T) {
		j := newJob(t)
		j.world.Fault("fulcio", sigstore.Fault{Status: 403, Body: "go away", Times: sigstore.Always})
		_, stderr := j.run(2, "sign", j.image)
		wants(t, stderr, "certificate authority", "403", "go away")
		if n := j.world.Count("fulcio"); n != 1 {
			t.Errorf("asked %d times, once is enough for a no", n)
		}
	})
}

// TestLogLater: with the log down, a release signs at once, verifiers are told, and
// flush or the next release completes it.
func TestLogLater(t *testing.T) {
	pending := func(t *testing.T) *job {
		t.Helper()
		j := newJob(t)
		j.world.Fault("rekor", sigstore.Fault{Status: 502, Times: sigstore.Always})
		stdout, _ := j.run(0, "release", "--log-later", j.image)
		wants(t, stdout, "trust flush")
		if n := j.world.Count("rekor"); n != 0 || j.elapsed() != 0 {
			t.Errorf("%d requests to the log and %s of waiting, want none", n, j.elapsed())
		}
		wants(t, j.verify(3), "not yet logged")
		j.verify(0, "--allow-pending")
		return j
	}
	t.Run("flush", func(t *testing.T) {
		j := pending(t)
		stdout, stderr := j.run(5, "trust", "flush", "--retry-for", "10s")
		wants(t, stdout, "pending")
		wants(t, stderr, "502")
		wants(t, j.verify(3), "not yet logged")
		j.world.Heal("rekor")
		j.world.Advance(24 * time.Hour)
		stdout, _ = j.run(0, "trust", "flush", "-o", "json")
		var result struct{ Entries []struct{ Status string } }
		if err := json.Unmarshal([]byte(stdout), &result); err != nil || len(result.Entries) != 7 || result.Entries[0].Status != "logged" {
			t.Errorf("%v, want seven entries logged\n%s", err, stdout)
		}
		j.verify(0, "--require", "signature", "--require", "spdx")
		stdout, _ = j.run(0, "trust", "flush")
		wants(t, stdout, "Nothing is waiting")
		j.env["HALLMARK_ID_TOKEN"] = j.world.Token(nil)
		stdout, _ = j.run(0, "release", j.image)
		wants(t, stdout, "Nothing to add")
	})
	t.Run("in another folder", func(t *testing.T) {
		j := newJob(t)
		j.world.Fault("rekor", sigstore.Fault{Status: 502, Times: sigstore.Always})
		t.Chdir(j.dir)
		j.run(0, "release", "--log-later", "oci:layout:app")
		j.world.Heal("rekor")
		t.Chdir(t.TempDir())
		j.run(0, "trust", "flush")
		j.verify(0)
	})
	t.Run("next release", func(t *testing.T) {
		j := pending(t)
		j.world.Heal("rekor")
		stdout, stderr := j.run(0, "release", j.image)
		wants(t, stdout, "Nothing to add")
		wants(t, stderr, "Logged the pending")
		j.verify(0)
	})
	t.Run("again, while the log is still down", func(t *testing.T) {
		j := pending(t)
		stdout, _ := j.run(0, "release", "--log-later", j.image)
		wants(t, stdout, "Nothing to add")
	})
	t.Run("refused where it would be worth nothing", func(t *testing.T) {
		for name, options := range map[string][]sigstore.Option{
			"log of version 1": {sigstore.WithRekorV1()}, "no timestamps": {sigstore.WithoutTSA(), sigstore.WithRekorV2()},
		} {
			j := newJob(t, options...)
			_, stderr := j.run(2, "release", "--log-later", j.image)
			wants(t, stderr, "logging later needs")
			if n := j.world.Count("fulcio"); n != 0 {
				t.Errorf("%s: %d certificates were asked for, want none", name, n)
			}
		}
	})
	t.Run("a spool that cannot be written", func(t *testing.T) {
		j := newJob(t)
		_, stderr := j.run(2, "release", "--log-later", "--spool", j.write("file", nil), j.image)
		wants(t, stderr, "spool")
		j.verify(4) // nothing was attached that nobody would complete
	})
}

// TestTokens: a token that cannot be used is not sent anywhere.
func TestTokens(t *testing.T) {
	cases := []struct {
		name  string
		token func(w *sigstore.World) string
		sent  int
		want  string
	}{
		{"expired", func(w *sigstore.World) string {
			return w.Token(sigstore.Claims{"exp": w.Now().Add(-time.Hour).Unix()})
		}, 0, "ends at"},
		{"wrong audience", func(w *sigstore.World) string { return w.Token(sigstore.Claims{"aud": "somebody"}) }, 0, "audience"},
		{"no token", func(*sigstore.World) string { return "hello" }, 0, "no JSON web token"},
		{"wrong issuer", func(w *sigstore.World) string { return w.Token(sigstore.Claims{"iss": "https://issuer.example"}) }, 1, "certificate authority"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			j := newJob(t)
			j.env["HALLMARK_ID_TOKEN"] = c.token(j.world)
			_, stderr := j.run(2, "sign", j.image)
			wants(t, stderr, c.want)
			if n := j.world.Count("fulcio"); n != c.sent {
				t.Errorf("the token was sent %d times, want %d", n, c.sent)
			}
		})
	}
	t.Run("nobody", func(t *testing.T) {
		j := newJob(t)
		delete(j.env, "HALLMARK_ID_TOKEN")
		_, stderr := j.run(2, "sign", j.image)
		wants(t, stderr, "no identity to sign with", "--key")
		j.env["GITHUB_ACTIONS"] = "true"
		_, stderr = j.run(2, "sign", j.image)
		wants(t, stderr, "id-token: write")
	})
	t.Run("on the command line", func(t *testing.T) {
		j := newJob(t)
		_, stderr := j.run(2, "sign", "--identity-token", j.env["HALLMARK_ID_TOKEN"], j.image)
		wants(t, stderr, "others can read a command line")
	})
}

// TestLyingServices: what a service answers is checked before it is used.
func TestLyingServices(t *testing.T) {
	other := sigstore.NewCTLog("stranger", sigstore.Around(sigstore.Epoch, time.Hour, time.Hour))
	cases := map[string]struct {
		twist sigstore.Twists
		want  string
	}{
		"certificate without SCT":          {sigstore.Twists{Cert: func(r *sigstore.CertRequest) { r.SCTs = nil }}, "signed certificate timestamp"},
		"SCT of a log that is not trusted": {sigstore.Twists{Cert: func(r *sigstore.CertRequest) { r.SCTs = []sigstore.SCT{{Log: other}} }}, "certificate"},
		"certificate without an issuer":    {sigstore.Twists{Cert: func(r *sigstore.CertRequest) { r.Issuer = "" }}, "does not name the issuer"},
		"certificate for another key":      {sigstore.Twists{Cert: func(r *sigstore.CertRequest) { r.Public = sigstore.NewKey().Public() }}, "another key"},
		"entry with a forged checkpoint":   {sigstore.Twists{Entry: sigstore.EntryFaults{ForgedNote: true}}, "transparency log"},
		"entry without a proof":            {sigstore.Twists{Entry: sigstore.EntryFaults{NoProof: true}}, "transparency log"},
		"timestamp by another key":         {sigstore.Twists{Stamp: sigstore.StampFaults{WrongKey: true}}, "timestamp authority"},
		"timestamp over something else":    {sigstore.Twists{Stamp: sigstore.StampFaults{Over: []byte("other")}}, "timestamp authority"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			j := newJob(t)
			j.world.Twists = c.twist
			_, stderr := j.run(5, "sign", j.image)
			wants(t, stderr, c.want)
			if n := j.world.Count("tsa"); n > 0 && c.twist.Cert != nil {
				t.Errorf("a certificate that does not hold was used: %d timestamps were asked for", n)
			}
			j.verify(4)
		})
	}
}

// TestKeyWithWitnesses: signatures by a key may be logged and timestamped as well.
func TestKeyWithWitnesses(t *testing.T) {
	j := newJob(t)
	private, public := keyPair(t)
	j.env["HALLMARK_PASSWORD"] = ""
	root := j.env["HALLMARK_TRUSTED_ROOT"]
	j.run(0, "sign", "--key", private, j.image)
	j.run(3, "verify", "--key", public, "--trusted-root", root, j.image)
	j.run(0, "verify", "--key", public, "--trusted-root", root, "--insecure-ignore-tlog", j.image)
	j.run(0, "sign", "--key", private, "--tlog", "--tsa", j.image)
	stdout, _ := j.run(0, "verify", "--key", public, "--trusted-root", root, "-o", "json", j.image)
	wants(t, stdout, `"logs"`, `"signedAt"`)
	stdout, _ = j.run(0, "sign", "--key", private, "--tlog", "--tsa", j.image)
	wants(t, stdout, "Nothing to add")
	if n := j.world.Count("rekor"); n != 1 {
		t.Errorf("logged %d times, want once", n)
	}
}

// TestIdentityFlags: whom the command line trusts.
func TestIdentityFlags(t *testing.T) {
	j := newJob(t)
	delete(j.env, "HALLMARK_ID_TOKEN")
	j.env["ACTIONS_ID_TOKEN_REQUEST_URL"], j.env["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] = j.urls.GitHubRequestURL, j.urls.GitHubRequestToken
	j.world.Issuer.Aliases = []string{sigstore.GitHubIssuer}
	j.world.Issuer.Workflow = sigstore.GitHubClaims("octo/app")
	_, stderr := j.run(0, "sign", j.image)
	wants(t, stderr, "GitHub Actions", "https://github.com/octo/app/.github/workflows/release.yml@refs/heads/main")

	issuer := strings.TrimSpace(strings.Split(strings.Split(stderr, "(issuer ")[2], ")")[0])
	const pattern = `https://github\.com/octo/app/.*`
	for _, c := range []struct {
		code int
		args []string
		want string
	}{
		{2, nil, "Say whom you trust"},
		{2, []string{"--certificate-identity-regexp", pattern}, "an identity needs an issuer"},
		{2, []string{"--certificate-oidc-issuer", issuer}, "an identity needs an issuer"},
		{2, []string{"--deny-self-hosted-runners", "--certificate-oidc-issuer", issuer}, "an identity needs an issuer"},
		{2, []string{"--certificate-identity-regexp", "(", "--certificate-oidc-issuer", issuer}, "pattern"},
		{2, []string{"--certificate-identity", "", "--certificate-oidc-issuer", issuer}, "is empty"},
		{2, []string{"--github-repo", "octo"}, "OWNER/REPO"},
		{2, []string{"--github-repo", "octo/app", "--gitlab-project", "octo/app"}, "two identities"},
		{0, []string{"--certificate-identity-regexp", pattern, "--certificate-oidc-issuer", issuer}, "VERIFIED"},
		{3, []string{"--certificate-identity-regexp", `https://github\.com/octo/app/`, "--certificate-oidc-issuer", issuer}, "matches a part of it only"},
		{3, []string{"--certificate-identity-regexp", pattern, "--certificate-oidc-issuer", issuer + "/x"}, "issuer"},
		{0, []string{"--certificate-identity-regexp", pattern, "--certificate-oidc-issuer", issuer, "--certificate-source-repository", "https://github.com/octo/app",
			"--certificate-github-workflow-ref", "refs/heads/main", "--deny-self-hosted-runners", "--certificate-build-trigger", "push"}, "VERIFIED"},
		{3, []string{"--certificate-identity-regexp", pattern, "--certificate-oidc-issuer", issuer, "--certificate-source-ref", "refs/heads/dev"}, "source ref"},
		{3, []string{"--certificate-identity-regexp", pattern, "--certificate-oidc-issuer", issuer, "--log-threshold", "2"}, "2 are wanted"},
		{3, []string{"--certificate-identity-regexp", pattern, "--certificate-oidc-issuer", issuer, "--timestamp-threshold", "2"}, "2 are wanted"},
		{3, []string{"--certificate-identity-regexp", pattern, "--certificate-oidc-issuer", issuer, "--sct-threshold", "2"}, "2 are wanted"},
		{2, []string{"--certificate-identity-regexp", pattern, "--certificate-oidc-issuer", issuer, "--log-threshold", "-1"}, "negative"},
		{2, []string{"--certificate-identity-regexp", pattern, "--certificate-oidc-issuer", issuer, "--trusted-root", "nowhere.json"}, "nowhere.json"},
	} {
		stdout, stderr := j.run(c.code, append([]string{"verify", j.image}, c.args...)...)
		wants(t, stdout+stderr, c.want)
	}
}

// TestGitHubShorthand: --github-repo says what it stands for.
func TestGitHubShorthand(t *testing.T) {
	j := newJob(t)
	payload := sigstore.Request{Artifact: []byte("app"), Identity: sigstore.Identity{URI: "https://github.com/octo/app/.github/workflows/release.yml@refs/tags/v1"},
		Issuer: sigstore.GitHubIssuer, Extensions: sigstore.Extensions{sigstore.SourceRepositoryURI: "https://github.com/octo/app"}}
	file := "file:" + j.write("app", []byte("app"))
	digest := fmt.Sprintf("sha256:%x", sha256.Sum256([]byte("app")))
	bundle := j.write("app.jsonl", append(append(j.world.Bundle(sigstore.Request{Artifact: []byte("other")}), '\n'), j.world.Bundle(payload)...))
	_, stderr := j.run(0, "verify", "--github-repo", "octo/app", "--bundle", bundle, file)
	wants(t, stderr, "Trusting", "https://token.actions.githubusercontent.com", "https://github.com/octo/app")
	j.run(0, "verify", "--github-repo", "octo/app", "--trust-digest", "--bundle", bundle, digest)
	j.run(3, "verify", "--github-repo", "octo/app", "--bundle", bundle, digest)
	stdout, _ := j.run(3, "verify", "--github-repo", "Octo/app", "--certificate-identity", payload.Identity.URI, "--bundle", bundle, file)
	wants(t, stdout, "upper and lower case")
	j.run(3, "verify", "--github-repo", "octo/ap", "--bundle", bundle, file)
	j.run(3, "verify", "--github-repo", "octo/app.git", "--bundle", bundle, file)
	stdout, _ = j.run(3, "verify", "--github-repo", "octo/other", "--certificate-identity", payload.Identity.URI, "--bundle", bundle, file)
	wants(t, stdout, "source repository")
}

// replaying puts a log in the place of the real one that answers every question with its
// first answer.
func (j *job) replaying() {
	j.t.Helper()
	var mu sync.Mutex
	var first []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if first == nil {
			answer, err := http.Post(j.urls.Logs[0]+r.URL.Path, "application/json", r.Body)
			if err != nil {
				j.t.Error(err)
				return
			}
			defer answer.Body.Close()
			if first, err = io.ReadAll(answer.Body); err != nil {
				j.t.Error(err)
			}
		}
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write(first)
	}))
	j.t.Cleanup(server.Close)
	config := strings.ReplaceAll(string(j.world.SigningConfig()), j.urls.Logs[0], server.URL)
	j.env["HALLMARK_SIGNING_CONFIG"] = j.write("replaying.json", []byte(config))
}

// TestReplayingLog: an entry that a log vouches for, and that is about something else, is
// not taken for ours, and what is pending stays so.
func TestReplayingLog(t *testing.T) {
	for _, options := range [][]sigstore.Option{nil, {sigstore.WithRekorV1()}} {
		j := newJob(t, options...)
		j.replaying()
		j.run(0, "sign", j.image)
		_, stderr := j.run(5, "attest", "--type", "https://example.com/t", "--predicate", j.write("p.json", []byte("{}")), j.image)
		wants(t, stderr, "OK: the entry is about another signature")
	}
	j := newJob(t)
	j.replaying()
	j.run(0, "release", "--log-later", j.image)
	j.run(5, "trust", "flush")
	stdout, _ := j.run(5, "trust", "flush", "-o", "json")
	if n := strings.Count(stdout, `"pending"`); n < 6 {
		t.Errorf("%d signatures are pending still, want at least six of seven\n%s", n, stdout)
	}
}

// TestUnverifiable: what nobody could verify is not attached.
func TestUnverifiable(t *testing.T) {
	t.Run("the certificate ends while a service is down", func(t *testing.T) {
		j := newJob(t)
		j.world.Fault("tsa", sigstore.Fault{Status: 503, Times: sigstore.Always})
		j.onWait = func() {
			if j.elapsed() > 12*time.Minute {
				j.world.Heal("tsa")
			}
		}
		_, stderr := j.run(5, "sign", "--retry-for", "20m", j.image)
		wants(t, stderr, "does not verify")
		j.verify(4)
	})
	t.Run("nobody says when", func(t *testing.T) {
		j := newJob(t, sigstore.WithoutTSA(), sigstore.WithRekorV2())
		_, stderr := j.run(2, "sign", j.image)
		wants(t, stderr, "nobody would say when")
		if n := j.world.Count("fulcio"); n != 0 {
			t.Errorf("%d certificates were asked for", n)
		}
	})
}

// TestThresholdsForKeys: who asks for logs and timestamps is not answered without them.
func TestThresholdsForKeys(t *testing.T) {
	j := newJob(t)
	private, public := keyPair(t)
	j.env["HALLMARK_PASSWORD"] = ""
	j.run(0, "sign", "--key", private, j.image)
	j.run(0, "verify", "--key", public, j.image)
	j.run(3, "verify", "--key", public, "--log-threshold", "1", j.image)
	j.run(3, "verify", "--key", public, "--timestamp-threshold", "1", j.image)
	j.run(2, "verify", "--key", public, "--timestamp-threshold", "1", "--insecure-ignore-tlog", j.image)
	j.verify(2, "--insecure-ignore-tlog") // it is about keys
	j.run(0, "sign", "--key", private, "--tlog", "--tsa", j.image)
	j.run(0, "verify", "--key", public, "--log-threshold", "1", "--timestamp-threshold", "1", j.image)
	j.run(3, "verify", "--key", public, "--log-threshold", "2", j.image)
}
