package provenance

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// Kinds of builds.
const (
	GitHub    = "github"
	GitLab    = "gitlab"
	Buildkite = "buildkite"
	Tekton    = "tekton"
	Generic   = "generic"
)

// BuildTypes begins the URIs of the build types that are described in docs/build-types.md.
const BuildTypes = "https://github.com/hallmark-project/hallmark/build-types/"

// Env looks up a variable of the environment.
type Env func(name string) (string, bool)

// ci is a system whose jobs are recognised.
type ci struct {
	kind string
	// mark is the variable that tells, with its value; any, if that is empty.
	mark, value string
	variables   []string
	read        func(job) (*Build, error)
}

var systems = []ci{
	{GitHub, "GITHUB_ACTIONS", "true", gitHubVariables, readGitHub},
	{GitLab, "GITLAB_CI", "true", gitLabVariables, readGitLab},
	{Buildkite, "BUILDKITE", "true", buildkiteVariables, readBuildkite},
	{Tekton, "TEKTON_TASKRUN", "", tektonVariables, readTekton},
}

// Kinds are the names that [FromJob] takes, besides [Generic].
func Kinds() []string {
	var out []string
	for _, s := range systems {
		out = append(out, s.kind)
	}
	return out
}

// Variables are all variables that this package reads, by kind: no other can get into a
// predicate.
func Variables() map[string][]string {
	out := map[string][]string{}
	for _, s := range systems {
		out[s.kind] = append([]string{s.mark}, s.variables...)
	}
	return out
}

// Detect tells what kind of job this is. An error wraps [ErrBuild]: none, or several.
func Detect(env Env) (kind string, err error) {
	var found []string
	for _, s := range systems {
		if value, ok := env(s.mark); ok && value != "" && (s.value == "" || value == s.value) {
			found = append(found, s.kind)
		}
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("%w: this is no job of a CI system that is known (%s)", ErrBuild, strings.Join(Kinds(), ", "))
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("%w: this looks like a job of %s: choose one", ErrBuild, strings.Join(found, " and of "))
}

// FromJob reads what the environment of a job of a kind says of the build. For [Generic]
// nothing is read. An error wraps [ErrBuild].
func FromJob(kind string, env Env) (*Build, error) {
	if kind == Generic {
		return &Build{Kind: Generic, Type: BuildTypes + "generic/v1"}, nil
	}
	i := slices.IndexFunc(systems, func(s ci) bool { return s.kind == kind })
	if i < 0 {
		return nil, fmt.Errorf("%w: there is no kind of build called %q: want %s or %s", ErrBuild, kind, strings.Join(Kinds(), ", "), Generic)
	}
	b, err := systems[i].read(job{systems[i], env})
	if err != nil {
		return nil, err
	}
	b.Kind = kind
	return b, nil
}

// job is an environment of which only the variables of one system can be read.
type job struct {
	system ci
	env    Env
}

// maxValue bounds the value of a variable.
const maxValue = 1024

// value is that of a variable, empty if it is not set.
func (j job) value(name string) (string, error) {
	if !slices.Contains(j.system.variables, name) {
		panic(name + " is not on the list of what is read of " + j.system.kind)
	}
	value, _ := j.env(name)
	if len(value) > maxValue || strings.ContainsFunc(value, unicode.IsControl) {
		return "", fmt.Errorf("%w: the variable %s is longer than %d bytes, or more than a line", ErrBuild, name, maxValue)
	}
	return value, nil
}

// read fills in variables: each has to be there unless it is optional, and to match.
func (j job) read(wanted ...want) error {
	for _, w := range wanted {
		value, err := j.value(w.name)
		if err != nil {
			return err
		}
		if value == "" && w.optional {
			continue
		}
		if value == "" {
			return fmt.Errorf("%w: the variable %s is not set, and a job of %s has it", ErrBuild, w.name, j.system.kind)
		}
		if !w.form.MatchString(value) {
			return fmt.Errorf("%w: the variable %s is %.100q, which is not of its form", ErrBuild, w.name, withoutUser(value))
		}
		*w.to = value
	}
	return nil
}

// want is a variable that is wanted.
type want struct {
	name     string
	to       *string
	form     *regexp.Regexp
	optional bool
}

// Forms of variables.
var (
	formAny    = regexp.MustCompile(`^.+$`)
	formName   = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)
	formPath   = regexp.MustCompile(`^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)+$`)
	formNumber = regexp.MustCompile(`^[0-9]{1,20}$`)
	formCommit = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)
	formRef    = regexp.MustCompile(`^refs/[^ ~^:?*\[\\]+$`)
	formURL    = regexp.MustCompile(`^https?://[A-Za-z0-9.-]+(:[0-9]+)?(/[^ @?#]*)?$`)
)
