package sbom

import (
	"bytes"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// richImage has what tends to come in another order each time: many packages with relationships, licences and CPEs, the
// same file in several layers, files that cataloguers fail to understand.
func richImage(t testing.TB) *testImage {
	t.Helper()
	files := append(debianFiles(), pythonFiles()...)
	for i := range 40 {
		name := "pkg" + string(rune('a'+i%26)) + string(rune('a'+i/26))
		files = append(files,
			entry{name: "srv/node_modules/" + name + "/package.json", body: `{"name":"` + name + `","version":"1.0.0","licenses":["MIT","Custom ` + name + `"]}`},
			entry{name: "usr/share/doc/" + name + "/copyright", body: mitText},
		)
	}
	broken := []entry{
		{name: "opt/app.jar", body: "PK\x03\x04 broken"}, {name: "opt/broken/package.json", body: "{"},
		{name: "var/lib/rpm/rpmdb.sqlite", body: "SQLite format 3\x00 broken"},
		{name: "usr/bin/elf", body: "\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 64), mode: 0o755},
		{name: "srv/app.deps.json", body: "{"},
	}
	return ociImage(t, gzLayer(t, files...), gzLayer(t, broken...), gzLayer(t, append(nodeFiles(), files[:20]...)...))
}

func compare(t *testing.T, what string, want, got []Document) {
	t.Helper()
	for i := range want {
		if !bytes.Equal(want[i].Bytes, got[i].Bytes) {
			t.Errorf("%s: %s differs at byte %d", what, want[i].Format, firstDifference(want[i].Bytes, got[i].Bytes))
		}
	}
}

func firstDifference(a, b []byte) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// Promise 12 of the design: the same digest and tool version give the same document, byte for byte, from any store.
func TestSameDigestSameBytes(t *testing.T) {
	img := richImage(t)
	want := mustGenerate(t, img.source(), allFormats)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	runs := 6
	if testing.Short() {
		runs = 2
	}
	for i := range runs {
		runtime.GOMAXPROCS(1 + i*3%5)
		compare(t, "again", want, mustGenerate(t, img.source(), allFormats))
		compare(t, "another fetcher", want, mustGenerate(t, Image(slow{img.store}, img.manifest, img.raw), allFormats))
	}
}

func TestNothingOfThisMachineIsInside(t *testing.T) {
	dir := t.TempDir()
	for _, f := range append(nodeFiles(), entry{name: "pom.xml", body: pom}, entry{name: "bad/package.json", body: "{"}) {
		path := filepath.Join(dir, "project", filepath.FromSlash(f.name))
		check(t, os.MkdirAll(filepath.Dir(path), 0o755))
		check(t, os.WriteFile(path, []byte(f.body), 0o644))
	}
	project := filepath.Join(dir, "project")
	t.Setenv("HOME", "/home/distinctive-home")
	t.Setenv("GOPATH", "/distinctive-gopath")
	t.Setenv("GOPROXY", "https://distinctive-proxy.example")
	forbidden := []string{dir, "hallmark-sbom-", "syft-cataloger", "distinctive-", "/tmp/"}
	if host, err := os.Hostname(); err == nil && len(host) > 3 {
		forbidden = append(forbidden, host)
	}
	if u, err := user.Current(); err == nil && len(u.Username) > 4 {
		forbidden = append(forbidden, u.Username)
	}
	for name, src := range map[string]Source{
		"image": richImage(t).source(), "directory": Directory(project), "file": File(filepath.Join(project, "app/node_modules/delta/package.json")),
	} {
		for _, d := range mustGenerate(t, src, allFormats) {
			for _, word := range forbidden {
				if at := bytes.Index(d.Bytes, []byte(word)); at >= 0 {
					t.Errorf("%s: %s has %q: …%s…", name, d.Format, word, d.Bytes[max(0, at-80):min(len(d.Bytes), at+80)])
				}
			}
		}
	}
}

// The same folder elsewhere, unpacked by somebody with another umask, is the same folder.
func TestDirectoryDoesNotDependOnItsPlace(t *testing.T) {
	var docs [][]Document
	for i, mode := range []os.FileMode{0o644, 0o600} {
		root := filepath.Join(t.TempDir(), strings.Repeat("x", i+1), "project")
		for _, f := range append(nodeFiles(), pythonFiles()...) {
			path := filepath.Join(root, filepath.FromSlash(f.name))
			check(t, os.MkdirAll(filepath.Dir(path), 0o755))
			check(t, os.WriteFile(path, []byte(f.body), mode))
		}
		docs = append(docs, mustGenerate(t, Directory(root), allFormats))
	}
	if docs[0][0].Packages != 1 { // the Python one; node_modules are for images
		t.Errorf("%d packages", docs[0][0].Packages)
	}
	compare(t, "elsewhere", docs[0], docs[1])
}

const uvLock = `version = 1
requires-python = ">=3.8"

[[package]]
name = "eta"
version = "1.0"
source = { registry = "https://packages.example.com/simple" }

[package.optional-dependencies]
a = [{ name = "x" }]
b = [{ name = "x" }]
c = [{ name = "x" }]
d = [{ name = "x" }]
e = [{ name = "x" }]
f = [{ name = "x" }]
`

// syft v1.52.0 lists the extras of uv and poetry lock files in the order of a Go map.
func TestExtrasAreInOrder(t *testing.T) {
	root := filepath.Join(t.TempDir(), "project")
	check(t, os.Mkdir(root, 0o755))
	check(t, os.WriteFile(filepath.Join(root, "uv.lock"), []byte(uvLock), 0o644))
	o := Options{Formats: []Format{SyftJSON}}
	want := mustGenerate(t, Directory(root), o)
	if !bytes.Contains(want[0].Bytes, []byte(`"extras":[{"name":"a"`)) {
		t.Fatal("no extras to sort")
	}
	for range 10 {
		compare(t, "again", want, mustGenerate(t, Directory(root), o))
	}
}

func TestRemarksAreCleaned(t *testing.T) {
	temp := filepath.Join(os.TempDir(), "hallmark-sbom-123")
	got := cleanRemarks([]string{
		"b: open " + os.TempDir() + "/syft-cataloger-77/archive-contents-5/x: bad",
		"a: " + temp + "/layers/0-sha256:aa: bad",
		"b: open " + os.TempDir() + "/syft-cataloger-78/archive-contents-6/x: bad",
		"c: rpmdb-4711: bad",
	}, temp)
	want := []string{"a: TEMP/layers/0-sha256:aa: bad", "b: open TEMP/TEMP/x: bad", "c: TEMP: bad"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}
