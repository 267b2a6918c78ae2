package cli

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	podText  = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: a, image: r/a:1}, {name: b, image: r/b:1}]}\n"
	fromText = "FROM r/a:1\n"
	aDigest  = "@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

// manifestFiles writes files into a folder of their own, and gives their paths.
func manifestFiles(t *testing.T, contents ...string) (paths []string) {
	t.Helper()
	dir := t.TempDir()
	for i, content := range contents {
		name := filepath.Join(dir, []string{"pod.yaml", "Dockerfile", "compose.yaml"}[i])
		if err := os.WriteFile(name, []byte(content), 0o640); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, name)
	}
	return paths
}

func read(t *testing.T, a *App, names ...string) []manifest {
	t.Helper()
	manifests, err := a.readManifests(names, nil)
	if err != nil {
		t.Fatal(err)
	}
	return manifests
}

func wantContent(t *testing.T, name, want string) {
	t.Helper()
	if got, err := os.ReadFile(name); err != nil || string(got) != want {
		t.Errorf("%s: %v\n%s\nwant\n%s", name, err, got, want)
	}
}

func TestNamedImages(t *testing.T) {
	files := manifestFiles(t, podText, fromText)
	a := &App{In: strings.NewReader(fromText)}
	list, err := namedImages(read(t, a, files[0], files[1], "-", files[1]))
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 2 || list[0].reference != "r/a:1" || list[1].reference != "r/b:1" {
		t.Fatalf("%+v", list)
	}
	places := []string{files[0] + ":4 (Pod p, container a)", files[1] + ":1 (stage 0)", "-:1 (stage 0)"}
	if !slices.Equal(list[0].places, places) || len(list[0].images) != 3 {
		t.Errorf("places %v, want %v", list[0].places, places)
	}
}

// TestNoImages: naming files that have no images is no success.
func TestNoImages(t *testing.T) {
	a := &App{In: strings.NewReader("---\n")}
	if list, err := namedImages(read(t, a, "-")); err == nil || classify(err).code != exitUsage {
		t.Errorf("%v, %v", list, err)
	}
}

// TestNamedFiles: a manifest cannot have a file of this machine judged in the place of
// an image.
func TestNamedFiles(t *testing.T) {
	for _, reference := range []string{"oci:layout", "file:x", "dir:x", "docker-archive:x", "sha256:" + strings.Repeat("0", 64)} {
		a := &App{In: strings.NewReader("FROM " + reference + "\n")}
		if list, err := namedImages(read(t, a, "-")); err == nil || !strings.Contains(err.Error(), "-:1: stage 0: "+reference) {
			t.Errorf("%s: %+v, %v", reference, list, err)
		}
	}
}

func TestReadManifestsRefuses(t *testing.T) {
	files := manifestFiles(t, "a: [\n", "ARG X\nFROM $X\n")
	a := &App{In: strings.NewReader(strings.Repeat("#", maxManifest+1))}
	for _, c := range []struct{ name, want string }{
		{files[0], files[0] + ":"}, {files[1], files[1] + ":2: the variable X has no value"},
		{"-", "larger than the limit"}, {files[0] + ".nowhere", "no such file"}, {filepath.Dir(files[0]), "directory"},
	} {
		_, err := a.readManifests([]string{c.name}, nil)
		if err == nil || classify(err).code != exitUsage || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	manifests, err := a.readManifests(files[1:], map[string]string{"X": "y"})
	if err != nil || manifests[0].images[0].Reference != "y" {
		t.Errorf("with a value: %+v, %v", manifests, err)
	}
	if _, err := a.readManifests(make([]string, maxManifests+1), nil); err == nil {
		t.Error("too many files are read")
	}
}

func TestPinFiles(t *testing.T) {
	files := manifestFiles(t, podText, fromText, "services: {a: {image: r/c:1}}\n")
	link := filepath.Join(t.TempDir(), "link.yaml")
	if err := os.Symlink(files[0], link); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	a := &App{In: strings.NewReader(fromText), Out: &out}
	manifests := read(t, a, link, files[0], files[1], files[2], "-")
	changed, err := a.pinFiles(manifests, map[string]string{"r/a:1": "r/a:1" + aDigest})
	if err != nil || changed != 3 {
		t.Fatalf("%d changed, %v", changed, err)
	}
	wantContent(t, files[0], strings.Replace(podText, "r/a:1", "r/a:1"+aDigest, 1))
	wantContent(t, files[1], "FROM r/a:1"+aDigest+"\n")
	wantContent(t, files[2], "services: {a: {image: r/c:1}}\n")
	if out.String() != "FROM r/a:1"+aDigest+"\n" {
		t.Errorf("standard output has %q", out.String())
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link was replaced: %v", err)
	}
	if info, err := os.Stat(files[0]); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if left, err := os.ReadDir(filepath.Dir(files[0])); err != nil || len(left) != 3 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestPinFilesRefuses: where one image cannot be pinned, or a file is not the one that
// was verified any more, nothing is written over.
func TestPinFilesRefuses(t *testing.T) {
	files := manifestFiles(t, podText, "ARG V=1\nFROM r/a:$V\n")
	a := &App{}
	digests := map[string]string{"r/a:1": "r/a:1" + aDigest}
	if changed, err := a.pinFiles(read(t, a, files...), digests); err == nil || changed != 0 || classify(err).code != exitUsage {
		t.Errorf("%d changed, %v", changed, err)
	}
	wantContent(t, files[0], podText)
	manifests := read(t, a, files[0])
	if err := os.WriteFile(files[0], []byte(podText+"# new\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if changed, err := a.pinFiles(manifests, digests); !errors.Is(err, errManifestChanged) || changed != 0 {
		t.Errorf("%d changed, %v", changed, err)
	}
	wantContent(t, files[0], podText+"# new\n")
}
