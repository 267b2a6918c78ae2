package verify_test

import (
	"testing"

	"github.com/hallmark-project/hallmark/verify"
)

// TestTwoSources: of two parameters that name different sources, neither is believed.
func TestTwoSources(t *testing.T) {
	const head = `{"buildDefinition":{"buildType":"https://example.com/t","externalParameters":{"workflow":{"repository":"https://github.com/octo/app","ref":"refs/heads/main","path":"x"},"source":`
	const tail = `}},"runDetails":{"builder":{"id":"https://example.com/b"}}}`
	for source, want := range map[string]string{
		`"git+https://github.com/octo/app@refs/heads/main"`:                                       "https://github.com/octo/app",
		`{"uri":"git+https://github.com/octo/app","ref":"refs/heads/main"}`:                       "https://github.com/octo/app",
		`"git+https://github.com/evil/app@refs/heads/main"`:                                       "",
		`{"uri":"git+https://github.com/octo/app","ref":"refs/heads/dev","digest":{"sha1":"aa"}}`: "",
	} {
		b, err := verify.ParseBuild("https://slsa.dev/provenance/v1", []byte(head+source+tail))
		if err != nil || b.Source != want {
			t.Errorf("%s: the source is %q, want %q (%v)", source, b.Source, want, err)
		}
	}
}
