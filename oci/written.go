package oci

import (
	"fmt"
	"sync/atomic"
)

// Written counts what a [Client] has changed in stores, so that whoever meets an error
// can say what is left behind. It is safe for concurrent use.
type Written struct {
	blobs, manifests, removed, unsure atomic.Int64
}

// Written is what was changed through the client so far.
func (c *Client) Written() *Written { return c.wrote }

// Any reports whether something was changed, or may have been.
func (w *Written) Any() bool {
	return w.blobs.Load()+w.manifests.Load()+w.removed.Load()+w.unsure.Load() > 0
}

// String tells people what was changed.
func (w *Written) String() string {
	if !w.Any() {
		return "nothing was written"
	}
	text := fmt.Sprintf("%d blobs and %d manifests were written", w.blobs.Load(), w.manifests.Load())
	if n := w.removed.Load(); n > 0 {
		text += fmt.Sprintf(", %d manifests were removed", n)
	}
	if n := w.unsure.Load(); n > 0 {
		text += fmt.Sprintf(", and of %d requests to write it is not known what became of them", n)
	}
	return text
}
