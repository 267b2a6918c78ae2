package cli

import (
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/transfer"
	"github.com/hallmark-project/hallmark/verify"
)

// TestCrossing: only what was signed crosses, and nothing is wrapped around it.
func TestCrossing(t *testing.T) {
	d := digest.FromString
	c := newCrossing([]verify.Verified{
		{Form: verify.FormBundle, Evidence: d("bundle"), Refers: &verify.Referral{Digest: d("sbom")}},
		{Form: verify.FormLegacySignature, Evidence: d("payload")},
	})
	layers := func(texts ...string) []oci.Descriptor {
		var out []oci.Descriptor
		for _, text := range texts {
			out = append(out, oci.Descriptor{Digest: d(text)})
		}
		return out
	}
	for name, test := range map[string]struct {
		kind     transfer.Kind
		manifest string
		layers   []oci.Descriptor
		config   int64
		want     bool
	}{
		"a bundle":                       {transfer.KindEvidence, "bundle", layers("x"), 2, true},
		"another manifest":               {transfer.KindEvidence, "stranger", layers("x"), 2, false},
		"a bundle under a tag":           {transfer.KindTagged, "bundle", layers("x"), 2, false},
		"a bundle with a large config":   {transfer.KindEvidence, "bundle", layers("x"), mostConfig + 1, false},
		"a document":                     {transfer.KindEvidence, "document", layers("sbom"), 2, true},
		"a document and more":            {transfer.KindEvidence, "document", layers("sbom", "x"), 2, false},
		"an old signature":               {transfer.KindTagged, "tag", layers("payload"), 300, true},
		"two signatures, one of them by": {transfer.KindTagged, "tag", layers("payload", "payload"), 300, false},
		"an old signature and more":      {transfer.KindTagged, "tag", layers("payload", "x"), 300, false},
		"an old signature, large config": {transfer.KindTagged, "tag", layers("payload"), mostConfig + 1, false},
		"nothing":                        {transfer.KindTagged, "tag", nil, 2, false},
	} {
		p := &transfer.Piece{Kind: test.kind, Descriptor: oci.Descriptor{Digest: d(test.manifest)}}
		if got := c.allows(p, &oci.Manifest{Config: oci.Descriptor{Size: test.config}, Layers: test.layers}); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
