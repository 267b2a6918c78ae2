package workload

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const examples = "../examples/workloads"

// exampleCounts is how many images each file of the example names, and how many of
// them can be pinned where they stand.
var exampleCounts = map[string]struct{ images, pinnable int }{
	"storefront.yaml": {5, 5},
	"data.yaml":       {4, 4}, // one has its digest
	"nodes.yaml":      {1, 1},
	"jobs.yaml":       {5, 5}, // one at an anchor counts once
	"list.yaml":       {3, 3},
	"search.yaml":     {2, 2},
	"payments.yaml":   {4, 4},
	"rollout.json":    {1, 1},
	"Dockerfile":      {6, 5}, // golang's version is a variable of its own
	"compose.yaml":    {4, 3}, // cache's likewise
}

func TestExamples(t *testing.T) {
	files, err := os.ReadDir(examples)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := file.Name()
		want, known := exampleCounts[name]
		if name == "README.md" {
			continue
		}
		if !known {
			t.Errorf("%s: nobody says how many images it names", name)
			continue
		}
		t.Run(name, func(t *testing.T) {
			data := readExample(t, name)
			images, err := Find(name, data, nil)
			if err != nil {
				t.Fatal(err)
			}
			pinnable := 0
			for _, image := range images {
				if image.Replaceable {
					pinnable++
				}
				if !strings.HasPrefix(image.Reference, "registry.example.com/shop/") || strings.Contains(image.Reference, "not-an-image") {
					t.Errorf("%s:%d: found %q", image.File, image.Line, image.Reference)
				}
			}
			if len(images) != want.images || pinnable != want.pinnable {
				t.Errorf("%d images, %d pinnable; want %d, %d: %+v", len(images), pinnable, want.images, want.pinnable, images)
			}
			checkPinned(t, name, data, images)
		})
	}
	if len(files) != len(exampleCounts)+1 {
		t.Errorf("%d files, want %d", len(files), len(exampleCounts)+1)
	}
}

func readExample(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(examples, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

const someDigest = "@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// digestsOf pins all of the images that can be.
func digestsOf(images []Image) map[string]string {
	digests := map[string]string{}
	for _, image := range images {
		digests[image.Reference] = image.Reference + someDigest
	}
	for _, image := range images {
		if !image.Replaceable {
			delete(digests, image.Reference)
		}
	}
	return digests
}

// checkPinned pins what can be pinned, and wants nothing else to change: with the
// references cut out, the files are the same, and so they are with the digest taken
// away again.
func checkPinned(t *testing.T, name string, data []byte, images []Image) {
	t.Helper()
	digests := digestsOf(images)
	pinned, err := Pin(data, digests, images)
	if err != nil {
		t.Fatal(err)
	}
	if back := bytes.ReplaceAll(pinned, []byte(someDigest), nil); !bytes.Equal(back, data) {
		t.Errorf("more than the references has changed:\n%s", back)
	}
	again, err := Find(name, pinned, nil)
	if err != nil {
		t.Fatalf("the pinned file: %v", err)
	}
	if len(again) != len(images) {
		t.Fatalf("%d images in the pinned file, %d before", len(again), len(images))
	}
	for i := range again {
		want := images[i].Reference
		if digest, ok := digests[want]; ok && !images[i].Pinned() {
			want = digest
		}
		if again[i].Reference != want {
			t.Errorf("line %d: %s, want %s", again[i].Line, again[i].Reference, want)
		}
	}
	if before, after := cutOut(data, images), cutOut(pinned, again); !bytes.Equal(before, after) {
		t.Errorf("with the references cut out, the files differ:\n%s\n---\n%s", before, after)
	}
}

// cutOut takes the references out of a file.
func cutOut(data []byte, images []Image) []byte {
	images = slices.Clone(images)
	slices.SortFunc(images, func(a, b Image) int { return b.Start - a.Start })
	out := slices.Clone(data)
	last := len(data) + 1
	for _, image := range images {
		if image.Replaceable && image.Start < last {
			out = slices.Delete(out, image.Start, image.End)
			last = image.Start
		}
	}
	return out
}
