package cli

import (
	"io"
	"os"
	"runtime/debug"

	"github.com/opencontainers/go-digest"

	"github.com/hallmark-project/hallmark/attest"
	"github.com/hallmark-project/hallmark/oci"
)

// largePredicate is the size from which a predicate in a file is not held while evidence is
// read that may be as large.
const largePredicate = 32 << 20

// isLarge reports whether a file is to be read again rather than held. What is no regular
// file can be read once only.
func isLarge(name string) bool {
	info, err := os.Stat(name)
	return name != "" && err == nil && info.Mode().IsRegular() && info.Size() >= largePredicate
}

// lighten has a claim about a large file hold as little of it as it can.
func (c *claim) lighten(o signOptions) error {
	switch {
	case o.large == "":
	case c.document == nil:
		c.again = o.again
	default: // the SBOM is uploaded from the file
		file, err := oci.FileSubject(o.large)
		if err != nil {
			return usage(err)
		}
		layer := &c.document.Artifact.Layer
		if file.Digest() != layer.Descriptor.Digest {
			return errChanged(o.large)
		}
		layer.Open = func() (io.ReadCloser, error) { return oci.OpenFile(o.large, file) }
	}
	return nil
}

func errChanged(file string) error { return usagef("%s was changed while it was read", file) }

// digestsOf are the digests of what is signed for each claim.
func digestsOf(claims []claim) (out []digest.Digest, err error) {
	out = make([]digest.Digest, len(claims))
	for i, c := range claims {
		if out[i], err = attest.StatementDigest(c.on.Subject, c.predicate); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// forget drops the predicates that can be read again.
func forget(claims []claim) {
	some := false
	for i, c := range claims {
		if c.again != nil {
			claims[i].predicate, some = attest.Predicate{Type: c.predicate.Type}, true
		}
	}
	if some {
		debug.FreeOSMemory() // what is read next may be as large
	}
}

// recall reads a predicate again that was dropped. signed is the digest of what is said with
// it.
func (c claim) recall(signed digest.Digest) (claim, error) {
	if c.again == nil {
		return c, nil
	}
	p, err := c.again()
	if err != nil {
		return c, err
	}
	if d, err := attest.StatementDigest(c.on.Subject, p); err != nil || d != signed {
		return c, errChanged("the predicate's file")
	}
	c.predicate = p
	return c, nil
}
