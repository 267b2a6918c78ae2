package oidc

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"regexp"
	"strings"
)

// GitLabPath is where the GitLab-shaped issuer is.
const GitLabPath = "/gitlab"

// GitLabJob is a job of GitLab CI on gitlab.com. Empty fields get the values in
// parentheses.
type GitLabJob struct {
	Project string // such as "octo-group/app"
	Ref     string // of a branch or tag ("refs/heads/main")
	SHA     string // of the commit (made up from the project's name and the ref)
	JobID   string // ("1")
}

var (
	projectForm   = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)+$`)
	branchTagForm = regexp.MustCompile(`^refs/(heads|tags)/[^\s~^:?*\[\\{}]+$`)
)

func (j GitLabJob) filled() GitLabJob {
	if j.Ref == "" {
		j.Ref = "refs/heads/main"
	}
	if j.SHA == "" {
		j.SHA = commitOf(j.Project, j.Ref)
	}
	if j.JobID == "" {
		j.JobID = "1"
	}
	return j
}

func (j GitLabJob) check() error {
	return checkForms([]formed{
		{"project", j.Project, projectForm, "GROUP/PROJECT"},
		{"ref", j.Ref, branchTagForm, "refs/heads/… or refs/tags/…"},
		{"sha", j.SHA, shaForm, "40 hexadecimal digits"},
		{"job", j.JobID, numberForm, "a number"},
	})
}

// refName is the ref as GitLab names it, with its kind.
func (j GitLabJob) refName() (kind, name string) {
	if tag, ok := strings.CutPrefix(j.Ref, "refs/tags/"); ok {
		return "tag", tag
	}
	return "branch", strings.TrimPrefix(j.Ref, "refs/heads/")
}

func (j GitLabJob) namespace() string { return j.Project[:strings.LastIndexByte(j.Project, '/')] }

// Claims are what GitLab's issuer says of the job
// (https://docs.gitlab.com/ci/secrets/id_token_authentication/#token-payload). Identifiers
// are made up from the names, the same ones each time.
func (j GitLabJob) Claims() (map[string]any, error) {
	j = j.filled()
	if err := j.check(); err != nil {
		return nil, err
	}
	kind, ref := j.refName()
	return map[string]any{
		"sub": "project_path:" + j.Project + ":ref_type:" + kind + ":ref:" + ref, "jti": random(),
		"namespace_id": number(j.namespace()), "namespace_path": j.namespace(),
		"project_id": number(j.Project), "project_path": j.Project, "project_visibility": "public",
		"user_id": "1", "user_login": "dev", "user_email": "dev@example.com",
		"pipeline_id": "1", "pipeline_source": "push", "job_id": j.JobID,
		"ref": ref, "ref_type": kind, "ref_path": j.Ref, "ref_protected": "true", "sha": j.SHA,
		"runner_id": 1, "runner_environment": "gitlab-hosted",
		"ci_config_ref_uri": "gitlab.com/" + j.Project + "//.gitlab-ci.yml@" + j.Ref, "ci_config_sha": j.SHA,
	}, nil
}

// Variables are what GitLab's runner sets in the environment of the job: they agree with
// the claims.
func (j GitLabJob) Variables() [][2]string {
	j = j.filled()
	kind, ref := j.refName()
	return [][2]string{
		{"CI", "true"}, {"GITLAB_CI", "true"}, {"CI_SERVER_URL", "https://gitlab.com"}, {"CI_SERVER_HOST", "gitlab.com"},
		{"CI_PROJECT_PATH", j.Project}, {"CI_PROJECT_URL", "https://gitlab.com/" + j.Project}, {"CI_PROJECT_ID", number(j.Project)},
		{"CI_PROJECT_NAMESPACE_ID", number(j.namespace())}, {"CI_CONFIG_PATH", ".gitlab-ci.yml"},
		{"CI_COMMIT_SHA", j.SHA}, {"CI_COMMIT_REF_NAME", ref}, {"CI_COMMIT_" + strings.ToUpper(kind), ref},
		{"CI_JOB_ID", j.JobID}, {"CI_JOB_URL", "https://gitlab.com/" + j.Project + "/-/jobs/" + j.JobID},
		{"CI_PIPELINE_ID", "1"}, {"CI_PIPELINE_SOURCE", "push"}, {"CI_RUNNER_ID", "1"},
	}
}

// commitOf is a commit that is made up from names, the same one each time.
func commitOf(project, ref string) string {
	return fmt.Sprintf("%x", sha256.Sum256([]byte(project+"@"+ref)))[:40]
}

// formed is a value that has to have a form.
type formed struct {
	name, value string
	form        *regexp.Regexp
	want        string
}

func checkForms(all []formed) error {
	for _, f := range all {
		if !f.form.MatchString(f.value) {
			return fmt.Errorf("%w: the %s %q should be %s", ErrClaims, f.name, f.value, f.want)
		}
	}
	return nil
}

// discoveryAt is the discovery document of an issuer that only signs for jobs.
func (i *Issuer) discoveryAt(path string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]any{
			"issuer":                                i.base + path,
			"jwks_uri":                              i.base + path + "/keys",
			"response_types_supported":              []string{"id_token"},
			"subject_types_supported":               []string{"public"},
			"id_token_signing_alg_values_supported": []string{"RS256"},
			"scopes_supported":                      []string{"openid"},
		})
	}
}
