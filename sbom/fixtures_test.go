package sbom

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// memory is a Fetcher of blobs in memory that counts what is asked of it and, like a real one, checks digests.
type memory struct {
	mu      sync.Mutex
	blobs   map[digest.Digest][]byte
	fetches map[digest.Digest]int
}

func newMemory() *memory {
	return &memory{blobs: map[digest.Digest][]byte{}, fetches: map[digest.Digest]int{}}
}

func (m *memory) push(mediaType string, raw []byte) ocispec.Descriptor {
	d := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(raw), Size: int64(len(raw))}
	m.blobs[d.Digest] = raw
	return d
}

func (m *memory) Fetch(_ context.Context, d ocispec.Descriptor) (io.ReadCloser, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fetches[d.Digest]++
	raw, ok := m.blobs[d.Digest]
	if !ok {
		return nil, fmt.Errorf("blob %s: %w", d.Digest, os.ErrNotExist)
	}
	return io.NopCloser(&checkedReader{r: bytes.NewReader(raw), want: d.Digest, verifier: d.Digest.Verifier()}), nil
}

var errCorrupt = errors.New("fetcher: digest mismatch")

type checkedReader struct {
	r        io.Reader
	want     digest.Digest
	verifier digest.Verifier
}

func (c *checkedReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.verifier.Write(p[:n])
	if err == io.EOF && !c.verifier.Verified() {
		err = errCorrupt
	}
	return n, err
}

// slow is a Fetcher that hands out a few bytes at a time, so that layers arrive in another rhythm.
type slow struct{ *memory }

func (s slow) Fetch(ctx context.Context, d ocispec.Descriptor) (io.ReadCloser, error) {
	rc, err := s.memory.Fetch(ctx, d)
	if err != nil {
		return nil, err
	}
	return io.NopCloser(&tinyReader{rc, 4093}), nil
}

type tinyReader struct {
	r io.Reader
	n int
}

func (t *tinyReader) Read(p []byte) (int, error) { return t.r.Read(p[:min(len(p), t.n)]) }

// entry is one file of a layer; a name that ends in a slash is a folder.
type entry struct {
	name, body string
	mode       int64
	kind       byte
	link       string
}

func layerTar(t testing.TB, files ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		h := &tar.Header{Name: f.name, Mode: f.mode, Typeflag: f.kind, Linkname: f.link, ModTime: time.Unix(1700000000, 0)}
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		if h.Typeflag == 0 && strings.HasSuffix(f.name, "/") {
			h.Typeflag = tar.TypeDir
		}
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(f.body))
		}
		check(t, w.WriteHeader(h))
		if h.Typeflag == tar.TypeReg {
			_, err := io.WriteString(w, f.body)
			check(t, err)
		}
	}
	check(t, w.Close())
	return b.Bytes()
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func gz(t testing.TB, raw []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(raw)
	check(t, err)
	check(t, w.Close())
	return b.Bytes()
}

func zst(t testing.TB, raw []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	check(t, err)
	defer w.Close()
	return w.EncodeAll(raw, nil)
}

// blob is one layer to put into a test image.
type blob struct {
	mediaType string
	raw       []byte // as transferred
	diffID    digest.Digest
}

func gzLayer(t testing.TB, files ...entry) blob {
	raw := layerTar(t, files...)
	return blob{ocispec.MediaTypeImageLayerGzip, gz(t, raw), digest.FromBytes(raw)}
}

var configTime = time.Date(2024, 5, 6, 7, 8, 9, 123, time.UTC)

// testImage is an image in a memory store.
type testImage struct {
	store    *memory
	manifest ocispec.Descriptor
	raw      []byte
	layers   []ocispec.Descriptor
}

func (i *testImage) source() Source { return Image(i.store, i.manifest, i.raw) }

func ociImage(t testing.TB, blobs ...blob) *testImage {
	return buildImage(t, ocispec.MediaTypeImageManifest, ocispec.MediaTypeImageConfig, blobs...)
}

func dockerImage(t testing.TB, blobs ...blob) *testImage {
	return buildImage(t, string(types.DockerManifestSchema2), string(types.DockerConfigJSON), blobs...)
}

func buildImage(t testing.TB, manifestType, configType string, blobs ...blob) *testImage {
	t.Helper()
	img := &testImage{store: newMemory()}
	config := imageConfig(blobs)
	rawConfig, err := json.Marshal(config)
	check(t, err)
	m := ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: manifestType}
	m.Config = img.store.push(configType, rawConfig)
	m.Layers = []ocispec.Descriptor{}
	for _, b := range blobs {
		m.Layers = append(m.Layers, img.store.push(b.mediaType, b.raw))
	}
	img.layers = m.Layers
	img.raw, err = json.Marshal(m)
	check(t, err)
	img.manifest = ocispec.Descriptor{MediaType: manifestType, Digest: digest.FromBytes(img.raw), Size: int64(len(img.raw))}
	return img
}

