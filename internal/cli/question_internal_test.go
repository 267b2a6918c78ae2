package cli

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"io"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-project/hallmark/policy"
	"github.com/hallmark-project/hallmark/trust"
	"github.com/hallmark-project/hallmark/verify"
)

func someKey(t *testing.T, name string) trust.Key {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := trust.NewKey(name, private.Public())
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// asker is a bench as the flags of verify make it, with a way to change it.
func asker(t *testing.T, args []string, change func(*bench, map[string]string)) string {
	t.Helper()
	env := map[string]string{}
	b := &bench{app: &App{Env: func(name string) (string, bool) { v, ok := env[name]; return v, ok }}}
	cmd := &cobra.Command{}
	b.o.addWho(cmd)
	b.o.many.add(cmd)
	b.o.named.add(cmd)
	b.o.gate.add(cmd)
	b.o.output.add(cmd, append(verdictFormats(), formatLines))
	if err := cmd.ParseFlags(args); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(b, env)
	}
	q, err := b.question()
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// TestQuestion: what decides about a subject is part of the question, and what does not
// decide is none.
func TestQuestion(t *testing.T) {
	key, other := someKey(t, "k.pub"), someKey(t, "k.pub")
	late := key
	late.Validity.Until = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	elsewhere := key
	elsewhere.Name = "keys/k.pub"
	bundle := func(content string) verify.File {
		return verify.File{Name: content, Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader([]byte(content))), nil }}
	}
	root := func(keys ...trust.Key) func(*bench, map[string]string) {
		return func(b *bench, _ map[string]string) { b.root.Keys = keys }
	}
	log := func(k trust.Key, private bool) func(*bench, map[string]string) {
		return func(b *bench, _ map[string]string) {
			b.root.Instances = []trust.Instance{{Name: "any", Private: private, Logs: []trust.Log{{URI: "https://log.example", ID: trust.LogID(k, ""), Key: k}}}}
		}
	}
	loaded := func(digest, material string, keys ...trust.Key) func(*bench, map[string]string) {
		return func(b *bench, _ map[string]string) {
			b.loaded = &loadedPolicy{set: &policy.Set{}, digest: digest, material: map[string]string{"release": material}}
			b.root.Keys = keys
		}
	}
	seen := map[string]string{}
	for _, c := range []struct {
		name   string
		args   []string
		change func(*bench, map[string]string)
		same   string
	}{
		{name: "nothing"},
		{name: "a key", change: root(key)},
		{name: "a key from another folder", change: root(elsewhere), same: "a key"},
		{name: "a key under another name of a file", args: []string{"--key", "a.pub"}, change: root(key), same: "a key"},
		{name: "another key", change: root(other)},
		{name: "two keys", change: root(key, other)},
		{name: "a key for a time", change: root(late)},
		{name: "keys in the log", change: func(b *bench, _ map[string]string) { b.root.Keys, b.root.KeysInLog = []trust.Key{key}, true }},
		{name: "a root", change: log(key, false)},
		{name: "another root", change: log(other, false)},
		{name: "a root with a time", change: log(late, false)},
		{name: "an authority of the policy", change: log(key, true)},
		{name: "a policy", change: loaded("sha256:1", "f", key)},
		{name: "another policy", change: loaded("sha256:2", "f", key)},
		{name: "another fingerprint in it", change: loaded("sha256:1", "g", key)},
		{name: "a signer by another name", change: loaded("sha256:1", "f", elsewhere)},
		{name: "a bundle", change: func(b *bench, _ map[string]string) { b.bundles = []verify.File{bundle("one")} }},
		{name: "another bundle", change: func(b *bench, _ map[string]string) { b.bundles = []verify.File{bundle("two")} }},
		{name: "evidence elsewhere", change: func(_ *bench, env map[string]string) { env["COSIGN_REPOSITORY"] = "example.com/evidence" }},
		{name: "a requirement", args: []string{"--require", "spdx"}},
		{name: "two requirements", args: []string{"--require", "spdx,signature"}},
		{name: "one requirement with a comma", args: []string{"--require", `"spdx,signature"`}},
		{name: "a time", args: []string{"--at", "2031-01-01"}},
		{name: "a threshold", args: []string{"--log-threshold", "2"}},
		{name: "an identity", args: []string{"--certificate-identity", "a@example.com"}},
		{name: "a name for layouts", args: []string{"--as", "example.com/app"}},
		{name: "an age", args: []string{"--max-verdict-age", "1h"}},
		{name: "how many at once", args: []string{"--parallel", "3", "--resume", "--list", "l", "-o", "jsonl=x", "-f", "d.yaml"}, same: "nothing"},
	} {
		q := asker(t, c.args, c.change)
		if before, there := seen[q]; before != c.same || there != (c.same != "") {
			t.Errorf("%s: asks the same as %q, want %q", c.name, before, c.same)
		}
		if c.same == "" {
			seen[q] = c.name
		}
	}
}
