package oci

import (
	"errors"
	"slices"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/hallmark-project/hallmark/internal/testkit"
)

func TestPlatforms(t *testing.T) {
	for name, test := range map[string]struct {
		options      []testkit.ImageOption
		attestations int
	}{
		"OCI":                 {nil, 0},
		"Docker":              {[]testkit.ImageOption{testkit.Docker()}, 0},
		"OCI with buildkit":   {[]testkit.ImageOption{testkit.Buildkit()}, 2},
		"Docker and buildkit": {[]testkit.ImageOption{testkit.Docker(), testkit.Buildkit()}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			s := testkit.Registry(t)
			index := testkit.NewIndex(test.options...)
			store, subject := resolve(t, newClient(t), testkit.PushImage(t, s, "a:v1", index))
			platforms, err := subject.Platforms()
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, p := range platforms {
				names = append(names, p.Name)
				loaded, err := LoadManifest(t.Context(), store, p.Subject)
				if err != nil || loaded.Manifest() == nil || loaded.Digest() != p.Subject.Digest() {
					t.Error(loaded, err)
				}
			}
			if !slices.Equal(names, []string{"linux/amd64", "linux/arm64/v8"}) {
				t.Errorf("platforms: %v", names)
			}
			if got := subject.BuildAttestations(); len(got) != test.attestations {
				t.Errorf("build attestations: %v", got)
			}
		})
	}
}

// A child is passed over as a build attestation only with all three signs; with fewer
// it could be an image that hides from SBOM and verification.
func TestBuildkitSigns(t *testing.T) {
	sibling := describe(MediaTypeManifest, []byte("sibling"))
	sibling.Platform = &ocispec.Platform{OS: "linux", Architecture: "amd64"}
	child := func(change func(*Descriptor)) Descriptor {
		d := describe(MediaTypeManifest, []byte("child"))
		d.Platform = &ocispec.Platform{OS: "unknown", Architecture: "unknown"}
		d.Annotations = map[string]string{buildkitType: buildkitTypeValue, buildkitDigest: sibling.Digest.String()}
		change(&d)
		return d
	}
	for name, test := range map[string]struct {
		child Descriptor
		want  int // platforms
	}{
		"all signs":           {child(func(*Descriptor) {}), 1},
		"no platform":         {child(func(d *Descriptor) { d.Platform = nil }), 2},
		"a real platform":     {child(func(d *Descriptor) { d.Platform.Architecture = "arm64" }), 2},
		"unknown system only": {child(func(d *Descriptor) { d.Platform.OS = "linux" }), 2},
		"no type":             {child(func(d *Descriptor) { delete(d.Annotations, buildkitType) }), 2},
		"another type":        {child(func(d *Descriptor) { d.Annotations[buildkitType] = "image" }), 2},
		"no reference":        {child(func(d *Descriptor) { delete(d.Annotations, buildkitDigest) }), 2},
		"to no sibling":       {child(func(d *Descriptor) { d.Annotations[buildkitDigest] = someDigest }), 2},
		"to itself":           {child(func(d *Descriptor) { d.Annotations[buildkitDigest] = d.Digest.String() }), 2},
	} {
		t.Run(name, func(t *testing.T) {
			platforms, err := indexSubject(t, sibling, test.child).Platforms()
			if err != nil || len(platforms) != test.want {
				t.Errorf("%d platforms, %v", len(platforms), err)
			}
		})
	}
}

// Two children that say they are attestations about each other hide nothing.
func TestAttestationsAboutEachOther(t *testing.T) {
	a, b := describe(MediaTypeManifest, []byte("a")), describe(MediaTypeManifest, []byte("b"))
	for _, pair := range []struct{ of, about *Descriptor }{{&a, &b}, {&b, &a}} {
		pair.of.Platform = &ocispec.Platform{OS: "unknown", Architecture: "unknown"}
		pair.of.Annotations = map[string]string{buildkitType: buildkitTypeValue, buildkitDigest: pair.about.Digest.String()}
	}
	if platforms, err := indexSubject(t, a, b).Platforms(); err != nil || len(platforms) != 2 {
		t.Errorf("%d platforms, %v", len(platforms), err)
	}
}

// What is asked of every platform must not hold because there is none, or because they
// are out of sight.
func TestIndexesWithoutPlatforms(t *testing.T) {
	nested := describe(MediaTypeIndex, []byte("nested"))
	list := describe(MediaTypeDockerList, []byte("nested"))
	for name, s := range map[string]Subject{
		"empty": indexSubject(t), "nested": indexSubject(t, nested), "nested list": indexSubject(t, describe(MediaTypeManifest, nil), list),
	} {
		if platforms, err := s.Platforms(); !errors.Is(err, ErrManifest) {
			t.Errorf("%s: %v, %v", name, platforms, err)
		}
	}
}

func TestMatchPlatform(t *testing.T) {
	for _, test := range []struct {
		asked, name string
		want        bool
	}{
		{"linux/amd64", "linux/amd64", true},
		{"amd64", "linux/amd64", true},
		{"AMD64", "linux/amd64", true},
		{"x86_64", "linux/amd64", true},
		{"linux/aarch64", "linux/arm64", true},
		{"linux/arm64", "linux/arm64/v8", true},
		{"linux/arm64/v8", "linux/arm64", true},
		{"linux/arm64/v9", "linux/arm64", false},
		{"linux/arm", "linux/arm/v7", true},
		{"linux/arm/v7", "linux/arm/v7", true},
		{"linux/arm/v6", "linux/arm/v7", false},
		{"linux/arm/v7", "linux/arm", false},
		{"arm", "linux/arm64", false},
		{"windows/amd64", "linux/amd64", false},
		{"amd64", "windows/amd64", false},
		{"linux/amd64", "unknown", false},
		{"unknown", "unknown", true},
		{"", "linux/amd64", false},
	} {
		if got := MatchPlatform(test.asked, test.name); got != test.want {
			t.Errorf("%q for %q: %t", test.asked, test.name, got)
		}
	}
}
