package sbom

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/anchore/stereoscope/pkg/file"
	"github.com/anchore/syft/syft"
	syftfile "github.com/anchore/syft/syft/file"
	syftsbom "github.com/anchore/syft/syft/sbom"
	"github.com/anchore/syft/syft/source"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// layout writes an image as an OCI layout, for syft to read by itself.
func (i *testImage) layout(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	put := func(name string, raw []byte) {
		check(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		check(t, os.WriteFile(filepath.Join(dir, name), raw, 0o644))
	}
	for d, raw := range i.store.blobs {
		put("blobs/sha256/"+d.Encoded(), raw)
	}
	put("blobs/sha256/"+i.manifest.Digest.Encoded(), i.raw)
	put("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
	index, err := json.Marshal(ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, Manifests: []ocispec.Descriptor{i.manifest}})
	check(t, err)
	put("index.json", index)
	return dir
}

// theirSource is an image as syft reads it.
func theirSource(t testing.TB, dir string) source.Source {
	t.Helper()
	src, err := syft.GetSource(context.Background(), dir, syft.DefaultGetSourceConfig().WithSources("oci-dir"))
	check(t, err)
	t.Cleanup(func() { _ = src.Close() })
	return src
}

// answers is all that a source says about its files, and what a few paths and patterns lead to, a line each.
func answers(t testing.TB, src source.Source, paths ...string) []string {
	t.Helper()
	r, err := src.FileResolver(source.SquashedScope)
	check(t, err)
	var lines []string
	note := func(question string, locations []syftfile.Location, err error) {
		lines = append(lines, fmt.Sprintf("%s: %d files, failed: %v", question, len(locations), err != nil))
		for _, l := range locations {
			lines = append(lines, fmt.Sprintf("%s: %s", question, told(r, l)))
		}
	}
	var types []string
	seen := map[string]bool{}
	for l := range r.AllLocations(context.Background()) {
		lines = append(lines, "all: "+told(r, l))
		paths = append(paths, l.RealPath, l.RealPath+"/x", filepath.Dir(l.RealPath)+"/../"+filepath.Base(l.RealPath))
		if m, err := r.FileMetadataByLocation(l); err == nil && !seen[m.MIMEType] {
			types, seen[m.MIMEType] = append(types, m.MIMEType), true
		}
	}
	slices.Sort(paths)
	for _, p := range slices.Compact(paths) {
		found, err := r.FilesByPath(p)
		note("path "+p, found, err)
		lines = append(lines, fmt.Sprintf("has %s: %v", p, r.HasPath(p)))
	}
	for _, glob := range []string{"**/*", "/a/**", "**/link/*", "**/b", "/**/*.txt", "**/{a,b,c}", "/a/*", "**/lib?", "/*", "**/[ab]*", "/b/deep/*", "**/d/**/x", "a/b"} {
		found, err := r.FilesByGlob(glob)
		note("glob "+glob, found, err)
	}
	for _, mime := range types {
		found, err := r.FilesByMIMEType(mime)
		note("type "+mime, found, err)
	}
	slices.Sort(lines)
	return lines
}

// told is what a resolver tells of one location.
func told(r syftfile.Resolver, l syftfile.Location) string {
	m, err := r.FileMetadataByLocation(l)
	if err != nil {
		return fmt.Sprintf("%s %s no metadata", l.Coordinates, l.AccessPath)
	}
	text := fmt.Sprintf("%s as %s %s->%s %v %d %v %d:%d %s", l.Coordinates, l.AccessPath, m.Path, m.LinkDestination, m.Mode(), m.Size(), m.Type, m.UserID, m.GroupID, m.MIMEType)
	if m.Type != file.TypeDirectory {
		text += fmt.Sprint(" ", m.ModTime().UTC())
	}
	rc, err := r.FileContentsByLocation(l)
	if err != nil {
		return text + " no content"
	}
	defer rc.Close()
	body, err := io.ReadAll(rc)
	return fmt.Sprint(text, " ", digest.FromBytes(body), " ", err)
}

// wantSame reads an image in both ways and compares all answers, but for those that begin with one of except.
func wantSame(t *testing.T, img *testImage, except ...string) {
	t.Helper()
	c, err := opened(t, img)
	check(t, err)
	defer func() { check(t, c.close()) }()
	theirs := theirSource(t, img.layout(t))
	want, got := answers(t, theirs), answers(t, c.source)
	excepted := func(line string) bool {
		return slices.ContainsFunc(except, func(e string) bool { return strings.HasPrefix(line, e) })
	}
	want, got = slices.DeleteFunc(want, excepted), slices.DeleteFunc(got, excepted)
	for _, line := range missing(want, got) {
		t.Errorf("syft alone has  %s", line)
	}
	for _, line := range missing(got, want) {
		t.Errorf("we alone have   %s", line)
	}
	if c.source.ID() != theirs.ID() {
		t.Errorf("identifier %s, syft has %s", c.source.ID(), theirs.ID())
	}
	ours, its := c.source.Describe().Metadata.(source.ImageMetadata), theirs.Describe().Metadata.(source.ImageMetadata)
	its.UserInput, its.Tags, its.RepoDigests = ours.UserInput, ours.Tags, ours.RepoDigests
	if a, b := fmt.Sprintf("%+v", ours), fmt.Sprintf("%+v", its); a != b {
		t.Errorf("metadata\n%s\nsyft has\n%s", a, b)
	}
}

func missing(from, in []string) []string {
	have := map[string]bool{}
	for _, line := range in {
		have[line] = true
	}
	return slices.DeleteFunc(slices.Clone(from), func(line string) bool { return have[line] })
}

// The engine gives cataloguers what syft's own source gives them.
func TestEngineIsSyfts(t *testing.T) {
	sym := func(name, to string) entry { return entry{name: name, kind: tar.TypeSymlink, link: to} }
	hard := func(name, to string) entry { return entry{name: name, kind: tar.TypeLink, link: to} }
	long := strings.Repeat("long-name-", 30)
	for name, layers := range map[string][][]entry{
		"whiteouts": {
			{{name: "a/"}, {name: "a/1", body: "1"}, {name: "a/2", body: "2"}, {name: "b/deep/3", body: "3"}, {name: "c", body: "file"}, {name: "d/x", body: "x"}, {name: ".wh.base"}},
			{{name: "a/.wh.1"}, {name: "b/.wh..wh..opq"}, {name: "b/4", body: "4"}, sym("link", "a"), {name: "c/now/folder", body: "y"}},
			{{name: "a/2", body: "changed"}, sym("d", "/nowhere"), hard("a/hard", "a/2"), {name: ".wh.link"}},
			{sym("link", "b")},
		},
		"opaque root":   {{{name: "a", body: "1"}, {name: "b/c", body: "2"}}, {{name: ".wh..wh..opq"}, {name: "d", body: "3"}}},
		"odd whiteouts": {{{name: "a", body: "1"}, {name: ".wh."}, {name: "b/.wh.x"}}, {{name: ".wh.a"}, {name: "c/.wh.nothing"}}},
		"links": {
			{{name: "a/b.txt", body: "text"}, sym("up", "../../.."), sym("loop", "loop"), sym("one", "two"), sym("two", "one"), sym("link", "/a"), sym("dead", "gone"), sym("a/rel", "./b.txt"), sym("chain", "a/rel")},
			{sym("link2", "link/b.txt"), sym("b", "link"), sym("through", "b/b.txt"), sym("out", "../../../etc/passwd")},
		},
		"hard links": {
			{{name: "a/b", body: "shared", mode: 0o755}, hard("c", "a/b"), hard("/d", "/a/b"), hard("e", "./c"), hard("lost", "nowhere"), hard("dir", "a"), sym("s", "a"), hard("f", "s/b"), hard("g", "s"), hard("self", "self"), hard("root", "/")},
			{{name: "a/b", body: "changed"}},
		},
		"replaced": {
			{{name: "a", body: "file"}, {name: "b/c", body: "x"}, sym("d", "b"), {name: "e/"}, {name: "e/f", body: "f"}},
			{{name: "a/b", body: "now a folder"}, {name: "b", body: "now a file"}, {name: "d/", kind: tar.TypeDir}, {name: "d/c", body: "own"}, sym("e", "a")},
			{{name: "b/"}, {name: "a", body: "file"}, {name: "e", body: "", kind: tar.TypeDir}},
		},
		"names":    {{{name: long + "/" + long, body: "x"}, {name: "./dot", body: "1"}, {name: "/abs", body: "2"}, {name: "../../up", body: "3"}, {name: " space", body: "4"}, {name: "tail ", body: "5"}, {name: "ünïcode/ß", body: "6"}, {name: "a//b///c", body: "7"}, sym("l", long+"/"+long)}},
		"twice":    {{{name: "a", body: "first"}, {name: "a", body: "second", mode: 0o755}, {name: "d/"}, {name: "d/x", body: "x"}, {name: "d/", mode: 0o700}, sym("s", "a"), sym("s", "a")}},
		"devices":  {{{name: "dev/sda", kind: tar.TypeBlock}, {name: "dev/tty", kind: tar.TypeChar}, {name: "pipe", kind: tar.TypeFifo}, sym("disk", "dev/sda")}},
		"under":    {{{name: "a", body: "file"}, {name: "a/b", body: "below a file"}}},
		"contents": {{{name: "big", body: strings.Repeat("0123456789", 10_000)}, {name: "elf", body: "\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 5000)}, {name: "script.py", body: "#!/usr/bin/python\nprint()"}, {name: "a.json", body: `{"a":1}`}, {name: "edge", body: strings.Repeat("e", smallFile)}, {name: "over", body: strings.Repeat("o", smallFile+1)}, {name: "empty"}}},
		"packages": {debianFiles(), pythonFiles(), nodeFiles()},
		"repeated": {nodeFiles(), {{name: "app/.wh.node_modules"}}, nodeFiles()},
		"none":     {},
	} {
		t.Run(name, func(t *testing.T) {
			var blobs []blob
			for _, files := range layers {
				blobs = append(blobs, gzLayer(t, files...))
			}
			wantSame(t, ociImage(t, blobs...))
		})
	}
}

// Files of every size next to each other, some of which end where the buffer does.
func TestContentsOfEverySize(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	var files []entry
	for i := range 300 {
		body := make([]byte, r.IntN(3*sniffed))
		if i%50 == 49 {
			body = make([]byte, spillBuffer/2+r.IntN(spillBuffer))
		}
		for n := range body {
			body[n] = byte(r.Uint32())
		}
		files = append(files, entry{name: fmt.Sprintf("d%d/f%d", i%7, i), body: string(body)})
	}
	wantSame(t, ociImage(t, gzLayer(t, files...), gzLayer(t, files[:100]...)))
}

// What a random heap of files, links and whiteouts looks like from above. By the type of a hard link that another file hides,
// syft can find what hides it, whatever that is.
func TestEngineIsSyftsAtRandom(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(7, seed))
		var blobs []blob
		for range 1 + r.IntN(4) {
			blobs = append(blobs, gzLayer(t, randomEntries(r, true)...))
		}
		if !t.Run(fmt.Sprint(seed), func(t *testing.T) { wantSame(t, ociImage(t, blobs...), "type ") }) {
			return
		}
	}
}

// randomEntries are a layer's, each path once, no whiteout beside the name that it is about. Tame ones are those about which
// syft and runtimes agree: no path leads through a link, no hard link to a layer below.
func randomEntries(r *rand.Rand, tame bool) []entry {
	names := []string{"a", "b", "c", "lib.txt", "x"}
	used := map[string]bool{}
	var all []entry
	var files []string
	for range 3 + r.IntN(12) {
		parts := make([]string, 1+r.IntN(3))
		for i := range parts {
			parts[i] = names[r.IntN(len(names))]
		}
		e := entry{name: strings.Join(parts, "/")}
		to := strings.Repeat("../", r.IntN(3)) + names[r.IntN(len(names))]
		whiteout := false
		switch r.IntN(8) {
		case 0:
			e.kind, e.link = tar.TypeSymlink, to
		case 1:
			e.kind, e.link = tar.TypeSymlink, "/"+strings.TrimLeft(to, "./")
		case 2:
			e.kind, e.link = tar.TypeLink, strings.TrimLeft(to, "./")
			if len(files) > 0 {
				e.link = files[r.IntN(len(files))]
			}
		case 3:
			e.kind = tar.TypeDir
		case 4:
			whiteout = true
		default:
			e.body = fmt.Sprint(r.IntN(1000))
		}
		if tame && e.kind == tar.TypeSymlink {
			e.name += ".link" // no path leads through it
		}
		conflicts := used[e.name] || tame && e.kind == tar.TypeLink && len(files) == 0
		for i := range parts { // a path above is a folder, if it is anything
			above := strings.Join(parts[:i], "/")
			conflicts = conflicts || used[above+" leaf"]
		}
		for other := range used {
			conflicts = conflicts || e.kind != tar.TypeDir && strings.HasPrefix(other, e.name+"/")
		}
		if conflicts {
			continue
		}
		used[e.name] = true
		if e.kind != tar.TypeDir {
			used[e.name+" leaf"] = true
		}
		if e.kind == 0 && !whiteout {
			files = append(files, e.name)
		}
		if whiteout {
			dir, base := filepath.Split(e.name)
			e.name = dir + ".wh." + base
			if r.IntN(4) == 0 {
				e.name = dir + opaqueMarker
			}
		}
		all = append(all, e)
	}
	return all
}

// Every format says the same of an image, whether syft has read it or the engine.
func TestDocumentsAreSyfts(t *testing.T) {
	img := mixedImage(t)
	program := gzLayer(t, goBinary(t))
	img = ociImage(t, blob{img.layers[0].MediaType, img.store.blobs[img.layers[0].Digest], diffOf(t, img, 0)},
		blob{img.layers[1].MediaType, img.store.blobs[img.layers[1].Digest], diffOf(t, img, 1)}, program)
	ours := mustGenerate(t, img.source(), allFormats)
	theirs := theirDocuments(t, img)
	for i, d := range ours {
		if !bytes.Equal(d.Bytes, theirs[i].Bytes) {
			n := firstDifference(d.Bytes, theirs[i].Bytes)
			around := func(s []byte) []byte { return s[max(0, n-200):min(len(s), n+200)] }
			t.Errorf("%s differs:\n%s\nsyft has\n%s", d.Format, around(d.Bytes), around(theirs[i].Bytes))
		}
	}
}

func diffOf(t *testing.T, img *testImage, layer int) digest.Digest {
	t.Helper()
	var m ocispec.Manifest
	check(t, json.Unmarshal(img.raw, &m))
	var config ocispec.Image
	check(t, json.Unmarshal(img.store.blobs[m.Config.Digest], &config))
	return config.RootFS.DiffIDs[layer]
}

// theirDocuments catalogues what syft has read and encodes it as our own.
func theirDocuments(t *testing.T, img *testImage) []Document {
	t.Helper()
	src := theirSource(t, img.layout(t))
	d := src.Describe()
	name := img.manifest.Digest.String()
	d.Name, d.Version = name, name
	m := d.Metadata.(source.ImageMetadata)
	m.UserInput, m.Tags, m.RepoDigests = name, nil, nil
	d.Metadata = m
	c := &content{subject: subject{kind: "image", name: name, digest: name, created: configTime}, source: described{src, d}, layers: len(img.layers)}
	found, err := catalog(t.Context(), c, &job{progress: &reporter{}, temp: t.TempDir()}, allFormats.ToolVersion)
	check(t, err)
	docs, err := encodeAll(found, newIdentity(c.subject, found, allFormats), allFormats.Formats)
	check(t, err)
	return docs
}

// block is a tar header by hand, for what the standard library's writer refuses.
func block(name string, kind byte, size int) string {
	h := make([]byte, 512)
	copy(h, name)
	copy(h[100:], "0000644\x000000000\x000000000\x00")
	copy(h[124:], fmt.Sprintf("%011o\x00%011o\x00        %c", size, 1700000000, kind))
	copy(h[257:], "ustar\x0000")
	sum := 0
	for _, c := range h {
		sum += int(c)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return string(h)
}

func padded(s string) string { return s + strings.Repeat("\x00", (512-len(s)%512)%512) }

func record(key, value string) string {
	for n := len(key) + len(value) + 3; ; n++ {
		if r := fmt.Sprintf("%d %s=%s\n", n, key, value); len(r) == n {
			return r
		}
	}
}

// sparseTar holds one sparse file (GNU tar's PAX format 1.0): 20 bytes of which the first 10 are a hole.
func sparseTar(size string) []byte {
	extended := record("GNU.sparse.major", "1") + record("GNU.sparse.minor", "0") + record("GNU.sparse.name", "sparse") + record("GNU.sparse.realsize", size)
	body := padded("1\n10\n10\n") + "0123456789"
	return []byte(block("./PaxHeaders/sparse", 'x', len(extended)) + padded(extended) +
		block("./GNUSparseFile.1/sparse", '0', len(body)) + padded(body) + strings.Repeat("\x00", 1024))
}

// content reads a file of an image.
func contentOf(t *testing.T, img *testImage, path string) (string, bool) {
	t.Helper()
	c, err := opened(t, img)
	check(t, err)
	defer func() { check(t, c.close()) }()
	r, err := c.source.FileResolver(source.SquashedScope)
	check(t, err)
	found, err := r.FilesByPath(path)
	check(t, err)
	if len(found) == 0 {
		return "", false
	}
	rc, err := r.FileContentsByLocation(found[0])
	check(t, err)
	body, err := io.ReadAll(rc)
	check(t, err)
	return string(body), true
}

// Where the engine differs from syft it does what runtimes do that unpack the image: see docs/design/0013-engine.md.
func TestEngineIsNotSyfts(t *testing.T) {
	raw := sparseTar("20")
	sparse := ociImage(t, blob{ocispec.MediaTypeImageLayer, raw, digest.FromBytes(raw)})
	if got, _ := contentOf(t, sparse, "/sparse"); got != strings.Repeat("\x00", 10)+"0123456789" {
		t.Errorf("a sparse file reads as %q", got)
	}
	sym := entry{name: "b", kind: tar.TypeSymlink, link: "a"}
	for name, c := range map[string]struct {
		layers [][]entry
		path   string
		want   string // empty: not there
	}{
		"a file and then a link of its name":      {[][]entry{{{name: "a", body: "a"}, {name: "b", body: "b"}, sym}}, "/b", "a"},
		"a link and then a file of its name":      {[][]entry{{{name: "a", body: "a"}, sym, {name: "b", body: "b"}}}, "/b", "b"},
		"a folder and then a file of its name":    {[][]entry{{{name: "d/x", body: "x"}, {name: "d", body: "d"}}}, "/d/x", ""},
		"a file and then a folder of its name":    {[][]entry{{{name: "d", body: "d"}, {name: "d/", kind: tar.TypeDir}, {name: "d/x", body: "x"}}}, "/d/x", "x"},
		"a second link of another target":         {[][]entry{{{name: "a", body: "a"}, {name: "c", body: "c"}, sym, {name: "b", kind: tar.TypeSymlink, link: "c"}}}, "/b", "c"},
		"a whiteout beside the name it is about":  {[][]entry{{{name: "a", body: "old"}}, {{name: ".wh.a"}, {name: "a", body: "new"}}}, "/a", "new"},
		"a whiteout after the name it is about":   {[][]entry{{{name: "a", body: "old"}}, {{name: "a", body: "new"}, {name: ".wh.a"}}}, "/a", "new"},
		"a folder emptied after it was filled":    {[][]entry{{{name: "d/old", body: "old"}}, {{name: "d/new", body: "new"}, {name: "d/.wh..wh..opq"}}}, "/d/new", "new"},
		"what that folder had before":             {[][]entry{{{name: "d/old", body: "old"}}, {{name: "d/new", body: "new"}, {name: "d/.wh..wh..opq"}}}, "/d/old", ""},
		"a whiteout of the folder that it is in":  {[][]entry{{{name: "d/a", body: "a"}}, {{name: "d/.wh.."}}}, "/d/a", "a"},
		"a whiteout of the folder above":          {[][]entry{{{name: "d/a", body: "a"}}, {{name: "d/.wh..."}}}, "/d/a", "a"},
		"a whiteout in an opaque folder's layer":  {[][]entry{{{name: "d/a", body: "a"}}, {{name: "d/.wh.a"}, {name: "d/b", body: "b"}}}, "/d/a", ""},
		"a hard link whose file is changed later": {[][]entry{{{name: "a", body: "a"}, {name: "h", kind: tar.TypeLink, link: "a"}}, {{name: "a", body: "b"}}}, "/h", "a"},
	} {
		t.Run(name, func(t *testing.T) {
			var blobs []blob
			for _, files := range c.layers {
				blobs = append(blobs, gzLayer(t, files...))
			}
			if got, there := contentOf(t, ociImage(t, blobs...), c.path); got != c.want || there != (c.want != "") {
				t.Errorf("%s is %q, there: %v; want %q", c.path, got, there, c.want)
			}
		})
	}
}

// A sparse file of any size fits an archive of some kilobytes; it must not fill the disk.
func TestSparseBomb(t *testing.T) {
	raw := sparseTar("9000000000000")
	img := ociImage(t, blob{ocispec.MediaTypeImageLayer, raw, digest.FromBytes(raw)})
	o := oneFormat
	o.Limits.LayerBytes = 4 << 20
	_, err := generateIn(t, t.Context(), img.source(), o)
	wantLayerError(t, err, ErrLimit, img.layers[0].Digest)
}

// A layer that the manifest names twice was read once; the configuration has to agree about both.
func TestRepeatedLayerOfAnotherDiffID(t *testing.T) {
	a := gzLayer(t, nodeFiles()...)
	b := a
	b.diffID = digest.FromString("another")
	img := ociImage(t, a, b)
	_, err := generateIn(t, t.Context(), img.source(), oneFormat)
	wantLayerError(t, err, ErrMismatch, a.digest())
}

func (b blob) digest() digest.Digest { return digest.FromBytes(b.raw) }

// A full disk is no property of an image: there is no document that leaves something out because of it.
func TestFullDisk(t *testing.T) {
	at := syftfile.NewCoordinates("/app/app.jar", "")
	for remark, want := range map[string]bool{
		"unable to unzip: write /tmp/x: no space left on device": true, "open /tmp/x: too many open files": true, "zip: not a valid zip file": false,
	} {
		s := &syftsbom.SBOM{}
		s.Artifacts.Unknowns = map[syftfile.Coordinates][]string{at: {remark}}
		if err := machineTrouble(s); errors.Is(err, ErrCatalog) != want {
			t.Errorf("%s: %v", remark, err)
		}
	}
}
