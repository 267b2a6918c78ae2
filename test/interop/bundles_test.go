package interop

import (
	"testing"
)

// TestHallmarkVerifiesCosignSignature: an index with its platforms, and a plain image.
func TestHallmarkVerifiesCosignSignature(t *testing.T) {
	everyForm(t, func(t *testing.T, r *registry, form string) {
		d, i := newDesk(t), r.image(t, form)
		pub, other := d.keys.cosign.public, d.keys.mallory.public
		d.hallmark(4, "verify", "--key", pub, i.ref())
		d.cosignSigns(i.platform(0))
		d.hallmark(0, "verify", "--key", pub, i.platform(0))
		d.hallmark(3, "verify", "--key", other, i.platform(0))
		d.hallmark(4, "verify", "--key", pub, i.ref())

		d.cosignSigns(i.ref(), "--recursive")
		d.hallmark(0, "verify", "--key", pub, i.ref())
		d.hallmark(3, "verify", "--key", other, i.ref())
		d.hallmark(0, "verify", "--key", other, "--key", pub, i.ref())
		for _, p := range i.platforms {
			d.hallmark(0, "verify", "--key", pub, i.at(p.digest))
		}
	})
}

// TestHallmarkVerifiesCosignAttestation: each type that both tools have a name for, by
// name and by URI.
func TestHallmarkVerifiesCosignAttestation(t *testing.T) {
	everyRegistry(t, func(t *testing.T, r *registry) {
		for _, kind := range predicateKinds {
			t.Run(kind.name, func(t *testing.T) {
				d, i := newDesk(t), r.image(t, "oci")
				pub, ref := d.keys.cosign.public, i.platform(0)
				d.hallmark(4, "verify", "--key", pub, "--require", kind.hallmark, ref)
				d.cosignAttests(kind.cosign, d.file("predicate.json", kind.document), ref)
				d.hallmark(0, "verify", "--key", pub, "--require", kind.hallmark, ref)
				d.hallmark(0, "verify", "--key", pub, "--require", kind.uri, ref)
				d.hallmark(3, "verify", "--key", d.keys.mallory.public, "--require", kind.hallmark, ref)
				d.hallmark(4, "verify", "--key", pub, "--require", "vuln", ref)
				d.hallmark(4, "verify", "--key", pub, ref) // no signature
			})
		}
	})
}

// TestCosignVerifiesHallmarkSignature: an index with its platforms, and a plain image.
func TestCosignVerifiesHallmarkSignature(t *testing.T) {
	everyForm(t, func(t *testing.T, r *registry, form string) {
		d, i := newDesk(t), r.image(t, form)
		key, pub := d.keys.hallmark.private, d.keys.hallmark.public
		d.cosignVerifies(refused, pub, i.ref())
		d.hallmark(0, "sign", "--key", key, "--recursive", i.ref())
		for _, digest := range i.digests() {
			d.cosignVerifies(0, pub, i.at(digest))
			d.cosignVerifies(refused, d.keys.mallory.public, i.at(digest))
		}
		before := i.countAttached()
		d.hallmark(0, "sign", "--key", key, "--recursive", i.ref())
		if after := i.countAttached(); before != len(i.digests()) || after != before {
			t.Errorf("%d signatures, then %d, want %d", before, after, len(i.digests()))
		}
	})
}

// TestCosignVerifiesHallmarkAttestation: each type that both tools have a name for.
func TestCosignVerifiesHallmarkAttestation(t *testing.T) {
	everyRegistry(t, func(t *testing.T, r *registry) {
		d, i := newDesk(t), r.image(t, "oci")
		pub, ref := d.keys.hallmark.public, i.platform(0)
		for n, kind := range predicateKinds {
			predicate := d.file("predicate.json", kind.document)
			d.hallmark(0, "attest", "--key", d.keys.hallmark.private, "--type", kind.hallmark, "--predicate", predicate, ref)
			d.cosignVerifiesType(0, pub, kind.cosign, ref)
			d.cosignVerifiesType(refused, d.keys.mallory.public, kind.cosign, ref)
			for _, missing := range predicateKinds[n+1:] {
				d.cosignVerifiesType(refused, pub, missing.cosign, ref)
			}
			d.hallmark(0, "verify", "--key", pub, "--require", kind.uri, ref)
		}
	})
}

// TestSBOMOnIndex: an SBOM that cosign put on the index describes no platform.
func TestSBOMOnIndex(t *testing.T) {
	everyRegistry(t, func(t *testing.T, r *registry) {
		d, i := newDesk(t), r.image(t, "oci")
		pub := d.keys.cosign.public
		d.cosignAttests("spdxjson", d.file("spdx.json", spdxDocument), i.ref())
		d.cosignAttests("slsaprovenance1", d.file("provenance.json", provenance1), i.ref())
		d.hallmark(3, "verify", "--key", pub, "--require", "spdx", i.ref())
		d.hallmark(0, "verify", "--key", pub, "--require", "spdx", "--accept-index-sbom", i.ref())
		d.hallmark(0, "verify", "--key", pub, "--require", "slsaprovenance", i.ref())
	})
}
