package pack

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

func sample(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	m := Manifest{Tool: "t", Created: time.Unix(1_700_000_000, 0).UTC(), Subject: Subject{Digest: "sha256:x"}, Policy: []string{"policy/0.yaml"}}
	files := []File{Content("policy/0.yaml", []byte("a: b\n")), Content("blobs/sha256/00", []byte("blob")), Content("empty", nil)}
	if err := Write(&b, m, files, func(manifest []byte) ([]byte, error) { return append([]byte("signed "), manifest[:1]...), nil }); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestPack(t *testing.T) {
	raw := sample(t)
	if !bytes.Equal(raw, sample(t)) {
		t.Error("the same files make two archives")
	}
	p, err := Read(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if string(p.Small["policy/0.yaml"]) != "a: b\n" || p.Small["blobs/sha256/00"] != nil || string(p.Signature) != "signed {" || len(p.Files) != 3 {
		t.Errorf("%+v", p)
	}
}

// TestEveryBit: no byte of a pack can be changed, those between its files included.
func TestEveryBit(t *testing.T) {
	raw := sample(t)
	for i := range raw {
		raw[i] ^= 1
		if _, err := Read(bytes.NewReader(raw)); !errors.Is(err, ErrPack) {
			t.Fatalf("byte %d changed: %v", i, err)
		}
		raw[i] ^= 1
	}
	for _, n := range []int{0, 1, 511, 512, 513, len(raw) / 2, len(raw) - 513, len(raw) - 1} {
		if _, err := Read(bytes.NewReader(raw[:n])); !errors.Is(err, ErrPack) {
			t.Errorf("cut after %d bytes: %v", n, err)
		}
	}
	if _, err := Read(bytes.NewReader(append(raw, 0))); !errors.Is(err, ErrPack) {
		t.Errorf("a byte more: %v", err)
	}
}

// TestBadPacks: archives that somebody else put together.
func TestBadPacks(t *testing.T) {
	for name, change := range map[string]func(entries map[string]string) []string{
		"a file more":  func(e map[string]string) []string { e["zz"] = "x"; return nil },
		"a file less":  func(e map[string]string) []string { delete(e, "empty"); return nil },
		"another file": func(e map[string]string) []string { e["policy/0.yaml"] = "a: c\n"; return nil },
		"no manifest":  func(e map[string]string) []string { delete(e, ManifestPath); return nil },
		"another version": func(e map[string]string) []string {
			e[ManifestPath] = strings.Replace(e[ManifestPath], "/v1", "/v2", 1)
			return nil
		},
		"no JSON":           func(e map[string]string) []string { e[ManifestPath] = "{"; return nil },
		"leads out":         func(e map[string]string) []string { e["../x"] = "x"; return nil },
		"leads out further": func(e map[string]string) []string { e["a/../../x"] = "x"; return nil },
		"absolute":          func(e map[string]string) []string { e["/x"] = "x"; return nil },
		"odd name":          func(e map[string]string) []string { e["a\x1b[2J"] = "x"; return nil },
		"twice":             func(map[string]string) []string { return []string{"empty"} },
	} {
		entries, order := map[string]string{}, []string{}
		r := tar.NewReader(bytes.NewReader(sample(t)))
		for h, err := r.Next(); err == nil; h, err = r.Next() {
			content, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			entries[h.Name], order = string(content), append(order, h.Name)
		}
		known := len(order)
		again := change(entries)
		for name := range entries {
			if !contains(order[:known], name) {
				order = append(order, name)
			}
		}
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for _, name := range append(order, again...) {
			content, there := entries[name]
			if !there {
				continue
			}
			h := header(name, int64(len(content)))
			h.Format = tar.FormatUnknown
			if err := w.WriteHeader(h); err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(w, content); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(&b); !errors.Is(err, ErrPack) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{SumPath, "../x", "/x", "a//b", "", strings.Repeat("a", 101), ManifestPath} {
		if err := Write(io.Discard, Manifest{}, []File{Content(name, nil)}, nil); !errors.Is(err, ErrPack) {
			t.Errorf("written under %q: %v", name, err)
		}
	}
	if err := Write(io.Discard, Manifest{}, []File{{"a", 2, Content("a", []byte("b")).Open}}, nil); err == nil {
		t.Error("a file of another size is written")
	}
}

// TestConsistentPacks: an archive that agrees with itself, put together by hand, and what is
// wrong with it all the same.
func TestConsistentPacks(t *testing.T) {
	for name, c := range map[string]struct {
		version string
		files   []string
		ok      bool
	}{
		"sound": {Version, []string{"a", "b/c"}, true}, "another form": {"hallmark.pack/v2", []string{"a"}, false},
		"leads out": {Version, []string{"../a"}, false}, "leads out further": {Version, []string{"b/../../a"}, false}, "a hidden folder": {Version, []string{"b/..c"}, false},
	} {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		m := Manifest{SchemaVersion: c.version}
		for _, file := range c.files {
			sum, err := add(w, Content(file, []byte(file)))
			if err != nil {
				t.Fatal(err)
			}
			m.Files = append(m.Files, Entry{file, int64(len(file)), sum})
		}
		raw, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		for _, last := range []File{Content(ManifestPath, raw), Content(SumPath, sumOf(raw, nil))} {
			if _, err := add(w, last); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(&b); (err == nil) != c.ok || err != nil && !errors.Is(err, ErrPack) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func contains(list []string, s string) bool {
	for _, one := range list {
		if one == s {
			return true
		}
	}
	return false
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("x"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Read(bytes.NewReader(data))
		if (p == nil || err != nil) && !errors.Is(err, ErrPack) {
			t.Errorf("%v is no ErrPack", err)
		}
	})
}

// TestLargePack: SBOMs may be of any size, and a pack that nobody could read is not written.
func TestLargePack(t *testing.T) {
	zeros := func(name string) File {
		return File{name, maxSmall + 1, func() (io.ReadCloser, error) { return io.NopCloser(io.LimitReader(endless{}, maxSmall+1)), nil }}
	}
	var archive bytes.Buffer
	if err := Write(&archive, Manifest{}, []File{zeros("bundles/a.json")}, nil); !errors.Is(err, ErrPack) {
		t.Errorf("a large bundle: %v", err)
	}
	in, out := io.Pipe()
	go func() { _ = out.CloseWithError(Write(out, Manifest{}, []File{zeros("sboms/a.json")}, nil)) }()
	p, err := Read(in)
	if err != nil || len(p.Small) != 0 {
		t.Errorf("a large SBOM: %v", err)
	}
}

// endless is zeros without an end.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
