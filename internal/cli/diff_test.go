package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/hallmark-project/hallmark/internal/testkit"
	"github.com/hallmark-project/hallmark/inventory"
	"github.com/hallmark-project/hallmark/oci"
)

// debian is a database of packages, each NAME=VERSION.
func debian(packages ...string) testkit.ImageOption {
	var status strings.Builder
	for _, p := range packages {
		name, version, _ := strings.Cut(p, "=")
		fmt.Fprintf(&status, "Package: %s\nStatus: install ok installed\nMaintainer: Jane Doe <jane@example.com>\nArchitecture: amd64\nVersion: %s\nDescription: test\n\n", name, version)
	}
	return testkit.File("var/lib/dpkg/status", status.String())
}

// runHallmark runs a command line and returns what it printed and its exit code.
func runHallmark(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	app := &App{In: strings.NewReader(""), Out: &out, Err: &errs, Now: time.Now, Env: func(name string) (string, bool) { return "", false }}
	code = app.Run(context.Background(), append(args, "--quiet"))
	return out.String(), errs.String(), code
}

// layoutWith writes a layout with one image or index and returns it as a subject.
func layoutWith(t *testing.T, image *testkit.Image) string {
	t.Helper()
	dir := t.TempDir()
	testkit.WriteLayout(t, dir, "v1", image)
	return "oci:" + dir + ":v1"
}

