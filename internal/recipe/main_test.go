package main

import "testing"

type player func([]byte, string, map[string]string) (script, error)

const taskHead = "apiVersion: tekton.dev/v1\nkind: Task\nspec:\n  steps:\n    - name: job\n"

// TestPastedTextIsRefused: what a runner pastes into a script as text is a command for
// whoever gives it.
func TestPastedTextIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		play player
		text string
	}{
		"gitlab":    {gitLab, "spec:\n  inputs:\n    x:\n---\njob:\n  script:\n    - echo $[[ inputs.x ]]\n"},
		"tekton":    {tekton, taskHead + "      script: echo $(params.x)\n"},
		"buildkite": {buildkite, "steps:\n  - key: job\n    command: echo $X\n"},
		"jenkins":   {jenkins, `stage('job') { steps { sh "echo $x" } }`},
	} {
		if s, err := c.play([]byte(c.text), "job", map[string]string{"x": "1"}); err == nil {
			t.Errorf("%s: played\n%s", name, s)
		}
	}
}

func TestPlays(t *testing.T) {
	for name, c := range map[string]struct {
		play       player
		text, want string
	}{
		"gitlab": {gitLab, "spec:\n  inputs:\n    x:\n---\njob:\n  variables: {V: \"$[[ inputs.x ]]\"}\n  id_tokens: {T: {aud: a}}\n  script:\n    - echo $V\n",
			"export V='it'\nT=$(id_token 'a')\nexport T\necho $V\n"},
		"tekton":    {tekton, taskHead + "      command: [echo]\n      args: [$(x)]\n", "'echo' 'it'\n"},
		"buildkite": {buildkite, "steps:\n  - key: job\n    command: echo $$X\n", "echo $X\n"},
		"jenkins":   {jenkins, "stage('job') { sh '''echo $x''' }", "echo $x\n"},
	} {
		s, err := c.play([]byte(c.text), "job", map[string]string{"x": "it"})
		if err != nil || s.String() != c.want {
			t.Errorf("%s: %v\n%s", name, err, s)
		}
		if _, err := c.play([]byte(c.text), "other", map[string]string{"x": "it"}); err == nil {
			t.Errorf("%s: a job that is not there was played", name)
		}
	}
}

func TestQuotedIsOneWord(t *testing.T) {
	if got := quoted("it's $(x)"); got != `'it'\''s $(x)'` {
		t.Error(got)
	}
}
