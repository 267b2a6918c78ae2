package main

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// buildkitePipeline is what is read of a pipeline
// (https://buildkite.com/docs/pipelines/configure/step-types/command-step).
type buildkitePipeline struct {
	Env   map[string]string
	Steps []struct {
		Key     string
		Command lines
		Env     map[string]string
	}
}

// buildkite plays a command step. The upload of a pipeline pastes $VARIABLE in; $$VARIABLE
// is left to the shell.
func buildkite(data []byte, key string, _ map[string]string) (script, error) {
	var pipeline buildkitePipeline
	if err := yaml.Unmarshal(data, &pipeline); err != nil {
		return script{}, err
	}
	for _, step := range pipeline.Steps {
		if step.Key != key {
			continue
		}
		s := script{variables: map[string]string{}}
		for _, env := range []map[string]string{pipeline.Env, step.Env} {
			for name, value := range env {
				s.variables[name] = value
			}
		}
		for _, line := range step.Command {
			if strings.Contains(strings.ReplaceAll(line, "$$", ""), "$") {
				return script{}, fmt.Errorf("the step %q has a variable pasted in: write $$ for $", key)
			}
			s.lines = append(s.lines, strings.ReplaceAll(line, "$$", "$"))
		}
		return s, nil
	}
	return script{}, fmt.Errorf("there is no step with the key %q", key)
}
