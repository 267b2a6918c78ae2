package sbom

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/anchore/stereoscope/pkg/file"
	"github.com/anchore/syft/syft/source"
	"github.com/containerd/containerd/v2/pkg/archive"
)

// unpacked is what containerd makes of layers, path by path; an error if it refuses them.
func unpacked(t *testing.T, layers [][]entry) (map[string]string, error) {
	t.Helper()
	dir := t.TempDir()
	for _, l := range layers {
		if _, err := archive.Apply(t.Context(), dir, bytes.NewReader(layerTar(t, l...)), archive.WithNoSameOwner()); err != nil {
			return nil, err
		}
	}
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		switch at := strings.TrimPrefix(p, dir); {
		case d.Type()&fs.ModeSymlink != 0:
			to, err := os.Readlink(p)
			check(t, err)
			out[at] = "-> " + to
		case d.Type().IsRegular():
			body, err := os.ReadFile(p)
			check(t, err)
			out[at] = "file " + string(body)
		}
		return nil
	})
	return out, err
}

// inEngine is the same as the engine has it.
func inEngine(t *testing.T, layers [][]entry) map[string]string {
	t.Helper()
	var blobs []blob
	for _, files := range layers {
		blobs = append(blobs, gzLayer(t, files...))
	}
	c, err := opened(t, ociImage(t, blobs...))
	check(t, err)
	defer func() { check(t, c.close()) }()
	r, err := c.source.FileResolver(source.SquashedScope)
	check(t, err)
	out := map[string]string{}
	for l := range r.AllLocations(context.Background()) {
		m, err := r.FileMetadataByLocation(l)
		check(t, err)
		switch m.Type {
		case file.TypeSymLink:
			out[l.RealPath] = "-> " + m.LinkDestination
		case file.TypeRegular:
			rc, err := r.FileContentsByLocation(l)
			check(t, err)
			body, err := io.ReadAll(rc)
			check(t, err)
			out[l.RealPath] = "file " + string(body)
		}
	}
	return out
}

// wantNothingHidden wants all in the engine that a container would have on disk. What containerd refuses runs nowhere.
func wantNothingHidden(t *testing.T, layers [][]entry) (compared bool) {
	t.Helper()
	disk, err := unpacked(t, layers)
	if err != nil {
		return false
	}
	engine := inEngine(t, layers)
	for at, what := range disk {
		if engine[at] != what {
			t.Errorf("%s: a container has %q, the engine %q; layers %+v", at, what, engine[at], layers)
		}
	}
	return true
}

