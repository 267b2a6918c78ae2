package verify

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hallmark-project/hallmark/bundle"
	"github.com/hallmark-project/hallmark/policy"
)

// Build is what SLSA provenance of version 0.2 or 1 says of a build, in the words of
// version 1 (https://slsa.dev/spec/v1.2/build-provenance).
type Build struct {
	Builder    string
	BuildType  string
	Source     string // URL of the repository
	Ref        string
	Commit     string
	Path       string // of the instructions within the repository
	Invocation string
	Started    time.Time
	Finished   time.Time
	Materials  []Material
	Parameters map[string]json.RawMessage // external ones

	sourceKeys []string // parameters that say nothing but the source
}

// Material is something that a build used.
type Material struct {
	URI    string            `json:"uri"`
	Digest map[string]string `json:"digest"`
}

// provenanceV1 is the predicate of version 1.
type provenanceV1 struct {
	BuildDefinition struct {
		BuildType            string                     `json:"buildType"`
		ExternalParameters   map[string]json.RawMessage `json:"externalParameters"`
		ResolvedDependencies []Material                 `json:"resolvedDependencies"`
	} `json:"buildDefinition"`
	RunDetails struct {
		Builder struct {
			ID string `json:"id"`
		} `json:"builder"`
		Metadata struct {
			InvocationID string    `json:"invocationId"`
			StartedOn    time.Time `json:"startedOn"`
			FinishedOn   time.Time `json:"finishedOn"`
		} `json:"metadata"`
	} `json:"runDetails"`
}

// provenanceV02 is the predicate of version 0.2
// (https://slsa.dev/spec/v0.2/provenance).
type provenanceV02 struct {
	Builder struct {
		ID string `json:"id"`
	} `json:"builder"`
	BuildType  string `json:"buildType"`
	Invocation struct {
		ConfigSource struct {
			URI        string            `json:"uri"`
			Digest     map[string]string `json:"digest"`
			EntryPoint string            `json:"entryPoint"`
		} `json:"configSource"`
		Parameters json.RawMessage `json:"parameters"`
	} `json:"invocation"`
	Metadata struct {
		BuildInvocationID string    `json:"buildInvocationID"`
		BuildStartedOn    time.Time `json:"buildStartedOn"`
		BuildFinishedOn   time.Time `json:"buildFinishedOn"`
	} `json:"metadata"`
	Materials []Material `json:"materials"`
}

// ErrProvenance says that provenance cannot be read.
var ErrProvenance = errors.New("the provenance cannot be read")

// ParseBuild reads the predicate of SLSA provenance. What is said of the source is
// unverified, like everything in it.
func ParseBuild(predicateType string, predicate []byte) (*Build, error) {
	if strings.HasSuffix(predicateType, "/v1") {
		return parseBuildV1(predicate)
	}
	var p provenanceV02
	if err := bundle.Decode(predicate, &p); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProvenance, err)
	}
	b := &Build{Builder: p.Builder.ID, BuildType: p.BuildType, Path: p.Invocation.ConfigSource.EntryPoint, Invocation: p.Metadata.BuildInvocationID,
		Started: p.Metadata.BuildStartedOn, Finished: p.Metadata.BuildFinishedOn, Materials: p.Materials}
	if raw := p.Invocation.Parameters; len(raw) > 0 && string(raw) != "null" {
		if err := json.Unmarshal(raw, &b.Parameters); err != nil { // a list or a text, say
			b.Parameters = map[string]json.RawMessage{"parameters": raw}
		}
	}
	b.Source, b.Ref = splitSource(p.Invocation.ConfigSource.URI)
	b.Commit = commitOf(p.Invocation.ConfigSource.Digest)
	return b, b.complete()
}

