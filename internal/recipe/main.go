// Command recipe plays the runner of a CI system: it reads the very file that people copy
// and prints a shell script of one job, step or stage of it, so that examples/*/run.sh run
// what is published.
//
//	recipe gitlab FILE JOB [INPUT=VALUE...]
//	recipe tekton FILE STEP [NAME=VALUE...]     such as params.subject=... context.taskRun.name=...
//	recipe buildkite FILE KEY
//	recipe jenkins FILE STAGE
//	recipe serve FOLDER                         files for a job to download
//
// What the runner would paste into a script as text is refused: that is how a branch's name
// becomes a command.
package main

import (
	"fmt"
	"io"
	"os"
	"sort"
	"strings"

	"go.yaml.in/yaml/v3"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "recipe:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	if len(args) == 2 && args[0] == "serve" {
		return serve(args[1], out)
	}
	if len(args) < 3 {
		return fmt.Errorf("usage: recipe gitlab|tekton|buildkite|jenkins FILE JOB [NAME=VALUE...]")
	}
	data, err := os.ReadFile(args[1])
	if err != nil {
		return err
	}
	given, err := pairs(args[3:])
	if err != nil {
		return err
	}
	players := map[string]func(data []byte, job string, given map[string]string) (script, error){
		"gitlab": gitLab, "tekton": tekton, "buildkite": buildkite, "jenkins": jenkins,
	}
	play, ok := players[args[0]]
	if !ok {
		return fmt.Errorf("there is no player for %q", args[0])
	}
	s, err := play(data, args[2], given)
	if err != nil {
		return fmt.Errorf("%s: %w", args[1], err)
	}
	_, err = io.WriteString(out, s.String())
	return err
}

func pairs(args []string) (map[string]string, error) {
	out := map[string]string{}
	for _, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("%q: want NAME=VALUE", arg)
		}
		out[name] = value
	}
	return out, nil
}

// script is what a runner hands to the shell.
type script struct {
	variables map[string]string
	tokens    map[string]string // variable: audience. The function id_token of run.sh gives them
	lines     []string
}

func (s script) String() string {
	var out strings.Builder
	for _, name := range sortedNames(s.variables) {
		fmt.Fprintf(&out, "export %s=%s\n", name, quoted(s.variables[name]))
	}
	for _, name := range sortedNames(s.tokens) {
		fmt.Fprintf(&out, "%s=$(id_token %s)\nexport %s\n", name, quoted(s.tokens[name]), name)
	}
	for _, line := range s.lines {
		out.WriteString(strings.TrimRight(line, "\n") + "\n")
	}
	return out.String()
}

func sortedNames(m map[string]string) []string {
	var out []string
	for name := range m {
		out = append(out, name)
	}
	sort.Strings(out)
	return out
}

// quoted is a word that the shell takes as it is.
func quoted(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }

// lines is one command, or a list of them.
type lines []string

// UnmarshalYAML implements [yaml.Unmarshaler].
func (l *lines) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		*l = lines{node.Value}
		return nil
	}
	return node.Decode((*[]string)(l))
}
