package main

import (
	"fmt"
	"strings"
)

// jenkins plays the sh step of a stage of a declarative pipeline. It is read as text: the
// step must be sh with three single quotes, in which Groovy pastes nothing in.
func jenkins(data []byte, stage string, _ map[string]string) (script, error) {
	_, rest, ok := strings.Cut(string(data), "stage('"+stage+"')")
	if !ok {
		return script{}, fmt.Errorf("there is no stage %q", stage)
	}
	rest, _, _ = strings.Cut(rest, "stage('")
	if strings.Contains(rest, `sh "`) {
		return script{}, fmt.Errorf("the stage %q has a script in double quotes, into which Groovy pastes variables: use '''", stage)
	}
	_, rest, ok = strings.Cut(rest, "sh '''")
	if !ok {
		return script{}, fmt.Errorf("the stage %q has no step sh '''", stage)
	}
	body, _, ok := strings.Cut(rest, "'''")
	if !ok || strings.Contains(body, `\`) {
		return script{}, fmt.Errorf("the script of the stage %q does not end, or has a backslash, which is Groovy's", stage)
	}
	return script{lines: []string{body}}, nil
}
