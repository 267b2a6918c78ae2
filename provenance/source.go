package provenance

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// scpForm is a repository as ssh users write it: git@host:path.
var scpForm = regexp.MustCompile(`^(?:[A-Za-z0-9._-]+@)?([A-Za-z0-9.-]+):([^/:@ \\][^:@ \\]*)$`)

// sameOverHTTPS are hosts that serve the same repository under the same path by ssh and by
// https.
var sameOverHTTPS = []string{"github.com", "gitlab.com", "bitbucket.org"}

// RepositoryURL is a git remote as the URL that provenance names: without user, password
// and the ending .git, and https where that is the same repository. A folder or a local
// path is an error that wraps [ErrBuild].
func RepositoryURL(remote string) (string, error) {
	bad := fmt.Errorf("%w: %.100q is no URL of a repository", ErrBuild, withoutUser(remote))
	if len(remote) > maxValue {
		return "", bad
	}
	text := remote
	if m := scpForm.FindStringSubmatch(remote); m != nil && !strings.Contains(remote, "://") {
		text = "ssh://" + m[1] + "/" + m[2]
	}
	u, err := url.Parse(strings.TrimPrefix(text, "git+"))
	if err != nil || u.Host == "" || u.Path == "" || u.Opaque != "" || !slices.Contains([]string{"http", "https", "ssh", "git"}, u.Scheme) {
		return "", bad
	}
	if u.Scheme == "ssh" && slices.Contains(sameOverHTTPS, strings.ToLower(u.Host)) {
		u.Scheme = "https"
	}
	u.User, u.RawQuery, u.Fragment, u.ForceQuery = nil, "", "", false
	u.Host = strings.ToLower(u.Host)
	u.Path = strings.TrimSuffix(strings.TrimSuffix(u.Path, "/"), ".git")
	u.RawPath = ""
	if u.Path == "" {
		return "", bad
	}
	return u.String(), nil
}

// Stated is what somebody says of a build, with flags: it fills in what the environment
// does not say, and must not contradict it.
type Stated struct {
	Builder, BuildType, Repository, Ref, Commit, Invocation string
	Parameters                                              map[string]string
	Materials                                               []Material
}

// State adds what somebody says. An error wraps [ErrBuild].
func (b *Build) State(s Stated) error {
	if s.Repository != "" {
		home, err := RepositoryURL(s.Repository)
		if err != nil {
			return err
		}
		s.Repository = home
	}
	if s.Commit != "" && !formCommit.MatchString(s.Commit) {
		return fmt.Errorf("%w: %.100q is no commit: want all 40 or 64 digits", ErrBuild, s.Commit)
	}
	if s.Ref != "" && !formRef.MatchString(s.Ref) {
		return fmt.Errorf("%w: %.100q is no ref: want it whole, such as refs/heads/main", ErrBuild, s.Ref)
	}
	if b.Kind == Generic && s.BuildType != "" { // whose meaning is theirs
		b.Type = s.BuildType
	}
	for _, fact := range []struct {
		what, said string
		known      *string
	}{
		{"builder", s.Builder, &b.Builder}, {"build type", s.BuildType, &b.Type}, {"source repository", s.Repository, &b.Source.Repository},
		{"ref", s.Ref, &b.Source.Ref}, {"commit", s.Commit, &b.Source.Commit}, {"invocation", s.Invocation, &b.Invocation},
	} {
		if fact.said == "" {
			continue
		}
		if *fact.known != "" && *fact.known != fact.said {
			return fmt.Errorf("%w: the %s is %q, and you say %q", ErrBuild, fact.what, *fact.known, withoutUser(fact.said))
		}
		*fact.known = fact.said
	}
	return b.stateParameters(s)
}

func (b *Build) stateParameters(s Stated) error {
	if len(s.Parameters) > 0 && b.Kind == GitHub {
		return fmt.Errorf("%w: GitHub's build type has no parameters of one's own", ErrBuild)
	}
	for name := range s.Parameters {
		if name == "source" || name == "workflow" || name == "configSource" {
			return fmt.Errorf("%w: the parameter %q names the source, which is stated by itself", ErrBuild, name)
		}
	}
	b.Parameters = s.Parameters
	b.Materials = append(b.Materials, s.Materials...)
	return nil
}
