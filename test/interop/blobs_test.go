package interop

import (
	"testing"
)

const signatureType = "https://sigstore.dev/cosign/sign/v1"

// TestHallmarkBlob: cosign takes hallmark's bundle of a file as a signature and as an
// attestation.
func TestHallmarkBlob(t *testing.T) {
	d := newDesk(t)
	file := d.file("app.tgz", "not really an archive\n")
	other := d.file("other.tgz", "something else\n")
	pub := d.keys.hallmark.public
	d.hallmark(0, "sign", "--key", d.keys.hallmark.private, "--bundle", "b.json", "file:"+file)
	blob := func(want int, command, key, file string, more ...string) {
		t.Helper()
		d.cosign(want, line(command, d.verifyFlags(key), append(more, "--bundle", "b.json", file)...)...)
	}
	blob(0, "verify-blob", pub, file)
	blob(refused, "verify-blob", pub, other)
	blob(refused, "verify-blob", d.keys.mallory.public, file)
	blob(0, "verify-blob-attestation", pub, file, "--type", signatureType)
	blob(refused, "verify-blob-attestation", pub, other, "--type", signatureType)
	blob(refused, "verify-blob-attestation", pub, file, "--type", "slsaprovenance1")

	predicate := d.file("provenance.json", provenance1)
	d.hallmark(0, "attest", "--key", d.keys.hallmark.private, "--type", "slsaprovenance", "--predicate", predicate, "--bundle", "b.json", "file:"+file)
	blob(0, "verify-blob-attestation", pub, file, "--type", "slsaprovenance1")
	blob(refused, "verify-blob-attestation", pub, other, "--type", "slsaprovenance1")
}

// TestCosignBlob: hallmark verifies both sorts of bundles that cosign writes for files.
func TestCosignBlob(t *testing.T) {
	d := newDesk(t)
	file := d.file("app.tgz", "not really an archive\n")
	other := d.file("other.tgz", "something else\n")
	key, pub := d.keys.cosign.private, d.keys.cosign.public
	verify := func(want int, requires, pub, bundle, file string) {
		t.Helper()
		d.hallmark(want, "verify", "--key", pub, "--require", requires, "--bundle", bundle, "file:"+file)
	}
	d.cosign(0, line("sign-blob", d.signFlags(key), "--bundle", "sig.json", file)...)
	verify(0, "signature", pub, "sig.json", file)
	verify(3, "signature", pub, "sig.json", other)
	verify(3, "signature", d.keys.mallory.public, "sig.json", file)

	for _, kind := range predicateKinds {
		predicate := d.file("predicate.json", kind.document)
		d.cosign(0, line("attest-blob", d.signFlags(key), "--type", kind.cosign, "--predicate", predicate, "--bundle", "att.json", file)...)
		verify(0, kind.hallmark, pub, "att.json", file)
		verify(0, kind.uri, pub, "att.json", file)
		verify(3, kind.hallmark, pub, "att.json", other)
		verify(3, kind.hallmark, d.keys.mallory.public, "att.json", file)
		verify(4, "signature", pub, "att.json", file)
	}
}

// TestBlobKeys: files signed with each sort of key that cosign can use for them.
func TestBlobKeys(t *testing.T) {
	d := newDesk(t)
	file := d.file("app.tgz", "not really an archive\n")
	for _, kind := range keyKinds {
		t.Run(kind.name, func(t *testing.T) {
			d := d.under(t)
			name := d.path(kind.name)
			d.hallmark(0, "keys", "generate", "--type", kind.name, "--output-key-prefix", name)
			d.hallmark(0, "sign", "--key", name+".key", "--bundle", name+".h.json", "file:"+file)
			flags := append(d.verifyFlags(name+".pub"), kind.verify...)
			d.cosign(0, line("verify-blob", flags, "--bundle", name+".h.json", file)...)
			if kind.oldSigning {
				return // cosign 3.1.3 writes bundles without a digest
			}
			d.cosign(0, line("sign-blob", d.signFlags(name+".key"), "--bundle", name+".c.json", file)...)
			d.hallmark(0, "verify", "--key", name+".pub", "--bundle", name+".c.json", "file:"+file)
		})
	}
}
