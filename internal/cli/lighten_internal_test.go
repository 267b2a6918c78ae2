package cli

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/hallmark-project/hallmark/attest"
	"github.com/hallmark-project/hallmark/internal/testkit"
	"github.com/hallmark-project/hallmark/oci"
)

// TestLargePredicate: what is too large to be held while others are read is attested as it is,
// once, in either way.
func TestLargePredicate(t *testing.T) {
	dir := t.TempDir()
	sbom := []byte(`{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","comment":"` + strings.Repeat("x", largePredicate) + `"}`)
	file, key, layout := filepath.Join(dir, "sbom.json"), filepath.Join(dir, "k"), filepath.Join(dir, "layout")
	if err := os.WriteFile(file, sbom, 0o600); err != nil {
		t.Fatal(err)
	}
	testkit.WriteLayout(t, layout, "v1", testkit.NewImage())
	run := func(args ...string) string {
		t.Helper()
		var out, problems bytes.Buffer
		a := &App{In: strings.NewReader(""), Out: &out, Err: &problems, Now: time.Now, Env: func(name string) (string, bool) {
			value, ok := map[string]string{"HALLMARK_PASSWORD": "correct horse", "HOME": dir, "XDG_CACHE_HOME": dir}[name]
			return value, ok
		}}
		if code := a.Run(context.Background(), args); code != exitDone {
			t.Fatalf("hallmark %s: exit code %d\n%s%s", strings.Join(args, " "), code, problems.String(), out.String())
		}
		return out.String()
	}
	run("keys", "generate", "--output-key-prefix", key)
	for _, more := range [][]string{nil, {"--by-reference"}} {
		args := append([]string{"attest", "--key", key + ".key", "--type", "spdx", "--predicate", file, "oci:" + layout}, more...)
		if out := run(args...); !strings.Contains(out, statusAttached) {
			t.Errorf("%v: %s", more, out)
		}
		if out := run(args...); strings.Contains(out, statusAttached) {
			t.Errorf("%v, again: %s", more, out)
		}
		if out := run("show", "--type", "spdx", "--predicate", "oci:"+layout); out != string(sbom) {
			t.Errorf("%v: %d bytes are shown, want %d", more, len(out), len(sbom))
		}
	}
	run("verify", "--key", key+".pub", "--require", "spdx", "oci:"+layout)
}

// TestRecall: a file that is another one when it is read again is not signed.
func TestRecall(t *testing.T) {
	subject, err := oci.DigestSubject(digest.FromString("subject"))
	if err != nil {
		t.Fatal(err)
	}
	predicate := func(text string) attest.Predicate {
		p, err := attest.NewPredicate("https://example.com/type", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	claims := []claim{{on: oci.Platform{Subject: subject}, predicate: predicate(`{"a":1}`)}}
	signed, err := digestsOf(claims)
	if err != nil {
		t.Fatal(err)
	}
	text := `{"a":1}`
	claims[0].again = func() (attest.Predicate, error) { return predicate(text), nil }
	forget(claims)
	if claims[0].predicate.JSON != nil || claims[0].predicate.Type != "https://example.com/type" {
		t.Errorf("kept %+v", claims[0].predicate)
	}
	if c, err := claims[0].recall(signed[0]); err != nil || string(c.predicate.JSON) != text {
		t.Errorf("recalled %s: %v", c.predicate.JSON, err)
	}
	text = `{"a":2}`
	if c, err := claims[0].recall(signed[0]); classify(err).code != exitUsage {
		t.Errorf("recalled %s: %v", c.predicate.JSON, err)
	}
	file := filepath.Join(t.TempDir(), "sbom.json")
	if err := os.WriteFile(file, []byte(`{"bomFormat":"CycloneDX","specVersion":"1.6"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	other, err := attest.NewPredicate("cyclonedx", []byte(`{"bomFormat":"CycloneDX","specVersion":"1.5"}`))
	if err != nil {
		t.Fatal(err)
	}
	_, referred, err := attest.ByReference(other, digest.Digest.String)
	if err != nil {
		t.Fatal(err)
	}
	c := claim{document: &referred}
	if err := c.lighten(signOptions{large: file}); classify(err).code != exitUsage {
		t.Errorf("another file stands for the SBOM: %v", err)
	}
}
