package action

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// definition is action.yml.
type definition struct {
	Inputs  map[string]struct{ Description, Default string }
	Outputs map[string]struct{ Description, Value string }
	Runs    struct {
		Using string
		Steps []struct {
			ID, Shell, Run string
			Env            map[string]string
		}
	}
}

// workflow is what is looked at in a workflow.
type workflow struct {
	On          yaml.Node
	Permissions *map[string]string
	Jobs        map[string]struct {
		Permissions *map[string]string
		Steps       []workflowStep
	}
}

type workflowStep struct {
	Uses, Run string
	With      map[string]string
}

func readYAML(t *testing.T, path string, into any) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(raw, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return string(raw)
}

func readDefinition(t *testing.T) definition {
	t.Helper()
	var d definition
	readYAML(t, "../../action.yml", &d)
	if len(d.Inputs) < 15 || len(d.Runs.Steps) != 2 || d.Runs.Using != "composite" {
		t.Fatalf("action.yml is not what the test takes it for: %+v", d)
	}
	return d
}

// TestDefinition: every input goes into the environment of one step, under its own name, and
// into nothing else; every output is one that run.sh writes.
func TestDefinition(t *testing.T) {
	d := readDefinition(t)
	handed := map[string]int{}
	for _, s := range d.Runs.Steps {
		if s.Shell != "bash" || strings.Contains(s.Run, "${{") || strings.Contains(s.Run, "\n") {
			t.Errorf("step %s: %q in %q", s.ID, s.Run, s.Shell)
		}
		for variable, value := range s.Env {
			name, isInput := strings.CutPrefix(variable, "HALLMARK_INPUT_")
			name = strings.ReplaceAll(name, "_", "-")
			if isInput && value != "${{ inputs."+name+" }}" {
				t.Errorf("%s is %q", variable, value)
			}
			handed[name]++
		}
	}
	for name, input := range d.Inputs {
		if handed[name] != 1 || input.Description == "" {
			t.Errorf("input %s is handed on %d times", name, handed[name])
		}
	}
	script, err := os.ReadFile("../../action/run.sh")
	if err != nil {
		t.Fatal(err)
	}
	for name, output := range d.Outputs {
		if output.Value != "${{ steps.run.outputs."+name+" }}" || !strings.Contains(string(script), "output "+name+" ") {
			t.Errorf("output %s is %q", name, output.Value)
		}
	}
}

// TestGuide: the guide tells every input and output.
func TestGuide(t *testing.T) {
	d := readDefinition(t)
	raw, err := os.ReadFile("../../docs/guides/github-action.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range d.Inputs {
		if !strings.Contains(string(raw), "`"+name+"`") {
			t.Errorf("the guide does not tell of the input %s", name)
		}
	}
	for name := range d.Outputs {
		if !strings.Contains(string(raw), "| `"+name+"` |") {
			t.Errorf("the guide does not tell of the output %s", name)
		}
	}
	uses := regexp.MustCompile(`(?s)uses: hallmark-project/hallmark@.*?with:\n(.*?)(?:\n\x60\x60\x60|\n *- )`).FindAllStringSubmatch(string(raw), -1)
	if len(uses) < 5 {
		t.Fatalf("only %d examples found", len(uses))
	}
	for _, use := range uses {
		var with map[string]string
		if err := yaml.Unmarshal([]byte(use[1]), &with); err != nil {
			t.Fatalf("%v\n%s", err, use[1])
		}
		checkUse(t, "the guide", d, with)
	}
}

// checkUse: a use of the action names only inputs that there are.
func checkUse(t *testing.T, where string, d definition, with map[string]string) {
	t.Helper()
	if with["command"] == "" {
		t.Errorf("%s: no command in %q", where, with)
	}
	for name := range with {
		if _, ok := d.Inputs[name]; !ok {
			t.Errorf("%s: there is no input %s", where, name)
		}
	}
}

var pinned = regexp.MustCompile(`uses: ([\w./-]+)@([0-9a-f]{40}) # v\d+\.\d+\.\d+\n`)

// TestWorkflows: in the workflows of this project and in the examples, no expression stands
// in a command, every action is pinned, and every job has the permissions that it names.
func TestWorkflows(t *testing.T) {
	d := readDefinition(t)
	own, err := filepath.Glob("../../.github/workflows/*.yml")
	if err != nil {
		t.Fatal(err)
	}
	examples, err := filepath.Glob("../../examples/github/*.yml")
	if err != nil {
		t.Fatal(err)
	}
	if len(own) < 3 || len(examples) < 3 {
		t.Fatalf("%q, %q", own, examples)
	}
	for _, path := range slices.Concat(own, examples) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			var w workflow
			raw := readYAML(t, path, &w)
			checkWorkflow(t, &w)
			for _, job := range w.Jobs {
				for _, s := range job.Steps {
					checkStep(t, d, raw, s, slices.Contains(examples, path))
				}
			}
		})
	}
}

func checkWorkflow(t *testing.T, w *workflow) {
	t.Helper()
	if w.Permissions == nil || len(*w.Permissions) != 0 {
		t.Error("a workflow begins with no permissions")
	}
	for name, job := range w.Jobs {
		if job.Permissions == nil {
			t.Errorf("job %s does not name its permissions", name)
		}
	}
	for _, node := range w.On.Content {
		if node.Value == "pull_request_target" || node.Value == "workflow_run" {
			t.Errorf("%s runs with more rights than who starts it", node.Value)
		}
	}
}

func checkStep(t *testing.T, d definition, raw string, s workflowStep, example bool) {
	t.Helper()
	if strings.Contains(s.Run, "${{") {
		t.Errorf("an expression stands in a command:\n%s", s.Run)
	}
	name, version, _ := strings.Cut(s.Uses, "@")
	switch {
	case s.Uses == "":
	case s.Uses == "./":
		checkUse(t, s.Uses, d, s.With)
	case example && name == "hallmark-project/hallmark":
		checkUse(t, s.Uses, d, s.With)
	default:
		if !slices.ContainsFunc(pinned.FindAllStringSubmatch(raw, -1), func(m []string) bool { return m[1] == name && m[2] == version }) {
			t.Errorf("%s is not pinned to a commit, with its release in a comment", s.Uses)
		}
	}
	if name == "actions/checkout" && s.With["persist-credentials"] != "false" {
		t.Errorf("%s leaves its token in the checkout", s.Uses)
	}
}

// TestSamePins: one action has one commit everywhere.
func TestSamePins(t *testing.T) {
	files, err := filepath.Glob("../../*/*/*.yml")
	if err != nil {
		t.Fatal(err)
	}
	commits := map[string]string{}
	for _, path := range append(files, "workflow_test.go") {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(actions/[\w-]+)@([0-9a-f]{40})`).FindAllStringSubmatch(string(raw), -1) {
			if before, ok := commits[m[1]]; ok && before != m[2] {
				t.Errorf("%s: %s is %s elsewhere", path, m[0], before)
			}
			commits[m[1]] = m[2]
		}
	}
	if len(commits) != 3 {
		t.Errorf("%q", commits)
	}
}
