package cli

import (
	"encoding/base64"
	"encoding/hex"

	"github.com/opencontainers/go-digest"

	"github.com/hallmark-project/hallmark/attest"
	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/policy"
)

const byReferenceHelp = "attach the SBOM as an artifact of its own, and sign a statement that names it by digest"

// errNotReferable says what can be attested by reference.
func errNotReferable(predicateType string) error {
	return usagef("--by-reference is for SBOMs (spdx, cyclonedx, syft), and this is %s", policy.TypeOf(predicateType))
}

// checkByReference refuses what cannot be attested by reference before anybody signs.
func checkByReference(p attest.Predicate) error {
	if policy.TypeOf(p.Type).DocumentType() == "" {
		return errNotReferable(p.Type)
	}
	return nil
}

// refer makes a claim one that refers to its SBOM.
func (c claim) refer(t *target) (claim, error) {
	p, referred, err := attest.ByReference(c.predicate, t.location)
	if err != nil {
		return c, err
	}
	return claim{on: c.on, predicate: p, document: &referred}, nil
}

// location is where a blob of the evidence's store can be had: its address in a registry.
// What is in a layout has none; there, its digest is its name (RFC 6920).
func (t *target) location(d digest.Digest) string {
	ref, err := oci.ParseReference(t.place())
	if err == nil && ref.Scheme == oci.SchemeRegistry {
		host := ref.Registry
		if host == "docker.io" {
			host = "registry-1.docker.io"
		}
		return "https://" + host + "/v2/" + ref.Repository + "/blobs/" + d.String()
	}
	raw, err := hex.DecodeString(d.Encoded())
	if err != nil { // a digest is hexadecimal
		panic(err)
	}
	return "ni:///sha-256;" + base64.RawURLEncoding.EncodeToString(raw)
}
