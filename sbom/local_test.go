package sbom

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/opencontainers/go-digest"
)

// saved writes an image as `docker save` does.
func saved(t *testing.T, blobs ...blob) (path string, id v1.Hash) {
	t.Helper()
	img := empty.Image
	for _, b := range blobs {
		next, err := mutate.AppendLayers(img, static.NewLayer(b.raw, types.MediaType(b.mediaType)))
		check(t, err)
		img = next
	}
	config, err := img.ConfigFile()
	check(t, err)
	config = config.DeepCopy()
	for i, b := range blobs { // static layers are their own diff_id
		config.RootFS.DiffIDs[i] = v1.Hash{Algorithm: "sha256", Hex: b.diffID.Encoded()}
	}
	img, err = mutate.ConfigFile(img, config)
	check(t, err)
	id, err = img.ConfigName()
	check(t, err)
	path = filepath.Join(t.TempDir(), "image.tar")
	tag, err := name.NewTag("registry.example.com/secret/name:tag")
	check(t, err)
	check(t, tarball.WriteToFile(path, tag, img))
	return path, id
}

func TestDockerArchive(t *testing.T) {
	raw := layerTar(t, pythonFiles()...)
	path, id := saved(t, gzLayer(t, debianFiles()...), blob{string(types.DockerUncompressedLayer), raw, digest.FromBytes(raw)})
	docs := mustGenerate(t, DockerArchive(path), allFormats)
	for _, d := range docs {
		if got := packageNames(t, d); !slices.Equal(got, []string{"gamma@2.0", "libalpha@1.2.3-4", "libbeta@1.2.3-4"}) {
			t.Errorf("%s: %v", d.Format, got)
		}
	}
	v := decode[spdxView](t, docs[0])
	if v.Name != id.String() || v.Packages[0].Checksums[0].ChecksumValue != id.Hex {
		t.Errorf("root: %s, %+v", v.Name, v.Packages[0])
	}
	copied := filepath.Join(t.TempDir(), "copy.tar")
	archive, err := os.ReadFile(path)
	check(t, err)
	check(t, os.WriteFile(copied, archive, 0o600))
	compare(t, "a copy of the archive", docs, mustGenerate(t, DockerArchive(copied), allFormats))
}

// archiveOf is a docker archive with the given files.
func archiveOf(t *testing.T, files ...entry) Source {
	t.Helper()
	path := filepath.Join(t.TempDir(), "archive.tar")
	check(t, os.WriteFile(path, layerTar(t, files...), 0o644))
	return DockerArchive(path)
}

func TestDockerArchiveOfOldDocker(t *testing.T) {
	raw := layerTar(t, nodeFiles()...)
	id := digest.FromBytes(raw)
	config, err := json.Marshal(imageConfig([]blob{{diffID: id}, {diffID: id}}))
	check(t, err)
	src := archiveOf(t,
		entry{name: "aaa/layer.tar", body: string(raw)},
		entry{name: "bbb/layer.tar", kind: tar.TypeSymlink, link: "../aaa/layer.tar"},
		entry{name: "config.json", body: string(config)},
		entry{name: "manifest.json", body: `[{"Config":"config.json","RepoTags":["a:b"],"Layers":["aaa/layer.tar","bbb/layer.tar"]}]`},
	)
	docs := mustGenerate(t, src, oneFormat)
	if got := packageNames(t, docs[0]); !slices.Equal(got, []string{"delta@3.0.1"}) {
		t.Errorf("packages: %v", got)
	}
	if got := decode[spdxView](t, docs[0]).CreationInfo.Created; got != "2024-05-06T07:08:09Z" {
		t.Errorf("created %s", got)
	}
}

