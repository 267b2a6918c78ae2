package main

import (
	"archive/tar"
	"fmt"
	"io"
	"math/rand/v2"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/hallmark-project/hallmark/test/bench/layout"
)

// layerSize is about what the layers of big images have.
const layerSize = 500_000_000

// writeImage writes an OCI layout with an image of linux/amd64 under the tag v1. Its
// layers, of so many bytes together, are tar archives of noise.
func writeImage(dir string, size int64) error {
	w := layout.Dir(dir)
	var layers []ocispec.Descriptor
	var diffIDs []digest.Digest
	for n := uint64(0); size > 0; n++ {
		d, err := w.Blob(ocispec.MediaTypeImageLayer, func(out io.Writer) error { return noise(out, n, min(size, layerSize)) })
		if err != nil {
			return err
		}
		size -= layerSize
		layers, diffIDs = append(layers, d), append(diffIDs, d.Digest)
	}
	return w.Image("v1", layers, diffIDs)
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