func diffOf(t *testing.T, args ...string) diffResult {
	t.Helper()
	stdout, stderr, code := runHallmark(t, append([]string{"diff", "-o", "json"}, args...)...)
	if code != exitDone {
		t.Fatalf("%v: exit code %d\n%s", args, code, stderr)
	}
	var r diffResult
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// Of the packages of an image, the layer is told by its digest and its place.
func TestDiffTellsLayers(t *testing.T) {
	r := diffOf(t, layoutWith(t, testkit.NewImage(debian("alpha=1.9-1", "beta=1"))), layoutWith(t, testkit.NewImage(debian("alpha=1.10-1", "gamma=1"))))
	if len(r.Comparisons) != 1 || r.Identical {
		t.Fatalf("%+v", r)
	}
	c := r.Comparisons[0]
	if len(c.Added) != 1 || c.Added[0].Name != "gamma" || len(c.Removed) != 1 || c.Removed[0].Name != "beta" {
		t.Errorf("added %+v, removed %+v", c.Added, c.Removed)
	}
	if len(c.Changed) != 1 || c.Changed[0].Direction != inventory.Upgraded || c.Changed[0].From.Version != "1.9-1" {
		t.Fatalf("changed %+v", c.Changed)
	}
	if l := c.Changed[0].To.Layer; l == nil || !strings.HasPrefix(l.Digest, "sha256:") || l.Index == nil || *l.Index != 0 {
		t.Errorf("layer %+v", l)
	}
	if c.From.Digest == "" || c.From.Digest == c.To.Digest || c.From.Packages != 2 {
		t.Errorf("from %+v to %+v", c.From, c.To)
	}
}

// Indexes are compared platform by platform; a platform of one side only is a difference
// that --fail-on does not miss.
func TestDiffOfIndexes(t *testing.T) {
	amd64, arm64, s390x := ocispec.Platform{OS: "linux", Architecture: "amd64"}, ocispec.Platform{OS: "linux", Architecture: "arm64"}, ocispec.Platform{OS: "linux", Architecture: "s390x"}
	old := layoutWith(t, testkit.NewIndex(debian("alpha=1"), testkit.For(amd64, arm64)))
	now := layoutWith(t, testkit.NewIndex(debian("alpha=1"), testkit.For(s390x, amd64)))
	r := diffOf(t, old, now)
	if r.Identical || len(r.Comparisons) != 1 || r.Comparisons[0].Platform != "linux/amd64" || len(r.OnlyFrom) != 1 || r.OnlyFrom[0] != "linux/arm64" || len(r.OnlyTo) != 1 || r.OnlyTo[0] != "linux/s390x" {
		t.Errorf("%+v", r)
	}
	for _, kind := range []string{"added", "removed"} {
		if _, _, code := runHallmark(t, "diff", "--fail-on", kind, old, now); code != exitRejected {
			t.Errorf("--fail-on %s: exit code %d", kind, code)
		}
	}
	if _, _, code := runHallmark(t, "diff", "--fail-on", "changed,licence", old, now); code != exitDone {
		t.Errorf("nothing changed: exit code %d", code)
	}
	stdout, _, _ := runHallmark(t, "diff", old, now)
	if !strings.Contains(stdout, "Platforms that are gone: linux/arm64") || !strings.Contains(stdout, "Platforms that are new: linux/s390x") || strings.Contains(stdout, "same packages") {
		t.Error(stdout)
	}
	if _, stderr, code := runHallmark(t, "diff", old, layoutWith(t, testkit.NewIndex(testkit.For(s390x)))); code != exitUsage || !strings.Contains(stderr, "no platform in common") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	if r := diffOf(t, layoutWith(t, testkit.NewImage(debian("alpha=1"))), now, "--platform", "linux/s390x"); !r.Identical {
		t.Errorf("%+v", r)
	}
}

// The packages of an image are the same whichever format its SBOM is in.
func TestFormatsAgree(t *testing.T) {
	subject := layoutWith(t, testkit.NewImage(debian("alpha=1:1.9+b-1", "beta=1~rc1", "libstdc++6=12"),
		testkit.File("srv/node_modules/@scope/pkg/package.json", `{"name":"@scope/pkg","version":"1.0.0","license":"MIT","author":"Jane"}`),
		testkit.File("usr/lib/python3/dist-packages/Foo_Bar-2.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: Foo_Bar\nVersion: 2.0\nLicense: MIT\n")))
	var docs []*inventory.Document
	for _, format := range []string{"spdx-json", "cyclonedx-json", "syft-json"} {
		stdout, stderr, code := runHallmark(t, "sbom", subject, "-o", format)
		if code != exitDone {
			t.Fatal(stderr)
		}
		d, err := inventory.Parse([]byte(stdout))
		if err != nil {
			t.Fatalf("%s: %v", format, err)
		}
		docs = append(docs, d)
	}
	for _, a := range docs {
		if len(a.Components) != 5 {
			t.Errorf("%s: %d components", a.Format, len(a.Components))
		}
		for _, c := range a.Components {
			if len(c.Locations) == 0 {
				t.Errorf("%s: no location of %s", a.Format, c.Name)
			}
			if c.Type == "deb" && c.Supplier == "" {
				t.Errorf("%s: no supplier of %s", a.Format, c.Name)
			}
		}
		for _, b := range docs {
			if d := inventory.Compare(a, b); !d.Empty() {
				t.Errorf("%s and %s: %+v", a.Format, b.Format, d)
			}
		}
	}
}

func TestCounterpart(t *testing.T) {
	named := func(names ...string) (out []oci.Platform) {
		for _, n := range names {
			out = append(out, oci.Platform{Name: n})
		}
		return out
	}
	for _, c := range []struct {
		name   string
		images []oci.Platform
		taken  map[int]bool
		want   int
	}{
		{"linux/arm64", named("linux/amd64", "linux/arm64"), nil, 1},
		{"linux/arm64", named("linux/arm64/v8"), nil, 0},
		{"linux/arm64/v8", named("linux/arm64"), nil, 0},
		{"linux/arm", named("linux/arm/v6", "linux/arm"), nil, 1},
		{"linux/arm/v7", named("linux/arm/v6"), nil, -1},
		{"windows/amd64", named("windows/amd64", "windows/amd64"), map[int]bool{0: true}, 1},
		{"linux/s390x", named("linux/amd64"), nil, -1},
	} {
		if got := counterpart(c.name, c.images, c.taken); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}
