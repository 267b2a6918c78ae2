package provenance

import "fmt"

// buildkiteVariables are those of a Buildkite job that are read
// (https://buildkite.com/docs/pipelines/configure/environment-variables).
var buildkiteVariables = []string{
	"BUILDKITE_ORGANIZATION_SLUG", "BUILDKITE_PIPELINE_SLUG", "BUILDKITE_REPO", "BUILDKITE_COMMIT", "BUILDKITE_BRANCH", "BUILDKITE_TAG",
	"BUILDKITE_BUILD_URL", "BUILDKITE_JOB_ID", "BUILDKITE_BUILD_NUMBER", "BUILDKITE_SOURCE",
}

func readBuildkite(j job) (*Build, error) {
	var organization, pipeline, repository, commit, branch, tag, build, id, number, source string
	if err := j.read(
		want{"BUILDKITE_ORGANIZATION_SLUG", &organization, formName, false},
		want{"BUILDKITE_PIPELINE_SLUG", &pipeline, formName, false},
		want{"BUILDKITE_REPO", &repository, formAny, false},
		want{"BUILDKITE_BUILD_URL", &build, formURL, false},
		want{"BUILDKITE_JOB_ID", &id, formName, false},
		want{"BUILDKITE_COMMIT", &commit, formAny, false},
		want{"BUILDKITE_BRANCH", &branch, formAny, true},
		want{"BUILDKITE_TAG", &tag, formAny, true},
		want{"BUILDKITE_BUILD_NUMBER", &number, formNumber, true},
		want{"BUILDKITE_SOURCE", &source, formName, true},
	); err != nil {
		return nil, err
	}
	home, err := RepositoryURL(repository)
	if err != nil {
		return nil, fmt.Errorf("%w (BUILDKITE_REPO)", err)
	}
	b := &Build{Type: BuildTypes + "buildkite/v1", Builder: "https://buildkite.com/" + organization + "/" + pipeline, Invocation: build + "#" + id,
		Source:   Source{Repository: home},
		internal: map[string]any{"buildkite": stated(map[string]string{"build_number": number, "source": source})}}
	if formCommit.MatchString(commit) { // a build of HEAD names no commit
		b.Source.Commit = commit
	}
	switch {
	case tag != "":
		b.Source.Ref = "refs/tags/" + tag
	case branch != "":
		b.Source.Ref = "refs/heads/" + branch
	}
	return b, nil
}
