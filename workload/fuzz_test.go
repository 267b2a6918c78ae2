package workload

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fuzzNames are the names under which a text is looked at.
var fuzzNames = []string{"-", "Dockerfile", "compose.yaml", "a.yaml"}

// FuzzFind: nothing panics, each place lies in the file and holds its reference, and
// pinning changes nothing but that.
func FuzzFind(f *testing.F) {
	seeds, err := filepath.Glob(filepath.Join(examples, "*"))
	if err != nil || len(seeds) != len(exampleCounts)+1 {
		f.Fatalf("%d seeds: %v", len(seeds), err)
	}
	for _, seed := range seeds {
		data, err := os.ReadFile(seed)
		if err != nil {
			f.Fatal(err)
		}
		for kind := range fuzzNames {
			f.Add(byte(kind), data)
		}
	}
	f.Add(byte(3), []byte(bomb()))
	f.Add(byte(1), []byte("ARG A=\"a:1\"\nFROM ${A:-${B-'x'}}\\\n AS y\nRUN --mount='\"from=c\"' <<-\"E F\"\n\tE F\n"))
	f.Add(byte(2), []byte("x: &a {image: &b !!str \"${A:-x:1}\"}\nservices: {a: {<<: *a}, b: {image: *b}, c: {image: |-\n  y}}\n"))
	f.Fuzz(func(t *testing.T, kind byte, data []byte) {
		name := fuzzNames[int(kind)%len(fuzzNames)]
		before := bytes.Clone(data)
		images, err := Find(name, data, nil)
		if err != nil {
			if !strings.HasPrefix(err.Error(), name+":") {
				t.Errorf("%v: does not begin with the file", err)
			}
			return
		}
		for _, i := range images {
			if i.Replaceable && (i.Start < 0 || i.End > len(data) || i.Start >= i.End || string(data[i.Start:i.End]) != i.Reference) {
				t.Fatalf("%+v does not stand where it says", i)
			}
			if i.Line < 1 || i.Reference == "" || i.Replaceable == (i.Reason != "") {
				t.Fatalf("%+v", i)
			}
		}
		same, err := Pin(data, nil, images)
		if err != nil || !bytes.Equal(same, before) {
			t.Fatalf("pinning nothing: %v, %q", err, same)
		}
		checkFuzzPinned(t, name, data, images)
	})
}

// checkFuzzPinned pins what can be, and wants to find just that in the result.
func checkFuzzPinned(t *testing.T, name string, data []byte, images []Image) {
	t.Helper()
	if bytes.Contains(data, []byte(someDigest)) || len(images) == 0 {
		return
	}
	for _, i := range images {
		if len(i.Reference) > maxReference-len(someDigest) {
			return
		}
	}
	checkPinned(t, name, data, images)
}
