package sbom

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/anchore/stereoscope/pkg/file"
	"github.com/anchore/stereoscope/pkg/filetree"
	syftfile "github.com/anchore/syft/syft/file"
)

// imageResolver answers what cataloguers ask about an image. Paths and patterns are looked up as syft's own resolver of
// squashed images does it, by stereoscope's search; what is found is the entry of the layer that it comes from.
type imageResolver struct {
	tree    *filetree.FileTree
	search  filetree.Searcher
	entries map[file.ID]*fileEntry
}

func newImageResolver(root *node, layers []*layer) (*imageResolver, error) {
	i, err := indexTree(root, layers)
	if err != nil {
		return nil, err
	}
	return &imageResolver{tree: i.tree, search: filetree.NewSearchContext(i.tree, i.index), entries: i.entries}, nil
}

// location is where an entry is found: the path that was asked for, its own path, and its layer.
func (r *imageResolver) location(path string, ref file.Reference) syftfile.Location {
	l := syftfile.NewVirtualLocationFromDirectory(string(ref.RealPath), path, ref)
	if e := r.entries[ref.ID()]; e != nil {
		l.FileSystemID = e.layer.diffID.String()
	}
	return l
}

// isFolder tells of a search's result that it is no file: the root, or an entry that is a folder.
func (r *imageResolver) isFolder(found *file.Resolution) bool {
	e := r.entries[found.ID()]
	return found.RealPath == "/" || e.is(file.TypeDirectory)
}

func (r *imageResolver) HasPath(path string) bool { return r.tree.HasPath(file.Path(path)) }

// FilesByPath follows links. Of several paths to one file the first counts.
func (r *imageResolver) FilesByPath(paths ...string) ([]syftfile.Location, error) {
	var found distinct
	for _, path := range paths {
		ref, err := r.resolve(path)
		if err != nil {
			return nil, err
		}
		if ref != nil {
			found.add(r.location(path, *ref))
		}
	}
	return found.list(), nil
}

// resolve finds the file that a path leads to, nil if there is none.
func (r *imageResolver) resolve(path string) (*file.Reference, error) {
	found, err := r.search.SearchByPath(path, filetree.FollowBasenameLinks)
	if err != nil || !found.HasReference() || r.isFolder(found) {
		return nil, err
	}
	_, resolved, err := r.tree.File(found.RealPath, filetree.FollowBasenameLinks)
	if filetree.IsUnresolvableLink(err) {
		return nil, nil
	}
	if err != nil || !resolved.HasReference() {
		return nil, err
	}
	return resolved.Reference, nil
}

func (r *imageResolver) FilesByGlob(patterns ...string) ([]syftfile.Location, error) {
	var files distinct
	for _, pattern := range patterns {
		results, err := r.search.SearchByGlob(pattern, filetree.FollowBasenameLinks)
		if err != nil {
			return nil, fmt.Errorf("pattern %q: %w", pattern, err)
		}
		for _, found := range results {
			if !found.HasReference() || r.isFolder(&found) {
				continue
			}
			locations, err := r.FilesByPath(string(found.RequestPath))
			if err != nil {
				return nil, fmt.Errorf("pattern %q: %w", pattern, err)
			}
			for _, l := range locations {
				files.add(l)
			}
		}
	}
	return files.list(), nil
}

func (r *imageResolver) FilesByMIMEType(types ...string) ([]syftfile.Location, error) {
	results, err := r.search.SearchByMIMEType(types...)
	if err != nil {
		return nil, err
	}
	var files distinct
	for _, found := range results {
		if found.HasReference() {
			files.add(r.location(string(found.RequestPath), *found.Reference))
		}
	}
	return files.list(), nil
}

func (r *imageResolver) RelativeFileByPath(_ syftfile.Location, path string) *syftfile.Location {
	found, err := r.FilesByPath(path)
	if err != nil || len(found) == 0 {
		return nil
	}
	return &found[0]
}

func (r *imageResolver) FileContentsByLocation(at syftfile.Location) (io.ReadCloser, error) {
	e, err := r.entry(at)
	if err != nil {
		return nil, err
	}
	switch e.Type {
	case file.TypeDirectory:
		return nil, fmt.Errorf("%s is a folder", at.RealPath)
	case file.TypeSymLink, file.TypeHardLink:
		ref, err := r.resolve(at.RealPath)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", at.RealPath, err)
		}
		if ref == nil || r.entries[ref.ID()] == nil {
			return nil, fmt.Errorf("%s is a link that leads to no file", at.RealPath)
		}
		e = r.entries[ref.ID()]
	}
	return e.content.open(), nil
}

func (r *imageResolver) FileMetadataByLocation(at syftfile.Location) (syftfile.Metadata, error) {
	e, err := r.entry(at)
	if err != nil {
		return syftfile.Metadata{}, err
	}
	return e.Metadata, nil
}

func (r *imageResolver) entry(at syftfile.Location) (*fileEntry, error) {
	ref := at.Reference()
	e := r.entries[ref.ID()]
	if e == nil {
		return nil, fmt.Errorf("%s is not in the image", at.RealPath)
	}
	return e, nil
}

// AllLocations lists every entry, links as such, in the order of their paths.
func (r *imageResolver) AllLocations(ctx context.Context) <-chan syftfile.Location {
	refs := r.tree.AllFiles(file.AllTypes()...)
	slices.SortFunc(refs, func(a, b file.Reference) int { return int(a.ID()) - int(b.ID()) })
	out := make(chan syftfile.Location)
	go func() {
		defer close(out)
		for _, ref := range refs {
			select {
			case <-ctx.Done():
				return
			case out <- r.location(string(ref.RealPath), ref):
			}
		}
	}()
	return out
}

// distinct collects locations of different files.
type distinct struct {
	seen map[file.ID]bool
	all  []syftfile.Location
}

func (d *distinct) add(l syftfile.Location) {
	ref := l.Reference()
	id := ref.ID()
	if d.seen[id] {
		return
	}
	if d.seen == nil {
		d.seen = map[file.ID]bool{}
	}
	d.seen[id] = true
	d.all = append(d.all, l)
}

func (d *distinct) list() []syftfile.Location {
	if d.all == nil {
		return []syftfile.Location{}
	}
	return d.all
}