func parseBuildV1(predicate []byte) (*Build, error) {
	var p provenanceV1
	if err := bundle.Decode(predicate, &p); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProvenance, err)
	}
	d, r := p.BuildDefinition, p.RunDetails
	b := &Build{Builder: r.Builder.ID, BuildType: d.BuildType, Invocation: r.Metadata.InvocationID, Started: r.Metadata.StartedOn,
		Finished: r.Metadata.FinishedOn, Materials: d.ResolvedDependencies, Parameters: d.ExternalParameters}
	b.readSource()
	for _, m := range b.Materials {
		if source, _ := splitSource(m.URI); b.Commit == "" && source != "" && source == b.Source {
			b.Commit = commitOf(m.Digest)
		}
	}
	return b, b.complete()
}

func (b *Build) complete() error {
	if b.Builder == "" || b.BuildType == "" {
		return fmt.Errorf("%w: it names no builder or no build type", ErrProvenance)
	}
	return nil
}

// readSource finds the parameter that names the source, in the forms that builders use:
// workflow (GitHub), source (slsa-github-generator, Google Cloud Build and others),
// configSource (buildkit). Where two of them disagree, the source is not known.
func (b *Build) readSource() {
	var first *sourceNamed
	for _, named := range b.sources() {
		if first == nil {
			first = &named
		} else if named.repository != first.repository || named.ref != first.ref {
			b.sourceKeys = nil
			return
		}
	}
	if first != nil {
		b.Source, b.Ref, b.Path, b.Commit = first.repository, first.ref, first.path, first.commit
	}
}

// sourceNamed is what one parameter says of the source.
type sourceNamed struct{ repository, ref, path, commit string }

func (b *Build) sources() (out []sourceNamed) {
	var workflow struct {
		Repository string `json:"repository"`
		Ref        string `json:"ref"`
		Path       string `json:"path"`
	}
	if b.only("workflow", &workflow, "repository", "ref", "path") {
		repository, _ := splitSource(workflow.Repository)
		out = append(out, sourceNamed{repository, workflow.Ref, workflow.Path, ""})
	}
	var source string
	if b.only("source", &source) {
		repository, ref := splitSource(source)
		out = append(out, sourceNamed{repository, ref, "", ""})
	}
	for _, key := range []string{"source", "configSource"} {
		var described struct {
			URI    string            `json:"uri"`
			Digest map[string]string `json:"digest"`
			Path   string            `json:"path"`
			Ref    string            `json:"ref"`
		}
		if b.only(key, &described, "uri", "digest", "path", "ref") {
			repository, ref := splitSource(described.URI)
			if described.Ref != "" {
				ref = described.Ref
			}
			out = append(out, sourceNamed{repository, ref, described.Path, commitOf(described.Digest)})
		}
	}
	return out
}

// only reads a parameter, and notes that it says nothing but the source if it has no
// other members.
func (b *Build) only(key string, into any, members ...string) bool {
	raw, there := b.Parameters[key]
	if !there || bundle.Decode(raw, into) != nil {
		return false
	}
	var all map[string]json.RawMessage
	if json.Unmarshal(raw, &all) == nil {
		for name := range all {
			if !slices.Contains(members, name) {
				return true // read, and still to be expected by somebody
			}
		}
	}
	b.sourceKeys = append(b.sourceKeys, key)
	return true
}

// splitSource takes a URI such as git+https://github.com/octo/app@refs/heads/main apart.
func splitSource(uri string) (repository, ref string) {
	uri = strings.TrimPrefix(uri, "git+")
	uri, fragment, _ := strings.Cut(uri, "#")
	scheme, rest, ok := strings.Cut(uri, "://")
	if host, path, hasPath := strings.Cut(rest, "/"); ok && hasPath {
		path, ref, _ = cutVersion(path)
		uri = scheme + "://" + host + "/" + path
	}
	if ref != "" && fragment != "" { // which of them was built is anybody's guess
		return "", ""
	}
	if ref == "" {
		ref, _, _ = strings.Cut(fragment, ":") // behind it, a folder
	}
	return plainURL(uri), ref
}

