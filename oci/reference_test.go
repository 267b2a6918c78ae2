package oci

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

func TestParseReference(t *testing.T) {
	const hub = "docker.io"
	registry := func(host, repository, tag, d string) Reference {
		return Reference{Scheme: SchemeRegistry, Registry: host, Repository: repository, Tag: tag, Digest: digest.Digest(d)}
	}
	implied := func(host, repository string) Reference {
		ref := registry(host, repository, "latest", "")
		ref.Implied = true
		return ref
	}
	layout := func(path, tag, d string) Reference {
		return Reference{Scheme: SchemeLayout, Path: path, Tag: tag, Digest: digest.Digest(d)}
	}
	for text, want := range map[string]Reference{
		"alpine":                             implied(hub, "library/alpine"),
		"alpine:3.20":                        registry(hub, "library/alpine", "3.20", ""),
		"org/app":                            implied(hub, "org/app"),
		"docker.io/alpine":                   implied(hub, "library/alpine"),
		"index.docker.io/org/app":            implied(hub, "org/app"),
		"ghcr.io/a/b/c:v1":                   registry("ghcr.io", "a/b/c", "v1", ""),
		"localhost/app":                      implied("localhost", "app"),
		"localhost:5000/app:v1":              registry("localhost:5000", "app", "v1", ""),
		"[::1]:5000/app":                     implied("[::1]:5000", "app"),
		"r.example.com/app@" + someDigest:    registry("r.example.com", "app", "", someDigest),
		"r.example.com/app:v1@" + someDigest: registry("r.example.com", "app", "v1", someDigest),
		"r.example.com:443/app":              implied("r.example.com:443", "app"),
		"oci:dir":                            layout("dir", "", ""),
		"oci:dir:v1":                         layout("dir", "v1", ""),
		"oci:/a/b.tar:v1":                    layout("/a/b.tar", "v1", ""),
		"oci:dir@" + someDigest:              layout("dir", "", someDigest),
		"oci:dir:v1@" + someDigest:           layout("dir", "v1", someDigest),
		"oci:a:b/c":                          layout("a:b/c", "", ""),
		"oci:a:b/c:v1":                       layout("a:b/c", "v1", ""),
		"oci:user@host/dir":                  layout("user@host/dir", "", ""),
		"file:a:b":                           {Scheme: SchemeFile, Path: "a:b"},
		"file:/x/y@" + someDigest:            {Scheme: SchemeFile, Path: "/x/y@" + someDigest},
		"dir:.":                              {Scheme: SchemeDir, Path: "."},
		"docker-archive:x.tar":               {Scheme: SchemeDockerArchive, Path: "x.tar"},
		"":                                   {},
		" ":                                  {},
		"oci:":                               {},
		"oci::v1":                            {},
		"oci:dir:":                           {},
		"oci:@" + someDigest:                 {},
		"oci:dir@sha256:short":               {},
		"oci:dir@sha512:" + strings.Repeat("a", 128): {},
		"oci:dir@md5:" + strings.Repeat("a", 32):     {},
		"file:":                                      {},
		"dir:":                                       {},
		"docker-archive:":                            {},
		"docker://alpine":                            {},
		"https://r.example.com/app":                  {},
		"oci://r.example.com/app":                    layout("//r.example.com/app", "", ""),
		"r.example.com/App":                          {},
		"Alpine":                                     {},
		"r.example.com/app:":                         {},
		"r.example.com/app:v 1":                      {},
		"r.example.com/app@sha256:short":             {},
		"r.example.com/app@" + strings.ToUpper(someDigest):     {},
		"r.example.com/app@sha512:" + strings.Repeat("a", 128): {},
		"r.example.com/a//b":            {},
		"r.example.com/../b":            {},
		"./dir":                         {},
		"/etc/passwd":                   {},
		"a\x00b":                        {},
		strings.Repeat("a/", 500) + "b": {},
	} {
		got, err := ParseReference(text)
		if want.Scheme == "" {
			if !errors.Is(err, ErrReference) {
				t.Errorf("%q: %+v, %v", text, got, err)
			}
			continue
		}
		want.text = text
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}

// What exists as a whole is a path, and an error about a local path says how it is
// written.
func TestReferencesToLocalPaths(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"app:v1", "Layout", "sub"} {
		if err := os.MkdirAll(name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for text, want := range map[string][2]string{
		"oci:app:v1": {"app:v1", ""}, "oci:app:v1:v2": {"app:v1", "v2"}, "oci:app:v2": {"app", "v2"}, "oci:app:v1@" + someDigest: {"app:v1", ""},
	} {
		if ref, err := ParseReference(text); err != nil || ref.Path != want[0] || ref.Tag != want[1] {
			t.Errorf("%s: %+v, %v", text, ref, err)
		}
	}
	for _, text := range []string{"Layout", "./sub", t.TempDir()} {
		_, err := ParseReference(text)
		wantErr(t, err, ErrReference)
		wantText(t, err, "oci:"+text)
	}
}

func TestReferencePlaces(t *testing.T) {
	for text, want := range map[string][3]string{
		"alpine":                           {"docker.io/library/alpine", "latest", "registry"},
		"r.example.com/a:v1@" + someDigest: {"r.example.com/a", someDigest, "registry"},
		"oci:dir:v1":                       {"oci:dir", "v1", "oci"},
		"oci:dir":                          {"oci:dir", "", "oci"},
	} {
		ref, err := ParseReference(text)
		if err != nil || ref.Place() != want[0] || ref.Target() != want[1] || string(ref.Scheme) != want[2] || ref.String() != text {
			t.Errorf("%s: %q %q %v", text, ref.Place(), ref.Target(), err)
		}
	}
	if _, err := newClient(t).Open(Reference{Scheme: SchemeFile, Path: "x"}); !errors.Is(err, ErrReference) {
		t.Errorf("a file opened as a store: %v", err)
	}
}

func FuzzParseReference(f *testing.F) {
	for _, seed := range []string{"alpine:3", "oci:a:b@" + someDigest, "r:5000/a/b:c@" + someDigest, "file:x", "oci:::"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ref, err := ParseReference(text)
		if err != nil {
			if !errors.Is(err, ErrReference) {
				t.Fatalf("error %v is no ErrReference", err)
			}
			return
		}
		if ref.Digest != "" && checkDigest(ref.Digest) != nil {
			t.Fatalf("bad digest %q", ref.Digest)
		}
		if ref.Scheme == SchemeRegistry {
			if ref.Registry == "" || ref.Repository == "" || ref.Target() == "" || strings.Contains(ref.Repository, "..") {
				t.Fatalf("%+v", ref)
			}
			if checkDigest(digest.Digest(ref.Target())) != nil && !tagGrammar().MatchString(ref.Target()) {
				t.Fatalf("Resolve will not take %q", ref.Target())
			}
			again, err := ParseReference(ref.Place() + ":" + "x")
			if err != nil || again.Place() != ref.Place() {
				t.Fatalf("%q does not read back: %v", ref.Place(), err)
			}
		} else if ref.Path == "" {
			t.Fatal("no path")
		}
	})
}

func FuzzNextLink(f *testing.F) {
	f.Add(`<a>; rel="next"`)
	f.Add(`<a,b>; x="y,z", <c>; rel=prev`)
	f.Fuzz(func(t *testing.T, header string) {
		target, err := nextLink([]string{header})
		if err == nil && !strings.Contains(header, target) {
			t.Fatalf("%q is not in %q", target, header)
		}
	})
}
