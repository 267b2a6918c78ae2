package sbom

import "strings"

const (
	whiteoutPrefix = ".wh."
	opaqueMarker   = ".wh..wh..opq"
)

// isWhiteout tells whether a name says that another one is gone (image-spec, layer.md, "Whiteouts").
func isWhiteout(name string) bool {
	return strings.HasPrefix(name, whiteoutPrefix) && name != whiteoutPrefix
}

// overlay changes n to what is seen when upper lies over it. Whiteouts are about what is below, whatever their place in
// the archive: first they are applied, then the layer's own files are added.
func (n *node) overlay(upper *node) {
	if !upper.isFolder() && n.isFolder() {
		n.kids = nil
	}
	if upper.entry != nil || !n.isFolder() {
		n.entry = upper.entry
	}
	if _, opaque := upper.kids[opaqueMarker]; opaque {
		n.kids = nil
	}
	for name := range upper.kids {
		if isWhiteout(name) {
			delete(n.kids, strings.TrimPrefix(name, whiteoutPrefix))
		}
	}
	for name, kid := range upper.kids {
		if !isWhiteout(name) {
			n.kid(name).overlay(kid)
		}
	}
}
