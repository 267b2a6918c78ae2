package action

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// job is a workflow of one job that act runs on this machine, in a repository of its own.
type job struct {
	lab   *lab
	steps []map[string]any
	event map[string]any
	env   []string
}

// ran is how a job ended.
type ran struct {
	ok        bool
	log       string
	left      string // folder into which the steps copied what the test wants to see
	summaries []string
}

type values = map[string]any

// step adds a step with the action of this repository.
func (j *job) step(id string, with values) *job {
	j.steps = append(j.steps, values{"id": id, "uses": "./", "with": with})
	return j
}

// shell adds a step with a command. In its environment, OUT_NAME is the output NAME of a
// step, and LEFT the folder that the test looks into afterwards: act removes its own.
func (j *job) shell(command, step string, outputs ...string) *job {
	env := values{}
	for _, name := range outputs {
		env["OUT_"+name] = "${{ steps." + step + ".outputs." + name + " }}"
	}
	j.steps = append(j.steps, values{"if": "always()", "shell": "bash", "run": command, "env": env})
	return j
}

// lines writes the outputs of a step into a file, one on each line.
func (j *job) lines(file, step string, outputs ...string) *job {
	command := ":"
	for _, name := range outputs {
		command += `; printf '` + name + `=%s\n' "$OUT_` + name + `" >>"$LEFT/` + file + `"`
	}
	return j.shell(command, step, outputs...)
}

// run lets act run the job. What differs from GitHub is said in the package's comment.
func (j *job) run() ran {
	t := j.lab.t
	t.Helper()
	act, home, repository, left := program(t, "HALLMARK_PEERS", "act"), t.TempDir(), t.TempDir(), t.TempDir()
	commit := j.repository(repository)
	if j.event == nil {
		j.event = map[string]any{}
	}
	event, err := json.Marshal(j.event)
	if err != nil {
		t.Fatal(err)
	}
	eventFile := filepath.Join(home, "event.json")
	if err := os.WriteFile(eventFile, event, 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"push", "--platform", "ubuntu-latest=-self-hosted", "--no-cache-server", "--eventpath", eventFile, "--strict"}
	for _, variable := range append([]string{
		"LEFT=" + left, "GITHUB_WORKFLOW_REF=hallmark-sandbox/demo/.github/workflows/release.yml@refs/heads/main",
		"RUNNER_ENVIRONMENT=github-hosted",
	}, j.env...) {
		if strings.HasPrefix(variable, "ACTIONS_ID_TOKEN_REQUEST_URL=") {
			variable += "&sha=" + commit // GitHub knows it; the sandbox has to be told
		}
		args = append(args, "--env", variable)
	}
	ctx, cancel := context.WithTimeout(context.Background(), commandTime)
	defer cancel()
	var log bytes.Buffer
	cmd := exec.CommandContext(ctx, act, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = repository, &log, &log
	cmd.Env = environment(home, "PATH="+filepath.Dir(j.hallmark())+":"+os.Getenv("PATH"), "NO_COLOR=1")
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return ran{err == nil, log.String(), left, summaries(log.String())}
}

// summaries are the step summaries as act shows them: each ends where the next line of act's
// own begins. act shows that of a composite action twice.
func summaries(log string) (all []string) {
	const marker = "Summary - "
	for rest := log; ; {
		_, after, found := strings.Cut(rest, marker)
		if !found {
			return slices.Compact(all)
		}
		one, _, _ := strings.Cut(after, "\n[release.yml/job]")
		all, rest = append(all, one+"\n"), after
	}
}

// hallmark is the program as 'version: installed' finds it.
func (j *job) hallmark() string {
	t := j.lab.t
	t.Helper()
	link := filepath.Join(t.TempDir(), "hallmark")
	if err := os.Symlink(program(t, "HALLMARK", ""), link); err != nil {
		t.Fatal(err)
	}
	return link
}

// repository writes a repository with the action and the workflow. Its checkout is a step as
// in everybody's workflow; act copies the folder instead of fetching anything. It gives the
// commit.
func (j *job) repository(dir string) string {
	t := j.lab.t
	t.Helper()
	if err := os.CopyFS(filepath.Join(dir, "action"), os.DirFS("../../action")); err != nil {
		t.Fatal(err)
	}
	definition, err := os.ReadFile("../../action.yml")
	if err != nil {
		t.Fatal(err)
	}
	steps := append([]map[string]any{{"uses": "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1"}}, j.steps...)
	workflow, err := yaml.Marshal(values{"on": "push", "jobs": values{"job": values{"runs-on": "ubuntu-latest", "steps": steps}}})
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(dir, ".github", "workflows")
	err = errors.Join(os.MkdirAll(folder, 0o755), os.WriteFile(filepath.Join(dir, "action.yml"), definition, 0o600),
		os.WriteFile(filepath.Join(folder, "release.yml"), workflow, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	git := func(args ...string) string {
		return run(t, dir, environment(dir, "GIT_CONFIG_NOSYSTEM=1"), "git", append([]string{"-c", "user.name=dev", "-c", "user.email=dev@example.com"}, args...)...)
	}
	git("init", "--quiet", "--initial-branch", "main")
	git("remote", "add", "origin", "https://github.com/hallmark-sandbox/demo.git")
	git("add", ".")
	git("commit", "--quiet", "--message", "A repository")
	return strings.TrimSpace(git("rev-parse", "HEAD"))
}

// file is what a step left.
func (r ran) file(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(r.left, name))
	if err != nil {
		t.Fatalf("%v\n%s", err, r.log)
	}
	return string(raw)
}

// settled is a text with what differs from run to run replaced.
func (l *lab) settled(text string) string {
	for _, c := range [][2]string{
		{`sha256:[0-9a-f]{64}`, "sha256:DIGEST"}, {`sha256:[0-9a-f]{8,9}…[0-9a-f]{8,9}`, "sha256:DIGEST"},
		{`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC`, "TIME"}, {"hallmark/[^`]+", "hallmark/VERSION"},
	} {
		text = regexp.MustCompile(c[0]).ReplaceAllString(text, c[1])
	}
	text = strings.ReplaceAll(text, l.host, "REGISTRY")
	return sorted(strings.ReplaceAll(text, l.issuer, "ISSUER"))
}

// sorted puts the rows of evidence in order: they stand in that of their digests.
func sorted(text string) string {
	lines := strings.SplitAfter(text, "\n")
	for start := 0; start < len(lines); {
		end := start
		for end < len(lines) && strings.HasPrefix(lines[end], "| yes ") {
			end++
		}
		slices.Sort(lines[start:end])
		start = end + 1
	}
	return strings.Join(lines, "")
}