func TestBadDockerArchives(t *testing.T) {
	raw := layerTar(t, nodeFiles()...)
	config, err := json.Marshal(imageConfig([]blob{{diffID: digest.FromString("other")}}))
	check(t, err)
	body := entry{name: "config.json", body: string(config)}
	manifest := func(text string) entry { return entry{name: "manifest.json", body: text} }
	one := manifest(`[{"Config":"config.json","Layers":["layer.tar"]}]`)
	outside := filepath.Join(t.TempDir(), "layer.tar")
	check(t, os.WriteFile(outside, raw, 0o644))
	for name, c := range map[string]struct {
		source Source
		want   error
	}{
		"missing file":    {DockerArchive(filepath.Join(t.TempDir(), "none")), fs.ErrNotExist},
		"no manifest":     {archiveOf(t, body), ErrNotImage},
		"no JSON":         {archiveOf(t, manifest("{"), body), ErrNotImage},
		"two images":      {archiveOf(t, manifest(`[{},{}]`), body), ErrNotImage},
		"no layer":        {archiveOf(t, one, body), ErrNotImage},
		"link outside":    {archiveOf(t, one, body, entry{name: "layer.tar", kind: tar.TypeSymlink, link: outside}), ErrNotImage},
		"circle of links": {archiveOf(t, one, body, entry{name: "layer.tar", kind: tar.TypeSymlink, link: "layer.tar"}), ErrNotImage},
		"other layer":     {archiveOf(t, one, body, entry{name: "layer.tar", body: string(raw)}), ErrMismatch},
	} {
		if _, err := generateIn(t, t.Context(), c.source, oneFormat); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	text := filepath.Join(t.TempDir(), "text")
	check(t, os.WriteFile(text, slices.Repeat([]byte("x"), 1024), 0o644))
	if _, err := generateIn(t, t.Context(), DockerArchive(text), oneFormat); !errors.Is(err, ErrMalformed) {
		t.Errorf("no tar: %v", err)
	}
}

func TestDirectory(t *testing.T) {
	root := filepath.Join(t.TempDir(), "project")
	outside := filepath.Join(t.TempDir(), "go.mod")
	check(t, os.MkdirAll(filepath.Join(root, "sub"), 0o755))
	check(t, os.WriteFile(filepath.Join(root, "go.mod"), []byte("module example.com/x\n\ngo 1.22\n\nrequire example.com/inside v1.0.0\n"), 0o644))
	check(t, os.WriteFile(outside, []byte("module example.com/z\n\ngo 1.22\n\nrequire example.com/stolen v1.0.0\n"), 0o644))
	check(t, os.Symlink(outside, filepath.Join(root, "sub", "go.mod")))
	docs := mustGenerate(t, Directory(root), allFormats)
	for _, d := range docs {
		if got := packageNames(t, d); !slices.Equal(got, []string{"example.com/inside@v1.0.0"}) && !slices.Contains(got, "example.com/inside@v1.0.0") || slices.Contains(got, "example.com/stolen@v1.0.0") {
			t.Errorf("%s: %v", d.Format, got)
		}
	}
	v := decode[spdxView](t, docs[0])
	if v.Name != "project" || v.CreationInfo.Created != "1970-01-01T00:00:00Z" || len(v.Packages[0].Checksums) != 0 {
		t.Errorf("%s %s %+v", v.Name, v.CreationInfo.Created, v.Packages[0])
	}
	// a folder has no digest: what was found in it makes the difference
	check(t, os.WriteFile(filepath.Join(root, "go.mod"), []byte("module example.com/x\n\ngo 1.22\n\nrequire example.com/inside v1.0.1\n"), 0o644))
	if again := decode[spdxView](t, mustGenerate(t, Directory(root), allFormats)[0]); again.DocumentNamespace == v.DocumentNamespace {
		t.Error("another content has the same namespace")
	}
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "requirements.txt")
	text := []byte("zeta==1.0\n")
	check(t, os.WriteFile(path, text, 0o644))
	docs := mustGenerate(t, File(path), allFormats)
	for _, d := range docs {
		if got := packageNames(t, d); !slices.Equal(got, []string{"zeta@1.0"}) {
			t.Errorf("%s: %v", d.Format, got)
		}
	}
	v := decode[spdxView](t, docs[0])
	if v.Name != "requirements.txt" || v.Packages[0].Checksums[0].ChecksumValue != digest.FromBytes(text).Encoded() {
		t.Errorf("root: %s %+v", v.Name, v.Packages[0])
	}
	if c := decode[cyclonedxView](t, docs[1]).Metadata.Component; c.Version != digest.FromBytes(text).String() {
		t.Errorf("component %+v", c)
	}
}

func TestMissingLocalSources(t *testing.T) {
	for _, s := range []Source{Directory("/does/not/exist"), File("/does/not/exist")} {
		if _, err := generateIn(t, t.Context(), s, oneFormat); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%T: %v", s, err)
		}
	}
	for _, s := range []Source{Directory("doc.go"), File(".")} {
		if _, err := generateIn(t, t.Context(), s, oneFormat); err == nil {
			t.Errorf("%T of the wrong kind", s)
		}
	}
}
