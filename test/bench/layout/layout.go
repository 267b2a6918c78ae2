// Package layout writes OCI image layouts for benchmarks, of any size: content is never
// held in memory.
package layout

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Dir is the folder of a layout.
type Dir string

// Blob writes a blob, whose digest is known only in the end.
func (w Dir) Blob(mediaType string, write func(io.Writer) error) (ocispec.Descriptor, error) {
	folder := filepath.Join(string(w), ocispec.ImageBlobsDir, "sha256")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return ocispec.Descriptor{}, err
	}
	file, err := os.CreateTemp(folder, ".new-*")
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	defer file.Close()
	digester := digest.SHA256.Digester()
	if err := write(io.MultiWriter(file, digester.Hash())); err != nil {
		return ocispec.Descriptor{}, err
	}
	size, err := file.Seek(0, io.SeekCurrent)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	d := ocispec.Descriptor{MediaType: mediaType, Digest: digester.Digest(), Size: size}
	return d, os.Rename(file.Name(), filepath.Join(folder, d.Digest.Encoded()))
}

// Image writes what holds layers together: an image for linux/amd64 under a tag. The
// diffIDs are the digests of the layers' archives before they were compressed.
func (w Dir) Image(tag string, layers []ocispec.Descriptor, diffIDs []digest.Digest) error {
	config := ocispec.Image{Platform: ocispec.Platform{OS: "linux", Architecture: "amd64"}, RootFS: ocispec.RootFS{Type: "layers", DiffIDs: diffIDs}}
	manifest := ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, Layers: layers}
	var err error
	if manifest.Config, err = w.document(ocispec.MediaTypeImageConfig, config); err != nil {
		return err
	}
	root, err := w.document(ocispec.MediaTypeImageManifest, manifest)
	if err != nil {
		return err
	}
	root.Annotations = map[string]string{ocispec.AnnotationRefName: tag}
	index := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{root}}
	return errors.Join(w.file(ocispec.ImageIndexFile, index), w.file(ocispec.ImageLayoutFile, ocispec.ImageLayout{Version: ocispec.ImageLayoutVersion}))
}

func (w Dir) document(mediaType string, v any) (ocispec.Descriptor, error) {
	return w.Blob(mediaType, func(out io.Writer) error {
		raw, err := json.Marshal(v)
		if err == nil {
			_, err = out.Write(raw)
		}
		return err
	})
}

func (w Dir) file(name string, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(string(w), name), raw, 0o644)
}
