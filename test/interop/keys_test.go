package interop

import (
	"testing"
)

// keyKind is a sort of key and what cosign has to be told to use it.
type keyKind struct {
	name   string
	verify []string // flags of cosign verify
	// oldSigning: cosign 3.1.3 signs with such a key only without a signing
	// configuration, and does not verify what it signed.
	oldSigning bool
}

var keyKinds = []keyKind{
	{name: "ecdsa-p256"},
	{name: "ecdsa-p384", verify: []string{"--signature-digest-algorithm", "sha384"}},
	{name: "ecdsa-p521", verify: []string{"--signature-digest-algorithm", "sha512"}},
	{name: "ed25519", oldSigning: true},
	{name: "rsa-3072"},
	{name: "rsa-4096"},
}

// TestKeys: a key that hallmark made signs with either tool, and the other one
// verifies.
func TestKeys(t *testing.T) {
	everyRegistry(t, func(t *testing.T, r *registry) {
		for _, kind := range keyKinds {
			t.Run(kind.name, func(t *testing.T) {
				d, i := newDesk(t), r.image(t, "oci")
				d.hallmark(0, "keys", "generate", "--type", kind.name, "--output-key-prefix", "k")
				d.hallmark(0, "sign", "--key", "k.key", i.platform(0))
				d.cosignVerifies(0, "k.pub", i.platform(0), kind.verify...)
				d.cosignVerifies(refused, d.keys.mallory.public, i.platform(0), kind.verify...)

				flags := d.signFlags("k.key")
				if kind.oldSigning {
					flags = []string{"-y", "--key", "k.key", "--use-signing-config=false", "--tlog-upload=false"}
				}
				d.cosign(0, line("sign", flags, i.platform(1))...)
				d.hallmark(0, "verify", "--key", "k.pub", i.platform(1))
				d.hallmark(3, "verify", "--key", d.keys.mallory.public, i.platform(1))
				want := 0
				if kind.oldSigning {
					want = refused
				}
				d.cosignVerifies(want, "k.pub", i.platform(1), kind.verify...)
			})
		}
	})
}

// TestCosignKey: hallmark signs with the key pair that cosign made, and tells the same
// public key.
func TestCosignKey(t *testing.T) {
	everyRegistry(t, func(t *testing.T, r *registry) {
		d, i := newDesk(t), r.image(t, "oci")
		pair := d.keys.cosign
		d.hallmark(0, "sign", "--key", pair.private, i.ref())
		d.cosignVerifies(0, pair.public, i.ref())
		hallmarks := d.hallmark(0, "keys", "public", "--key", pair.private).stdout
		cosigns := d.cosign(0, "public-key", "--key", pair.private).stdout
		if hallmarks != cosigns {
			t.Errorf("hallmark says the public key is %s cosign says %s", hallmarks, cosigns)
		}
		d.with("COSIGN_PASSWORD=wrong").hallmark(2, "sign", "--key", pair.private, i.ref())
		d.with("KEY_IN_ENVIRONMENT="+cosigns).hallmark(0, "verify", "--key", "env://KEY_IN_ENVIRONMENT", i.ref())
	})
}

// TestImportedKey: cosign imports a key that OpenSSL made and hallmark uses it, and
// the other way round.
func TestImportedKey(t *testing.T) {
	r := oneRegistry(t, shop.memory)
	d, i := newDesk(t), r.image(t, "oci")
	d.run(lookFor(t, "openssl"), 0, "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "sec1.pem")
	d.run(lookFor(t, "openssl"), 0, "pkcs8", "-topk8", "-nocrypt", "-in", "sec1.pem", "-out", "pkcs8.pem")
	d.cosign(0, "import-key-pair", "--key", "pkcs8.pem", "--output-key-prefix", "c")
	d.hallmark(0, "keys", "import", "--key", "sec1.pem", "--output-key-prefix", "h")
	d.hallmark(0, "sign", "--key", "c.key", i.ref())
	d.cosignVerifies(0, "h.pub", i.ref())
	d.cosign(0, line("sign", d.signFlags("h.key"), i.platform(0))...)
	d.hallmark(0, "verify", "--key", "c.pub", i.platform(0))
}
