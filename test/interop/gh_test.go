package interop

import (
	"os"
	"slices"
	"strings"
	"testing"
)

func ghProgram() (string, error) { return program("HALLMARK_PEERS", "gh") }

// TestProvenanceForGH: gh accepts the provenance of a workflow under the rules that it has
// for its own, and refuses it where hallmark does.
func TestProvenanceForGH(t *testing.T) {
	t.Parallel()
	s, d := openSandbox(t), newDesk(t)
	if _, err := ghProgram(); err != nil {
		skip(t, err)
	}
	var job []string
	for _, name := range []string{"GITHUB_ACTIONS", "GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_REPOSITORY_ID", "GITHUB_REPOSITORY_OWNER_ID", "GITHUB_REF", "GITHUB_SHA",
		"GITHUB_EVENT_NAME", "GITHUB_WORKFLOW_REF", "GITHUB_RUN_ID", "GITHUB_RUN_ATTEMPT", "RUNNER_ENVIRONMENT", "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"} {
		job = append(job, name+"="+s.variable(t, "github.env", name))
	}
	runner := d.with(append(job, "HALLMARK_TRUSTED_ROOT="+s.trustedRoot, "HALLMARK_SIGNING_CONFIG="+s.config)...)
	file, other := d.file("app.tgz", "a release\n"), d.file("other.tgz", "not it\n")
	runner.hallmark(0, "attest", "--provenance", "--bundle", d.path("b.json"), "file:"+file)

	root, err := os.ReadFile(s.trustedRoot)
	if err != nil {
		t.Fatal(err)
	}
	lines := d.file("roots.jsonl", strings.ReplaceAll(string(root), "\n", "")+"\n")
	gh := d.with("GH_NO_UPDATE_NOTIFIER=1", "GH_CONFIG_DIR="+d.path("gh"))
	trusted := []string{"attestation", "verify", "--bundle", d.path("b.json"), "--custom-trusted-root", lines, "--cert-oidc-issuer", s.issuer + "/github", "--deny-self-hosted-runners"}
	verify := func(want int, more ...string) {
		t.Helper()
		gh.run(ghProgram, want, slices.Concat(trusted, more)...)
	}
	mine := []string{"--repo", "hallmark-sandbox/demo", file}
	verify(0, mine...)
	verify(0, append(mine, "--source-ref", "refs/heads/main", "--source-digest", s.variable(t, "github.env", "GITHUB_SHA"),
		"--signer-workflow", "hallmark-sandbox/demo/.github/workflows/release.yml")...)
	verify(1, append(mine, "--source-ref", "refs/heads/dev")...)
	verify(1, append(mine, "--signer-workflow", "hallmark-sandbox/demo/.github/workflows/other.yml")...)
	verify(1, "--repo", "hallmark-sandbox/other", file)
	verify(1, "--repo", "hallmark-sandbox/demo", other)

	ours := []string{"verify", "--certificate-oidc-issuer", s.issuer + "/github", "--certificate-identity-regexp", `https://github\.com/hallmark-sandbox/demo/.*`,
		"--trusted-root", s.trustedRoot, "--require", "slsaprovenance", "--bundle", d.path("b.json"), "--source-repo", "https://github.com/hallmark-sandbox/demo", "file:" + file}
	d.hallmark(0, append(ours, "--source-ref", "refs/heads/main")...)
	d.hallmark(3, append(ours, "--source-ref", "refs/heads/dev")...)
}
