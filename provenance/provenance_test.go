package provenance

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/hallmark-project/hallmark/bundle"
)

const commit = "0123456789abcdef0123456789abcdef01234567"

// jobs are environments as the systems set them.
var jobs = map[string]map[string]string{
	GitHub: {
		"GITHUB_ACTIONS": "true", "GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "octo/app", "GITHUB_REPOSITORY_ID": "11",
		"GITHUB_REPOSITORY_OWNER_ID": "22", "GITHUB_REF": "refs/heads/main", "GITHUB_SHA": commit, "GITHUB_EVENT_NAME": "push",
		"GITHUB_WORKFLOW_REF": "octo/app/.github/workflows/release.yml@refs/heads/main", "GITHUB_RUN_ID": "7", "GITHUB_RUN_ATTEMPT": "2",
		"RUNNER_ENVIRONMENT": "github-hosted",
	},
	GitLab: {
		"GITLAB_CI": "true", "CI_PROJECT_URL": "https://gitlab.com/group/app", "CI_PROJECT_ID": "5", "CI_COMMIT_SHA": commit, "CI_COMMIT_TAG": "v1.0",
		"CI_CONFIG_PATH": ".gitlab-ci.yml", "CI_JOB_URL": "https://gitlab.com/group/app/-/jobs/99", "CI_JOB_NAME": "release: all",
		"CI_JOB_STARTED_AT": "2026-01-02T03:04:05Z", "CI_PIPELINE_SOURCE": "push",
	},
	Buildkite: {
		"BUILDKITE": "true", "BUILDKITE_ORGANIZATION_SLUG": "acme", "BUILDKITE_PIPELINE_SLUG": "app", "BUILDKITE_REPO": "git@github.com:acme/app.git",
		"BUILDKITE_COMMIT": commit, "BUILDKITE_BRANCH": "main", "BUILDKITE_BUILD_URL": "https://buildkite.com/acme/app/builds/4",
		"BUILDKITE_JOB_ID": "0190-aa", "BUILDKITE_BUILD_NUMBER": "4",
	},
	Tekton: {
		"TEKTON_TASKRUN": "release-x7", "TEKTON_TASKRUN_UID": "1c9f", "TEKTON_NAMESPACE": "ci", "TEKTON_CLUSTER_URL": "https://tekton.example.com",
		"TEKTON_SOURCE_URL": "https://git.example.com/app.git", "TEKTON_SOURCE_COMMIT": commit,
	},
}

func envOf(variables map[string]string) Env {
	return func(name string) (string, bool) { value, ok := variables[name]; return value, ok }
}

func with(kind, name, value string) Env {
	variables := maps.Clone(jobs[kind])
	variables[name] = value
	if value == "" {
		delete(variables, name)
	}
	return envOf(variables)
}

