package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"

	"go.yaml.in/yaml/v3"
)

// gitLabJob is what is read of a job (https://docs.gitlab.com/ci/yaml/).
type gitLabJob struct {
	Extends      string
	Variables    map[string]string
	IDTokens     map[string]struct{ Aud string } `yaml:"id_tokens"`
	BeforeScript lines                           `yaml:"before_script"`
	Script       lines
}

var input = regexp.MustCompile(`\$\[\[ *inputs\.([A-Za-z0-9_]+) *\]\]`)

// gitLab plays a job of a component (https://docs.gitlab.com/ci/inputs/): a header with
// inputs, and jobs. A file without the header is a template.
func gitLab(data []byte, name string, given map[string]string) (script, error) {
	header, body, err := component(data)
	if err != nil {
		return script{}, err
	}
	if body, err = interpolated(header, body, given); err != nil {
		return script{}, err
	}
	var jobs map[string]gitLabJob
	if err := yaml.Unmarshal(body, &jobs); err != nil {
		return script{}, err
	}
	job, ok := jobs[name]
	if !ok {
		return script{}, fmt.Errorf("there is no job %q", name)
	}
	base := gitLabJob{}
	if job.Extends != "" {
		if base, ok = jobs[job.Extends]; !ok {
			return script{}, fmt.Errorf("the job %q extends %q, which is not here", name, job.Extends)
		}
	}
	return job.over(base), nil
}

// over is the job on top of what it extends. Variables may name those of the environment.
func (j gitLabJob) over(base gitLabJob) script {
	s := script{variables: map[string]string{}, tokens: map[string]string{}}
	for _, from := range []gitLabJob{base, j} {
		for name, value := range from.Variables {
			s.variables[name] = os.ExpandEnv(value)
		}
		for name, token := range from.IDTokens {
			s.tokens[name] = token.Aud
		}
	}
	before := j.BeforeScript
	if before == nil {
		before = base.BeforeScript
	}
	s.lines = append(append(s.lines, before...), j.Script...)
	return s
}

type gitLabInputs map[string]struct {
	Default *string
}

func component(data []byte) (gitLabInputs, []byte, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var first, second yaml.Node
	if err := decoder.Decode(&first); err != nil {
		return nil, nil, err
	}
	if err := decoder.Decode(&second); errors.Is(err, io.EOF) {
		return nil, data, nil
	} else if err != nil {
		return nil, nil, err
	}
	var header struct {
		Spec struct{ Inputs gitLabInputs }
	}
	if err := first.Decode(&header); err != nil {
		return nil, nil, err
	}
	_, body, ok := bytes.Cut(data, []byte("\n---\n"))
	if !ok {
		return nil, nil, errors.New("no line of three dashes between the header and the jobs")
	}
	return header.Spec.Inputs, body, nil
}

func interpolated(inputs gitLabInputs, body []byte, given map[string]string) ([]byte, error) {
	for name := range given {
		if _, ok := inputs[name]; !ok {
			return nil, fmt.Errorf("there is no input %q", name)
		}
	}
	if err := noInputsInScripts(body); err != nil {
		return nil, err
	}
	var missing error
	out := input.ReplaceAllFunc(body, func(found []byte) []byte {
		name := string(input.FindSubmatch(found)[1])
		if value, ok := given[name]; ok {
			return []byte(value)
		}
		if spec, ok := inputs[name]; ok && spec.Default != nil {
			return []byte(*spec.Default)
		}
		missing = fmt.Errorf("the input %q is not given", name)
		return nil
	})
	return out, missing
}

// noInputsInScripts: an input inside a script is a command for whoever gives it.
func noInputsInScripts(body []byte) error {
	var jobs map[string]gitLabJob
	if err := yaml.Unmarshal(body, &jobs); err != nil {
		return err
	}
	for name, job := range jobs {
		for _, line := range append(append(lines{}, job.BeforeScript...), job.Script...) {
			if input.MatchString(line) {
				return fmt.Errorf("the script of %q has an input pasted in: hand it over as a variable", name)
			}
		}
	}
	return nil
}
