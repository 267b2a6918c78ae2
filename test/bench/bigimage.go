package main

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/hallmark-project/hallmark/test/bench/layout"
)

// The big image: so many bytes of files, in so many layers.
const (
	bigSize   = 1_000_000_000
	bigLayers = 10
	// bigReal is how much of each layer is real content.
	bigReal = 0.6
	// noiseFile is how large files are that cannot be compressed: models, data, archives.
	noiseFile = 4 << 20
)

// writeBigImage writes a layout with an image of linux/amd64 of size bytes. Its first layer
// begins with the Debian of another layout; the others hold its files again, each under a
// prefix of its own, and noise.
func writeBigImage(dir, from string, size int64) error {
	sources, err := layersOf(from)
	if err != nil {
		return err
	}
	w := layout.Dir(dir)
	var layers []ocispec.Descriptor
	var diffIDs []digest.Digest
	for n := range bigLayers {
		diffID := digest.SHA256.Digester()
		d, err := w.Blob(ocispec.MediaTypeImageLayerGzip, func(out io.Writer) error {
			packed, err := gzip.NewWriterLevel(out, gzip.BestSpeed)
			if err != nil {
				return err
			}
			layer := bigLayer{Writer: tar.NewWriter(io.MultiWriter(packed, diffID.Hash())), n: n}
			return errors.Join(layer.fill(sources, size/bigLayers), layer.Close(), packed.Close())
		})
		if err != nil {
			return err
		}
		layers, diffIDs = append(layers, d), append(diffIDs, diffID.Digest())
	}
	return w.Image(imageTag, layers, diffIDs)
}

// layersOf are the files with the layers of the only image of a layout.
func layersOf(dir string) (files []string, err error) {
	var index ocispec.Index
	var image ocispec.Manifest
	if err := readJSON(filepath.Join(dir, ocispec.ImageIndexFile), &index); err != nil {
		return nil, err
	}
	if len(index.Manifests) != 1 {
		return nil, fmt.Errorf("%s holds %d images, want one", dir, len(index.Manifests))
	}
	blob := func(d digest.Digest) string { return filepath.Join(dir, ocispec.ImageBlobsDir, "sha256", d.Encoded()) }
	if err := readJSON(blob(index.Manifests[0].Digest), &image); err != nil {
		return nil, err
	}
	for _, l := range image.Layers {
		files = append(files, blob(l.Digest))
	}
	return files, nil
}

func readJSON(name string, to any) error {
	raw, err := os.ReadFile(name)
	if err == nil {
		err = json.Unmarshal(raw, to)
	}
	return err
}

// bigLayer is one layer while it is written.
type bigLayer struct {
	*tar.Writer
	n       int
	written int64
}

// fill writes about size bytes.
func (l *bigLayer) fill(sources []string, size int64) error {
	for round := 0; l.written < int64(bigReal*float64(size)); round++ {
		prefix := fmt.Sprintf("opt/part-%d-%d", l.n, round)
		if l.n == 0 && round == 0 { // the system itself
			prefix = ""
		}
		before := l.written
		for _, source := range sources {
			if err := l.repeat(source, prefix, int64(bigReal*float64(size))); err != nil {
				return err
			}
		}
		if l.written == before {
			return errors.New("the image to repeat holds no files")
		}
	}
	for i := 0; l.written < size; i++ {
		if err := l.noise(fmt.Sprintf("opt/data-%d/%d.bin", l.n, i), min(noiseFile, size-l.written)); err != nil {
			return err
		}
	}
	return nil
}

// repeat writes the files of another layer under a prefix, until there are size bytes.
func (l *bigLayer) repeat(source, prefix string, size int64) error {
	file, err := os.Open(source)
	if err != nil {
		return err
	}
	defer file.Close()
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		return err
	}
	for in := tar.NewReader(unpacked); l.written < size; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if prefix != "" && (h.Typeflag != tar.TypeReg || strings.HasPrefix(path.Base(h.Name), ".wh.")) {
			continue
		}
		if h.Name = path.Join(prefix, h.Name); h.Typeflag == tar.TypeDir { //nolint:gosec // nothing is unpacked
			h.Name += "/"
		}
		if err := l.WriteHeader(h); err != nil {
			return err
		}
		n, err := io.CopyN(l, in, h.Size)
		if err != nil {
			return err
		}
		l.written += n
	}
	return nil
}

func (l *bigLayer) noise(name string, size int64) error {
	if err := l.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: size}); err != nil {
		return err
	}
	n, err := io.CopyN(l, rand.NewChaCha8([32]byte{byte(l.n), byte(l.written), byte(l.written >> 8), byte(l.written >> 16), byte(l.written >> 24)}), size)
	l.written += n
	return err
}