func build(t *testing.T, kind string, env Env) *Build {
	t.Helper()
	b, err := FromJob(kind, env)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func predicateOf(t *testing.T, b *Build) string {
	t.Helper()
	content, err := b.Predicate()
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// TestPredicates: what each system's job is told as, to the byte, and each time the same.
func TestPredicates(t *testing.T) {
	for kind, want := range map[string]string{
		GitHub:    `{"buildDefinition":{"buildType":"https://actions.github.io/buildtypes/workflow/v1","externalParameters":{"workflow":{"path":".github/workflows/release.yml","ref":"refs/heads/main","repository":"https://github.com/octo/app"}},"internalParameters":{"github":{"event_name":"push","repository_id":"11","repository_owner_id":"22","runner_environment":"github-hosted"}},"resolvedDependencies":[{"uri":"git+https://github.com/octo/app@refs/heads/main","digest":{"gitCommit":"` + commit + `"}}]},"runDetails":{"builder":{"id":"https://github.com/octo/app/.github/workflows/release.yml@refs/heads/main"},"metadata":{"invocationId":"https://github.com/octo/app/actions/runs/7/attempts/2"}}}`,
		GitLab:    `{"buildDefinition":{"buildType":"` + BuildTypes + `gitlab-ci/v1","externalParameters":{"source":{"path":".gitlab-ci.yml","ref":"refs/tags/v1.0","uri":"git+https://gitlab.com/group/app"}},"internalParameters":{"gitlab":{"job_name":"release: all","pipeline_source":"push","project_id":"5"}},"resolvedDependencies":[{"uri":"git+https://gitlab.com/group/app@refs/tags/v1.0","digest":{"gitCommit":"` + commit + `"}}]},"runDetails":{"builder":{"id":"https://gitlab.com/group/app//.gitlab-ci.yml@refs/tags/v1.0"},"metadata":{"invocationId":"https://gitlab.com/group/app/-/jobs/99","startedOn":"2026-01-02T03:04:05Z"}}}`,
		Buildkite: `{"buildDefinition":{"buildType":"` + BuildTypes + `buildkite/v1","externalParameters":{"source":{"ref":"refs/heads/main","uri":"git+https://github.com/acme/app"}},"internalParameters":{"buildkite":{"build_number":"4"}},"resolvedDependencies":[{"uri":"git+https://github.com/acme/app@refs/heads/main","digest":{"gitCommit":"` + commit + `"}}]},"runDetails":{"builder":{"id":"https://buildkite.com/acme/app"},"metadata":{"invocationId":"https://buildkite.com/acme/app/builds/4#0190-aa"}}}`,
		Tekton:    `{"buildDefinition":{"buildType":"` + BuildTypes + `tekton/v1","externalParameters":{"source":{"uri":"git+https://git.example.com/app"}},"internalParameters":{"tekton":{"namespace":"ci","task_run":"release-x7"}},"resolvedDependencies":[{"uri":"git+https://git.example.com/app","digest":{"gitCommit":"` + commit + `"}}]},"runDetails":{"builder":{"id":"https://tekton.example.com"},"metadata":{"invocationId":"1c9f"}}}`,
	} {
		found, err := Detect(envOf(jobs[kind]))
		if err != nil || found != kind {
			t.Errorf("%s is taken for %q (%v)", kind, found, err)
		}
		if got := predicateOf(t, build(t, kind, envOf(jobs[kind]))); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", kind, got, want)
		}
	}
}

// TestPoisonedEnvironment: of an environment in which every other variable is a secret,
// nothing but what is on the list is told.
func TestPoisonedEnvironment(t *testing.T) {
	const secret = "s3cr3t"
	for kind, job := range jobs {
		asked := map[string]bool{}
		env := func(name string) (string, bool) {
			asked[name] = true
			if value, ok := job[name]; ok {
				return value, true
			}
			if slices.Contains(Variables()[kind], name) {
				return "", false
			}
			return secret, true
		}
		b := build(t, kind, env)
		if got := predicateOf(t, b); strings.Contains(got, secret) {
			t.Errorf("%s tells a secret: %s", kind, got)
		}
		for name := range asked {
			if !slices.Contains(Variables()[kind], name) {
				t.Errorf("%s asks for %s, which is not on its list", kind, name)
			}
		}
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("a variable that is not on the list was read")
			}
		}()
		_, _ = job{systems[0], envOf(jobs[GitHub])}.value("GITHUB_TOKEN")
	}()
	for kind, hidden := range map[string]string{Buildkite: "BUILDKITE_REPO", Tekton: "TEKTON_SOURCE_URL"} { // URLs that hold a password
		got := predicateOf(t, build(t, kind, with(kind, hidden, "https://user:"+secret+"@github.com/acme/app.git?token="+secret)))
		if strings.Contains(got, secret) || !strings.Contains(got, "git+https://github.com/acme/app") {
			t.Errorf("%s tells the password of a URL: %s", kind, got)
		}
	}
}

