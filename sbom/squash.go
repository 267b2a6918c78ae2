package sbom

import (
	"context"
	"path"
	"strings"

	"github.com/anchore/stereoscope/pkg/file"
)

const (
	whiteoutPrefix = ".wh."
	opaqueMarker   = ".wh..wh..opq"
)

// isWhiteout tells whether an entry's name says that another one is gone (image-spec, layer.md, "Whiteouts").
func isWhiteout(name string) bool {
	return strings.HasPrefix(name, whiteoutPrefix) && name != whiteoutPrefix
}

// apply lays a layer over what is below it, entry by entry, as runtimes unpack it: a path leads through the links that are
// there, of two entries for one path the later one counts, a hard link is a second name of what is there under the first,
// and whiteouts are about what the layers below have.
func (n *node) apply(ctx context.Context, entries []*fileEntry) error {
	for i, e := range entries {
		if i%64 == 0 && ctx.Err() != nil { // paths of many links take their time
			return context.Cause(ctx)
		}
		if e.Path == "/" {
			if e.Type == file.TypeDirectory {
				n.entry = e
			}
			continue
		}
		folder, where := n.folderOf(e)
		switch name := path.Base(e.Path); {
		case name == opaqueMarker:
			for kid, k := range folder.kids {
				if !k.keep(e.layer) {
					delete(folder.kids, kid)
				}
			}
		case isWhiteout(name):
			gone := strings.TrimPrefix(name, whiteoutPrefix)
			if k := folder.kids[gone]; k != nil && !k.keep(e.layer) {
				delete(folder.kids, gone)
			}
		default:
			folder.kid(name).put(n, e, path.Join(where, name))
		}
	}
	return nil
}

// folderOf is where an entry goes, with its path. Folders that are not there are made. What is no folder becomes one if a
// layer below has it; else things are below a file, which no runtime can do. A path that never ends is taken by the letter.
func (n *node) folderOf(e *fileEntry) (folder *node, where string) {
	dir := path.Dir(e.Path)
	folder, where = n.follow(dir, func(at *node, name string) *node { return at.kid(name) })
	if folder == nil {
		folder, where = n, dir
		for _, name := range split(dir) {
			folder = folder.kid(name)
		}
	}
	for at, rest := n, split(where); len(rest) > 0; rest = rest[1:] {
		at = at.kid(rest[0])
		if at.by = e.layer; !at.isFolder() && at.entry.Type != file.TypeSymLink && at.entry.layer != e.layer {
			at.entry = nil
		}
	}
	return folder, where
}

// put makes an entry what is at a node.
func (n *node) put(root *node, e *fileEntry, where string) {
	if where != e.Path || e.Type == file.TypeHardLink { // entries can be another image's too
		own := *e
		own.Path, own.of = where, e
		if e = &own; e.Type == file.TypeHardLink {
			e.adopt(root)
		}
	}
	if n.isFolder() && e.Type != file.TypeDirectory {
		n.kids = nil
	}
	n.entry = e
}

// keep takes away what is not of a layer, and reports whether something is left.
func (n *node) keep(l *layer) bool {
	left := n.by == l || n.entry != nil && n.entry.layer == l
	for name, kid := range n.kids {
		if kid.keep(l) {
			left = true
		} else {
			delete(n.kids, name)
		}
	}
	if n.entry != nil && n.entry.layer != l {
		n.entry = nil
	}
	return left
}
