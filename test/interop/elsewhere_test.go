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

// TestCosignSaveAndLoad pins what cosign carries, for docs/guides/cosign.md: the
// bundles of the one digest, as blobs that the layout's index does not list. Loading
// into another repository fails where there are bundles, alone or beside an older
// signature, and drops them beside an older attestation.
func TestCosignSaveAndLoad(t *testing.T) {
	everyRegistry(t, func(t *testing.T, r *registry) {
		d, i := newDesk(t), r.image(t, "oci")
		pub := d.keys.cosign.public
		d.cosignSigns(i.ref(), "--recursive")
		d.save("bundles", i.ref())
		if n := d.layoutBundles("bundles"); n != 1 {
			t.Errorf("cosign saved %d bundles, want the index's own one", n)
		}
		d.hallmark(4, "verify", "--key", pub, "oci:bundles@"+i.digest)
		d.load(refused, "bundles", r.host+"/"+i.name+"/bundles:v1")

		oldForms[0].write(d, i.platform(0))
		d.save("signature", i.platform(0))
		d.load(refused, "signature", r.host+"/"+i.name+"/signature:v1")

		oldForms[1].write(d, i.platform(1))
		d.save("attestation", i.platform(1))
		loaded := r.host + "/" + i.name + "/attestation:v1"
		d.load(0, "attestation", loaded)
		d.hallmark(0, "verify", "--key", pub, "--require", "spdx", loaded)
		d.hallmark(3, "verify", "--key", pub, "--require", "spdx", "--no-legacy", loaded)
		d.hallmark(4, "verify", "--key", pub, loaded)
	})
}

func (d *desk) save(dir, ref string) {
	d.t.Helper()
	d.cosign(0, "save", "--allow-http-registry", "--dir", dir, ref)
}

func (d *desk) load(want int, dir, ref string) {
	d.t.Helper()
	d.cosign(want, "load", "--allow-http-registry", "--dir", dir, ref)
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
