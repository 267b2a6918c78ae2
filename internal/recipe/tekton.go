package main

import (
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// tektonTask is what is read of a Task (https://tekton.dev/docs/pipelines/tasks/).
type tektonTask struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string
	Spec       struct {
		Params []struct {
			Name    string
			Default *string
		}
		Steps []tektonStep
	}
}

type tektonStep struct {
	Name          string
	Command, Args []string
	Env           []struct {
		Name, Value string
		ValueFrom   struct {
			SecretKeyRef struct{ Name, Key string } `yaml:"secretKeyRef"`
		} `yaml:"valueFrom"`
	}
}

var reference = regexp.MustCompile(`\$\(([A-Za-z0-9_.-]+)\)`)

// tekton plays a step. Each argument is one word, whatever a parameter holds. Secrets are
// given as secrets.NAME.KEY.
func tekton(data []byte, name string, given map[string]string) (script, error) {
	var task tektonTask
	if err := yaml.Unmarshal(data, &task); err != nil {
		return script{}, err
	}
	if task.APIVersion != "tekton.dev/v1" || task.Kind != "Task" {
		return script{}, fmt.Errorf("this is %s %s, and no Task of tekton.dev/v1", task.APIVersion, task.Kind)
	}
	for _, p := range task.Spec.Params {
		if _, ok := given["params."+p.Name]; !ok && p.Default != nil {
			given["params."+p.Name] = *p.Default
		}
	}
	for _, step := range task.Spec.Steps {
		if step.Name == name {
			return step.script(given)
		}
	}
	return script{}, fmt.Errorf("there is no step %q", name)
}

func (step tektonStep) script(given map[string]string) (script, error) {
	if len(step.Command) == 0 {
		return script{}, fmt.Errorf("the step %q has no command; a script would have parameters pasted in", step.Name)
	}
	s := script{variables: map[string]string{}}
	var missing error
	fill := func(text string) string {
		return reference.ReplaceAllStringFunc(text, func(found string) string {
			value, ok := given[found[2:len(found)-1]]
			if !ok {
				missing = fmt.Errorf("%s is not given", found)
			}
			return value
		})
	}
	for _, env := range step.Env {
		if ref := env.ValueFrom.SecretKeyRef; ref.Name != "" {
			env.Value = "$(secrets." + ref.Name + "." + ref.Key + ")"
		}
		s.variables[env.Name] = fill(env.Value)
	}
	var words []string
	for _, word := range append(append([]string{}, step.Command...), step.Args...) {
		words = append(words, quoted(fill(word)))
	}
	s.lines = []string{strings.Join(words, " ")}
	return s, missing
}
