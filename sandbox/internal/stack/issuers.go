package stack

import "github.com/hallmark-project/hallmark/sandbox/internal/oidc"

// ciIssuer is an issuer that vouches for jobs, as Fulcio is told of it.
type ciIssuer struct {
	path, provider string
	defaults       map[string]string
	extensions     map[string]string // a value with braces is a template, one without the name of a claim
	name           string            // template of the certificate's identity
}

// ciIssuers are shaped as in the configuration of the public instance
// (https://github.com/sigstore/fulcio/blob/v1.8.8/config/identity/config.yaml).
var ciIssuers = []ciIssuer{
	{oidc.GitHubPath, "github-workflow", map[string]string{"url": "https://github.com"}, gitHubTemplates, "{{ .url }}/{{ .job_workflow_ref }}"},
	{oidc.GitLabPath, "gitlab-pipeline", map[string]string{"url": "https://gitlab.com"}, gitLabTemplates, "https://{{ .ci_config_ref_uri }}"},
	{oidc.BuildkitePath, "buildkite-job", map[string]string{"url": "https://buildkite.com"}, buildkiteTemplates,
		"{{ .url }}/{{ .organization_slug }}/{{ .pipeline_slug }}"},
}

// gitLabTemplates: see https://github.com/sigstore/fulcio/blob/main/docs/oidc.md#gitlab.
var gitLabTemplates = map[string]string{
	"BuildSignerURI":                      "https://{{ .ci_config_ref_uri }}",
	"BuildSignerDigest":                   "ci_config_sha",
	"RunnerEnvironment":                   "runner_environment",
	"SourceRepositoryURI":                 "{{ .url }}/{{ .project_path }}",
	"SourceRepositoryDigest":              "sha",
	"SourceRepositoryRef":                 `refs/{{ if eq .ref_type "branch" }}heads{{ else }}tags{{ end }}/{{ .ref }}`,
	"SourceRepositoryIdentifier":          "project_id",
	"SourceRepositoryOwnerURI":            "{{ .url }}/{{ .namespace_path }}",
	"SourceRepositoryOwnerIdentifier":     "namespace_id",
	"BuildConfigURI":                      "https://{{ .ci_config_ref_uri }}",
	"BuildConfigDigest":                   "ci_config_sha",
	"BuildTrigger":                        "pipeline_source",
	"RunInvocationURI":                    "{{ .url }}/{{ .project_path }}/-/jobs/{{ .job_id }}",
	"SourceRepositoryVisibilityAtSigning": "project_visibility",
}

// buildkiteTemplates: the certificate says nothing of a repository, and names no signer.
var buildkiteTemplates = map[string]string{
	"RunInvocationURI":       "{{ .url }}/{{ .organization_slug }}/{{ .pipeline_slug }}/builds/{{ .build_number }}#{{ .job_id }}",
	"RunnerEnvironment":      "runner_environment",
	"SourceRepositoryDigest": "build_commit",
	"BuildTrigger":           "build_source",
}

// fulcioIssuers is Fulcio's configuration of the issuers: people's and the jobs'.
func fulcioIssuers(state *State) map[string]any {
	issuers := map[string]any{
		state.URL(OIDC): map[string]string{"IssuerURL": state.URL(OIDC), "ClientID": oidc.DefaultAudience, "Type": "email"},
	}
	metadata := map[string]any{}
	for _, i := range ciIssuers {
		url := state.URL(OIDC) + i.path
		issuers[url] = map[string]string{"IssuerURL": url, "ClientID": oidc.DefaultAudience, "Type": "ci-provider", "CIProvider": i.provider}
		metadata[i.provider] = map[string]any{"DefaultTemplateValues": i.defaults, "ExtensionTemplates": i.extensions,
			"SubjectAlternativeNameTemplate": i.name}
	}
	return map[string]any{"OIDCIssuers": issuers, "CIIssuerMetadata": metadata}
}

// gitLabEnv is a file that makes a shell look like a job of GitLab CI. GitLab puts a token
// into the job's environment when it starts; here 'token --gitlab-project' gives one.
func gitLabEnv() []byte {
	return exports(oidc.GitLabJob{Project: oidc.DefaultRepository}.Variables())
}

// buildkiteEnv is a file that makes a shell look like a job of Buildkite that may ask for
// tokens.
func buildkiteEnv(state *State, bearer string) []byte {
	return exports(append(oidc.BuildkiteJob{Pipeline: oidc.DefaultRepository}.Variables(), [][2]string{
		{"BUILDKITE_AGENT_ENDPOINT", state.URL(OIDC) + oidc.BuildkiteEndpoint},
		{"BUILDKITE_AGENT_ACCESS_TOKEN", bearer},
	}...))
}