// Nothing that a container would have on disk is missing in what cataloguers see.
func TestNothingIsHidden(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("layers of Linux cannot be unpacked there")
	}
	sym := func(name, to string) entry { return entry{name: name, kind: tar.TypeSymlink, link: to} }
	hard := func(name, to string) entry { return entry{name: name, kind: tar.TypeLink, link: to} }
	for name, layers := range map[string][][]entry{
		"a mode that says folder":               {{{name: "app/package.json", body: "x", mode: 0o040644}, hard("app/second", "app/package.json")}},
		"a mode that says pipe":                 {{{name: "app/package.json", body: "x", mode: 0o010644}}},
		"a folder named like a whiteout":        {{{name: "a/b", body: "b"}}, {{name: "a/.wh.foo/x", body: "x"}, {name: "a/.wh.b/y", body: "y"}}},
		"through a link below":                  {{{name: "var/lib/dpkg/old", body: "o"}, sym("x", "/var/lib/dpkg")}, {{name: "x/status", body: "s"}}},
		"through a link beside":                 {{{name: "var/lib/dpkg/old", body: "o"}, sym("x", "var/lib/dpkg"), {name: "x/status", body: "s"}}},
		"through a link to nowhere":             {{sym("x", "/gone/by"), {name: "x/status", body: "s"}}},
		"through links out of the root":         {{sym("l", "../../../../../v"), {name: "v/1", body: "1"}}, {{name: "l/2", body: "2"}}},
		"a folder in the place of a link":       {{{name: "d/old", body: "o"}, sym("s", "d")}, {{name: "s/"}, {name: "s/n", body: "n"}}},
		"a whiteout through a link":             {{{name: "v/old", body: "o"}, {name: "v/stays", body: "s"}, sym("x", "/v")}, {{name: "x/.wh.old"}}},
		"an opaque folder through a link":       {{{name: "d/x", body: "x"}, sym("l", "d")}, {{name: "l/.wh..wh..opq"}, {name: "d/y", body: "y"}}},
		"a hard link below, gone later":         {{{name: "old", body: "o"}}, {hard("new", "old")}, {{name: ".wh.old"}}},
		"a hard link below, gone in its layer":  {{{name: "old", body: "o"}}, {hard("new", "old"), {name: ".wh.old"}}},
		"a hard link below, changed after":      {{{name: "old", body: "o"}}, {hard("new", "old"), {name: "old", body: "changed"}}},
		"a hard link through a link":            {{{name: "d/old", body: "o"}, sym("s", "d")}, {hard("new", "s/old")}, {{name: ".wh.s"}}},
		"a hard link to a link":                 {{{name: "d/old", body: "o"}, sym("d/s", "old"), hard("s", "d/s")}},
		"an opaque folder below an implied one": {{{name: "d/e/f/x", body: "x"}}, {{name: "d/e/.wh..wh..opq"}, {name: "d/e/f/y", body: "y"}}},
		"a whiteout of a folder that is filled": {{{name: "d/x/y", body: "x"}}, {{name: ".wh.d"}, {name: "d/z", body: "z"}}},
		"a link where a folder was":             {{{name: "d/old", body: "o"}, {name: "s/a", body: "a"}}, {{name: ".wh.s"}, sym("s", "d"), {name: "s/n", body: "n"}}},
		"names of all sorts":                    {{{name: "d\xff/p", body: "1"}, {name: "a\nb/p", body: "2"}, {name: "..a/p", body: "3"}, {name: "{a,b}/[c]*", body: "4"}}},
	} {
		t.Run(name, func(t *testing.T) {
			if !wantNothingHidden(t, layers) {
				t.Error("containerd refuses it")
			}
		})
	}
}

func TestNothingIsHiddenAtRandom(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("layers of Linux cannot be unpacked there")
	}
	compared := 0
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(8, seed))
		var layers [][]entry
		for range 1 + r.IntN(4) {
			layers = append(layers, randomEntries(r, false))
		}
		if !t.Run(fmt.Sprint(seed), func(t *testing.T) {
			if wantNothingHidden(t, layers) {
				compared++
			}
		}) {
			return
		}
	}
	if compared < 100 {
		t.Errorf("only %d images were compared", compared)
	}
}

// A database of packages that is put in its place through a link counts.
func TestPackagesThroughALink(t *testing.T) {
	moved := []entry{{name: "x", kind: tar.TypeSymlink, link: "/var/lib/dpkg"}, {name: "var/lib/dpkg/"}}
	for _, e := range debianFiles() {
		e.name = strings.Replace(e.name, "var/lib/dpkg/", "x/", 1)
		moved = append(moved, e)
	}
	if docs := mustGenerate(t, ociImage(t, gzLayer(t, moved...)).source(), oneFormat); docs[0].Packages != 2 {
		t.Errorf("%d packages", docs[0].Packages)
	}
}

// What a file is, its type says, also in what documents tell of its mode.
func TestModeBits(t *testing.T) {
	c, err := opened(t, ociImage(t, gzLayer(t, entry{name: "f", body: "x", mode: 0o040644})))
	check(t, err)
	defer func() { check(t, c.close()) }()
	r, err := c.source.FileResolver(source.SquashedScope)
	check(t, err)
	found, err := r.FilesByPath("/f")
	check(t, err)
	if len(found) != 1 {
		t.Fatalf("found %v", found)
	}
	if m, err := r.FileMetadataByLocation(found[0]); err != nil || m.Mode() != 0o644 || m.IsDir() {
		t.Errorf("mode %v, %v", m.Mode(), err)
	}
}