func imageConfig(blobs []blob) ocispec.Image {
	config := ocispec.Image{Created: &configTime, Platform: ocispec.Platform{OS: "linux", Architecture: "amd64"}}
	config.Config.Labels = map[string]string{"b": "2", "a": "1"}
	config.RootFS = ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{}}
	for _, b := range blobs {
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, b.diffID)
	}
	return config
}

const osRelease = "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian 12\"\n"

func dpkgStatus(names ...string) string {
	var s string
	for _, n := range names {
		s += fmt.Sprintf("Package: %s\nStatus: install ok installed\nMaintainer: A B <a@b.example>\nArchitecture: amd64\nVersion: 1.2.3-4\nDescription: test\n\n", n)
	}
	return s
}

// debianLayer, pythonLayer and nodeLayer hold one package each of their kind; the debian one owns a file.
func debianFiles() []entry {
	return []entry{
		{name: "etc/"}, {name: "etc/os-release", body: osRelease},
		{name: "var/lib/dpkg/status", body: dpkgStatus("libalpha", "libbeta")},
		{name: "var/lib/dpkg/info/libalpha.list", body: "/usr/lib/libalpha.so\n"},
		{name: "var/lib/dpkg/info/libalpha.md5sums", body: "d41d8cd98f00b204e9800998ecf8427e  usr/lib/libalpha.so\n"},
		{name: "usr/share/doc/libalpha/copyright", body: mitText},
		{name: "usr/lib/libalpha.so", body: "alpha"},
	}
}

func pythonFiles() []entry {
	dir := "usr/lib/python3/dist-packages/gamma-2.0.dist-info/"
	return []entry{
		{name: dir + "METADATA", body: "Metadata-Version: 2.1\nName: gamma\nVersion: 2.0\nLicense: MIT\n\n"},
		{name: dir + "RECORD", body: "gamma/__init__.py,sha256=abc,3\n"},
		{name: "usr/lib/python3/dist-packages/gamma/__init__.py", body: "x=1"},
	}
}

func nodeFiles() []entry {
	return []entry{{name: "app/node_modules/delta/package.json", body: `{"name":"delta","version":"3.0.1","license":"Apache-2.0"}`}}
}

const mitText = `MIT License

Copyright (c) 2020 Somebody

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation
files (the "Software"), to deal in the Software without restriction, including without limitation the rights to use, copy,
modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the
Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE,
ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
`

// goBinary is a layer file that is a real Go program: this test.
func goBinary(t testing.TB) entry {
	t.Helper()
	self, err := os.Executable()
	check(t, err)
	raw, err := os.ReadFile(self)
	check(t, err)
	return entry{name: "usr/bin/program", body: string(raw), mode: 0o755}
}

// mixedImage has three layers, compressed in three ways.
func mixedImage(t testing.TB) *testImage {
	t.Helper()
	python, node := layerTar(t, pythonFiles()...), layerTar(t, nodeFiles()...)
	return ociImage(t,
		gzLayer(t, debianFiles()...),
		blob{ocispec.MediaTypeImageLayerZstd, zst(t, python), digest.FromBytes(python)},
		blob{ocispec.MediaTypeImageLayer, node, digest.FromBytes(node)},
	)
}

var allFormats = Options{Formats: []Format{SPDXJSON, CycloneDXJSON, SyftJSON}, ToolVersion: "v1.0.0"}

// generateIn runs Generate with a temporary folder of its own and fails if anything is left in it.
func generateIn(t testing.TB, ctx context.Context, src Source, o Options) ([]Document, error) {
	t.Helper()
	temp := t.TempDir()
	if s, ok := t.(interface{ Setenv(string, string) }); ok {
		s.Setenv("TMPDIR", temp)
	}
	docs, err := Generate(ctx, src, o)
	left, globErr := filepath.Glob(filepath.Join(temp, "*"))
	check(t, globErr)
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if err != nil && docs != nil {
		t.Error("documents beside an error")
	}
	return docs, err
}

func mustGenerate(t testing.TB, src Source, o Options) []Document {
	t.Helper()
	docs, err := generateIn(t, context.Background(), src, o)
	check(t, err)
	return docs
}
