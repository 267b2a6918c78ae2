package sbom

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/anchore/stereoscope/pkg/filetree"
	stereoscope "github.com/anchore/stereoscope/pkg/image"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// opened reads an image's layers without cataloguing them. read is whatever turns them into trees.
func opened(t testing.TB, img *testImage, read func(*reading, *image) (*stereoscope.Image, error)) (*stereoscope.Image, error) {
	t.Helper()
	l := Limits{LayerEntries: 10_000, LayerBytes: 64 << 20}.withDefaults()
	j := &job{limits: l, temp: t.TempDir(), progress: &reporter{}}
	src := img.source().(imageSource)
	m, err := src.manifest(l)
	check(t, err)
	config, err := src.config(context.Background(), m.Config, l)
	check(t, err)
	i := &image{identity: img.manifest.Digest, mediaType: ocispec.MediaTypeImageManifest, manifest: img.raw, rawConfig: config}
	for n, d := range m.Layers {
		i.layers = append(i.layers, &layer{index: n, digest: d.Digest, size: d.Size, mediaType: ocispec.MediaTypeImageLayer,
			open: func(ctx context.Context) (io.ReadCloser, error) { return img.store.Fetch(ctx, d) }})
	}
	check(t, i.parseConfig())
	ctx, stop := context.WithCancelCause(context.Background())
	defer stop(nil)
	r := &reading{job: j, ctx: ctx, stop: stop, entries: make([]int64, len(i.layers))}
	r.adopt(i.layers)
	return read(r, i)
}

// listing is what an image holds: each path with the layer that it comes from and its content.
func listing(t testing.TB, img *stereoscope.Image) []string {
	t.Helper()
	var lines []string
	for _, p := range img.SquashedTree().AllRealPaths() {
		line := string(p)
		_, found, err := img.SquashedTree().File(p)
		if err == nil && found != nil && found.Reference != nil {
			line += " " + img.FileCatalog.Layer(*found.Reference).Metadata.Digest
			if rc, err := img.OpenReference(*found.Reference); err == nil {
				body, _ := io.ReadAll(rc)
				line += " " + digest.FromBytes(body).String()
			}
		}
		lines = append(lines, line)
	}
	for _, glob := range []string{"**/*", "/a/**", "**/link/*"} {
		refs, err := img.SquashedSearchContext.SearchByGlob(glob, filetree.FollowBasenameLinks)
		check(t, err)
		for _, r := range refs {
			lines = append(lines, glob+" "+string(r.RequestPath))
		}
	}
	slices.Sort(lines)
	return lines
}

// The trees are stacked here and not by stereoscope's Image.Read; this keeps the two alike.
func TestStackingIsStereoscopes(t *testing.T) {
	img := ociImage(t,
		gzLayer(t, entry{name: "a/"}, entry{name: "a/1", body: "1"}, entry{name: "a/2", body: "2"}, entry{name: "b/deep/3", body: "3"},
			entry{name: "c", body: "file"}, entry{name: "d/x", body: "x"}, entry{name: ".wh.base"}),
		gzLayer(t, entry{name: "a/.wh.1"}, entry{name: "b/.wh..wh..opq"}, entry{name: "b/4", body: "4"},
			entry{name: "link", kind: tar.TypeSymlink, link: "a"}, entry{name: "c/now/folder", body: "y"}),
		gzLayer(t, entry{name: "a/2", body: "changed"}, entry{name: "d", kind: tar.TypeSymlink, link: "/nowhere"},
			entry{name: "a/hard", kind: tar.TypeLink, link: "a/2"}, entry{name: ".wh.link"}),
		gzLayer(t, entry{name: "link", kind: tar.TypeSymlink, link: "b"}),
	)
	theirs, err := opened(t, img, func(r *reading, i *image) (*stereoscope.Image, error) {
		folder := filepath.Join(r.job.temp, "layers")
		check(t, os.Mkdir(folder, 0o700))
		read := stereoscope.New(i, nil, folder, stereoscope.WithManifest(i.manifest))
		return read, read.Read(r.ctx)
	})
	check(t, err)
	ours, err := opened(t, img, (*reading).index)
	check(t, err)
	want, got := listing(t, theirs), listing(t, ours)
	if !slices.Equal(want, got) {
		t.Errorf("stereoscope has\n%s\nwe have\n%s", strings.Join(want, "\n"), strings.Join(got, "\n"))
	}
	if len(want) < 10 {
		t.Errorf("only %v", want)
	}
	theirs.Metadata.Config, ours.Metadata.Config = *theirs.Metadata.Config.DeepCopy(), *theirs.Metadata.Config.DeepCopy()
	if theirs.Metadata.ID != ours.Metadata.ID || theirs.Metadata.Size != ours.Metadata.Size || theirs.Metadata.ManifestDigest != ours.Metadata.ManifestDigest ||
		!bytes.Equal(theirs.Metadata.RawManifest, ours.Metadata.RawManifest) || theirs.Metadata.Architecture != ours.Metadata.Architecture {
		t.Errorf("stereoscope's metadata\n%+v\nours\n%+v", theirs.Metadata, ours.Metadata)
	}
}

// FuzzLayers lays two hostile archives over each other. Whatever they are, there is an image or an error, no panic.
func FuzzLayers(f *testing.F) {
	seeds := [][]entry{
		debianFiles(), nodeFiles(),
		{{name: ".wh..wh..opq"}, {name: ".wh."}, {name: "a/.wh.b"}, {name: "..", kind: tar.TypeDir}},
		{{name: "a", kind: tar.TypeSymlink, link: "a"}, {name: "a/b"}, {name: "b", kind: tar.TypeLink, link: "a"}},
		{{name: "/"}, {name: "//x//y"}, {name: "./z"}, {name: "z/q", kind: tar.TypeSymlink, link: "../../.."}},
		{{name: "a", body: "x"}, {name: "a/b", body: "y"}, {name: "a", kind: tar.TypeDir}},
	}
	for _, s := range seeds {
		f.Add(layerTar(f, s...), layerTar(f, seeds[2]...))
		f.Add(layerTar(f, seeds[3]...), layerTar(f, s...))
	}
	f.Fuzz(func(t *testing.T, lower, upper []byte) {
		var blobs []blob
		for _, raw := range [][]byte{lower, upper} {
			if bytes.HasPrefix(raw, []byte{0x1f, 0x8b}) || isZstd(raw[:min(4, len(raw))]) {
				t.Skip("compressed: another diff_id")
			}
			blobs = append(blobs, blob{ocispec.MediaTypeImageLayer, raw, digest.FromBytes(raw)})
		}
		img, err := opened(t, ociImage(t, blobs...), (*reading).index)
		if errors.Is(err, errPanic) {
			t.Fatal(err)
		}
		if err == nil {
			listing(t, img)
			check(t, img.Cleanup())
		}
	})
}
