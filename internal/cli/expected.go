package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/hallmark-project/hallmark/policy"
)

// buildFlags say what provenance has to show, without a policy file.
type buildFlags struct {
	repository string
	refs       []string
	builders   []string
	types      []string
	parameters []string
}

func (b *buildFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&b.repository, "source-repo", "", "`URL` of the repository that provenance must name as the source; wants provenance besides what --require asks for")
	f.StringArrayVar(&b.refs, "source-ref", nil, "`ref` that it must have been built from, such as refs/heads/main; * stands for any characters; may be repeated")
	f.StringArrayVar(&b.builders, "builder", nil, "`URI` of a builder that is accepted, * in the version behind its last @; may be repeated (else the one that the certificate or the key's owner names)")
	f.StringArrayVar(&b.types, "build-type", nil, "`URI` of a build type that is accepted; may be repeated")
	f.StringArrayVar(&b.parameters, "build-parameter", nil, "`NAME=VALUE` that the build must have been given; NAME alone for any value, * for any parameters; others are rejected")
}

// requirement is what the flags ask of provenance, nil if nothing.
func (b *buildFlags) requirement() (*policy.Requirement, error) {
	if b.repository == "" && len(b.refs)+len(b.builders)+len(b.types)+len(b.parameters) == 0 {
		return nil, nil
	}
	t, err := policy.ParseType("slsaprovenance")
	if err != nil {
		return nil, err
	}
	rule := &policy.Provenance{SignersSpeak: true, BuildTypes: b.types}
	for _, id := range b.builders {
		rule.Builders = append(rule.Builders, policy.Builder{ID: id})
	}
	if len(b.refs) > 0 && b.repository == "" {
		return nil, usagef("--source-ref is a ref of a repository: give --source-repo too")
	}
	for _, ref := range b.refs {
		if !strings.HasPrefix(ref, "refs/") {
			return nil, usagef("--source-ref %q: want it whole, such as refs/heads/main or refs/tags/v*", ref)
		}
	}
	if b.repository != "" {
		rule.Sources = []policy.Source{{Repository: wholeURL(b.repository), Refs: b.refs}}
	}
	if err := b.readParameters(rule); err != nil {
		return nil, err
	}
	if b.repository == "" && !rule.AnyParameters {
		return nil, usagef("--builder, --build-type and --build-parameter go with --source-repo, since what is built from elsewhere must not pass; --build-parameter '*' lets any source pass")
	}
	return &policy.Requirement{Type: t, Provenance: rule}, nil
}

func (b *buildFlags) readParameters(rule *policy.Provenance) error {
	for _, text := range b.parameters {
		name, value, given := strings.Cut(text, "=")
		switch {
		case text == "*":
			rule.AnyParameters = true
			continue
		case name == "":
			return usagef("--build-parameter %q: want NAME=VALUE, NAME or *", text)
		}
		if rule.Parameters == nil {
			rule.Parameters = map[string]any{}
		}
		if rule.Parameters[name] = nil; given {
			rule.Parameters[name] = value
		}
	}
	return nil
}

// wholeURL adds the scheme that people leave out.
func wholeURL(repository string) string {
	if strings.Contains(repository, "://") {
		return repository
	}
	return "https://" + repository
}
