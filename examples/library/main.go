// Command library does with Go what `hallmark release` and `hallmark verify` do: the SBOM of an image, an attestation,
// attached, verified. Usage: library IMAGE PRIVATE_KEY, with the key's password in HALLMARK_PASSWORD.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/hallmark-project/hallmark/attest"
	"github.com/hallmark-project/hallmark/bundle"
	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/policy"
	"github.com/hallmark-project/hallmark/sbom"
	"github.com/hallmark-project/hallmark/sign"
	"github.com/hallmark-project/hallmark/trust"
	"github.com/hallmark-project/hallmark/verify"
)

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: library IMAGE PRIVATE_KEY")
	}
	ctx := context.Background()
	password := func() ([]byte, error) { return []byte(os.Getenv("HALLMARK_PASSWORD")), nil }
	signer := must(sign.OpenSigner(ctx, os.Args[2], password))

	// The image: a tag is resolved once, from here on there is only the digest.
	ref := must(oci.ParseReference(os.Args[1]))
	store := must(must(oci.NewClient(oci.Options{})).Open(ref))
	subject := must(store.Resolve(ctx, ref.Target()))

	// Its SBOM, as a signed statement about that digest.
	source := sbom.Image(store, subject.Descriptor(), subject.Raw())
	docs := must(sbom.Generate(ctx, source, sbom.Options{Formats: []sbom.Format{sbom.SPDXJSON}}))
	predicate := must(attest.NewPredicate("spdx", docs[0].Bytes))
	statement := must(attest.Statement(subject, predicate))
	signed := must(signer.Sign(ctx, bundle.PayloadType, statement))

	// Attached to the image.
	artifact := must(attest.Artifact(signed, predicate, time.Now()))
	must(store.Attach(ctx, []oci.Attachment{{Subject: subject, Artifact: artifact}}))

	// Verified, with the public key alone. A result exists only if every requirement holds.
	want := policy.Policy{Requirements: []policy.Requirement{{Type: must(policy.ParseType("spdx"))}}}
	root := trust.Root{Keys: []trust.Key{signer.Public()}}
	result, _, err := verify.Verify(ctx, subject, []verify.Source{verify.Attached(store)}, root, want, verify.Options{})
	for _, v := range must(result, err).Verified() {
		fmt.Printf("verified: %s of %s, signed by %s\n", v.Requirement, v.On, v.Signer.Fingerprint)
	}
}

// must ends the program where something fails.
func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}
