package sbom

import (
	"archive/tar"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/anchore/stereoscope/pkg/file"
)

// node is one name in a tree of files.
type node struct {
	kids  map[string]*node
	entry *fileEntry // nil: a folder that only the paths below it imply
}

// fileEntry is what a layer says about a path.
type fileEntry struct {
	file.Metadata
	content extent
	layer   *layer
}

func (n *node) isFolder() bool { return n.entry == nil || n.entry.Type == file.TypeDirectory }

// kid returns a child, which is made if it is not there.
func (n *node) kid(name string) *node {
	if k := n.kids[name]; k != nil {
		return k
	}
	if n.kids == nil {
		n.kids = map[string]*node{}
	}
	k := &node{}
	n.kids[name] = k
	return k
}

// split returns the components of a clean, absolute path; none for the root.
func split(p string) []string {
	if p == "/" {
		return nil
	}
	return strings.Split(p[1:], "/")
}

// add puts a layer's next entry in its place. Of two entries for one path the later one counts, and what is no folder
// has nothing below it that came before: so do runtimes that unpack the archive.
func (n *node) add(e *fileEntry) error {
	at := n
	for _, name := range split(e.Path) {
		at = at.kid(name)
	}
	if at == n && e.Type != file.TypeDirectory {
		return fmt.Errorf("%w: its root is no folder", ErrMalformed)
	}
	if at.isFolder() && e.Type != file.TypeDirectory {
		at.kids = nil
	}
	at.entry = e
	return nil
}

// maxLinks is how many links are followed on the way to one path, as Linux counts them.
const maxLinks = 40

// find looks up an entry of a layer by path. Links on the way to it are followed within the layer, the last one is not.
func (n *node) find(p string) *fileEntry {
	rest, at, where := split(p), n, "/"
	for links := 0; len(rest) > 0; {
		next := at.kids[rest[0]]
		if next == nil {
			return nil
		}
		where, rest = path.Join(where, rest[0]), rest[1:]
		if len(rest) > 0 && next.kids[rest[0]] == nil && next.entry != nil && next.entry.Type == file.TypeSymLink {
			if links++; links > maxLinks {
				return nil
			}
			target := next.entry.LinkDestination
			if !path.IsAbs(target) {
				target = path.Join(path.Dir(where), target)
			}
			rest = append(split(path.Clean(target)), rest...)
			at, where = n, "/"
			continue
		}
		at = next
	}
	return at.entry
}

// describe makes an entry of a tar header. head is the beginning of the content.
func describe(h *tar.Header, l *layer, mimeType string) *fileEntry {
	info := h.FileInfo()
	return &fileEntry{layer: l, Metadata: file.Metadata{
		FileInfo:        fileInfo{info.Name(), info.Size(), info.Mode(), info.ModTime()},
		Path:            path.Clean("/" + h.Name),
		LinkDestination: h.Linkname,
		UserID:          h.Uid,
		GroupID:         h.Gid,
		Type:            file.TypeFromTarType(h.Typeflag),
		MIMEType:        mimeType,
	}}
}

// adopt makes a hard link the second name of a file that came before it in the same layer: the content, size and type
// are that file's, the rest is what its own header says. A name that leads nowhere stays a link.
func (e *fileEntry) adopt(root *node) {
	target := root.find(path.Clean("/" + e.LinkDestination))
	if e.LinkDestination == "" || target == nil || target.Type == file.TypeDirectory || target.Type == file.TypeHardLink {
		return
	}
	e.FileInfo = fileInfo{path.Base(e.Path), target.Size(), e.Mode()&^fs.ModeType | target.Mode()&fs.ModeType, e.ModTime()}
	e.MIMEType, e.Type, e.LinkDestination = target.MIMEType, target.Type, target.LinkDestination
	e.content = target.content
}

// fileInfo is the part of a tar header that an fs.FileInfo tells, without the header.
type fileInfo struct {
	name    string
	size    int64
	mode    fs.FileMode
	modTime time.Time
}

func (i fileInfo) Name() string       { return i.name }
func (i fileInfo) Size() int64        { return i.size }
func (i fileInfo) Mode() fs.FileMode  { return i.mode }
func (i fileInfo) ModTime() time.Time { return i.modTime }
func (i fileInfo) IsDir() bool        { return i.mode.IsDir() }
func (i fileInfo) Sys() any           { return nil }
