package provenance

import (
	"fmt"
	"strings"
)

// gitHubVariables are those of a GitHub Actions job that are read
// (https://docs.github.com/en/actions/reference/workflows-and-actions/variables).
var gitHubVariables = []string{
	"GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_REPOSITORY_ID", "GITHUB_REPOSITORY_OWNER_ID", "GITHUB_REF", "GITHUB_SHA",
	"GITHUB_WORKFLOW_REF", "GITHUB_EVENT_NAME", "GITHUB_RUN_ID", "GITHUB_RUN_ATTEMPT", "RUNNER_ENVIRONMENT",
}

// gitHubBuildType is what GitHub's own attestations use
// (https://actions.github.io/buildtypes/workflow/v1).
const gitHubBuildType = "https://actions.github.io/buildtypes/workflow/v1"

// readGitHub says the same as the attestations that GitHub's own action makes. The builder
// is the workflow that runs; that of a reusable workflow stands in the certificate only
// (see [Build.Certify]).
func readGitHub(j job) (*Build, error) {
	var server, repository, repositoryID, ownerID, ref, commit, workflow, event, run, attempt, runner string
	if err := j.read(
		want{"GITHUB_SERVER_URL", &server, formURL, false},
		want{"GITHUB_REPOSITORY", &repository, formPath, false},
		want{"GITHUB_REF", &ref, formRef, false},
		want{"GITHUB_SHA", &commit, formCommit, false},
		want{"GITHUB_WORKFLOW_REF", &workflow, formAny, false},
		want{"GITHUB_EVENT_NAME", &event, formName, false},
		want{"GITHUB_RUN_ID", &run, formNumber, false},
		want{"GITHUB_RUN_ATTEMPT", &attempt, formNumber, false},
		want{"GITHUB_REPOSITORY_ID", &repositoryID, formNumber, true},
		want{"GITHUB_REPOSITORY_OWNER_ID", &ownerID, formNumber, true},
		want{"RUNNER_ENVIRONMENT", &runner, formName, true},
	); err != nil {
		return nil, err
	}
	server = strings.TrimSuffix(server, "/")
	file, at, ok := strings.Cut(workflow, "@")
	path, mine := strings.CutPrefix(file, repository+"/")
	if !ok || !mine || !formRef.MatchString(at) {
		return nil, fmt.Errorf("%w: the workflow %.200q is not one of the repository %s, which GitHub's build type cannot tell", ErrBuild, workflow, repository)
	}
	platform := stated(map[string]string{"event_name": event, "repository_id": repositoryID, "repository_owner_id": ownerID, "runner_environment": runner})
	home := server + "/" + repository
	b := &Build{Type: gitHubBuildType, Builder: server + "/" + workflow, Invocation: home + "/actions/runs/" + run + "/attempts/" + attempt,
		Source: Source{Repository: home, Ref: ref, Commit: commit, Path: path}, workflowRef: at, internal: map[string]any{"github": platform}}
	return b, nil
}
