package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hallmark-project/hallmark/internal/testkit/sigstore"
)

const (
	appRepository = "https://github.com/octo/app"
	appBuilder    = "https://github.com/octo/app/.github/workflows/release.yml@refs/heads/main"
)

// gitHubJob is a job of GitHub Actions: its environment says what its token says, but for
// what change does.
func gitHubJob(t *testing.T, change func(sigstore.Claims)) *job {
	t.Helper()
	j := newJob(t)
	said := sigstore.GitHubClaims("octo/app")
	for variable, claim := range map[string]string{
		"GITHUB_REPOSITORY": "repository", "GITHUB_REPOSITORY_ID": "repository_id", "GITHUB_REPOSITORY_OWNER_ID": "repository_owner_id",
		"GITHUB_REF": "ref", "GITHUB_SHA": "sha", "GITHUB_EVENT_NAME": "event_name", "GITHUB_WORKFLOW_REF": "workflow_ref",
		"GITHUB_RUN_ID": "run_id", "GITHUB_RUN_ATTEMPT": "run_attempt", "RUNNER_ENVIRONMENT": "runner_environment",
	} {
		j.env[variable] = said[claim].(string)
	}
	j.env["GITHUB_ACTIONS"], j.env["GITHUB_SERVER_URL"] = "true", "https://github.com"
	delete(said, "iss")
	if change != nil {
		change(said)
	}
	j.env["HALLMARK_ID_TOKEN"] = j.world.Token(said)
	return j
}

func (j *job) verifyBuild(code int, more ...string) string {
	j.t.Helper()
	out, _ := j.run(code, append([]string{"verify", "--certificate-identity-regexp", `https://github\.com/octo/.*`,
		"--certificate-oidc-issuer", j.world.Issuer.URL, j.image}, more...)...)
	return out
}

// TestProvenanceOfJob: provenance of a GitHub job shows its source and its builder, and
// nothing else.
func TestProvenanceOfJob(t *testing.T) {
	j := gitHubJob(t, nil)
	j.run(0, "release", "--provenance", j.image)
	out, _ := j.run(0, "release", "--provenance", j.image)
	wants(t, out, "Nothing to add")
	j.verifyBuild(0, "--source-repo", appRepository, "--source-ref", "refs/heads/main", "--builder", appBuilder,
		"--build-type", "https://actions.github.io/buildtypes/workflow/v1")
	j.verifyBuild(0, "--source-repo", "github.com/octo/app", "--source-ref", "refs/heads/*", "--builder", strings.Replace(appBuilder, "main", "*", 1))
	for name, flags := range map[string][]string{
		"a fork":          {"--source-repo", "https://github.com/fork/app"},
		"another ref":     {"--source-repo", appRepository, "--source-ref", "refs/heads/dev"},
		"another builder": {"--source-repo", appRepository, "--builder", "https://github.com/octo/app/.github/workflows/other.yml@refs/heads/main"},
		"another type":    {"--source-repo", appRepository, "--build-type", "https://example.com/make/v1"},
		"a parameter":     {"--source-repo", appRepository, "--build-parameter", "target=all"},
	} {
		if out := j.verifyBuild(3, flags...); !strings.Contains(out, "slsaprovenance") {
			t.Errorf("%s: rejected for another reason:\n%s", name, out)
		}
	}
	wants(t, j.verifyBuild(0, "--source-repo", appRepository, "--details"), "of a build by the builder that the signer's certificate names", "passed: builder ("+appBuilder+")")
	j.verifyBuild(2, "--source-ref", "refs/heads/main")
	j.verifyBuild(2, "--source-repo", appRepository, "--source-ref", "main")
	j.verifyBuild(2, "--builder", appBuilder)
	j.verifyBuild(0, "--builder", appBuilder, "--build-parameter", "*")
	_, stderr := j.run(2, "verify", "--pack", "none.tar", "--source-repo", appRepository)
	wants(t, stderr, "--pack repeats what a policy decided")
	j.env["GITHUB_RUN_ATTEMPT"] = "2" // the token still says 1
	_, stderr = j.run(2, "release", "--provenance", j.image)
	wants(t, stderr, "says that the run is", "/attempts/2", "/attempts/1")
}

// TestProvenanceMissing: provenance that is asked for and not there is no signature's
// fault.
func TestProvenanceMissing(t *testing.T) {
	j := gitHubJob(t, nil)
	j.run(0, "sign", j.image)
	wants(t, j.verifyBuild(4, "--source-repo", appRepository), "slsaprovenance")
}

// TestReusableWorkflow: the builder is the workflow that signs, as the certificate says,
// not the caller's.
func TestReusableWorkflow(t *testing.T) {
	const shared = "octo/tools/.github/workflows/sign.yml@refs/tags/v1"
	j := gitHubJob(t, func(c sigstore.Claims) { c["job_workflow_ref"] = shared })
	j.run(0, "release", "--provenance", j.image)
	j.verifyBuild(0, "--source-repo", appRepository, "--builder", "https://github.com/"+shared)
	j.verifyBuild(3, "--source-repo", appRepository, "--builder", appBuilder)
}

