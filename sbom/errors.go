package sbom

import (
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"
)

var (
	// ErrFormat is a document format nobody knows: correct the name.
	ErrFormat = errors.New("unknown SBOM format")

	// ErrNotImage is a manifest that describes no container image of one platform: an index, an artifact, an
	// attestation, or bytes that are no manifest. Choose a platform's manifest and ask again.
	ErrNotImage = errors.New("not a container image manifest of one platform")

	// ErrForeignLayer is a layer whose bytes are not distributed with the image. Its content cannot be known, so there
	// is no SBOM of such an image; rebuild it on a base that has no foreign layers.
	ErrForeignLayer = errors.New("foreign (non-distributable) layer")

	// ErrLayerType is a layer that is no tar archive this package can open (encrypted, or a media type of its own).
	ErrLayerType = errors.New("unsupported layer media type")

	// ErrMalformed is content that is not what it says it is: broken JSON, gzip, zstd or tar, or a truncated one. Fetch
	// the image again; if that does not help it was broken when it was pushed.
	ErrMalformed = errors.New("malformed content")

	// ErrMismatch is content whose digest or size is not the one promised. Do not use the image: either the store is
	// damaged or somebody changed what it holds.
	ErrMismatch = errors.New("content does not match its digest")

	// ErrLimit is content larger than the Limits allow; a *LimitError says which. Raise that limit if the image is one
	// that you trust.
	ErrLimit = errors.New("limit exceeded")

	// ErrCatalog is a failure inside the cataloguing library, a panic included. It is worth a bug report with the image.
	ErrCatalog = errors.New("cataloguing failed")
)

// errPanic marks errors that were panics, for tests.
var errPanic = errors.New("panic")

// LimitError says which limit was exceeded. It is ErrLimit to errors.Is.
type LimitError struct {
	Limit string // the field of Limits, such as "LayerBytes"
	Max   int64  // its value
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("limit exceeded: %s is %d", e.Limit, e.Max)
}

// Is makes every LimitError an ErrLimit.
func (e *LimitError) Is(target error) bool { return target == ErrLimit }

// LayerError is a failure that belongs to one layer. The cause is what errors.Is and errors.As see through it.
type LayerError struct {
	Index  int           // position in the manifest, 0 is the base
	Digest digest.Digest // of the layer's blob; in a docker archive, of its uncompressed content
	Err    error
}

func (e *LayerError) Error() string {
	return fmt.Sprintf("layer %d (%s): %v", e.Index, e.Digest, e.Err)
}

func (e *LayerError) Unwrap() error { return e.Err }
