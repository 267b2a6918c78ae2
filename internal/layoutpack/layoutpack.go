// Package layoutpack packs files into OCI images, and images into an index in an OCI
// layout. The same input gives the same bytes.
package layoutpack

import (
	"archive/tar"
	"bytes"
	"io"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// RefName is the annotation that holds an image's tag in a layout's index.json.
const RefName = "org.opencontainers.image.ref.name"

// File is an entry of a layer. A name that ends in a slash is a folder.
type File struct {
	Name    string
	Mode    int64 // with the sticky bit as 0o1000
	Owner   int   // user and group
	Content []byte
}

// Tar is an archive of files in the order given, all of one time.
func Tar(files []File, modified time.Time) ([]byte, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, f := range files {
		header := &tar.Header{Name: f.Name, Mode: f.Mode, Uid: f.Owner, Gid: f.Owner, Size: int64(len(f.Content)), ModTime: modified}
		if err := w.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.Content); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// Plain is an archive as a layer, uncompressed.
func Plain(archive []byte) v1.Layer { return static.NewLayer(archive, types.OCIUncompressedLayer) }

// Gzipped is an archive as a compressed layer. Its digest depends on the version of Go
// besides the archive.
func Gzipped(archive []byte) (v1.Layer, error) {
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archive)), nil }
	return tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer))
}

// Image is what an image is made of.
type Image struct {
	Platform v1.Platform
	Created  time.Time
	Config   v1.Config
	Layers   []v1.Layer
}

func (i Image) build() (v1.Image, error) {
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err := mutate.AppendLayers(image, i.Layers...)
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = i.Platform.OS, i.Platform.Architecture, v1.Time{Time: i.Created}
	config.Config = i.Config
	return mutate.ConfigFile(image, config)
}

// Index is an index of images, one for each platform, with annotations of its own.
func Index(images []Image, annotations map[string]string) (v1.ImageIndex, error) {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, i := range images {
		image, err := i.build()
		if err != nil {
			return nil, err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: &i.Platform}})
	}
	if len(annotations) == 0 {
		return index, nil
	}
	return mutate.Annotations(index, annotations).(v1.ImageIndex), nil
}

// Write makes dir a layout that holds the index under a tag.
func Write(dir, tag string, index v1.ImageIndex) error {
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	return path.AppendIndex(index, layout.WithAnnotations(map[string]string{RefName: tag}))
}
