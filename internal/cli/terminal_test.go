package cli_test

import (
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/hallmark-project/hallmark/internal/testkit"
)

// TestTerminalText: names that a stranger gave to platforms and artifacts cannot steer
// the terminal.
func TestTerminalText(t *testing.T) {
	testkit.DockerConfig(t)
	private, public := keyPair(t)
	evil := "\x1b[2J\x1b]0;owned\a\u009b31m"
	image := testkit.NewIndex(testkit.For(ocispec.Platform{OS: "linux", Architecture: "amd64"}, ocispec.Platform{OS: "linux", Architecture: evil}))
	dir := filepath.Join(t.TempDir(), "layout")
	testkit.WriteLayout(t, dir, "v1", image)
	registry := testkit.Registry(t)
	ref := testkit.PushImage(t, registry, "app:v1", image)
	child := image.Children[0].Descriptor()
	child.Platform, child.Annotations = nil, nil
	testkit.PushReferrer(t, registry, "app", child, "application/"+evil, []byte("x"))
	for _, args := range [][]string{
		{"sign", "--recursive", "--key", private, ref},
		{"verify", "--details", "--key", public, ref},
		{"verify", "--key", public, "--require", "spdx", ref},
		{"tree", ref},
		{"show", "--type", "spdx", ref},
		{"sbom", "--platform", "nope", "oci:" + dir + ":v1"},
	} {
		stdout, stderr := run(t, args...)
		for _, c := range stdout + stderr {
			if c != '\n' && c != '\t' && !unicode.IsPrint(c) {
				t.Errorf("%s: %q in\n%q", strings.Join(args[:1], " "), c, stdout+stderr)
				break
			}
		}
	}
}
