//go:build unix

package oci

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/hallmark-project/hallmark/internal/testkit"
)

// What lies in a layout is a stranger's: nothing is written to, or removed, where a link in
// it points, and nothing waits for a pipe.
func TestLinksInLayouts(t *testing.T) {
	empty := digest.FromString("{}").Encoded()
	link := func(target, name string) func(string) error {
		return func(dir string) error {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
				return err
			}
			if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
				return err
			}
			return os.Symlink(filepath.Join(filepath.Dir(dir), target), filepath.Join(dir, name))
		}
	}
	for name, plant := range map[string]func(dir string) error{
		"folder of parts": link("victim", ".hallmark"),
		"a part":          link("victim/precious", ".hallmark/"+empty+".part"),
		"the lock":        link("victim/precious", ".hallmark/lock"),
		"a blob's lock":   link("victim/precious", ".hallmark/"+empty+".lock"),
		"folder of blobs": link("victim", "blobs/sha256"),
		"blobs":           link("victim", "blobs"),
		"a pipe": func(dir string) error {
			if err := os.MkdirAll(filepath.Join(dir, ".hallmark"), 0o755); err != nil {
				return err
			}
			return syscall.Mkfifo(filepath.Join(dir, ".hallmark", "lock"), 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			base := t.TempDir()
			dir, victim := filepath.Join(base, "layout"), filepath.Join(base, "victim")
			testkit.WriteLayout(t, dir, "v1", testkit.NewImage())
			store, subject := resolve(t, newClient(t), "oci:"+dir)
			if err := os.MkdirAll(filepath.Join(victim, "sha256"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(victim, "precious"), []byte("precious"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := plant(dir); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			_, err := store.Attach(ctx, []Attachment{evidence(subject, "x")})
			wantErr(t, err, ErrLayout)
			content, err := os.ReadFile(filepath.Join(victim, "precious"))
			if err != nil || string(content) != "precious" {
				t.Errorf("the victim: %q, %v", content, err)
			}
			if files := filesOf(t, victim); len(files) != 1 {
				t.Errorf("the victim's folder: %v", files)
			}
		})
	}
}

// Files that are not a writer's own stay, even in its folder.
func TestTidyRemovesItsOwn(t *testing.T) {
	dir := t.TempDir()
	testkit.WriteLayout(t, dir, "v1", testkit.NewImage())
	store, subject := resolve(t, newClient(t), "oci:"+dir)
	mine := filepath.Join(dir, ".hallmark", "notes.txt")
	if err := os.MkdirAll(filepath.Dir(mine), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(mine, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	attach(t, store, evidence(subject, "x"))
	if _, err := os.Stat(mine); err != nil {
		t.Error(err)
	}
	if entries, err := os.ReadDir(filepath.Dir(mine)); err != nil || len(entries) != 1 {
		t.Errorf("%v, %v", entries, err)
	}
}

// Of two writers that bring evidence under one tag, the later one must not take the
// other's away.
func TestTaggedEvidence(t *testing.T) {
	tag := FallbackTag(digest.FromString("image")) + ".sig"
	s := testkit.Registry(t)
	for _, place := range []string{"oci:" + filepath.Join(t.TempDir(), "layout"), "oci:" + filepath.Join(t.TempDir(), "a.tar"), s.Host + "/team/app"} {
		c := newClient(t)
		first, second := importTo(t, c, place), importTo(t, c, place)
		for i, to := range []Import{first, second} {
			image := testkit.NewImage(testkit.File("n", string(rune('a'+i))))
			m, err := ParseManifest("", image.Manifest)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range append(m.Layers, m.Config) {
				if _, err := to.Push(t.Context(), BytesBlob("", image.Blobs[d.Digest]), nil); err != nil {
					t.Fatal(err)
				}
			}
			d := describe(m.MediaType, image.Manifest)
			if err := to.Put(t.Context(), d, image.Manifest); err != nil {
				t.Fatal(err)
			}
			err = to.Commit(t.Context(), Commit{Tags: []Tag{{Name: tag, Manifest: d, Raw: image.Manifest, Evidence: true}}})
			if i == 0 && err != nil {
				t.Fatal(err)
			}
			if i == 1 {
				wantErr(t, err, ErrTagTaken)
			}
			if err := to.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// An archive keeps its rights, a link to it stays one, and names need not be ASCII.
func TestArchiveIsReplacedAsItWas(t *testing.T) {
	dir := t.TempDir()
	archive, link := filepath.Join(dir, "real.tar"), filepath.Join(dir, "link.tar")
	c := newClient(t)
	bring(t, importTo(t, c, "oci:"+archive), "v1", testkit.NewImage())
	if err := os.Chmod(archive, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(archive, link); err != nil {
		t.Fatal(err)
	}
	bring(t, importTo(t, c, "oci:"+link), "v2", testkit.NewImage(testkit.File("b", "2")), "x")
	if info, err := os.Stat(archive); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link became %v, %v", info.Mode(), err)
	}
	wantListed(t, c, "oci:"+archive+":v2", 1)
	if files := filesOf(t, dir); len(files) != 2 {
		t.Errorf("files: %v", files)
	}
}

// A request that begins anew by itself reads its body without waiting for its own place.
func TestBodyOfRequestUnderWay(t *testing.T) {
	s := testkit.Registry(t)
	c := newClient(t)
	content := noise(2000, 9)
	d := Descriptor{Digest: testkit.PushBlob(t, s, "team/app", content), Size: int64(len(content))}
	store, _ := open(t, c, s.Host+"/team/app")
	limit := c.auth.Client.Transport.(*persistent).host(s.Host)
	limit.limit = 1
	if _, err := limit.enter(t.Context()); err != nil { // the place of the request itself
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	body, err := BlobOf(ctx, store, d).again()
	if err != nil {
		t.Fatal(err)
	}
	body.Close()
}
