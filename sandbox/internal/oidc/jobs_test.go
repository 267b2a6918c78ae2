package oidc

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestJobVariables: a job's environment says what its token says.
func TestJobVariables(t *testing.T) {
	gitLab, buildkite := GitLabJob{Project: "g/sub/p", Ref: "refs/tags/v1"}, BuildkiteJob{Pipeline: "o/p", Ref: "refs/tags/v1"}
	for name, c := range map[string]struct {
		claims    func() (map[string]any, error)
		variables [][2]string
		same      map[string]string // variable: claim
	}{
		"gitlab": {gitLab.Claims, gitLab.Variables(), map[string]string{"CI_PROJECT_PATH": "project_path", "CI_PROJECT_ID": "project_id",
			"CI_PROJECT_NAMESPACE_ID": "namespace_id", "CI_COMMIT_SHA": "sha", "CI_COMMIT_TAG": "ref", "CI_JOB_ID": "job_id", "CI_PIPELINE_SOURCE": "pipeline_source"}},
		"buildkite": {buildkite.Claims, buildkite.Variables(), map[string]string{"BUILDKITE_ORGANIZATION_SLUG": "organization_slug",
			"BUILDKITE_PIPELINE_SLUG": "pipeline_slug", "BUILDKITE_COMMIT": "build_commit", "BUILDKITE_TAG": "build_tag", "BUILDKITE_JOB_ID": "job_id"}},
	} {
		claims, err := c.claims()
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, v := range c.variables {
			claim, ok := c.same[v[0]]
			if !ok {
				continue
			}
			found++
			if fmt.Sprint(claims[claim]) != v[1] {
				t.Errorf("%s: %s is %q, and the token says %v", name, v[0], v[1], claims[claim])
			}
		}
		if found != len(c.same) {
			t.Errorf("%s: %d of %d variables are there", name, found, len(c.same))
		}
	}
}

func TestBadJobsAreRefused(t *testing.T) {
	for _, job := range []GitLabJob{{Project: "p"}, {Project: "g/p", Ref: "main"}, {Project: "g/p", SHA: "x"}, {Project: "g/p", JobID: "x"}, {Project: "g/{{.sha}}"}} {
		if _, err := job.Claims(); !errors.Is(err, ErrClaims) {
			t.Errorf("%v: %v", job, err)
		}
	}
	for _, job := range []BuildkiteJob{{Pipeline: "p"}, {Pipeline: "o/P"}, {Pipeline: "o/p", Ref: "main"}, {Pipeline: "o/p", SHA: "x"}, {Pipeline: "o/p", JobID: "../x"}} {
		if _, err := job.Claims(); !errors.Is(err, ErrClaims) {
			t.Errorf("%v: %v", job, err)
		}
	}
}

func TestAgentToken(t *testing.T) {
	w := newWorld(t)
	const job = "0190046e-e199-453b-a302-a21a4d649d32"
	post := func(authorization, job, body string) (int, map[string]any) {
		request, err := http.NewRequest(http.MethodPost, w.url+"/buildkite/v3/jobs/"+job+"/oidc/tokens", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", authorization)
		response, said := w.do(w.client.Do(request))
		var parsed map[string]any
		if err := json.Unmarshal([]byte(said), &parsed); err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, parsed
	}
	status, answer := post("Token s3cret", job, `{"audience":"sigstore"}`)
	if status != http.StatusOK {
		t.Fatalf("%d %v", status, answer)
	}
	if claims := claimsOf(t, answer["token"].(string)); claims["iss"] != w.url+"/buildkite" || claims["aud"] != "sigstore" || claims["job_id"] != job {
		t.Errorf("claims %v", claims)
	}
	for name, c := range map[string]struct {
		authorization, job, body string
		want                     int
	}{
		"wrong token":  {"Token wrong", job, `{}`, http.StatusUnauthorized},
		"other scheme": {"Bearer s3cret", job, `{}`, http.StatusUnauthorized},
		"no job":       {"Token s3cret", "x", `{}`, http.StatusBadRequest},
		"no JSON":      {"Token s3cret", job, `x`, http.StatusBadRequest},
	} {
		if status, _ := post(c.authorization, c.job, c.body); status != c.want {
			t.Errorf("%s: %d, want %d", name, status, c.want)
		}
	}
}
