package oci

import (
	"bytes"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
)

// maxEmbedded is how large content may be to be put into the descriptor that names it, too:
// a signature's bundle with certificate, log entry and timestamp is smaller. Who verifies
// need not ask for it again.
const maxEmbedded = 16 << 10

// embed describes content, with its bytes in the descriptor if they are few (image-spec,
// descriptor.md, "data"). They are stored as a blob all the same, for readers that do not
// know the field.
func embed(b Blob) (Descriptor, error) {
	d := plain(b.Descriptor)
	if d.Size > maxEmbedded {
		return d, nil
	}
	in, err := b.Open()
	if err != nil {
		return d, err
	}
	defer in.Close()
	content, err := io.ReadAll(io.LimitReader(in, maxEmbedded+1))
	if err != nil {
		return d, err
	}
	if d.Data = content; embedded(d) == nil {
		return d, fmt.Errorf("%w: %s is other content than its descriptor says", ErrManifest, d.Digest)
	}
	return d, nil
}

// embedded is the content that a descriptor carries, nil if it carries none or what it
// carries is not what it names.
func embedded(d Descriptor) io.ReadCloser {
	if len(d.Data) == 0 || int64(len(d.Data)) != d.Size || digest.FromBytes(d.Data) != d.Digest {
		return nil
	}
	return io.NopCloser(bytes.NewReader(d.Data))
}
