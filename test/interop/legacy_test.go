package interop

import (
	"slices"
	"testing"
)

// oldForm is a form of evidence that cosign wrote before the bundle.
type oldForm struct {
	name     string
	requires string
	write    func(d *desk, ref string)
}

// experimental makes cosign write the old signature as a referrer.
var experimental = []string{"COSIGN_EXPERIMENTAL=1"}

var oldForms = []oldForm{
	{"sig tag", "signature", func(d *desk, ref string) {
		d.cosign(0, line("sign", oldFlags(d.keys.cosign.private), ref)...)
	}},
	{"att tag", "spdx", func(d *desk, ref string) {
		predicate := d.file("spdx.json", spdxDocument)
		d.cosign(0, line("attest", oldFlags(d.keys.cosign.private), "--type", "spdxjson", "--predicate", predicate, ref)...)
	}},
	{"sig referrer", "signature", func(d *desk, ref string) {
		flags := append(oldFlags(d.keys.cosign.private), "--registry-referrers-mode", "oci-1-1")
		d.with(experimental...).cosign(0, line("sign", flags, ref)...)
	}},
}

// TestOldForms: evidence in the older forms is judged like any other, unless it is
// ruled out, and somebody else's bundle beside it hides nothing.
func TestOldForms(t *testing.T) {
	everyRegistry(t, func(t *testing.T, r *registry) {
		for _, form := range oldForms {
			t.Run(form.name, func(t *testing.T) {
				d, i := newDesk(t), r.image(t, "oci")
				ref, pub := i.platform(0), d.keys.cosign.public
				verify := func(want int, key string, more ...string) {
					t.Helper()
					d.hallmark(want, append([]string{"verify", "--key", key, "--require", form.requires, ref}, more...)...)
				}
				verify(4, pub)
				form.write(d, ref)
				verify(0, pub)
				verify(3, pub, "--no-legacy")
				verify(3, d.keys.mallory.public)

				d.hallmark(0, "sign", "--key", d.keys.mallory.private, ref)
				d.hallmark(0, "attest", "--key", d.keys.mallory.private, "--type", "spdx", "--predicate", d.file("other.json", spdxDocument), ref)
				verify(0, pub)
				verify(3, pub, "--no-legacy")
				verify(0, d.keys.mallory.public)
			})
		}
	})
}

// TestOldFormsListed: where each tool puts the older forms, tree finds them.
func TestOldFormsListed(t *testing.T) {
	everyRegistry(t, func(t *testing.T, r *registry) {
		d, i := newDesk(t), r.image(t, "oci")
		for _, form := range oldForms {
			form.write(d, i.ref())
		}
		nodes := d.tree(i.ref())
		tag := fallbackTag(i.digest)
		for _, want := range []treeNode{
			{Kind: "cosign-signature", Tag: tag + ".sig"},
			{Kind: "cosign-attestation", Tag: tag + ".att"},
			{Kind: "cosign-signature", ArtifactType: oldSignature},
		} {
			if !slices.ContainsFunc(nodes, func(n treeNode) bool {
				return n.Kind == want.Kind && n.Tag == want.Tag && n.ArtifactType == want.ArtifactType
			}) {
				t.Errorf("tree does not list %+v; it has %+v", want, nodes)
			}
		}
	})
}
