package sbom

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spdx/tools-golang/spdx"
)

// Views of the three formats, with what the tests look at.
type spdxView struct {
	SPDXVersion, DataLicense, SPDXID, Name, DocumentNamespace string
	CreationInfo                                              struct {
		Created  string
		Creators []string
	}
	Packages []struct {
		Name, SPDXID, VersionInfo, PrimaryPackagePurpose string
		Checksums                                        []struct{ Algorithm, ChecksumValue string }
		ExternalRefs                                     []struct{ ReferenceType, ReferenceLocator string }
	}
	Relationships []struct{ SPDXElementID, RelationshipType, RelatedSPDXElement string }
}

type cyclonedxView struct {
	BOMFormat, SpecVersion, SerialNumber string
	Metadata                             struct {
		Timestamp string
		Tools     struct {
			Components []struct{ Name, Version string }
		}
		Component struct {
			Type, Name, Version, PURL string
			Hashes                    []struct{ Alg, Content string }
		}
	}
	Components []struct{ Type, Name, Version string }
}

type syftView struct {
	Artifacts  []struct{ Name, Version string }
	Source     struct{ Name, Version, Type string }
	Descriptor struct{ Name, Version string }
	Schema     struct{ Version string }
}

func decode[T any](t *testing.T, d Document) T {
	t.Helper()
	var v T
	check(t, json.Unmarshal(d.Bytes, &v))
	return v
}

// packageNames lists name@version of what a document holds, without its root.
func packageNames(t *testing.T, d Document) []string {
	t.Helper()
	var names []string
	switch d.Format {
	case SPDXJSON:
		for _, p := range decode[spdxView](t, d).Packages {
			if !strings.Contains(p.SPDXID, "DocumentRoot-") {
				names = append(names, p.Name+"@"+p.VersionInfo)
			}
		}
	case CycloneDXJSON:
		for _, c := range decode[cyclonedxView](t, d).Components {
			if c.Type == "library" || c.Type == "application" {
				names = append(names, c.Name+"@"+c.Version)
			}
		}
	case SyftJSON:
		for _, a := range decode[syftView](t, d).Artifacts {
			names = append(names, a.Name+"@"+a.Version)
		}
	}
	slices.Sort(names)
	return names
}

var mixedPackages = []string{"delta@3.0.1", "gamma@2.0", "libalpha@1.2.3-4", "libbeta@1.2.3-4"}

func TestPackagesAreFoundInEveryFormat(t *testing.T) {
	docs := mustGenerate(t, mixedImage(t).source(), allFormats)
	for i, d := range docs {
		if d.Format != allFormats.Formats[i] {
			t.Errorf("document %d is %s", i, d.Format)
		}
		if got := packageNames(t, d); !slices.Equal(got, mixedPackages) || d.Packages != len(mixedPackages) {
			t.Errorf("%s: %d packages: %v", d.Format, d.Packages, got)
		}
	}
}

func TestGoBinary(t *testing.T) {
	if testing.Short() {
		t.Skip("reads a large binary")
	}
	o := Options{Formats: []Format{SyftJSON}}
	docs := mustGenerate(t, ociImage(t, gzLayer(t, goBinary(t))).source(), o)
	names := packageNames(t, docs[0])
	if !slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, "stdlib@go1.") }) {
		t.Errorf("no Go standard library in %v", names)
	}
}

// rpmHeader is a minimal entry of an RPM database: index and data of string tags.
func rpmHeader(tags map[uint32]string) []byte {
	var index, data bytes.Buffer
	keys := []uint32{1000, 1001, 1002, 1022}
	for _, tag := range keys {
		for _, v := range []uint32{tag, 6, uint32(data.Len()), 1} { // 6: a string
			_ = binary.Write(&index, binary.BigEndian, v)
		}
		data.WriteString(tags[tag] + "\x00")
	}
	head := binary.BigEndian.AppendUint32(nil, uint32(len(keys)))
	head = binary.BigEndian.AppendUint32(head, uint32(data.Len()))
	return slices.Concat(head, index.Bytes(), data.Bytes())
}

// RPM databases are found only if an SQLite driver is registered, which syft leaves to its users.
func TestRPMDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rpmdb.sqlite")
	db, err := sql.Open("sqlite", path)
	check(t, err)
	_, err = db.Exec(`CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)`)
	check(t, err)
	_, err = db.Exec(`INSERT INTO Packages (blob) VALUES (?)`, rpmHeader(map[uint32]string{1000: "epsilon", 1001: "4.5", 1002: "6", 1022: "x86_64"}))
	check(t, err)
	check(t, db.Close())
	raw, err := os.ReadFile(path)
	check(t, err)
	img := ociImage(t, gzLayer(t, entry{name: "var/lib/rpm/rpmdb.sqlite", body: string(raw)}))
	docs := mustGenerate(t, img.source(), Options{Formats: []Format{SPDXJSON}})
	if got := packageNames(t, docs[0]); !slices.Equal(got, []string{"epsilon@4.5-6"}) {
		t.Errorf("packages: %v", got)
	}
}

