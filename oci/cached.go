package oci

import (
	"io"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
)

// Cache keeps between runs what was read from registries. It may forget anything at any time.
//
// What depends on a registry's word is never taken out of it: which manifest a tag names, whether a subject is there, and
// what is listed are asked for each time. Content is what its digest says, wherever it lies.
type Cache interface {
	// Blob opens content that has this digest and size, if it is there. It is checked again while it is read.
	Blob(d digest.Digest, size int64) (io.ReadCloser, bool)
	// Keep is body; what is read from it is taken in when it ends with io.EOF.
	Keep(d digest.Digest, size int64, body io.ReadCloser) io.ReadCloser
	// Get is the answer to a question that Put was given, if it has not expired and has at most limit bytes.
	Get(kind, key string, limit int64) ([]byte, bool)
	// Put takes the answer to a question in, for some time.
	Put(kind, key string, answer []byte, lifetime time.Duration)
}

// maxCachedBlob is the size of content that is kept: manifests, configurations and evidence.
const maxCachedBlob = 64 << 20

// cacheable reports whether content is kept. Layers of images are not: they are read once, by who copies or catalogues an
// image, and would push out everything else.
func cacheable(d Descriptor) bool {
	layer := strings.Contains(d.MediaType, ".image.layer.") || strings.Contains(d.MediaType, ".image.rootfs.")
	return d.Size <= maxCachedBlob && !layer
}

// cached is content out of the cache; nil if it is not there.
func (c *Client) cached(d Descriptor) io.ReadCloser {
	if c.options.Cache == nil || c.options.Fresh || !cacheable(d) {
		return nil
	}
	body, ok := c.options.Cache.Blob(d.Digest, d.Size)
	if !ok {
		return nil
	}
	return newCheckedReader(body, d)
}

// keep is checked content of a registry, which the cache takes in while it is read.
func (c *Client) keep(d Descriptor, body io.ReadCloser) io.ReadCloser {
	if c.options.Cache == nil || !cacheable(d) {
		return body
	}
	return c.options.Cache.Keep(d.Digest, d.Size, body)
}
