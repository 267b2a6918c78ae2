package sbom

import (
	"context"
	"io"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/anchore/syft/syft/source"
)

// Fetcher is where an image's blobs come from. The reader must check size and digest itself: on a mismatch its Read
// returns an error where io.EOF would be. Fetch is called from several goroutines, once for each distinct blob.
type Fetcher interface {
	Fetch(ctx context.Context, d ocispec.Descriptor) (io.ReadCloser, error)
}

// Source is what an SBOM is made of: Image, DockerArchive, Directory or File. Making one reads nothing.
type Source interface {
	// open reads the content, so that it can be catalogued from local files. The caller closes what it gets.
	open(ctx context.Context, j *job) (*content, error)
}

// job is what one call of Generate shares among its steps.
type job struct {
	limits   Limits
	progress *reporter
	temp     string  // a folder of this job alone, which Generate removes
	shared   *Shared // nil: no layer is another image's too
}

// content is opened, checked input.
type content struct {
	subject subject
	source  source.Source
	layers  int
	local   bool // the files are this machine's; their owners, permissions and places are no part of the content
}

func (c *content) close() error { return c.source.Close() }

// subject is what the document says about the thing that it describes, and nothing that depends on where it was found.
type subject struct {
	kind    string // "image", "directory" or "file", as it appears in the document's namespace
	name    string // the digest, or the base name
	digest  string // "sha256:…", or "" when there is none (a directory)
	created time.Time
}