func TestSPDXDescribesTheDigest(t *testing.T) {
	img := mixedImage(t)
	doc := mustGenerate(t, img.source(), allFormats)[0]
	v := decode[spdxView](t, doc)
	want := img.manifest.Digest.String()
	if v.SPDXVersion != "SPDX-2.3" || doc.Version != "2.3" || v.DataLicense != "CC0-1.0" || v.SPDXID != "SPDXRef-DOCUMENT" || v.Name != want {
		t.Errorf("head: %+v", v)
	}
	if !regexp.MustCompile(`^https://[^#]+/sha256-` + img.manifest.Digest.Encoded() + `/[0-9a-f-]{36}$`).MatchString(v.DocumentNamespace) {
		t.Errorf("namespace %s", v.DocumentNamespace)
	}
	if v.CreationInfo.Created != "2024-05-06T07:08:09Z" {
		t.Errorf("created %s", v.CreationInfo.Created)
	}
	if want := []string{"Tool: hallmark-v1.0.0", "Tool: syft-" + syftVersion}; !slices.Equal(v.CreationInfo.Creators, want) {
		t.Errorf("creators %v", v.CreationInfo.Creators)
	}
	root := v.Packages[0]
	if root.Name != want || root.VersionInfo != want || root.PrimaryPackagePurpose != "CONTAINER" || len(root.ExternalRefs) != 0 {
		t.Errorf("root: %+v", root)
	}
	if len(root.Checksums) != 1 || root.Checksums[0].Algorithm != "SHA256" || root.Checksums[0].ChecksumValue != img.manifest.Digest.Encoded() {
		t.Errorf("root checksums: %+v", root.Checksums)
	}
	described := 0
	for _, r := range v.Relationships {
		if r.RelationshipType == "DESCRIBES" && r.SPDXElementID == "SPDXRef-DOCUMENT" && r.RelatedSPDXElement == root.SPDXID {
			described++
		}
	}
	if described != 1 {
		t.Errorf("%d DESCRIBES relationships", described)
	}
}

