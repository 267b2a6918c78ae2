package interop

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestEvidenceElsewhere: COSIGN_REPOSITORY means the same to both tools.
func TestEvidenceElsewhere(t *testing.T) {
	everyRegistry(t, func(t *testing.T, r *registry) {
		d, i := newDesk(t), r.image(t, "oci")
		store := r.host + "/" + i.name + "/evidence/store"
		there := d.with("COSIGN_REPOSITORY=" + store)
		ref := i.platform(0)
		predicate := d.file("spdx.json", spdxDocument)

		there.hallmark(0, "sign", "--key", d.keys.hallmark.private, ref)
		there.hallmark(0, "attest", "--key", d.keys.hallmark.private, "--type", "spdx", "--predicate", predicate, ref)
		there.cosignVerifies(0, d.keys.hallmark.public, ref)
		there.cosignVerifiesType(0, d.keys.hallmark.public, "spdxjson", ref)
		d.cosignVerifies(refused, d.keys.hallmark.public, ref)

		there.cosignSigns(ref)
		there.cosignAttests("cyclonedx", d.file("cdx.json", cycloneDXDocument), ref)
		there.hallmark(0, "verify", "--key", d.keys.cosign.public, "--require", "signature,cyclonedx", ref)
		d.hallmark(0, "verify", "--evidence-repository", store, "--key", d.keys.cosign.public, ref)
		d.hallmark(4, "verify", "--key", d.keys.cosign.public, ref)
		if n := i.countAttached(); n != 0 {
			t.Errorf("%d referrers beside the image", n)
		}
	})
}

// TestOldFormsElsewhere: so do the older forms.
func TestOldFormsElsewhere(t *testing.T) {
	everyRegistry(t, func(t *testing.T, r *registry) {
		d, i := newDesk(t), r.image(t, "oci")
		there := d.with("COSIGN_REPOSITORY=" + r.host + "/" + i.name + "/store")
		ref := i.platform(0)
		oldForms[0].write(there, ref)
		oldForms[1].write(there, ref)
		there.hallmark(0, "verify", "--key", d.keys.cosign.public, "--require", "signature,spdx", ref)
		d.hallmark(4, "verify", "--key", d.keys.cosign.public, ref)
	})
}

// TestCosignSaveAndLoad pins what docs/guides/cosign.md says that cosign carries: the
// bundles of the one digest, as blobs that the layout's index does not list; load
// fails with bundles alone, and drops them where older evidence is there too.
func TestCosignSaveAndLoad(t *testing.T) {
	everyRegistry(t, func(t *testing.T, r *registry) {
		d, i := newDesk(t), r.image(t, "oci")
		d.cosignSigns(i.ref(), "--recursive")
		d.cosign(0, "save", "--allow-http-registry", "--dir", "bundles", i.ref())
		bundles := d.layoutBundles("bundles")
		if bundles != 1 {
			t.Errorf("cosign saved %d bundles, want the index's own one", bundles)
		}
		if out := d.hallmark(4, "verify", "--key", d.keys.cosign.public, "oci:bundles@"+i.digest); strings.Contains(out.stdout, "VERIFIED") {
			t.Error("cosign's layout lists the bundles now: the guide is out of date")
		}
		loaded := r.host + "/" + i.name + "/loaded:v1"
		d.cosign(refused, "load", "--allow-http-registry", "--dir", "bundles", loaded)

		d.cosign(0, line("sign", oldFlags(d.keys.cosign.private), i.ref())...)
		d.cosign(0, "save", "--allow-http-registry", "--dir", "both", i.ref())
		d.cosign(0, "load", "--allow-http-registry", "--dir", "both", loaded)
		d.hallmark(0, "verify", "--key", d.keys.cosign.public, loaded)
		d.hallmark(3, "verify", "--key", d.keys.cosign.public, "--no-legacy", loaded)
	})
}

// layoutBundles counts the bundles among the blobs of a layout.
func (d *desk) layoutBundles(dir string) int {
	d.t.Helper()
	names, err := filepath.Glob(filepath.Join(d.dir, dir, "blobs", "sha256", "*"))
	if err != nil {
		d.t.Fatal(err)
	}
	n := 0
	for _, name := range names {
		if strings.Contains(head(d.t, name), `"mediaType":"`+bundleType+`"`) && !strings.Contains(head(d.t, name), `"layers"`) {
			n++
		}
	}
	return n
}
