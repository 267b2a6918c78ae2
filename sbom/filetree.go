package sbom

import (
	"archive/tar"
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
	by    *layer     // the last one with a path that leads through it
}

// fileEntry is what a layer says about a path.
type fileEntry struct {
	file.Metadata
	content extent
	layer   *layer
	of      *fileEntry // what it was made of when it was put in its place; nil: itself
}

func (e *fileEntry) is(t file.Type) bool { return e != nil && e.Type == t }

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

const (
	// maxLinks is how many links are followed on the way to one path, as Linux counts them.
	maxLinks = 40
	// maxLinkDepth is how many components the target of a link may have that is followed.
	maxLinkDepth = 256
)

// follow walks down a path within the tree and follows every symbolic link on the way, the last one as well; none leads
// out of it. What is not there is asked of missing, which may make it, or return nil to end the walk. It returns the node
// and its path without links; nil where a walk ends or never would.
func (n *node) follow(p string, missing func(at *node, name string) *node) (*node, string) {
	rest, at, where := split(p), n, "/"
	for links := 0; len(rest) > 0; {
		name := rest[0]
		next := at.kids[name]
		if next == nil {
			if next = missing(at, name); next == nil {
				return nil, ""
			}
		}
		rest = rest[1:]
		if !next.entry.is(file.TypeSymLink) {
			at, where = next, path.Join(where, name)
			continue
		}
		target := next.entry.LinkDestination
		if links++; links > maxLinks || strings.Count(target, "/") > maxLinkDepth {
			return nil, ""
		}
		if !path.IsAbs(target) {
			target = path.Join(where, target)
		}
		rest = append(split(path.Clean("/"+target)), rest...)
		at, where = n, "/"
	}
	return at, where
}

// find looks up an entry by path. Links on the way to it are followed, the last one is not.
func (n *node) find(p string) *fileEntry {
	if p == "/" {
		return n.entry
	}
	folder, _ := n.follow(path.Dir(p), func(*node, string) *node { return nil })
	if folder == nil || folder.kids[path.Base(p)] == nil {
		return nil
	}
	return folder.kids[path.Base(p)].entry
}

// describe makes an entry of a tar header. What it is, its type says, as it does to runtimes; mode bits that speak of
// another one are ignored.
func describe(h *tar.Header, l *layer, mimeType string) *fileEntry {
	info, kind := h.FileInfo(), file.TypeFromTarType(h.Typeflag)
	return &fileEntry{layer: l, Metadata: file.Metadata{
		FileInfo:        fileInfo{info.Name(), info.Size(), info.Mode()&^fs.ModeType | typeBits[kind], info.ModTime()},
		Path:            path.Clean("/" + h.Name),
		LinkDestination: h.Linkname,
		UserID:          h.Uid,
		GroupID:         h.Gid,
		Type:            kind,
		MIMEType:        mimeType,
	}}
}

// typeBits are the bits of a mode that go with a type.
var typeBits = map[file.Type]fs.FileMode{
	file.TypeDirectory: fs.ModeDir, file.TypeSymLink: fs.ModeSymlink, file.TypeFIFO: fs.ModeNamedPipe,
	file.TypeBlockDevice: fs.ModeDevice, file.TypeCharacterDevice: fs.ModeDevice | fs.ModeCharDevice,
}

// adopt makes a hard link the second name of a file that is there: the content, size and type are that file's, the rest
// is what its own header says. A name that leads nowhere stays a link.
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