// plainURL is a repository's URL in the one form that is compared.
func plainURL(text string) string {
	text = strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(text, "git+"), "/"), ".git")
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return text
	}
	u.Host = strings.ToLower(u.Host)
	return u.String()
}

func commitOf(digests map[string]string) string {
	for _, name := range []string{"gitCommit", "sha1", "sha256"} {
		if d := digests[name]; d != "" {
			return d
		}
	}
	return ""
}

// checkProvenance goes through the steps of SLSA 1.2 that come behind the signature: the
// builder and its level, the source, the build type, the external parameters.
func checkProvenance(c *content, rule *policy.Provenance, a *assessment, what *said) {
	b, err := ParseBuild(what.predicateType, what.predicate)
	if !c.check(CheckProvenance, what.predicateType, err) {
		return
	}
	c.checkBuilder(rule, a, b)
	c.checkSource(rule, a, b)
	if len(rule.BuildTypes) > 0 {
		var err error
		if !slices.Contains(rule.BuildTypes, b.BuildType) {
			err = fmt.Errorf("it is %q", b.BuildType)
		}
		c.check(CheckBuildType, strings.Join(rule.BuildTypes, ", "), err)
	}
	c.check(CheckParameters, "", unexpected(rule, b))
}

// checkBuilder looks for the builder among those that are trusted, and whether whoever
// signed may speak for it.
func (c *content) checkBuilder(rule *policy.Provenance, a *assessment, b *Build) {
	cause := fmt.Errorf("it is %q, which is not one that is trusted", b.Builder)
	builders := rule.Builders
	if len(builders) == 0 && rule.SignersSpeak { // whichever it is
		builders = []policy.Builder{{ID: b.Builder}}
	}
	for _, builder := range builders {
		if !sameBuilder(builder.ID, b.Builder) {
			continue
		}
		if cause = speaksFor(rule, builder, a, b); cause != nil {
			continue
		}
		if builder.Level < rule.Level {
			cause = fmt.Errorf("%q is trusted for level %d, and level %d is wanted", b.Builder, builder.Level, rule.Level)
			continue
		}
		c.level = builder.Level
		what := builder.ID
		if builder.Level > 0 {
			what = fmt.Sprintf("%s at level %d", builder.ID, builder.Level)
		}
		c.check(CheckBuilder, what, nil)
		return
	}
	c.check(CheckBuilder, fmt.Sprintf("%d builders", len(builders)), cause)
}

// sameBuilder compares ids; the part behind the last @, a version, may have a pattern.
func sameBuilder(pattern, id string) bool {
	name, version, versioned := cutVersion(pattern)
	if !versioned {
		return pattern == id
	}
	have, haveVersion, ok := cutVersion(id)
	return ok && have == name && policy.MatchGlob(version, haveVersion)
}

// cutVersion takes the part behind the last @ off.
func cutVersion(s string) (before, after string, found bool) {
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}

// gitHubRunner begins the ids of GitHub's runners, which end in the runner environment.
const gitHubRunner = "https://github.com/actions/runner/"

