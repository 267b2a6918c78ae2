package testkit

import (
	"archive/tar"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// WriteLayout writes an OCI image layout to dir, which it makes if need be: one entry
// of index.json for each image, all with the given tag (empty: none).
func WriteLayout(t testing.TB, dir, tag string, images ...*Image) {
	t.Helper()
	index := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{}}
	for _, image := range images {
		writeBlobs(t, dir, image)
		d := image.Descriptor()
		if tag != "" {
			d.Annotations = map[string]string{ocispec.AnnotationRefName: tag}
		}
		index.Manifests = append(index.Manifests, d)
	}
	writeFile(t, filepath.Join(dir, ocispec.ImageLayoutFile), mustJSON(ocispec.ImageLayout{Version: ocispec.ImageLayoutVersion}))
	writeFile(t, filepath.Join(dir, ocispec.ImageIndexFile), mustJSON(index))
}

func writeBlobs(t testing.TB, dir string, image *Image) {
	t.Helper()
	for d, content := range image.Blobs {
		writeFile(t, BlobFile(dir, d), content)
	}
	for _, child := range image.Children {
		writeBlobs(t, dir, child)
	}
	writeFile(t, BlobFile(dir, image.Digest()), image.Manifest)
}

// BlobFile is where a layout keeps a blob.
func BlobFile(dir string, d digest.Digest) string {
	return filepath.Join(dir, ocispec.ImageBlobsDir, d.Algorithm().String(), d.Encoded())
}

func writeFile(t testing.TB, name string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TarLayout packs a layout folder into a tar archive. Names in it begin with prefix,
// such as "./" or nothing.
func TarLayout(t testing.TB, dir, archive, prefix string) {
	t.Helper()
	f, err := os.Create(archive)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(f)
	err = filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		inside, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		return addFile(w, name, prefix+filepath.ToSlash(inside))
	})
	if err == nil {
		err = w.Close()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		t.Fatal(err)
	}
}

func addFile(w *tar.Writer, file, name string) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	header := &tar.Header{Name: name, Mode: 0o644, Size: int64(len(content)), ModTime: time.Unix(0, 0)}
	if err := w.WriteHeader(header); err != nil {
		return err
	}
	_, err = w.Write(content)
	return err
}
