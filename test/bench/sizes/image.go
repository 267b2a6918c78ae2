package main

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// layerSize is about what the layers of big images have.
const layerSize = 500_000_000

// writeImage writes an OCI layout with an image of linux/amd64 under the tag v1. Its
// layers, of so many bytes together, are tar archives of noise.
func writeImage(dir string, size int64) error {
	w := layoutWriter(dir)
	config := ocispec.Image{Platform: ocispec.Platform{OS: "linux", Architecture: "amd64"}, RootFS: ocispec.RootFS{Type: "layers"}}
	manifest := ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest}
	for n := uint64(0); size > 0; n++ {
		d, err := w.blob(ocispec.MediaTypeImageLayer, func(out io.Writer) error { return noise(out, n, min(size, layerSize)) })
		if err != nil {
			return err
		}
		size -= layerSize
		manifest.Layers = append(manifest.Layers, d)
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, d.Digest)
	}
	var err error
	if manifest.Config, err = w.document(ocispec.MediaTypeImageConfig, config); err != nil {
		return err
	}
	root, err := w.document(ocispec.MediaTypeImageManifest, manifest)
	if err != nil {
		return err
	}
	root.Annotations = map[string]string{ocispec.AnnotationRefName: "v1"}
	index := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{root}}
	return errors.Join(w.file(ocispec.ImageIndexFile, index), w.file(ocispec.ImageLayoutFile, ocispec.ImageLayout{Version: ocispec.ImageLayoutVersion}))
}

// noise writes a tar archive with one file that cannot be compressed. The same n gives
// the same bytes.
func noise(out io.Writer, n uint64, size int64) error {
	w := tar.NewWriter(out)
	if err := w.WriteHeader(&tar.Header{Name: fmt.Sprintf("noise-%d", n), Mode: 0o644, Size: size}); err != nil {
		return err
	}
	source := rand.NewChaCha8([32]byte{byte(n), 1})
	if _, err := io.CopyN(w, source, size); err != nil {
		return err
	}
	return w.Close()
}

// layoutWriter is the folder of a layout.
type layoutWriter string

// blob writes a blob, whose digest is known only in the end.
func (w layoutWriter) blob(mediaType string, write func(io.Writer) error) (ocispec.Descriptor, error) {
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

func (w layoutWriter) document(mediaType string, v any) (ocispec.Descriptor, error) {
	return w.blob(mediaType, func(out io.Writer) error {
		raw, err := json.Marshal(v)
		if err == nil {
			_, err = out.Write(raw)
		}
		return err
	})
}

func (w layoutWriter) file(name string, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(string(w), name), raw, 0o644)
}
