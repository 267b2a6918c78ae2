package cli

import (
	"github.com/opencontainers/go-digest"

	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/transfer"
	"github.com/hallmark-project/hallmark/verify"
)

// crossing is what may cross with `copy --verify`: manifests of bundles that trusted signers
// signed, documents that those refer to, and manifests of older forms all of whose pieces
// count. What a manifest names besides is nobody's word, and must be next to nothing.
type crossing struct {
	manifests map[digest.Digest]bool
	documents map[digest.Digest]bool
	layers    map[digest.Digest]int // pieces of older forms: several may have one payload
}

// mostConfig is how large the configuration of a manifest of evidence may be: cosign's
// older forms have one of some hundred bytes, newer ones an empty one.
const mostConfig = 8 << 10

func newCrossing(accepted []verify.Verified) *crossing {
	c := &crossing{map[digest.Digest]bool{}, map[digest.Digest]bool{}, map[digest.Digest]int{}}
	for _, v := range accepted {
		if v.Form == verify.FormBundle {
			c.manifests[v.Evidence] = true
		} else {
			c.layers[v.Evidence]++
		}
		if v.Refers != nil {
			c.documents[v.Refers.Digest] = true
		}
	}
	return c
}

// allows reports whether a piece of evidence may cross.
func (c *crossing) allows(p *transfer.Piece, m *oci.Manifest) bool {
	if m.Config.Size > mostConfig {
		return false
	}
	if len(m.Layers) == 1 && c.documents[m.Layers[0].Digest] || p.Kind == transfer.KindEvidence && c.manifests[p.Descriptor.Digest] {
		return true
	}
	needed := map[digest.Digest]int{}
	for _, l := range m.Layers {
		if needed[l.Digest]++; needed[l.Digest] > c.layers[l.Digest] {
			return false
		}
	}
	return len(m.Layers) > 0
}
