package oidc

import (
	"crypto/subtle"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
)

// BuildkitePath is where the Buildkite-shaped issuer is.
const BuildkitePath = "/buildkite"

// BuildkiteEndpoint is where the stand-in of the agent's API is.
const BuildkiteEndpoint = BuildkitePath + "/v3"

// BuildkiteJob is a job of Buildkite. Empty fields get the values in parentheses.
type BuildkiteJob struct {
	Pipeline string // with its organisation, such as "octo-org/app"
	Ref      string // of a branch or tag ("refs/heads/main")
	SHA      string // of the commit (made up from the pipeline's name and the ref)
	JobID    string // ("0190046e-e199-453b-a302-a21a4d649d31")
}

var (
	pipelineForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*/[a-z0-9][a-z0-9-]*$`)
	uuidForm     = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
)

func (j BuildkiteJob) filled() BuildkiteJob {
	if j.Ref == "" {
		j.Ref = "refs/heads/main"
	}
	if j.SHA == "" {
		j.SHA = commitOf(j.Pipeline, j.Ref)
	}
	if j.JobID == "" {
		j.JobID = "0190046e-e199-453b-a302-a21a4d649d31"
	}
	return j
}

// refNames are branch and tag: Buildkite names the tag as the branch too.
func (j BuildkiteJob) refNames() (branch, tag string) {
	if tag, ok := strings.CutPrefix(j.Ref, "refs/tags/"); ok {
		return tag, tag
	}
	return strings.TrimPrefix(j.Ref, "refs/heads/"), ""
}

// Claims are what Buildkite's issuer says of the job
// (https://buildkite.com/docs/pipelines/security/oidc).
func (j BuildkiteJob) Claims() (map[string]any, error) {
	j = j.filled()
	if err := checkForms([]formed{
		{"pipeline", j.Pipeline, pipelineForm, "ORGANISATION/PIPELINE in small letters"},
		{"ref", j.Ref, branchTagForm, "refs/heads/… or refs/tags/…"},
		{"sha", j.SHA, shaForm, "40 hexadecimal digits"},
		{"job", j.JobID, uuidForm, "a UUID"},
	}); err != nil {
		return nil, err
	}
	organisation, pipeline, _ := strings.Cut(j.Pipeline, "/")
	branch, tag := j.refNames()
	claims := map[string]any{
		"sub": "organization:" + organisation + ":pipeline:" + pipeline + ":ref:" + j.Ref + ":commit:" + j.SHA + ":step:release",
		"jti": random(), "organization_slug": organisation, "pipeline_slug": pipeline,
		"build_number": 1, "build_branch": branch, "build_commit": j.SHA, "build_source": "webhook",
		"job_id": j.JobID, "step_key": "release", "agent_id": "0190046e-e199-453b-a302-a21a4d649d30", "runner_environment": "buildkite-hosted",
	}
	if tag != "" {
		claims["build_tag"] = tag
	}
	return claims, nil
}

// Variables are what Buildkite's agent sets in the environment of the job: they agree
// with the claims.
func (j BuildkiteJob) Variables() [][2]string {
	j = j.filled()
	organisation, pipeline, _ := strings.Cut(j.Pipeline, "/")
	branch, tag := j.refNames()
	return [][2]string{
		{"CI", "true"}, {"BUILDKITE", "true"}, {"BUILDKITE_ORGANIZATION_SLUG", organisation}, {"BUILDKITE_PIPELINE_SLUG", pipeline},
		{"BUILDKITE_REPO", "https://github.com/" + j.Pipeline + ".git"}, {"BUILDKITE_COMMIT", j.SHA}, {"BUILDKITE_BRANCH", branch},
		{"BUILDKITE_TAG", tag}, {"BUILDKITE_BUILD_NUMBER", "1"}, {"BUILDKITE_BUILD_URL", "https://buildkite.com/" + j.Pipeline + "/builds/1"},
		{"BUILDKITE_JOB_ID", j.JobID}, {"BUILDKITE_SOURCE", "webhook"}, {"BUILDKITE_STEP_KEY", "release"},
	}
}

// agentToken answers POST /buildkite/v3/jobs/ID/oidc/tokens as the API of Buildkite's agent
// does: {"audience": A} with {"token": TOKEN}. The job is that of buildkite.env.
func (i *Issuer) agentToken(w http.ResponseWriter, r *http.Request) {
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Token ")
	if i.bearer == "" || !ok || subtle.ConstantTimeCompare([]byte(given), []byte(i.bearer)) != 1 {
		fail(w, http.StatusUnauthorized, "invalid_token", "the token is not the one in buildkite.env")
		return
	}
	var asked struct {
		Audience string `json:"audience"`
	}
	if err := json.NewDecoder(io.LimitReader(r.Body, 1<<16)).Decode(&asked); err != nil {
		fail(w, http.StatusBadRequest, "invalid_request", err.Error())
		return
	}
	claims, err := BuildkiteJob{Pipeline: DefaultRepository, JobID: r.PathValue("job")}.Claims()
	if err != nil {
		fail(w, http.StatusBadRequest, "invalid_request", err.Error())
		return
	}
	if asked.Audience == "" { // as Buildkite does
		organisation, _, _ := strings.Cut(DefaultRepository, "/")
		asked.Audience = "https://buildkite.com/" + organisation
	}
	token, err := Sign(i.key, i.base+BuildkitePath, asked.Audience, claims, i.now(), DefaultLifetime)
	if err != nil {
		fail(w, http.StatusInternalServerError, "server_error", err.Error())
		return
	}
	answer(w, http.StatusOK, map[string]any{"token": token})
}
