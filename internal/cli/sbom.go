package cli

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/sbom"
)

type sbomOptions struct {
	outputs   []string
	platforms []string
}

func (a *App) sbomCommand() *cobra.Command {
	var o sbomOptions
	cmd := &cobra.Command{
		Use: "sbom SUBJECT", Short: "List what an image is made of", Args: wants(cobra.ExactArgs(1)),
		Long: `Generate the SBOM of an image, a folder or a file. Several -o write several formats
from one reading; without =FILE the document goes to standard output, one line each.

Of an index, every platform gets a document of its own, unless --platform names
some; in file names, the platform is put before the extension.

The same image digest and version of hallmark give the same bytes: what is in the cache
is not made again. The creation time in the document is SOURCE_DATE_EPOCH, else the
image's own.`,
		Example: `  hallmark sbom registry.example.com/app:v1 -o spdx-json=app.spdx.json -o cyclonedx-json=app.cdx.json
  hallmark sbom oci:layout:v1 --platform linux/arm64`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.runSBOM(cmd.Context(), args[0], o) },
	}
	cmd.Flags().StringArrayVarP(&o.outputs, "output", "o", []string{string(sbom.SPDXJSON)}, "`FORMAT[=FILE]`: spdx-json, cyclonedx-json or syft-json; may be repeated")
	cmd.Flags().StringSliceVar(&o.platforms, "platform", nil, "only this `platform` of an index, such as linux/amd64; may be repeated")
	a.addSBOMCheck(cmd)
	return cmd
}

// sbomOutput is one -o.
type sbomOutput struct {
	format sbom.Format
	file   string // empty: standard output
}

func parseOutputs(texts []string) ([]sbomOutput, error) {
	var out []sbomOutput
	for _, text := range texts {
		name, file, named := strings.Cut(text, "=")
		format, err := sbom.ParseFormat(name)
		if err != nil {
			return nil, usagef("-o %s: %w", text, err)
		}
		if named && file == "" {
			return nil, usagef("-o %s: a file name must follow the =", text)
		}
		if slices.ContainsFunc(out, func(have sbomOutput) bool { return have.format == format }) {
			return nil, usagef("-o %s: this format is asked for twice", text)
		}
		out = append(out, sbomOutput{format, file})
	}
	return out, nil
}

func formatsOf(outputs []sbomOutput) []sbom.Format {
	formats := make([]sbom.Format, len(outputs))
	for i, o := range outputs {
		formats[i] = o.format
	}
	return formats
}

func (a *App) runSBOM(ctx context.Context, subject string, o sbomOptions) error {
	outputs, err := parseOutputs(o.outputs)
	if err != nil {
		return err
	}
	ref, err := oci.ParseReference(subject)
	if err != nil {
		return err
	}
	var source sbom.Source
	switch ref.Scheme {
	case oci.SchemeDir:
		source = sbom.Directory(ref.Path)
	case oci.SchemeFile:
		source = sbom.File(ref.Path)
	case oci.SchemeDockerArchive:
		source = sbom.DockerArchive(ref.Path)
	default:
		return a.sbomOfImage(ctx, subject, outputs, o.platforms)
	}
	if len(o.platforms) > 0 {
		return usagef("--platform goes with an image in a registry or layout, not with %s", subject)
	}
	docs, err := a.generate(ctx, subject, source, formatsOf(outputs))
	if err != nil {
		return err
	}
	return a.writeDocuments(outputs, docs, "")
}

func (a *App) sbomOfImage(ctx context.Context, text string, outputs []sbomOutput, platforms []string) error {
	if _, err := a.openCache(); err != nil { // it will have to be made
		sbom.Warm()
	}
	s, err := a.session()
	if err != nil {
		return err
	}
	t, err := a.resolve(ctx, s, text, evidenceFlags{}, false)
	if err != nil {
		return err
	}
	images, err := imagesOf(t.subject, platforms)
	if err != nil {
		return err
	}
	defer a.makesSBOMs()()
	wanted := make([]wantedSBOM, len(images))
	for i, image := range images {
		wanted[i] = wantedSBOM{image, formatsOf(outputs)}
	}
	docs, err := describeAll(ctx, a.knownSBOM, t.images, wanted)
	if err != nil {
		return err
	}
	for i, image := range images {
		suffix := ""
		if len(images) > 1 {
			suffix = image.Name
		}
		if err := a.writeDocuments(outputs, docs[i], suffix); err != nil {
			return err
		}
	}
	return nil
}