// TestForgedProvenance: what the certificate of another job contradicts is rejected,
// although every flag would let it pass.
func TestForgedProvenance(t *testing.T) {
	honest := gitHubJob(t, nil)
	honest.run(0, "attest", "--provenance", honest.image)
	predicate, _ := honest.run(0, "show", "--type", "slsaprovenance", "--predicate", honest.image)
	for name, change := range map[string]func(sigstore.Claims){
		"a fork":           func(c sigstore.Claims) { c["repository"] = "octo/fork" },
		"another branch":   func(c sigstore.Claims) { c["ref"] = "refs/heads/dev" },
		"another commit":   func(c sigstore.Claims) { c["sha"] = strings.Repeat("f", 40) },
		"another workflow": func(c sigstore.Claims) { c["job_workflow_ref"] = "octo/app/.github/workflows/evil.yml@refs/heads/main" },
	} {
		t.Run(name, func(t *testing.T) {
			j := gitHubJob(t, change)
			file := j.write("forged.json", []byte(predicate))
			j.run(0, "sign", j.image)
			j.run(0, "attest", "--type", "slsaprovenance", "--predicate", file, j.image)
			j.verifyBuild(3, "--source-repo", appRepository)
		})
	}
}

// TestStatedProvenance: what somebody states in a job whose certificate knows better is
// refused before it is attached.
func TestStatedProvenance(t *testing.T) {
	j := gitHubJob(t, nil)
	for _, wrong := range [][]string{
		{"--builder", "https://github.com/octo/app/.github/workflows/other.yml@refs/heads/main", "--source-repo", appRepository},
		{"--source-repo", "https://github.com/fork/app"}, {"--source-repo", appRepository, "--source-ref", "refs/heads/dev"},
		{"--source-repo", appRepository, "--source-commit", strings.Repeat("f", 40)},
	} {
		_, stderr := j.run(2, append([]string{"attest", "--provenance=generic", j.image}, wrong...)...)
		wants(t, stderr, "the certificate says")
	}
	j.run(0, "sign", j.image)
	j.verifyBuild(4, "--source-repo", appRepository)
	j.run(0, "attest", "--provenance=generic", "--source-repo", appRepository, j.image)
	j.verifyBuild(0, "--source-repo", appRepository, "--builder", appBuilder)
}

// TestProvenanceOfKey: a key speaks for the builder that it names.
func TestProvenanceOfKey(t *testing.T) {
	j := gitHubJob(t, nil)
	j.env["HALLMARK_PASSWORD"] = "correct horse"
	prefix := filepath.Join(j.dir, "ci")
	j.run(0, "keys", "generate", "--output-key-prefix", prefix)
	j.run(2, "attest", "--key", prefix+".key", "--builder", "https://ci.example.com", j.image)
	j.run(2, "attest", "--key", prefix+".key", "--provenance=jenkins", j.image)
	j.run(2, "attest", "--key", prefix+".key", "--provenance", "--builder", "https://ci.example.com", j.image)
	j.run(2, "attest", "--key", prefix+".key", "--provenance", "--type", "slsaprovenance", j.image)
	j.run(0, "attest", "--key", prefix+".key", "--provenance=generic", "--builder", "https://ci.example.com/7", "--source-repo", "https://git.example.com/app",
		"--source-commit", strings.Repeat("a", 40), "--parameter", "target=all", "--material", "https://example.com/base=sha256:"+strings.Repeat("b", 64), j.image)
	verify := func(code int, more ...string) {
		t.Helper()
		j.run(code, append([]string{"verify", "--key", prefix + ".pub", "--require", "slsaprovenance", j.image}, more...)...)
	}
	verify(0, "--builder", "https://ci.example.com/7", "--source-repo", "https://git.example.com/app", "--build-parameter", "target=all")
	verify(0, "--source-repo", "https://git.example.com/app", "--build-parameter", "*")
	verify(3, "--source-repo", "https://git.example.com/app") // nobody expects target
	verify(3, "--source-repo", "https://git.example.com/app", "--build-parameter", "target=test")
	verify(3, "--builder", "https://ci.example.com/8", "--build-parameter", "*")
}

// TestBuildMetadata: metadata of another build is refused before anything is signed.
func TestBuildMetadata(t *testing.T) {
	j := gitHubJob(t, nil)
	out, _ := j.run(4, "verify", "--certificate-identity", "x", "--certificate-oidc-issuer", "y", "-o", "json", j.image)
	var result struct {
		Subjects []struct{ Digest string }
	}
	if err := json.Unmarshal([]byte(out), &result); err != nil {
		t.Fatal(err)
	}
	metadata := `{"containerimage.digest":"%","buildx.build.provenance":{"materials":[{"uri":"pkg:docker/golang@1.26","digest":{"sha256":"` + strings.Repeat("a", 64) + `"}}]}}`
	file := j.write("metadata.json", []byte(strings.Replace(metadata, "%", "sha256:"+strings.Repeat("0", 64), 1)))
	_, stderr := j.run(2, "release", "--provenance", "--build-metadata", file, j.image)
	wants(t, stderr, "of another build")
	j.run(4, "verify", "--certificate-identity", "x", "--certificate-oidc-issuer", "y", j.image)
	if err := os.WriteFile(file, []byte(strings.Replace(metadata, "%", result.Subjects[0].Digest, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	j.run(0, "attest", "--provenance", "--build-metadata", file, j.image)
	out, _ = j.run(0, "show", "--type", "slsaprovenance", j.image)
	wants(t, out, "pkg:docker/golang@1.26")
}

// TestNoJob: outside a CI job, somebody has to say who builds.
func TestNoJob(t *testing.T) {
	j := newJob(t)
	_, stderr := j.run(2, "release", "--provenance", j.image)
	wants(t, stderr, "no job of a CI system")
	_, stderr = j.run(2, "attest", "--provenance", "--builder", "https://ci.example.com", j.image)
	wants(t, stderr, "name the source repository")
	j.run(0, "attest", "--provenance", "--builder", "https://ci.example.com", "--source-repo", "https://git.example.com/app", j.image)
	_, stderr = j.run(2, "verify", "--policy", "none.yaml", "--source-repo", appRepository, j.image)
	wants(t, stderr, "leave --source-repo")
}
