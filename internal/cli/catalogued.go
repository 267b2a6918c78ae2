package cli

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/hallmark-project/hallmark/inventory"
	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/sbom"
)

// maxSBOMFile caps an SBOM that is read from a file.
const maxSBOMFile = 1 << 30

// catalogued is something on the command line that packages are in: an SBOM, or what an
// SBOM can be made of.
type catalogued struct {
	text   string
	doc    *inventory.Document // an SBOM that was read
	source sbom.Source         // a folder or an archive
	store  oci.Store           // of the images
	images []oci.Platform
	index  bool // the images are the platforms of an index
}

// sbomFile is the file that an argument names as an SBOM. Of plain paths, those are meant
// that end in .json and exist.
func sbomFile(text string) (name string, ok bool) {
	for _, scheme := range []string{"sbom:", "file:"} {
		if name, ok := strings.CutPrefix(text, scheme); ok {
			return name, true
		}
	}
	if !strings.HasSuffix(text, ".json") {
		return "", false
	}
	info, err := os.Stat(text)
	return text, err == nil && info.Mode().IsRegular()
}

// openCatalogued finds out what an argument means. Platforms narrow an index down; of what
// is none, they are ignored.
func (a *App) openCatalogued(ctx context.Context, s *session, text string, platforms []string) (*catalogued, error) {
	c := &catalogued{text: text}
	if name, ok := sbomFile(text); ok {
		data, err := a.readInput(name, maxSBOMFile)
		if err != nil {
			return nil, err
		}
		if c.doc, err = inventory.Parse(data); err != nil {
			return nil, usagef("%s: %w", name, err)
		}
		return c, nil
	}
	ref, err := oci.ParseReference(text)
	if err != nil {
		return nil, err
	}
	switch ref.Scheme {
	case oci.SchemeDir:
		c.source = sbom.Directory(ref.Path)
		return c, nil
	case oci.SchemeDockerArchive:
		c.source = sbom.DockerArchive(ref.Path)
		return c, nil
	case oci.SchemeDigest:
		return nil, usagef("%s: a digest alone does not say where the image is", text)
	}
	t, err := a.resolve(ctx, s, text, evidenceFlags{}, false)
	if err != nil {
		return nil, err
	}
	c.store, c.index = t.images, t.subject.IsIndex()
	if !c.index {
		platforms = nil
	}
	c.images, err = imagesOf(t.subject, platforms)
	return c, err
}

// platform is the name of the image at a place; empty for what is no index.
func (c *catalogued) platform(at int) string {
	if !c.index {
		return ""
	}
	return c.images[at].Name
}

// digest is that of the image at a place; empty for what is no image in a store.
func (c *catalogued) digest(at int) string {
	if c.images == nil {
		return ""
	}
	return c.images[at].Subject.Digest().String()
}

// count is how many things packages are in.
func (c *catalogued) count() int { return max(1, len(c.images)) }

// read is what the SBOM says of the image at a place. It is made in this format unless it
// was read.
func (a *App) readCatalogued(ctx context.Context, c *catalogued, at int, format sbom.Format) (*inventory.Document, error) {
	if c.doc != nil {
		return c.doc, nil
	}
	var docs []sbom.Document
	var err error
	if c.source != nil {
		docs, err = a.generate(ctx, "SBOM of "+c.text, c.source, []sbom.Format{format})
	} else {
		docs, err = a.knownSBOM(ctx, c.store, c.images[at], []sbom.Format{format})
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.text, err)
	}
	return inventory.Parse(docs[0].Bytes)
}