// imagesOf lists the images of a subject: itself, or the platforms of an index that
// are asked for.
func imagesOf(subject oci.Subject, platforms []string) ([]oci.Platform, error) {
	if !subject.IsIndex() {
		if len(platforms) > 0 {
			return nil, usagef("%s is one image, not an index: leave --platform out", subject)
		}
		return []oci.Platform{{Subject: subject}}, nil
	}
	all, err := subject.Platforms()
	if err != nil {
		return nil, err
	}
	names := make([]string, len(all))
	for i, p := range all {
		names[i] = p.Name
	}
	if len(platforms) == 0 {
		if len(all) == 0 {
			return nil, usagef("%s is an index without a platform", subject)
		}
		return all, nil
	}
	var out []oci.Platform
	for _, asked := range platforms {
		before := len(out)
		for _, p := range all {
			if oci.MatchPlatform(asked, p.Name) && !slices.ContainsFunc(out, func(have oci.Platform) bool { return have.Subject.Digest() == p.Subject.Digest() }) {
				out = append(out, p)
			}
		}
		if len(out) == before && !slices.ContainsFunc(names, func(name string) bool { return oci.MatchPlatform(asked, name) }) {
			return nil, usagef("%s has no platform %q; it has %s", subject, asked, strings.Join(names, ", "))
		}
	}
	return out, nil
}

// imageSBOM reads an image once and describes it in every format. Nothing of that comes from the cache.
func (a *App) imageSBOM(ctx context.Context, store oci.Store, image oci.Platform, formats []sbom.Format) ([]sbom.Document, error) {
	loaded, err := oci.LoadManifest(ctx, store, image.Subject)
	if err != nil {
		return nil, err
	}
	label := "SBOM of " + shortDigest(loaded.Digest().String())
	if image.Name != "" {
		label += " " + image.Name
	}
	source := sbom.Image(store, loaded.Descriptor(), loaded.Raw())
	docs, err := a.generate(ctx, label, source, formats)
	for try := 1; damagedLayer(err) && loaded.Name() != "" && try < damagedTries && ctx.Err() == nil; try++ {
		a.message("A layer was damaged on its way; reading it again: %s.", printableLines(err.Error()))
		docs, err = a.generate(ctx, label, source, formats)
	}
	if err == nil {
		a.remembering(loaded).keep(docs)
	}
	return docs, err
}

// damagedTries is how often an image of a registry is read whose layers were damaged on
// their way: they are catalogued while they arrive, so that it begins anew.
const damagedTries = 4

func damagedLayer(err error) bool {
	var damaged *oci.DigestError
	return errors.As(err, &damaged) || errors.Is(err, sbom.ErrMismatch)
}

func (a *App) generate(ctx context.Context, label string, source sbom.Source, formats []sbom.Format) ([]sbom.Document, error) {
	when, err := a.sourceDate()
	if err != nil {
		return nil, err
	}
	p := a.progress(label)
	defer p.end()
	return sbom.Generate(ctx, source, sbom.Options{Formats: formats, Created: when, ToolVersion: Version(), Progress: p.sbomEvent, Shared: a.layers})
}

// writeDocuments writes each document where its -o says.
func (a *App) writeDocuments(outputs []sbomOutput, docs []sbom.Document, platform string) error {
	for i, o := range outputs {
		if o.file == "" {
			if _, err := a.Out.Write(docs[i].Bytes); err != nil {
				return err
			}
			continue
		}
		name := platformFile(o.file, platform)
		if err := writeFile(name, docs[i].Bytes, 0o644, true); err != nil {
			return fileError(err)
		}
		a.message("%s: %s %s, %d packages", name, o.format, docs[i].Version, docs[i].Packages)
	}
	return nil
}

// platformFile puts a platform before the extension of a file's name:
// app.json is app.linux-arm64.json for linux/arm64.
func platformFile(name, platform string) string {
	if platform == "" {
		return name
	}
	ext := filepath.Ext(name)
	return strings.TrimSuffix(name, ext) + "." + strings.ReplaceAll(platform, "/", "-") + ext
}

// shortDigest is enough of a digest for people to tell it from others.
func shortDigest(d string) string {
	const most = len("sha256:") + 12
	if len(d) <= most {
		return d
	}
	return d[:most]
}