// TestBadJobs: variables that are missing or not of their form, and what is no job.
func TestBadJobs(t *testing.T) {
	for name, c := range map[string]struct {
		kind, variable, value, want string
	}{
		"no commit":           {GitHub, "GITHUB_SHA", "", "GITHUB_SHA is not set"},
		"short commit":        {GitHub, "GITHUB_SHA", "0123", "not of its form"},
		"ref of no form":      {GitHub, "GITHUB_REF", "main", "not of its form"},
		"two lines":           {GitHub, "GITHUB_REPOSITORY", "octo/app\nx", "more than a line"},
		"huge":                {GitLab, "CI_JOB_NAME", strings.Repeat("x", 2000), "more than a line"},
		"foreign workflow":    {GitHub, "GITHUB_WORKFLOW_REF", "evil/app/.github/workflows/x.yml@refs/heads/main", "not one of the repository"},
		"workflow of prefix":  {GitHub, "GITHUB_WORKFLOW_REF", "octo/app2/.github/workflows/x.yml@refs/heads/main", "not one of the repository"},
		"server with a token": {GitHub, "GITHUB_SERVER_URL", "https://t0ken@github.com", "not of its form"},
		"repository a folder": {Buildkite, "BUILDKITE_REPO", "/srv/git/app", "no URL of a repository"},
	} {
		_, err := FromJob(c.kind, with(c.kind, c.variable, c.value))
		if !errors.Is(err, ErrBuild) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "t0ken") {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
	if _, err := Detect(envOf(nil)); !errors.Is(err, ErrBuild) {
		t.Errorf("no job: %v", err)
	}
	if _, err := Detect(with(GitHub, "BUILDKITE", "true")); !errors.Is(err, ErrBuild) || !strings.Contains(err.Error(), "choose one") {
		t.Errorf("two systems at once: %v", err)
	}
	if _, err := FromJob("jenkins", envOf(nil)); !errors.Is(err, ErrBuild) {
		t.Errorf("an unknown kind: %v", err)
	}
	if _, err := build(t, GitLab, with(GitLab, "CI_CONFIG_PATH", "ci.yml@group/shared")).Predicate(); !errors.Is(err, ErrBuild) {
		t.Errorf("a builder that nobody names: %v", err)
	}
}

func claims() bundle.Claims {
	return bundle.Claims{BuildSignerURI: "https://github.com/octo/app/.github/workflows/release.yml@refs/heads/main", SourceRepository: "https://github.com/octo/app",
		SourceRef: "refs/heads/main", SourceDigest: commit, RunInvocationURI: "https://github.com/octo/app/actions/runs/7/attempts/2"}
}

// TestCertify: the environment and the certificate have to agree, and the certificate says
// who the builder is.
func TestCertify(t *testing.T) {
	for name, change := range map[string]func(*bundle.Claims){
		"fork":         func(c *bundle.Claims) { c.SourceRepository = "https://github.com/fork/app" },
		"other ref":    func(c *bundle.Claims) { c.SourceRef = "refs/heads/dev" },
		"other commit": func(c *bundle.Claims) { c.SourceDigest = strings.Repeat("f", 40) },
		"other run":    func(c *bundle.Claims) { c.RunInvocationURI = "https://github.com/octo/app/actions/runs/8/attempts/1" },
	} {
		c := claims()
		change(&c)
		if err := build(t, GitHub, envOf(jobs[GitHub])).Certify(c); !errors.Is(err, ErrBuild) {
			t.Errorf("%s: %v", name, err)
		}
	}
	c := claims()
	c.BuildSignerURI = "https://github.com/octo/tools/.github/workflows/sign.yml@refs/tags/v1"
	b := build(t, GitHub, envOf(jobs[GitHub]))
	if err := b.Certify(c); err != nil || b.Builder != c.BuildSignerURI {
		t.Errorf("a reusable workflow: %v, builder %s", err, b.Builder)
	}
	b = build(t, GitHub, envOf(jobs[GitHub]))
	if err := b.Certify(bundle.Claims{}); err != nil || b.Builder != claims().BuildSignerURI {
		t.Errorf("a person's certificate: %v, builder %s", err, b.Builder)
	}
	merge := maps.Clone(jobs[GitLab])
	delete(merge, "CI_COMMIT_TAG")
	merge["CI_MERGE_REQUEST_REF_PATH"] = "refs/merge-requests/3/head"
	b = build(t, GitLab, envOf(merge))
	err := b.Certify(bundle.Claims{BuildSignerURI: "https://gitlab.com/group/app//.gitlab-ci.yml@refs/heads/dev", SourceRef: "refs/heads/dev"})
	if err != nil || b.Source.Ref != "refs/heads/dev" {
		t.Errorf("a merge request: %v, ref %s", err, b.Source.Ref)
	}
}

// TestState: flags fill in what is not known, and contradict nothing.
func TestState(t *testing.T) {
	b := build(t, Generic, envOf(nil))
	err := b.State(Stated{Builder: "https://ci.example.com/builder", Repository: "git@github.com:octo/app.git", Commit: commit, Ref: "refs/heads/main",
		Invocation: "run 5", BuildType: "https://example.com/make/v1", Parameters: map[string]string{"target": "all"},
		Materials: []Material{{URI: "pkg:oci/debian", Digest: map[string]string{"sha256": strings.Repeat("a", 64)}}}})
	if err != nil {
		t.Fatal(err)
	}
	got := predicateOf(t, b)
	for _, part := range []string{`"buildType":"https://example.com/make/v1"`, `"target":"all"`, `git+https://github.com/octo/app@refs/heads/main`, `"pkg:oci/debian"`, `"invocationId":"run 5"`} {
		if !strings.Contains(got, part) {
			t.Errorf("%s is missing in %s", part, got)
		}
	}
	for name, s := range map[string]Stated{
		"another builder":    {Builder: "https://evil.example/b"},
		"another source":     {Repository: "https://github.com/fork/app"},
		"another ref":        {Ref: "refs/heads/dev"},
		"another commit":     {Commit: strings.Repeat("f", 40)},
		"another type":       {BuildType: "https://example.com/make/v1"},
		"a commit too short": {Commit: "abc"},
		"a ref that is none": {Ref: "main"},
		"parameters":         {Parameters: map[string]string{"a": "b"}},
		"a folder":           {Repository: "../app"},
	} {
		if err := build(t, GitHub, envOf(jobs[GitHub])).State(s); !errors.Is(err, ErrBuild) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := (&Build{Kind: Generic, Type: "https://example.com/t", Builder: "https://example.com/b"}).Predicate(); !errors.Is(err, ErrBuild) {
		t.Errorf("a build of nothing: %v", err)
	}
	for _, name := range []string{"source", "workflow", "configSource"} {
		if err := build(t, Generic, envOf(nil)).State(Stated{Parameters: map[string]string{name: "x"}}); !errors.Is(err, ErrBuild) {
			t.Errorf("a parameter called %s: %v", name, err)
		}
	}
	b = build(t, Generic, envOf(nil))
	if err := b.State(Stated{Builder: "https://ci.example.com", Repository: "https://github.com/octo/app", Invocation: "https://u:pass@ci.example.com/7"}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Predicate(); !errors.Is(err, ErrBuild) || strings.Contains(err.Error(), "pass@") {
		t.Errorf("an invocation with a password: %v", err)
	}
	for _, builder := range []string{"me", "https://user:pass@ci.example.com"} {
		b := build(t, Generic, envOf(nil))
		if err := b.State(Stated{Builder: builder, Repository: "https://github.com/octo/app"}); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Predicate(); !errors.Is(err, ErrBuild) || strings.Contains(err.Error(), "pass@") {
			t.Errorf("builder %s: %v", builder, err)
		}
	}
}

func TestRepositoryURL(t *testing.T) {
	for in, want := range map[string]string{
		"https://github.com/octo/app.git": "https://github.com/octo/app", "git@github.com:octo/app": "https://github.com/octo/app",
		"ssh://git@gitlab.com/g/p.git/": "https://gitlab.com/g/p", "git@git.example.com:team/app.git": "ssh://git.example.com/team/app",
		"https://x-access-token:abc@github.com/octo/app": "https://github.com/octo/app", "https://GitHub.com/Octo/App": "https://github.com/Octo/App",
		"": "", "../app": "", "/srv/app": "", "file:///srv/app": "", "C:\\app": "", "ext::sh -c x": "", "https://github.com": "", "https://github.com/": "",
	} {
		got, err := RepositoryURL(in)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
}

func TestParseMaterial(t *testing.T) {
	m, err := ParseMaterial("pkg:oci/debian?repository_url=docker.io/debian=sha256:" + strings.Repeat("a", 64))
	if err != nil || m.URI != "pkg:oci/debian?repository_url=docker.io/debian" {
		t.Errorf("%v %v", m, err)
	}
	for _, bad := range []string{"", "x", "x=sha256:", "https://a/b=md5:aa", "https://a/b=sha256:XYZ", "nouri=sha256:aa", "https://u:p@a/b=sha256:aa"} {
		if _, err := ParseMaterial(bad); !errors.Is(err, ErrBuild) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

const metadataV02 = `{"containerimage.digest":"sha256:aa","buildx.build.ref":"default/default/xyz",
"buildx.build.provenance/linux/amd64":{"builder":{"id":""},"buildType":"https://mobyproject.org/buildkit@v1","invocation":{"parameters":{"args":{"build-arg:TOKEN":"s3cr3t"}}},
 "materials":[{"uri":"pkg:docker/golang@1.26?platform=linux%2Famd64","digest":{"sha256":"01"}},{"uri":"https://t0ken@github.com/octo/app.git#main","digest":{"sha1":"02"}},
 {"uri":"https://dl.example.com/x?X-Signature=s3cr3t","digest":{"sha256":"04"}},{"uri":"git@github.com:octo/tools.git#v1","digest":{"sha1":"05"}}],
 "metadata":{"buildStartedOn":"2026-01-01T00:00:00Z","buildFinishedOn":"2026-01-01T00:05:00Z"}},
"buildx.build.provenance/linux/arm64":{"buildDefinition":{"resolvedDependencies":[{"uri":"pkg:docker/golang@1.26?platform=linux%2Farm64","digest":{"sha256":"03"}}]},
 "runDetails":{"metadata":{"startedOn":"2025-12-31T23:59:00Z","finishedOn":"2026-01-01T00:09:00Z"}}}}`

// TestMetadata: the materials of each platform, and no build argument.
func TestMetadata(t *testing.T) {
	m, err := ParseMetadata([]byte(metadataV02))
	if err != nil {
		t.Fatal(err)
	}
	b := build(t, GitHub, envOf(jobs[GitHub]))
	if err := m.Describe(b, "sha256:aa"); err != nil {
		t.Fatal(err)
	}
	content, err := b.Predicate(m.Materials("sha256:aa", "linux/amd64")...)
	if err != nil {
		t.Fatal(err)
	}
	got := string(content)
	for _, part := range []string{"golang@1.26?platform=linux%2Famd64", `"https://github.com/octo/app.git#main"`, `"https://dl.example.com/x"`, `"git+ssh://github.com/octo/tools.git#v1"`, `"startedOn":"2025-12-31T23:59:00Z"`, `"finishedOn":"2026-01-01T00:09:00Z"`, "default/default/xyz"} {
		if !strings.Contains(got, part) {
			t.Errorf("%s is missing in %s", part, got)
		}
	}
	for _, part := range []string{"s3cr3t", "t0ken", "arm64"} {
		if strings.Contains(got, part) {
			t.Errorf("%s is in %s", part, got)
		}
	}
	if n := len(m.Materials("sha256:aa", "")); n != 5 {
		t.Errorf("%d materials of all platforms, want 5", n)
	}
	if err := m.Describe(b, "sha256:bb"); !errors.Is(err, ErrBuild) || !strings.Contains(err.Error(), "another build") {
		t.Errorf("metadata of another build: %v", err)
	}
	bake, err := ParseMetadata([]byte(`{"db":{"containerimage.digest":"sha256:dd"},"web":` + metadataV02 + `,"buildx.build.warnings":[]}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := bake.Describe(b, "sha256:dd"); err != nil || len(bake.Materials("sha256:aa", "")) != 5 {
		t.Errorf("a bake of two images: %v", err)
	}
	for _, bad := range []string{"", "[]", "{}", `{"a":{}}`, `{"containerimage.digest":5}`, `{"containerimage.digest":"x","containerimage.digest":"y"}`,
		`{"containerimage.digest":"x","buildx.build.provenance":{"materials":[{"uri":"a b","digest":{}}]}}`,
		`{"containerimage.digest":"x","buildx.build.provenance":{"materials":[{"uri":"https://a/b","digest":{"sha256":"../x"}}]}}`} {
		if _, err := ParseMetadata([]byte(bad)); !errors.Is(err, ErrBuild) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestBuildkitMaterials(t *testing.T) {
	statement := `{"_type":"https://in-toto.io/Statement/v0.1","subject":[{"name":"x","digest":{"sha256":"` + strings.Repeat("a", 64) + `"}}],"predicateType":"%s","predicate":{"materials":[{"uri":"pkg:docker/alpine@3","digest":{"sha256":"01"}}]}}`
	got, err := BuildkitMaterials([]byte(strings.Replace(statement, "%s", "https://slsa.dev/provenance/v0.2", 1)))
	if err != nil || len(got) != 1 {
		t.Errorf("%v %v", got, err)
	}
	if got, err := BuildkitMaterials([]byte(strings.Replace(statement, "%s", "https://spdx.dev/Document", 1))); err != nil || got != nil {
		t.Errorf("an SBOM: %v %v", got, err)
	}
	if _, err := BuildkitMaterials([]byte("{}")); !errors.Is(err, ErrBuild) {
		t.Errorf("no statement: %v", err)
	}
}

func FuzzParseMetadata(f *testing.F) {
	f.Add([]byte(metadataV02))
	f.Add([]byte(`{"db":{"containerimage.digest":"sha256:dd"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := ParseMetadata(data)
		if err != nil {
			if !errors.Is(err, ErrBuild) {
				t.Error(err)
			}
			return
		}
		b := &Build{Kind: Generic, Type: "https://example.com/t", Builder: "https://example.com/b", Parameters: map[string]string{"a": "b"}}
		for _, digest := range m.digests() {
			var name string
			if json.Unmarshal([]byte(digest), &name) == nil && m.Describe(b, name) == nil {
				if _, err := b.Predicate(m.Materials(name, "")...); err != nil {
					t.Error(err)
				}
			}
		}
	})
}
