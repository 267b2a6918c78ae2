package sbom

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// opened reads an image's layers without cataloguing them.
func opened(t testing.TB, img *testImage) (*content, error) {
	t.Helper()
	l := Limits{LayerEntries: 10_000, LayerBytes: 64 << 20}.withDefaults()
	return img.source().open(context.Background(), &job{limits: l, temp: t.TempDir(), progress: &reporter{}})
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
		c, err := opened(t, ociImage(t, blobs...))
		if errors.Is(err, errPanic) {
			t.Fatal(err)
		}
		if err == nil {
			answers(t, c.source, "/a/b", "b")
			check(t, c.close())
		}
	})
}
