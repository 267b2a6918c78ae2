package policy

import "testing"

// TestDocumentTypes: only SBOMs are documents of their own, and each media type means one.
func TestDocumentTypes(t *testing.T) {
	seen := 0
	for _, name := range Names() {
		kind, err := ParseType(name)
		if err != nil {
			t.Fatal(err)
		}
		mediaType := kind.DocumentType()
		if mediaType == "" {
			continue
		}
		seen++
		if uri := DocumentOf(mediaType); !kind.Matches(uri) || TypeOf(uri) != kind {
			t.Errorf("%s: documents of %s are %q", name, mediaType, uri)
		}
	}
	if seen != 3 {
		t.Errorf("%d types are documents, want spdx, cyclonedx and syft", seen)
	}
	if got := TypeOf("https://spdx.dev/Document/v2.3").DocumentType(); got != "application/spdx+json" {
		t.Errorf("a version of SPDX is %q", got)
	}
	for _, other := range []string{"", "application/json", "application/spdx+json; version=2", "APPLICATION/SPDX+JSON"} {
		if uri := DocumentOf(other); uri != "" {
			t.Errorf("%q is taken for %s", other, uri)
		}
	}
	if (Type{}).DocumentType() != "" || TypeOf("https://in-toto.io/attestation/reference/v0.1").DocumentType() != "" {
		t.Error("a reference, or nothing, is a document")
	}
}
