package oci

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/hallmark-project/hallmark/internal/testkit"
)

const (
	someDigest = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	someEntry  = `{"mediaType":"` + MediaTypeManifest + `","digest":"` + someDigest + `","size":7}`
	someConfig = `{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"` + someDigest + `","size":7}`
)

func TestParseManifest(t *testing.T) {
	image := `{"schemaVersion":2,"config":` + someConfig + `,"layers":[` + someEntry + `]}`
	index := `{"schemaVersion":2,"manifests":[` + someEntry + `]}`
	for _, test := range []struct{ name, mediaType, raw, want string }{
		{"image, nothing said", "", image, MediaTypeManifest},
		{"index, nothing said", "", index, MediaTypeIndex},
		{"image", MediaTypeManifest, image, MediaTypeManifest},
		{"Docker image", MediaTypeDockerManifest, image, MediaTypeDockerManifest},
		{"index", MediaTypeIndex, index, MediaTypeIndex},
		{"Docker list", MediaTypeDockerList, index, MediaTypeDockerList},
		{"says it itself", "", with(index, `"mediaType":"`+MediaTypeDockerList+`"`), MediaTypeDockerList},
		{"no layers", MediaTypeManifest, `{"schemaVersion":2,"config":` + someConfig + `,"layers":[]}`, MediaTypeManifest},

		// One document must not be an image for one reader and an index for another
		// (GHSA-77vh-xpmg-72qh).
		{"index with layers", MediaTypeIndex, with(index, `"layers":[]`), ""},
		{"index with config", MediaTypeIndex, with(index, `"config":`+someConfig), ""},
		{"index with fsLayers", MediaTypeIndex, with(index, `"fsLayers":[]`), ""},
		{"image with manifests", MediaTypeManifest, with(image, `"manifests":[]`), ""},
		{"both, nothing said", "", with(image, `"manifests":[`+someEntry+`]`), ""},
		{"image as index", MediaTypeIndex, image, ""},
		{"index as image", MediaTypeManifest, index, ""},
		{"says another", MediaTypeManifest, with(image, `"mediaType":"`+MediaTypeDockerManifest+`"`), ""},
		{"manifests twice", MediaTypeManifest, with(with(image, `"manifests":null`), `"manifests":[`+someEntry+`]`), ""},
		{"hidden by null", MediaTypeManifest, with(with(image, `"manifests":[`+someEntry+`]`), `"manifests":null`), ""},
		{"twice but for case", MediaTypeIndex, with(index, `"Manifests":[]`), ""},
		{"twice but for a letter that folds to the same", MediaTypeIndex, with(index, `"manife\u017fts":[]`), ""},
		{"twice but for that letter itself", MediaTypeIndex, with(index, "\"manife\u017fts\":[]"), ""},
		{"too many members", MediaTypeManifest, with(image, `"annotations":{`+manyMembers()+`}`), ""},
		{"entry twice a digest", MediaTypeIndex, `{"schemaVersion":2,"manifests":[{"digest":"` + someDigest + `","size":1,"Digest":"` + someDigest + `"}]}`, ""},

		{"schema 1", "", `{"schemaVersion":1,"fsLayers":[]}`, ""},
		{"signed schema 1", "application/vnd.docker.distribution.manifest.v1+prettyjws", `{"schemaVersion":1}`, ""},
		{"other type", "application/json", image, ""},
		{"no config", MediaTypeManifest, `{"schemaVersion":2,"layers":[]}`, ""},
		{"negative size", MediaTypeIndex, strings.Replace(index, `:7}`, `:-7}`, 1), ""},
		{"huge size", MediaTypeIndex, strings.Replace(index, `:7}`, `:1e30}`, 1), ""},
		{"sha512", MediaTypeIndex, strings.Replace(index, someDigest, digest.SHA512.FromString("x").String(), 1), ""},
		{"bad digest", MediaTypeIndex, strings.Replace(index, someDigest, "sha256:../../x", 1), ""},
		{"bad subject", MediaTypeManifest, with(image, `"subject":{"digest":"x"}`), ""},
		{"null", MediaTypeManifest, `null`, ""},
		{"array", MediaTypeIndex, `[]`, ""},
		{"two documents", MediaTypeIndex, index + index, ""},
		{"deep", MediaTypeIndex, with(index, `"x":`+strings.Repeat("[", 100_000)+strings.Repeat("]", 100_000)), ""},
		{"empty", "", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			m, err := ParseManifest(test.mediaType, []byte(test.raw))
			switch {
			case test.want == "" && !errors.Is(err, ErrManifest):
				t.Errorf("got %v, %v", m, err)
			case test.want != "" && (err != nil || m.MediaType != test.want):
				t.Errorf("got %v, %v", m, err)
			}
		})
	}
}

// with adds a member to a JSON object.
func with(object, member string) string { return strings.TrimSuffix(object, "}") + "," + member + "}" }