func TestCycloneDXDescribesTheDigest(t *testing.T) {
	img := mixedImage(t)
	doc := mustGenerate(t, img.source(), allFormats)[1]
	v := decode[cyclonedxView](t, doc)
	if v.BOMFormat != "CycloneDX" || v.SpecVersion != "1.6" || doc.Version != "1.6" {
		t.Errorf("head: %+v", v)
	}
	if !regexp.MustCompile(`^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(v.SerialNumber) {
		t.Errorf("serial number %s", v.SerialNumber)
	}
	if v.Metadata.Timestamp != "2024-05-06T07:08:09Z" {
		t.Errorf("timestamp %s", v.Metadata.Timestamp)
	}
	tools := v.Metadata.Tools.Components
	if len(tools) != 2 || tools[0].Name != "hallmark" || tools[0].Version != "v1.0.0" || tools[1].Name != "syft" || tools[1].Version != syftVersion {
		t.Errorf("tools: %+v", tools)
	}
	root := v.Metadata.Component
	if root.Type != "container" || root.Version != img.manifest.Digest.String() || root.PURL != "" ||
		len(root.Hashes) != 1 || root.Hashes[0].Alg != "SHA-256" || root.Hashes[0].Content != img.manifest.Digest.Encoded() {
		t.Errorf("root: %+v", root)
	}
}

func TestSyftJSONDescribesTheDigest(t *testing.T) {
	img := mixedImage(t)
	doc := mustGenerate(t, img.source(), allFormats)[2]
	v := decode[syftView](t, doc)
	if v.Source.Type != "image" || v.Source.Name != img.manifest.Digest.String() || v.Source.Version != v.Source.Name {
		t.Errorf("source: %+v", v.Source)
	}
	if v.Descriptor.Name != "hallmark" || v.Descriptor.Version != "v1.0.0" || v.Schema.Version == "" || v.Schema.Version != doc.Version {
		t.Errorf("descriptor %+v, schema %+v, version %s", v.Descriptor, v.Schema, doc.Version)
	}
}

// A package that took its identifier from a file inside of the image must not become what the document describes.
func TestNobodyPassesForTheRoot(t *testing.T) {
	root := &spdx.Package{PackageSPDXIdentifier: "DocumentRoot-Image-x"}
	for _, id := range []spdx.ElementID{"DocumentRoot-Image-x", "DOCUMENT"} {
		doc := &spdx.Document{SPDXIdentifier: "DOCUMENT", Packages: []*spdx.Package{{PackageSPDXIdentifier: id}, root}}
		if _, err := rootPackage(doc); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", id, err)
		}
	}
	doc := &spdx.Document{Packages: []*spdx.Package{{PackageSPDXIdentifier: "DocumentRoot-Image-y"}, root}}
	if got, err := rootPackage(doc); err != nil || got != root {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestCreated(t *testing.T) {
	epoch := time.Unix(1234567890, 5)
	old := time.Date(-3, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name    string
		subject subject
		option  *time.Time
		want    string
	}{
		{"the option wins", subject{created: configTime}, &epoch, "2009-02-13T23:31:30Z"},
		{"the configuration's", subject{created: configTime}, nil, "2024-05-06T07:08:09Z"},
		{"none", subject{}, nil, "1970-01-01T00:00:00Z"},
		{"not expressible", subject{created: old}, nil, "1970-01-01T00:00:00Z"},
	} {
		c.subject.digest = "sha256:00"
		if got := newIdentity(c.subject, nil, Options{Created: c.option}).timestamp(); got != c.want {
			t.Errorf("%s: %s", c.name, got)
		}
	}
}

// What makes two documents differ must make their names differ, and nothing else.
func TestIdentifiersFollowContentAndVersion(t *testing.T) {
	base := subject{kind: "image", digest: "sha256:aa", name: "sha256:aa", created: configTime}
	other := base
	other.digest = "sha256:bb"
	id := func(s subject, o Options) string { return newIdentity(s, nil, o).uuid(SPDXJSON) }
	first := id(base, Options{ToolVersion: "1"})
	if first != id(base, Options{ToolVersion: "1"}) {
		t.Error("not stable")
	}
	now := time.Now()
	for i, u := range []string{id(other, Options{ToolVersion: "1"}), id(base, Options{ToolVersion: "2"}),
		id(base, Options{ToolVersion: "1", Created: &now}), newIdentity(base, nil, Options{ToolVersion: "1"}).uuid(CycloneDXJSON)} {
		if u == first {
			t.Errorf("case %d has the same identifier", i)
		}
	}
}

func TestFormats(t *testing.T) {
	for _, f := range Formats() {
		got, err := ParseFormat(string(f))
		if err != nil || got != f || f.PredicateType() == "" {
			t.Errorf("%s: %v %v %q", f, got, err, f.PredicateType())
		}
	}
	_, err := ParseFormat("spdx")
	if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "spdx-json, cyclonedx-json, syft-json") {
		t.Errorf("unknown format: %v", err)
	}
	for _, formats := range [][]Format{nil, {"x"}, {SPDXJSON, SPDXJSON}} {
		if _, err := Generate(t.Context(), File("nothing"), Options{Formats: formats}); !errors.Is(err, ErrFormat) {
			t.Errorf("%v: %v", formats, err)
		}
	}
}

// The version of syft that documents name is a constant; this is what keeps it true.
func TestSyftVersionIsTheModules(t *testing.T) {
	mod, err := os.ReadFile("../go.mod")
	check(t, err)
	if !regexp.MustCompile(`(?m)^\s*github.com/anchore/syft ` + regexp.QuoteMeta(syftVersion) + `$`).Match(mod) {
		t.Errorf("go.mod has another syft than %s", syftVersion)
	}
}

func TestEveryLayerType(t *testing.T) {
	raw := layerTar(t, nodeFiles()...)
	id := digest.FromBytes(raw)
	gzipped, zstandard := gz(t, raw), zst(t, raw)
	skippable := append([]byte{0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 'h', 'i'}, zstandard...)
	for _, c := range []struct {
		mediaType string
		raw       []byte
	}{
		{ocispec.MediaTypeImageLayer, raw},
		{ocispec.MediaTypeImageLayerGzip, gzipped},
		{ocispec.MediaTypeImageLayerZstd, zstandard},
		{ocispec.MediaTypeImageLayerZstd, skippable},
		{string(types.DockerLayer), gzipped},
		{string(types.DockerUncompressedLayer), raw},
		{"application/vnd.docker.image.rootfs.diff.tar.zstd", zstandard},
		{ocispec.MediaTypeImageLayerGzip, raw}, // mislabelled ones exist; the diff_id vouches for the content
	} {
		for _, img := range []*testImage{ociImage(t, blob{c.mediaType, c.raw, id}), dockerImage(t, blob{c.mediaType, c.raw, id})} {
			docs := mustGenerate(t, img.source(), Options{Formats: []Format{SPDXJSON}})
			if got := packageNames(t, docs[0]); !slices.Equal(got, []string{"delta@3.0.1"}) {
				t.Errorf("%s: %v", c.mediaType, got)
			}
		}
	}
}

func TestEachBlobIsFetchedOnce(t *testing.T) {
	a, b := gzLayer(t, nodeFiles()...), gzLayer(t, pythonFiles()...)
	img := ociImage(t, a, b, a, a) // empty and repeated layers do occur
	docs := mustGenerate(t, img.source(), Options{Formats: []Format{SyftJSON}})
	for d, n := range img.store.fetches {
		if n != 1 {
			t.Errorf("%s fetched %d times", d, n)
		}
	}
	if len(img.store.fetches) != 3 { // configuration and two layers
		t.Errorf("fetched %v", img.store.fetches)
	}
	if got := packageNames(t, docs[0]); !slices.Equal(got, []string{"delta@3.0.1", "gamma@2.0"}) {
		t.Errorf("packages: %v", got)
	}
}

func TestImageWithoutLayers(t *testing.T) {
	docs := mustGenerate(t, ociImage(t).source(), allFormats)
	if docs[0].Packages != 0 {
		t.Errorf("%d packages", docs[0].Packages)
	}
}

func TestWhiteoutHidesPackages(t *testing.T) {
	img := ociImage(t, gzLayer(t, nodeFiles()...), gzLayer(t, entry{name: "app/node_modules/.wh.delta"}))
	if docs := mustGenerate(t, img.source(), allFormats); docs[0].Packages != 0 {
		t.Errorf("%d packages", docs[0].Packages)
	}
}

func TestProgress(t *testing.T) {
	img := mixedImage(t)
	done := map[int]int64{}
	var last Event
	catalogs := 0
	o := Options{Formats: []Format{SPDXJSON}, Progress: func(e Event) { // no lock: the race detector watches
		last = e
		if e.Layers != 3 {
			t.Errorf("%d layers", e.Layers)
		}
		if e.Stage == StageCatalog {
			catalogs++
			return
		}
		done[e.Layer] = e.Done
		if e.Total != img.layers[e.Layer].Size {
			t.Errorf("layer %d has %d bytes in total", e.Layer, e.Total)
		}
	}}
	mustGenerate(t, img.source(), o)
	for i, l := range img.layers {
		if done[i] != l.Size {
			t.Errorf("layer %d: %d of %d bytes", i, done[i], l.Size)
		}
	}
	if catalogs < 2 || last.Stage != StageCatalog || last.Done == 0 || last.Done != last.Total || last.Layer != -1 {
		t.Errorf("%d catalog events, the last %+v", catalogs, last)
	}
}

// A library says nothing and asks nobody.
func TestSilentAndOffline(t *testing.T) {
	stdout, stderr, transport := os.Stdout, os.Stderr, http.DefaultTransport
	defer func() { os.Stdout, os.Stderr, http.DefaultTransport = stdout, stderr, transport }()
	r, w, err := os.Pipe()
	check(t, err)
	os.Stdout, os.Stderr = w, w
	http.DefaultTransport = refusing{t}
	said := make(chan []byte)
	go func() {
		b, _ := io.ReadAll(r)
		said <- b
	}()
	mustGenerate(t, mixedImage(t).source(), allFormats)
	dir := t.TempDir()
	check(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module example.com/x\n\ngo 1.22\n\nrequire example.com/y v1.0.0\n"), 0o644))
	check(t, os.WriteFile(filepath.Join(dir, "pom.xml"), []byte(pom), 0o644))
	mustGenerate(t, Directory(dir), allFormats)
	w.Close()
	if b := <-said; len(b) > 0 {
		t.Errorf("printed %q", b)
	}
}

const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<parent><groupId>org.example</groupId><artifactId>parent</artifactId><version>1</version></parent>
<artifactId>child</artifactId><dependencies><dependency><groupId>org.example</groupId><artifactId>zeta</artifactId>
<version>9</version></dependency></dependencies></project>`

type refusing struct{ t *testing.T }

func (r refusing) RoundTrip(q *http.Request) (*http.Response, error) {
	r.t.Errorf("network: %s", q.URL)
	return nil, errors.New("no network here")
}

func BenchmarkGenerate(b *testing.B) {
	img := mixedImage(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Generate(context.Background(), img.source(), allFormats); err != nil {
			b.Fatal(err)
		}
	}
}
