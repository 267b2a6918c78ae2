package attest

import (
	"fmt"

	"github.com/opencontainers/go-digest"

	"github.com/hallmark-project/hallmark/bundle"
	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/policy"
)

// Attester is what references name as the system that provides the documents.
const Attester = "https://github.com/hallmark-project/hallmark"

// Referred is an SBOM that is kept as an artifact of its own, beside the statement that
// refers to it.
type Referred struct {
	PredicateType string // that the SBOM would have within a statement
	Digest        digest.Digest
	Artifact      oci.Artifact // to be attached to the subject of the statement
}

// ByReference makes a reference of a predicate that is an SBOM: the predicate that is to be
// signed, and the SBOM that is to be attached beside it. location tells where the SBOM can be
// had, given its digest. The same SBOM always gives the same artifact. Errors wrap
// [ErrPredicate] where p is no SBOM.
func ByReference(p Predicate, location func(digest.Digest) string) (Predicate, Referred, error) {
	mediaType := policy.TypeOf(p.Type).DocumentType()
	if mediaType == "" || p.statement != nil {
		return Predicate{}, Referred{}, fmt.Errorf("%w: SBOMs of type spdx, cyclonedx or syft can be referred to, and this is %s", ErrPredicate, policy.TypeOf(p.Type))
	}
	blob := oci.BytesBlob(mediaType, p.JSON)
	d := blob.Descriptor.Digest
	r := bundle.Reference{Attester: Attester, Documents: []bundle.Document{{MediaType: mediaType, Location: location(d), Digest: map[string]string{d.Algorithm().String(): d.Encoded()}}}}
	referred := Referred{PredicateType: p.Type, Digest: d, Artifact: oci.Artifact{Type: mediaType, Layer: blob}}
	return Predicate{Type: bundle.PredicateReference, JSON: r.AppendJSON(nil), checked: true}, referred, nil
}
