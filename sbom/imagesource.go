package sbom

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"

	"github.com/anchore/stereoscope/pkg/file"
	"github.com/anchore/stereoscope/pkg/filetree"
	stereoscope "github.com/anchore/stereoscope/pkg/image"
	"github.com/anchore/syft/syft/artifact"
	syftfile "github.com/anchore/syft/syft/file"
	"github.com/anchore/syft/syft/source"
	"github.com/anchore/syft/syft/source/stereoscopesource"
)

// layeredSource is an image whose layers have been read: what syft catalogues.
type layeredSource struct {
	id          artifact.ID
	description source.Description
	resolver    *imageResolver
	files       *contents
}

// newImageSource makes an image's tree searchable.
func newImageSource(img *image, tree *node, files *contents) (*layeredSource, error) {
	resolver, err := newImageResolver(tree, img.layers)
	if err != nil {
		return nil, err
	}
	metadata := img.metadata()
	id := imageID(metadata)
	name := img.identity.String()
	description := source.Description{ID: string(id), Name: name, Version: name, Metadata: metadata}
	return &layeredSource{id: id, description: description, resolver: resolver, files: files}, nil
}

// imageID is how syft identifies an image.
func imageID(m source.ImageMetadata) artifact.ID {
	img := &stereoscope.Image{Metadata: stereoscope.Metadata{RawManifest: m.RawManifest}}
	for _, l := range m.Layers {
		img.Layers = append(img.Layers, &stereoscope.Layer{Metadata: stereoscope.LayerMetadata{Digest: l.Digest}})
	}
	return stereoscopesource.New(img, stereoscopesource.ImageConfig{Reference: m.UserInput}).ID()
}

func (s *layeredSource) ID() artifact.ID              { return s.id }
func (s *layeredSource) Describe() source.Description { return s.description }

// Close makes further reading fail.
func (s *layeredSource) Close() error {
	s.files.close()
	return nil
}

// FileResolver shows the image as a container sees it, which is the only scope that hallmark asks for.
func (s *layeredSource) FileResolver(scope source.Scope) (syftfile.Resolver, error) {
	if scope != source.SquashedScope {
		return nil, fmt.Errorf("%w: no view of scope %q", ErrCatalog, scope)
	}
	return s.resolver, nil
}

// indexed is a tree in the form that stereoscope searches.
type indexed struct {
	tree    *filetree.FileTree
	index   filetree.Index
	builder *filetree.Builder
	entries map[file.ID]*fileEntry // by reference: what is seen
	seen    map[*fileEntry]bool
}

// indexTree makes what is seen of an image's layers searchable. Entries that are hidden by others have their place in
// the index as well: syft's search looks for names and types among all entries, and then for what is seen at their paths.
func indexTree(root *node, layers []*layer) (*indexed, error) {
	i := &indexed{tree: filetree.New(), index: filetree.NewIndex(), entries: map[file.ID]*fileEntry{}, seen: map[*fileEntry]bool{}}
	i.builder = filetree.NewBuilder(i.tree, i.index)
	if err := i.add(root, "/"); err != nil {
		return nil, err
	}
	for _, l := range layers {
		if l.twin == nil {
			i.addHidden(l.files)
		}
	}
	i.seen = nil
	return i, nil
}

func (i *indexed) add(n *node, at string) error {
	switch {
	case n.entry != nil:
		ref, err := i.builder.Add(n.entry.Metadata)
		if err != nil {
			return fmt.Errorf("%w: %q: %w", ErrMalformed, at, err)
		}
		i.entries[ref.ID()], i.seen[cmp.Or(n.entry.of, n.entry)] = n.entry, true
	case len(n.kids) == 0 && at != "/":
		if err := imply(i.tree, at); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(n.kids)) {
		if err := i.add(n.kids[name], path.Join(at, name)); err != nil {
			return err
		}
	}
	return nil
}

func (i *indexed) addHidden(files []*fileEntry) {
	for _, e := range files {
		if !i.seen[e] {
			i.index.Add(*file.NewFileReference(file.Path(e.Path)), e.Metadata)
		}
	}
}

// imply makes a folder that nothing is said about and nothing is in: a layer has only whiteouts there. The tree makes
// such a folder on the way to a file, and by no other means.
func imply(tree *filetree.FileTree, folder string) error {
	inside := file.Path(path.Join(folder, whiteoutPrefix))
	if _, err := tree.AddFile(inside); err != nil {
		return fmt.Errorf("%w: %q: %w", ErrMalformed, folder, err)
	}
	return tree.RemovePath(inside)
}
