package cli_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/hallmark-project/hallmark/internal/testkit"
)

// forge changes the content of every file under a folder of a cache and says how many it changed. Where a file says what
// it holds, that is made to agree.
func forge(t *testing.T, dir string, change func(content []byte) []byte) (changed int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		raw, err := os.ReadFile(name)
		if err != nil || len(raw) == 0 {
			return err
		}
		head, content, answer := bytes.Cut(raw, []byte("\n"))
		if answer = answer && bytes.Contains(head, []byte("hallmark.cache/v1")); !answer {
			head, content = nil, raw
		}
		forged := change(bytes.Clone(content))
		if bytes.Equal(forged, content) {
			return nil
		}
		if answer {
			head = bytes.Replace(head, []byte(digest.FromBytes(content)), []byte(digest.FromBytes(forged)), 1)
			head = bytes.Replace(head, fmt.Appendf(nil, `"size":%d,`, len(content)), fmt.Appendf(nil, `"size":%d,`, len(forged)), 1)
			forged = append(append(head, '\n'), forged...)
		}
		changed++
		return os.WriteFile(name, forged, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	return changed
}

// typeLarge is the type of evidence that is too large to be in the manifest that names it.
const typeLarge = "https://example.com/large"

// attestLarge attaches such evidence.
func attestLarge(t *testing.T, private, ref string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "predicate.json")
	if err := os.WriteFile(file, []byte(`{"x":"`+strings.Repeat("large ", 10_000)+`"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	call(t, 0, "attest", "--key", private, "--type", typeLarge, "--predicate", file, ref)
}

// swapping puts one text in the place of another of the same length.
func swapping(old, with string) func([]byte) []byte {
	return func(content []byte) []byte { return bytes.ReplaceAll(content, []byte(old), []byte(with)) }
}

// TestForgedCache: whatever lies in the cache, a verdict is the one that the registry's evidence gives.
func TestForgedCache(t *testing.T) {
	testkit.DockerConfig(t)
	private, public := keyPair(t)
	_, stranger := keyPair(t)
	good := testkit.Registry(t)
	ref := testkit.PushImage(t, good, "app:v1", testkit.NewIndex())
	call(t, 0, "release", "--key", private, ref)
	attestLarge(t, private, ref)
	call(t, 4, "verify", "--key", public, "--require", "vuln", ref)
	for name, change := range map[string]func([]byte) []byte{
		"flipped":   func(content []byte) []byte { content[len(content)/2] ^= 1; return content },
		"truncated": func(content []byte) []byte { return content[:len(content)/2] },
		"emptied":   func([]byte) []byte { return nil },
		"replaced":  func(content []byte) []byte { return bytes.Repeat([]byte("x"), len(content)) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "cache")
			verify := func() {
				t.Helper()
				for code, args := range map[int][]string{0: {"--key", public, "--require", "signature,spdx,cyclonedx," + typeLarge}, 3: {"--key", stranger}, 4: {"--key", public, "--require", "vuln"}} {
					call(t, code, append([]string{"verify", "--cache-dir", dir, ref}, args...)...)
				}
			}
			verify()
			if n := forge(t, dir, change); n < 10 {
				t.Fatalf("only %d files were changed", n)
			}
			verify()
		})
	}
	t.Run("a good bundle in the place of a bad one", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "cache")
		verify := []string{"verify", "--cache-dir", dir, "--key", public, "--require", typeLarge}
		call(t, 0, append(verify, ref)...)
		bad := testkit.Registry(t)
		other := testkit.PushImage(t, bad, "app:v1", testkit.NewIndex(testkit.File("other", "content")))
		attestLarge(t, filepath.Join(filepath.Dir(stranger), "k.key"), other)
		call(t, 3, append(verify, other)...)
		genuine := signatureIn(t, dir)
		forge(t, filepath.Join(dir, "blobs"), func(content []byte) []byte {
			if bytes.Contains(content, []byte(`"dsseEnvelope"`)) {
				return genuine
			}
			return content
		})
		call(t, 3, append(verify, other)...)
	})
}

// signatureIn is a bundle that a cache holds.
func signatureIn(t *testing.T, dir string) (bundle []byte) {
	t.Helper()
	forge(t, filepath.Join(dir, "blobs"), func(content []byte) []byte {
		if bytes.Contains(content, []byte(`"dsseEnvelope"`)) {
			bundle = bytes.Clone(content)
		}
		return content
	})
	if bundle == nil {
		t.Fatal("there is no bundle in the cache")
	}
	return bundle
}

// TestCacheSavesRequests: evidence that was read is not fetched again, and what a verdict hangs on is asked for each time.
func TestCacheSavesRequests(t *testing.T) {
	testkit.DockerConfig(t)
	private, public := keyPair(t)
	for _, c := range []struct {
		name          string
		options       []testkit.Option
		first, second int // sequential requests
		then          int // requests the second time
	}{
		{"referrers API", nil, 4, 2, 2},
		{"fallback tag", []testkit.Option{testkit.WithoutReferrers()}, 5, 2, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			registry := testkit.Registry(t, append(c.options, testkit.Delay(delay))...)
			ref := testkit.PushImage(t, registry, "app:v1", testkit.NewImage())
			attestLarge(t, private, ref)
			dir := filepath.Join(t.TempDir(), "cache")
			for run, most := range []int{c.first, c.second} {
				registry.Reset()
				call(t, 0, "verify", "--cache-dir", dir, "--key", public, "--require", typeLarge, ref)
				if depth := registry.Depth(); depth > most || depth == 0 {
					t.Errorf("run %d: %d sequential requests, %d at most\n%s", run+1, depth, most, requests(registry))
				}
			}
			if registry.Count() != c.then || registry.CountOf(testkit.Blobs) > 0 {
				t.Errorf("the second run: %d requests, want %d, and no blob\n%s", registry.Count(), c.then, requests(registry))
			}
			registry.Reset()
			call(t, 0, "verify", "--key", public, "--require", typeLarge, ref)
			if registry.CountOf(testkit.Blobs) == 0 {
				t.Error("without a cache, no blob was read")
			}
		})
	}
}

// TestReferrersAPIMeanwhile: "there is none" is never said because a registry once had no referrers API.
func TestReferrersAPIMeanwhile(t *testing.T) {
	testkit.DockerConfig(t)
	private, public := keyPair(t)
	registry := testkit.Registry(t)
	ref := testkit.PushImage(t, registry, "app:v1", testkit.NewImage())
	call(t, 0, "sign", "--key", private, ref)
	dir := filepath.Join(t.TempDir(), "cache")
	registry.Use(testkit.Fail(testkit.Referrers, 404, nil, 1))
	call(t, 4, "verify", "--cache-dir", dir, "--key", public, ref)
	call(t, 0, "verify", "--cache-dir", dir, "--key", public, ref)
}

// TestWritersAskTheRegistry: what a command writes rests on what the registry holds, not on what it once held.
func TestWritersAskTheRegistry(t *testing.T) {
	testkit.DockerConfig(t)
	private, public := keyPair(t)
	registry := testkit.Registry(t)
	ref := testkit.PushImage(t, registry, "app:v1", testkit.NewImage())
	dir := filepath.Join(t.TempDir(), "cache")
	attestLarge(t, private, ref)
	verify := []string{"verify", "--cache-dir", dir, "--key", public, "--require", typeLarge, ref}
	call(t, 0, verify...)
	registry.Use(testkit.Fail(testkit.Gets(testkit.Blobs), 404, nil, testkit.Always))
	call(t, 0, verify...)
	file := filepath.Join(t.TempDir(), "predicate.json")
	if err := os.WriteFile(file, []byte(`{"another":"predicate"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	call(t, 5, "attest", "--cache-dir", dir, "--key", private, "--type", typeLarge, "--predicate", file, ref)
	call(t, 5, "prune", "--cache-dir", dir, "--key", public, ref)
}

// packages is an image that has some, and the same in another registry.
func packages(t *testing.T) (ref, again string, registry *testkit.Server) {
	t.Helper()
	image := testkit.NewImage(testkit.File("var/lib/dpkg/status", dpkgStatus("bash", "5.2-1")+dpkgStatus("zlib1g", "1.2-3")))
	registry = testkit.Registry(t)
	return testkit.PushImage(t, registry, "app:v1", image), testkit.PushImage(t, testkit.Registry(t), "app:v1", image), registry
}

// TestSBOMFromCache: the second SBOM of an image reads nothing but the manifest that the tag names, and is the same; what
// is damaged is made again.
func TestSBOMFromCache(t *testing.T) {
	testkit.DockerConfig(t)
	ref, _, registry := packages(t)
	dir := filepath.Join(t.TempDir(), "cache")
	first, _ := call(t, 0, "sbom", "--cache-dir", dir, ref)
	again := func(want int) {
		t.Helper()
		registry.Reset()
		if second, _ := call(t, 0, "sbom", "--cache-dir", dir, ref); second != first {
			t.Error("the second SBOM is another one")
		}
		if registry.Count() != want {
			t.Errorf("%d requests, want %d\n%s", registry.Count(), want, requests(registry))
		}
	}
	again(1)
	damage := func(change func([]byte) []byte) {
		t.Helper()
		err := filepath.WalkDir(filepath.Join(dir, "entries"), func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			raw, err := os.ReadFile(name)
			if err == nil {
				err = os.WriteFile(name, change(raw), 0o600)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, change := range []func([]byte) []byte{
		func(raw []byte) []byte { raw[len(raw)-1] ^= 1; return raw },
		func(raw []byte) []byte { return raw[:len(raw)/2] },
		swapping("bash", "dash"),
		swapping(`format\":\"spdx-json`, `format\":\"cyclonedx-`),
	} {
		damage(change)
		again(2) // and the layer; the configuration is content, and in the cache
		again(1)
	}
}

// TestNothingIsSignedFromCache: what release attests, and what --rederive compares with, is what the image shows, unless
// --sbom-from-cache says otherwise.
func TestNothingIsSignedFromCache(t *testing.T) {
	testkit.DockerConfig(t)
	private, public := keyPair(t)
	ref, again, _ := packages(t)
	dir := filepath.Join(t.TempDir(), "cache")
	honest, _ := call(t, 0, "sbom", "--cache-dir", dir, ref)
	poison := func() {
		t.Helper()
		if n := forge(t, filepath.Join(dir, "entries"), swapping("bash", "ghst")); n == 0 {
			t.Fatal("no SBOM was changed")
		}
	}
	poison()
	forged, _ := call(t, 0, "sbom", "--cache-dir", dir, ref)
	if forged == honest || !strings.Contains(forged, "ghst") {
		t.Fatal("the cache is not read")
	}
	release := []string{"release", "--cache-dir", dir, "--key", private, "--format", "spdx-json"}
	attested := func(ref string) string {
		stdout, _ := call(t, 0, "show", "--no-cache", "--type", "spdx", "--predicate", ref)
		return stdout
	}
	call(t, 0, append(release, ref)...)
	if attested(ref) != honest {
		t.Error("what was attested is not what the image shows")
	}
	poison() // release has put it right
	call(t, 0, append(release, "--sbom-from-cache", again)...)
	if attested(again) != forged {
		t.Error("with --sbom-from-cache, the SBOM is not the one in the cache")
	}
	rederive := []string{"verify", "--cache-dir", dir, "--key", public, "--require", "spdx", "--rederive"}
	call(t, 3, append(rederive, again)...)
	call(t, 0, append(rederive, ref)...)
}

// forgedSBOMs are what can lie in the place of an SBOM of an image: the line about it, and the document.
var forgedSBOMs = map[string]func(line, doc, image string) (string, string){
	"another document": func(line, _, _ string) (string, string) { return line, `{"forged":true}` },
	"no document":      func(line, _, _ string) (string, string) { return line, "" },
	"no JSON":          func(line, _, _ string) (string, string) { return line, "forged" },
	"a list":           func(line, _, _ string) (string, string) { return line, "[]" },
	"no line":          func(_, doc, _ string) (string, string) { return "", doc },
	"another count": func(line, doc, _ string) (string, string) {
		return strings.Replace(line, `"packages":2`, `"packages":3`, 1), doc
	},
	"another version": func(line, doc, _ string) (string, string) {
		return strings.Replace(line, `"version":"`, `"version":"9`, 1), doc
	},
	"claims alone": func(line, _, image string) (string, string) {
		return line, `{"spdxVersion":"SPDX-2.3","documentNamespace":"https://example.com/` + image + `","packages":[{},{},{}]}`
	},
	"a package less": func(line, doc, _ string) (string, string) { return line, withoutLast(doc) },
	"another image": func(line, doc, image string) (string, string) {
		return line, strings.ReplaceAll(doc, strings.TrimPrefix(image, "sha256:"), strings.Repeat("a", 64))
	},
	"something behind it": func(line, doc, _ string) (string, string) { return line, doc + "{}" },
	"a member twice":      func(line, doc, _ string) (string, string) { return line, `{"name":"x","name":"y",` + doc[1:] },
}

// withoutLast is an SBOM of any format without the last of its packages.
func withoutLast(doc string) string {
	members := map[string]any{}
	if err := json.Unmarshal([]byte(doc), &members); err != nil {
		panic(err)
	}
	for _, name := range []string{"packages", "artifacts", "components"} {
		if list, ok := members[name].([]any); ok {
			members[name] = slices.DeleteFunc(list, func(p any) bool { return p.(map[string]any)["name"] == "zlib1g" })
		}
	}
	raw, err := json.Marshal(members)
	if err != nil {
		panic(err)
	}
	return string(raw)
}

// TestForgedSBOMs: what is not an SBOM of this image in this format, with as many packages as were found, is neither
// printed nor signed, but made again.
func TestForgedSBOMs(t *testing.T) {
	testkit.DockerConfig(t)
	private, _ := keyPair(t)
	image := testkit.NewImage(testkit.File("var/lib/dpkg/status", dpkgStatus("bash", "5.2-1")+dpkgStatus("zlib1g", "1.2-3")))
	ref := testkit.PushImage(t, testkit.Registry(t), "app:v1", image)
	for format, kind := range map[string]string{"spdx-json": "spdx", "cyclonedx-json": "cyclonedx", "syft-json": ""} {
		dir := filepath.Join(t.TempDir(), "cache")
		honest, _ := call(t, 0, "sbom", "--cache-dir", dir, "-o", format, ref)
		for name, change := range forgedSBOMs {
			t.Run(format+" "+name, func(t *testing.T) {
				poison := func() {
					t.Helper()
					n := forge(t, filepath.Join(dir, "entries"), func(content []byte) []byte {
						line, doc, ok := strings.Cut(string(content), "\n")
						if !ok {
							return content
						}
						line, doc = change(line, doc, image.Digest().String())
						return []byte(line + "\n" + doc)
					})
					if n != 1 {
						t.Fatalf("%d SBOMs were changed", n)
					}
				}
				poison()
				if printed, _ := call(t, 0, "sbom", "--cache-dir", dir, "-o", format, ref); printed != honest {
					t.Errorf("printed: %.100s", printed)
				}
				if kind == "" {
					return
				}
				poison()
				fresh := testkit.PushImage(t, testkit.Registry(t), "app:v1", image)
				call(t, 0, "release", "--cache-dir", dir, "--key", private, "--format", format, "--sbom-from-cache", fresh)
				if attested, _ := call(t, 0, "show", "--no-cache", "--type", kind, "--predicate", fresh); attested != honest {
					t.Errorf("attested: %.100s", attested)
				}
			})
		}
	}
}

// TestSignedFromCacheIsWhole: what is signed out of the cache is read to its end first.
func TestSignedFromCacheIsWhole(t *testing.T) {
	testkit.DockerConfig(t)
	private, _ := keyPair(t)
	for name, change := range map[string]func([]byte) []byte{
		"a package without a form": swapping(`"name":"bash"`, `"name":[1,2]`),
		"another root":             swapping(`"DESCRIBES"`, `"CONTAINS_"`),
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "cache")
			ref, again, _ := packages(t)
			honest, _ := call(t, 0, "sbom", "--cache-dir", dir, ref)
			if forge(t, filepath.Join(dir, "entries"), change) == 0 {
				t.Fatal("no SBOM was changed")
			}
			call(t, 0, "release", "--cache-dir", dir, "--key", private, "--format", "spdx-json", "--sbom-from-cache", again)
			if attested, _ := call(t, 0, "show", "--no-cache", "--type", "spdx", "--predicate", again); attested != honest {
				t.Errorf("attested: %.100s", attested)
			}
		})
	}
}

// TestOldSBOM: an SBOM of another version of the program, or of another time, does not count.
func TestOldSBOM(t *testing.T) {
	testkit.DockerConfig(t)
	ref, _, registry := packages(t)
	dir := filepath.Join(t.TempDir(), "cache")
	call(t, 0, "sbom", "--cache-dir", dir, ref)
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(program)
	if err != nil {
		t.Fatal(err)
	}
	newer := info.ModTime().Add(time.Second) // as after it was built again
	if err := os.Chtimes(program, newer, newer); err != nil {
		t.Fatal(err)
	}
	registry.Reset()
	if call(t, 0, "sbom", "--cache-dir", dir, ref); registry.CountOf(testkit.Blobs) == 0 {
		t.Error("the SBOM of another program counts")
	}
}

// TestSBOMOfLayoutFromCache: of a layout, the manifest is read and checked each time, and no layer the second time.
func TestSBOMOfLayoutFromCache(t *testing.T) {
	layout := filepath.Join(t.TempDir(), "layout")
	image := testkit.NewImage()
	testkit.WriteLayout(t, layout, "app", image)
	dir := filepath.Join(t.TempDir(), "cache")
	ref := "oci:" + layout + ":app"
	first, _ := call(t, 0, "sbom", "--cache-dir", dir, ref)
	for d := range image.Blobs {
		if err := os.Remove(testkit.BlobFile(layout, d)); err != nil {
			t.Fatal(err)
		}
	}
	if second, _ := call(t, 0, "sbom", "--cache-dir", dir, ref); second != first {
		t.Error("the second SBOM is another one")
	}
	if err := os.WriteFile(testkit.BlobFile(layout, image.Digest()), bytes.ToUpper(image.Manifest), 0o644); err != nil {
		t.Fatal(err)
	}
	call(t, 5, "sbom", "--cache-dir", dir, ref)
}