func FuzzParseManifest(f *testing.F) {
	f.Add("", []byte(`{"schemaVersion":2,"manifests":[`+someEntry+`]}`))
	f.Add(MediaTypeManifest, []byte(`{"schemaVersion":2,"config":`+someConfig+`,"layers":[]}`))
	f.Add(MediaTypeIndex, testkit.NewIndex(testkit.Buildkit()).Manifest)
	f.Add(MediaTypeDockerList, testkit.NewIndex(testkit.Docker()).Manifest)
	f.Fuzz(func(t *testing.T, mediaType string, raw []byte) {
		m, err := ParseManifest(mediaType, raw)
		if err != nil {
			if !errors.Is(err, ErrManifest) {
				t.Fatalf("error %v is no ErrManifest", err)
			}
			return
		}
		if IsIndex(m.MediaType) == IsManifest(m.MediaType) {
			t.Fatalf("neither image nor index: %q", m.MediaType)
		}
		if IsIndex(m.MediaType) && (m.Layers != nil || m.Config.Digest != "") || IsManifest(m.MediaType) && m.Manifests != nil {
			t.Fatal("both image and index")
		}
		for _, d := range append(m.Layers, m.Manifests...) {
			if checkDigest(d.Digest) != nil || d.Size < 0 {
				t.Fatalf("bad descriptor %v", d)
			}
		}
		if _, err := newSubject("", describe(m.MediaType, raw), raw); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzParseListDocument(f *testing.F) {
	f.Add([]byte(`{"schemaVersion":2,"manifests":[` + someEntry + `],"x":1}`))
	f.Add([]byte(`{"schemaVersion":2,"manifests":null}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		doc, err := parseListDocument(raw)
		if err != nil {
			return
		}
		added := describe("a/b", raw)
		again, err := doc.plus([]Descriptor{added}).marshal()
		if err != nil {
			t.Fatal(err)
		}
		more, err := parseListDocument(again)
		if err != nil || len(more.entries) != len(doc.entries)+1 {
			t.Fatalf("%d entries became %d, %v", len(doc.entries), len(more.entries), err)
		}
		if len(doc.entries) == 0 {
			return
		}
		gone := doc.entries[0].Digest
		again, err = doc.plus([]Descriptor{added}).minus(func(d Descriptor) bool { return d.Digest == gone }).marshal()
		if err != nil {
			t.Fatal(err)
		}
		fewer, err := parseListDocument(again)
		if err != nil || digests(fewer.entries)[gone] || len(digests(fewer.entries)) < len(digests(doc.entries))-1 {
			t.Fatalf("without %s: %v, %v", gone, fewer.entries, err)
		}
	})
}

// Seeds in testdata must not silently vanish.
func TestFuzzSeeds(t *testing.T) {
	for _, name := range []string{"FuzzParseReference", "FuzzParseManifest", "FuzzNextLink"} {
		seeds, err := os.ReadDir("testdata/fuzz/" + name)
		if err != nil || len(seeds) < 3 {
			t.Errorf("%s: %d seeds, %v", name, len(seeds), err)
		}
	}
}

// What is written is read back.
func TestPack(t *testing.T) {
	subject := describe(MediaTypeManifest, []byte("x"))
	a := Artifact{Type: "application/vnd.a", Layer: BytesBlob("application/vnd.b", []byte("content")), Annotations: map[string]string{"k": "v"}}
	d, raw, err := a.pack(subject)
	if err != nil {
		t.Fatal(err)
	}
	m, err := ParseManifest(MediaTypeManifest, raw)
	if err != nil {
		t.Fatal(err)
	}
	if m.ArtifactType != a.Type || m.Subject.Digest != subject.Digest || len(m.Layers) != 1 || m.Layers[0].MediaType != a.Layer.Descriptor.MediaType ||
		m.Annotations["k"] != "v" || m.Config.Size != 2 || m.Config.MediaType != "application/vnd.oci.empty.v1+json" ||
		d.ArtifactType != a.Type || d.Annotations["k"] != "v" || d.Digest != digest.FromBytes(raw) {
		t.Errorf("manifest %s, descriptor %v", raw, d)
	}
}

func indexSubject(t *testing.T, entries ...Descriptor) Subject {
	t.Helper()
	manifests, err := json.Marshal(entries)
	if err != nil {
		t.Fatal(err)
	}
	raw := []byte(fmt.Sprintf(`{"schemaVersion":2,"manifests":%s}`, manifests))
	s, err := newSubject("", describe(MediaTypeIndex, raw), raw)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// manyMembers is more members than an object of a manifest may have.
func manyMembers() string {
	var b strings.Builder
	for i := range maxMembers + 1 {
		fmt.Fprintf(&b, `,"%d":""`, i)
	}
	return b.String()[1:]
}
