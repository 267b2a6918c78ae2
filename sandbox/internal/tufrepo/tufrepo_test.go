package tufrepo

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sigstore/sigstore-go/pkg/tuf"
)

func newKeys(t *testing.T) Keys {
	t.Helper()
	var keys Keys
	for _, key := range []**ecdsa.PrivateKey{&keys.Root, &keys.Online} {
		var err error
		if *key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			t.Fatal(err)
		}
	}
	return keys
}

// read gets a target as Sigstore's clients do.
func read(t *testing.T, url string, root []byte, cache, target string) string {
	t.Helper()
	client, err := tuf.New(&tuf.Options{Root: root, RepositoryBaseURL: url, CachePath: cache})
	if err != nil {
		t.Fatal(err)
	}
	data, err := client.GetTarget(target)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestSigstoreClientReadsAndFollows(t *testing.T) {
	dir, cache, keys, now := t.TempDir(), t.TempDir(), newKeys(t), time.Now()
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer server.Close()
	publish := func(content string, at time.Time) {
		t.Helper()
		err := Publish(dir, keys, map[string][]byte{"trusted_root.json": []byte(content), "signing_config.v0.2.json": []byte("{}")}, at)
		if err != nil {
			t.Fatal(err)
		}
	}
	publish("one", now)
	root, err := os.ReadFile(filepath.Join(dir, RootFile))
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, server.URL, root, cache, "trusted_root.json"); got != "one" {
		t.Errorf("got %q", got)
	}
	if got := read(t, server.URL, root, cache, "signing_config.v0.2.json"); got != "{}" {
		t.Errorf("got %q", got)
	}
	publish("two", now)
	if got := read(t, server.URL, root, cache, "trusted_root.json"); got != "two" {
		t.Errorf("a client with a cache got %q after a change", got)
	}
	if after, err := os.ReadFile(filepath.Join(dir, RootFile)); err != nil || string(after) != string(root) {
		t.Errorf("the root changed (%v)", err)
	}
}

func TestNewVersionsOnlyWhenNeeded(t *testing.T) {
	dir, keys, now := t.TempDir(), newKeys(t), time.Now()
	targets := map[string][]byte{"a": []byte("1")}
	versions := func() int {
		t.Helper()
		files, err := filepath.Glob(filepath.Join(dir, "*.targets.json"))
		if err != nil {
			t.Fatal(err)
		}
		return len(files)
	}
	for _, step := range []struct {
		name string
		at   time.Time
		want int
	}{
		{"first", now, 1},
		{"same", now.Add(time.Hour), 1},
		{"about to expire", now.Add(lifetime - renewBefore + time.Hour), 2},
	} {
		if err := Publish(dir, keys, targets, step.at); err != nil {
			t.Fatal(err)
		}
		if got := versions(); got != step.want {
			t.Errorf("%s: %d versions, want %d", step.name, got, step.want)
		}
	}
}

func TestOtherKeysAreNoticed(t *testing.T) {
	dir := t.TempDir()
	if err := Publish(dir, newKeys(t), map[string][]byte{"a": []byte("1")}, time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := Publish(dir, newKeys(t), map[string][]byte{"a": []byte("2")}, time.Now()); err == nil {
		t.Error("metadata was published that no client would take")
	}
}
