package provenance

import (
	"strings"
	"time"
)

// gitLabVariables are those of a GitLab CI job that are read
// (https://docs.gitlab.com/ci/variables/predefined_variables/). CI_REPOSITORY_URL is none
// of them: it holds a token.
var gitLabVariables = []string{
	"CI_PROJECT_URL", "CI_PROJECT_ID", "CI_PROJECT_NAMESPACE_ID", "CI_CONFIG_PATH", "CI_COMMIT_SHA", "CI_COMMIT_TAG", "CI_COMMIT_BRANCH",
	"CI_MERGE_REQUEST_REF_PATH", "CI_JOB_URL", "CI_JOB_NAME", "CI_JOB_STARTED_AT", "CI_PIPELINE_ID", "CI_PIPELINE_SOURCE", "CI_RUNNER_ID",
}

func readGitLab(j job) (*Build, error) {
	var project, projectID, namespaceID, config, commit, tag, branch, merge, jobURL, jobName, started, pipeline, source, runner string
	if err := j.read(
		want{"CI_PROJECT_URL", &project, formURL, false},
		want{"CI_COMMIT_SHA", &commit, formCommit, false},
		want{"CI_JOB_URL", &jobURL, formURL, false},
		want{"CI_CONFIG_PATH", &config, formAny, true},
		want{"CI_COMMIT_TAG", &tag, formAny, true},
		want{"CI_COMMIT_BRANCH", &branch, formAny, true},
		want{"CI_MERGE_REQUEST_REF_PATH", &merge, formRef, true},
		want{"CI_JOB_NAME", &jobName, formAny, true},
		want{"CI_JOB_STARTED_AT", &started, formAny, true},
		want{"CI_PIPELINE_SOURCE", &source, formName, true},
		want{"CI_PROJECT_ID", &projectID, formNumber, true},
		want{"CI_PROJECT_NAMESPACE_ID", &namespaceID, formNumber, true},
		want{"CI_PIPELINE_ID", &pipeline, formNumber, true},
		want{"CI_RUNNER_ID", &runner, formNumber, true},
	); err != nil {
		return nil, err
	}
	b := &Build{Type: BuildTypes + "gitlab-ci/v1", Invocation: jobURL, Source: Source{Repository: project, Commit: commit}}
	switch {
	case tag != "":
		b.Source.Ref = "refs/tags/" + tag
	case branch != "":
		b.Source.Ref = "refs/heads/" + branch
	default:
		b.Source.Ref, b.merging = merge, merge != ""
	}
	if config == "" {
		config = ".gitlab-ci.yml"
	}
	if !strings.ContainsAny(config, "@:") { // else the instructions are another project's, or a page's
		b.Source.Path = config
		if b.Source.Ref != "" {
			b.Builder = project + "//" + config + "@" + b.Source.Ref
		}
	}
	if at, err := time.Parse(time.RFC3339, started); err == nil {
		b.Started = at
	}
	b.internal = map[string]any{"gitlab": stated(map[string]string{"job_name": jobName, "pipeline_id": pipeline, "pipeline_source": source,
		"project_id": projectID, "namespace_id": namespaceID, "runner_id": runner})}
	return b, nil
}

// stated leaves out what is empty.
func stated(all map[string]string) map[string]string {
	out := map[string]string{}
	for name, value := range all {
		if value != "" {
			out[name] = value
		}
	}
	return out
}
