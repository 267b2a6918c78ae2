package sigstore

import (
	"errors"
	"net/url"
	"strings"
)

// principal is how an authority turns claims into an identity and extensions.
func principal(c Claims) (Identity, Extensions, error) {
	switch {
	case c.text("job_workflow_ref") != "":
		id, ext := gitHubPrincipal(c)
		return id, ext, nil
	case c.text("ci_config_ref_uri") != "":
		id, ext := gitLabPrincipal(c)
		return id, ext, nil
	case c.text("pipeline_slug") != "":
		pipeline := "https://buildkite.com/" + c.text("organization_slug") + "/" + c.text("pipeline_slug")
		return Identity{URI: pipeline}, Extensions{RunInvocationURI: pipeline + "/builds/" + c.text("build_number") + "#" + c.text("job_id")}, nil
	case c.text("email") != "":
		if c["email_verified"] != true {
			return Identity{}, nil, errors.New("the identity token's email is not verified")
		}
		return Identity{Email: c.text("email")}, nil, nil
	case strings.Contains(c.text("sub"), "://"):
		return Identity{URI: c.text("sub")}, nil, nil
	case c.text("sub") != "":
		issuer, err := url.Parse(c.text("iss"))
		if err != nil {
			return Identity{}, nil, errors.New("the identity token's issuer is not an address")
		}
		return Identity{Username: c.text("sub") + "!" + issuer.Hostname()}, nil, nil
	}
	return Identity{}, nil, errors.New("the identity token names nobody")
}

func gitHubPrincipal(c Claims) (Identity, Extensions) {
	const host = "https://github.com/"
	repository := host + c.text("repository")
	signer := host + c.text("job_workflow_ref")
	return Identity{URI: signer}, Extensions{
		GitHubWorkflowTrigger:      c.text("event_name"),
		GitHubWorkflowSHA:          c.text("sha"),
		GitHubWorkflowName:         c.text("workflow"),
		GitHubWorkflowRepository:   c.text("repository"),
		GitHubWorkflowRef:          c.text("ref"),
		BuildSignerURI:             signer,
		BuildSignerDigest:          c.text("job_workflow_sha"),
		RunnerEnvironment:          c.text("runner_environment"),
		SourceRepositoryURI:        repository,
		SourceRepositoryDigest:     c.text("sha"),
		SourceRepositoryRef:        c.text("ref"),
		SourceRepositoryIdentifier: c.text("repository_id"),
		SourceRepositoryOwnerURI:   host + c.text("repository_owner"),
		SourceRepositoryOwnerID:    c.text("repository_owner_id"),
		BuildConfigURI:             host + c.text("workflow_ref"),
		BuildConfigDigest:          c.text("workflow_sha"),
		BuildTrigger:               c.text("event_name"),
		RunInvocationURI:           repository + "/actions/runs/" + c.text("run_id") + "/attempts/" + c.text("run_attempt"),
		SourceRepositoryVisibility: c.text("repository_visibility"),
		TokenSubject:               c.text("sub"),
	}
}

func gitLabPrincipal(c Claims) (Identity, Extensions) {
	const host = "https://gitlab.com/"
	project := host + c.text("project_path")
	config := "https://" + c.text("ci_config_ref_uri")
	return Identity{URI: config}, Extensions{
		BuildSignerURI:             config,
		BuildSignerDigest:          c.text("ci_config_sha"),
		RunnerEnvironment:          c.text("runner_environment"),
		SourceRepositoryURI:        project,
		SourceRepositoryDigest:     c.text("sha"),
		SourceRepositoryRef:        c.text("ref"),
		SourceRepositoryIdentifier: c.text("project_id"),
		SourceRepositoryOwnerURI:   host + c.text("namespace_path"),
		SourceRepositoryOwnerID:    c.text("namespace_id"),
		BuildConfigURI:             config,
		BuildConfigDigest:          c.text("ci_config_sha"),
		BuildTrigger:               c.text("pipeline_source"),
		RunInvocationURI:           project + "/-/jobs/" + c.text("job_id"),
		SourceRepositoryVisibility: c.text("project_visibility"),
		TokenSubject:               c.text("sub"),
	}
}

// GitHubClaims are what a runner's token says of a push to a repository such as
// "octo/app" that runs .github/workflows/release.yml.
func GitHubClaims(repository string) Claims {
	owner, _, _ := strings.Cut(repository, "/")
	workflow := repository + "/.github/workflows/release.yml@refs/heads/main"
	const commit = "5a1d3c2b4e6f708192a3b4c5d6e7f8091a2b3c4d"
	return Claims{
		"iss": GitHubIssuer, "sub": "repo:" + repository + ":ref:refs/heads/main",
		"repository": repository, "repository_owner": owner, "repository_id": "1001", "repository_owner_id": "2002",
		"repository_visibility": "public", "ref": "refs/heads/main", "sha": commit, "event_name": "push",
		"workflow": "release", "workflow_ref": workflow, "workflow_sha": commit,
		"job_workflow_ref": workflow, "job_workflow_sha": commit,
		"run_id": "3003", "run_attempt": "1", "runner_environment": "github-hosted",
	}
}

// GitLabIssuer is the issuer of GitLab's job tokens.
const GitLabIssuer = "https://gitlab.com"

// GitLabClaims are what a job's token says of a push to a project such as "group/app".
func GitLabClaims(project string) Claims {
	namespace, _, _ := strings.Cut(project, "/")
	const commit = "5a1d3c2b4e6f708192a3b4c5d6e7f8091a2b3c4d"
	return Claims{
		"iss": GitLabIssuer, "sub": "project_path:" + project + ":ref_type:branch:ref:main",
		"project_path": project, "project_id": "1001", "namespace_path": namespace, "namespace_id": "2002",
		"ref": "main", "ref_type": "branch", "sha": commit, "pipeline_source": "push", "job_id": "3003",
		"ci_config_ref_uri": "gitlab.com/" + project + "//.gitlab-ci.yml@refs/heads/main", "ci_config_sha": commit,
		"runner_environment": "gitlab-hosted", "project_visibility": "public",
	}
}