// speaksFor checks that the signer may say what this builder did: the policy names them
// together, the certificate itself names the builder, or everybody who is trusted may. What
// the certificate says has to agree in any case.
func speaksFor(rule *policy.Provenance, builder policy.Builder, a *assessment, b *Build) error {
	named := slices.ContainsFunc(a.names, func(name string) bool { return slices.Contains(builder.By, name) })
	if len(builder.By) > 0 && !named {
		return fmt.Errorf("%q signs through %s, and this is by %s", b.Builder, strings.Join(builder.By, ", "), a.signer.Name())
	}
	claims := a.signer.Claims
	if claims != nil && strings.HasPrefix(b.Builder, gitHubRunner) && claims.RunnerEnvironment != "" {
		if environment := strings.TrimPrefix(b.Builder, gitHubRunner); environment != claims.RunnerEnvironment {
			return fmt.Errorf("it is %q, and the certificate is of a runner that is %q", b.Builder, claims.RunnerEnvironment)
		}
		return nil
	}
	if claims != nil && claims.BuildSignerURI != "" && (!named || strings.Contains(b.Builder, "/.github/workflows/")) {
		signer, _, _ := cutVersion(claims.BuildSignerURI)
		if builder, _, _ := cutVersion(b.Builder); b.Builder != claims.BuildSignerURI && (builder != b.Builder || b.Builder != signer) {
			return fmt.Errorf("it is %q, and the certificate is of %q", b.Builder, claims.BuildSignerURI)
		}
		return nil
	}
	if !named && !rule.SignersSpeak {
		return fmt.Errorf("nothing binds %q to whoever signed, %s: the policy has to say who signs for it (by)", b.Builder, a.signer.Name())
	}
	return nil
}

// checkSource compares the source with what the policy and the certificate say.
func (c *content) checkSource(rule *policy.Provenance, a *assessment, b *Build) {
	if claims := a.signer.Claims; claims != nil {
		for _, pair := range []struct{ what, certified, said string }{
			{"source repository", plainURL(claims.SourceRepository), b.Source},
			{"ref", claims.SourceRef, b.Ref},
			{"commit", claims.SourceDigest, b.Commit},
		} {
			if pair.certified != "" && pair.said != "" && pair.certified != pair.said {
				c.check(CheckSource, "certificate", fmt.Errorf("the provenance says that the %s is %q, and the certificate says %q", pair.what, pair.said, pair.certified))
				return
			}
		}
	}
	if len(rule.Sources) == 0 {
		return
	}
	cause := fmt.Errorf("it is %q", b.Source)
	if b.Source == "" {
		cause = errors.New("the provenance does not say where the source is")
	}
	for _, source := range rule.Sources {
		if plainURL(source.Repository) != b.Source {
			continue
		}
		if len(source.Refs) == 0 || slices.ContainsFunc(source.Refs, func(pattern string) bool { return policy.MatchGlob(pattern, b.Ref) }) {
			c.check(CheckSource, strings.TrimSuffix(b.Source+" at "+b.Ref, " at "), nil)
			return
		}
		cause = fmt.Errorf("it is %s at %q, wanted is %s", b.Source, b.Ref, strings.Join(source.Refs, " or "))
	}
	c.check(CheckSource, fmt.Sprintf("%d sources", len(rule.Sources)), cause)
}

// unexpected is an error about the first external parameter that is not as the policy
// expects it. What names the source was checked as the source, if the policy has some.
func unexpected(rule *policy.Provenance, b *Build) error {
	for _, name := range slices.Sorted(maps.Keys(rule.Parameters)) {
		want := rule.Parameters[name]
		raw, there := b.Parameters[name]
		if want == nil {
			continue
		}
		if !there {
			return fmt.Errorf("%q is not there", name)
		}
		if !sameJSON(raw, want) {
			return fmt.Errorf("%q is %s", name, raw)
		}
	}
	if rule.AnyParameters {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(b.Parameters)) {
		if _, known := rule.Parameters[name]; known || len(rule.Sources) > 0 && slices.Contains(b.sourceKeys, name) {
			continue
		}
		how := "externalParameters names those that are expected"
		if rule.SignersSpeak { // flags, not a policy
			how = "--source-repo and --build-parameter name those that are expected"
		}
		return fmt.Errorf("nobody expects %q, which may change what is built (%s)", name, how)
	}
	return nil
}

// sameJSON compares a value with what the policy wants, whatever the order of members.
func sameJSON(raw json.RawMessage, want any) bool {
	var have any
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.UseNumber()
	if d.Decode(&have) != nil {
		return false
	}
	left, err := json.Marshal(have)
	if err != nil {
		return false
	}
	right, err := json.Marshal(want)
	return err == nil && string(left) == string(right)
}
