package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hallmark-project/hallmark/attest"
	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/policy"
	"github.com/hallmark-project/hallmark/provenance"
)

// provenanceFlags say what is told of the build that made a subject.
type provenanceFlags struct {
	kind       string // empty: nothing is told
	metadata   string
	checkout   string
	stated     provenance.Stated
	parameters []string
	materials  []string
}

// Values of --provenance besides the kinds of builds.
const (
	provenanceAuto = "auto"
	provenanceOff  = "none"
)

func (p *provenanceFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	kinds := strings.Join(append(provenance.Kinds(), provenance.Generic), ", ")
	f.StringVar(&p.kind, "provenance", "", "tell how the subject was built, from the CI job that runs this: `auto`, "+kinds+", or none; alone it means auto")
	f.Lookup("provenance").NoOptDefVal = provenanceAuto
	f.StringVar(&p.metadata, "build-metadata", "", "with --provenance: `file` that buildkit wrote of the build ('docker buildx build --metadata-file')")
	f.StringVar(&p.checkout, "git", "", "with --provenance: `folder` of the git checkout that was built")
	f.StringVar(&p.stated.Builder, "builder", "", "with --provenance: `URI` of who built, where the job does not say")
	f.StringVar(&p.stated.BuildType, "build-type", "", "with --provenance=generic: `URI` of the build type")
	f.StringVar(&p.stated.Repository, "source-repo", "", "with --provenance: `URL` of the source repository, where the job does not say")
	f.StringVar(&p.stated.Ref, "source-ref", "", "with --provenance: `ref` that was built, such as refs/heads/main")
	f.StringVar(&p.stated.Commit, "source-commit", "", "with --provenance: `commit` that was built")
	f.StringVar(&p.stated.Invocation, "invocation", "", "with --provenance: `URI` or name of this run of the build")
	f.StringArrayVar(&p.parameters, "parameter", nil, "with --provenance: `NAME=VALUE` given to the build from outside; may be repeated")
	f.StringArrayVar(&p.materials, "material", nil, "with --provenance: `URI=sha256:DIGEST` of something that went into the build; may be repeated")
}

// on reports whether provenance is wanted.
func (p *provenanceFlags) on() (bool, error) {
	switch p.kind {
	case "true":
		p.kind = provenanceAuto
	case provenanceOff, "false":
		return false, nil
	case "":
		if p.given() {
			return false, usagef("--build-metadata, --git, --builder, --source-… and --material go with --provenance")
		}
		return false, nil
	}
	return true, nil
}

// given reports whether flags tell something of the build.
func (p *provenanceFlags) given() bool {
	s := p.stated
	return p.metadata+p.checkout+s.Builder+s.BuildType+s.Repository+s.Ref+s.Commit+s.Invocation != "" || len(p.parameters)+len(p.materials) > 0
}

// buildTold is what is told of the build of one subject.
type buildTold struct {
	build    *provenance.Build
	metadata *provenance.Metadata // nil: none
	subject  oci.Subject
	// shown are the materials that the images themselves tell, by digest.
	shown map[string][]provenance.Material
}

// readBuild reads what flags and environment say of a build. It asks nobody but git.
func (a *App) readBuild(ctx context.Context, p provenanceFlags) (*buildTold, error) {
	kind := p.kind
	if kind == provenanceAuto {
		found, err := provenance.Detect(a.Env)
		switch {
		case err == nil:
			kind = found
		case p.stated.Builder != "":
			kind = provenance.Generic
		default:
			return nil, fmt.Errorf("%w: name the system with --provenance=KIND, or state the build with --builder and --source-repo", err)
		}
	}
	build, err := provenance.FromJob(kind, a.Env)
	if err != nil {
		return nil, err
	}
	if p.stated.Parameters, err = parameters(p.parameters); err != nil {
		return nil, err
	}
	for _, text := range p.materials {
		m, err := provenance.ParseMaterial(text)
		if err != nil {
			return nil, err
		}
		p.stated.Materials = append(p.stated.Materials, m)
	}
	if err := build.State(p.stated); err != nil {
		return nil, err
	}
	if p.checkout != "" {
		if err := a.readCheckout(ctx, p.checkout, build); err != nil {
			return nil, err
		}
	}
	told := &buildTold{build: build}
	if p.metadata != "" {
		data, err := a.readInput(p.metadata, provenance.MaxMetadata)
		if err != nil {
			return nil, err
		}
		if told.metadata, err = provenance.ParseMetadata(data); err != nil {
			return nil, fmt.Errorf("%s: %w", p.metadata, err)
		}
	}
	return told, nil
}

func parameters(list []string) (map[string]string, error) {
	out := map[string]string{}
	for _, text := range list {
		name, value, ok := strings.Cut(text, "=")
		if _, twice := out[name]; !ok || name == "" || twice {
			return nil, usagef("--parameter %q: want NAME=VALUE, each name once", text)
		}
		out[name] = value
	}
	return out, nil
}

func (a *App) readCheckout(ctx context.Context, dir string, build *provenance.Build) error {
	c, err := provenance.ReadCheckout(ctx, dir)
	if err != nil {
		return err
	}
	if err := c.Into(build); err != nil {
		return err
	}
	if c.Others > 0 {
		a.message("Warning: %s holds %d files or folders that are in no commit; if the build used them, the provenance does not tell.", dir, c.Others)
	}
	if c.Ref == "" && c.Shallow && build.Source.Ref == "" {
		a.message("Note: the checkout is shallow and of no branch, so the provenance names no ref; --source-ref does.")
	}
	return nil
}

// about holds what is told against the certificate of who signs, and readies it for a
// subject and its platforms.
func (b *buildTold) about(ctx context.Context, who *author, t *target) (err error) {
	if who.certificate != nil {
		if err := b.build.Certify(who.certificate.Claims); err != nil {
			return err
		}
	}
	b.subject = t.subject
	if b.metadata != nil {
		if err := b.metadata.Describe(b.build, t.subject.Digest().String()); err != nil {
			return err
		}
	}
	if t.images == nil { // a file tells nothing of what it is made from
		return nil
	}
	b.shown, err = shownMaterials(ctx, t)
	return err
}

// predicate is the provenance of one digest.
func (b *buildTold) predicate(on oci.Platform) (attest.Predicate, error) {
	var materials []provenance.Material
	platform := on.Name
	if on.Subject.Digest() == b.subject.Digest() {
		platform = ""
	}
	if b.metadata != nil {
		materials = b.metadata.Materials(b.subject.Digest().String(), platform)
	}
	materials = slices.Concat(materials, b.shown[on.Subject.Digest().String()])
	content, err := b.build.Predicate(materials...)
	if err != nil {
		return attest.Predicate{}, err
	}
	return attest.NewPredicate(provenance.PredicateType, content)
}

// required is what the provenance has to show when it is read back: the builder that the
// certificate names, and the source.
func (b *buildTold) required() policy.Requirement {
	r := policy.Requirement{Type: policy.TypeOf(provenance.PredicateType),
		Provenance: &policy.Provenance{SignersSpeak: true, AnyParameters: true, BuildTypes: []string{b.build.Type}}}
	if b.build.Source.Repository != "" {
		r.Provenance.Sources = []policy.Source{{Repository: b.build.Source.Repository}}
	}
	return r
}
