package verify_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-project/hallmark/attest"
	"github.com/hallmark-project/hallmark/bundle"
	"github.com/hallmark-project/hallmark/internal/testkit"
	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/policy"
	"github.com/hallmark-project/hallmark/sign"
	"github.com/hallmark-project/hallmark/trust"
	"github.com/hallmark-project/hallmark/verify"
)

// attached is an image in a layout with evidence by one signer.
func attached(b *testing.B, predicates ...attest.Predicate) (oci.Store, oci.Subject, trust.Root) {
	b.Helper()
	fail := func(err error) {
		if err != nil {
			b.Helper()
			b.Fatal(err)
		}
	}
	dir := filepath.Join(b.TempDir(), "layout")
	testkit.WriteLayout(b, dir, "v1", testkit.NewImage())
	store, err := oci.OpenLayout(dir)
	fail(err)
	subject, err := store.Resolve(b.Context(), "v1")
	fail(err)
	key, err := sign.Generate(sign.ECDSAP256)
	fail(err)
	signer, err := sign.NewKeySigner("alice", key)
	fail(err)
	for _, p := range predicates {
		statement, err := attest.Statement(subject, p)
		fail(err)
		signed, err := signer.Sign(b.Context(), bundle.PayloadType, statement)
		fail(err)
		artifact, err := attest.Artifact(signed, p, time.Unix(1_700_000_000, 0))
		fail(err)
		_, err = store.Attach(b.Context(), []oci.Attachment{{Subject: subject, Artifact: artifact}})
		fail(err)
	}
	return store, subject, trust.Root{Keys: []trust.Key{signer.Public()}}
}

// BenchmarkVerify judges an image in a layout: what is left of it are files, parsing and
// cryptography.
func BenchmarkVerify(b *testing.B) {
	large := attest.Predicate{Type: typeSPDX, JSON: fmt.Appendf(nil, `{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","comment":%q}`, strings.Repeat("x", 6_000_000))}
	for _, c := range []struct {
		name, require string
		predicates    []attest.Predicate
	}{
		{"signature", "signature", []attest.Predicate{signature}},
		{"signature among ten", "signature", []attest.Predicate{testResult, spdx, cyclonedx, signature, with(testResult, 1), with(testResult, 2), with(testResult, 3), with(testResult, 4), with(testResult, 5), with(testResult, 6)}},
		{"SBOM of 6 MB", "spdx", []attest.Predicate{large}},
	} {
		b.Run(c.name, func(b *testing.B) {
			store, subject, root := attached(b, c.predicates...)
			kind, err := policy.ParseType(c.require)
			if err != nil {
				b.Fatal(err)
			}
			p := policy.Policy{Requirements: []policy.Requirement{{Type: kind}}}
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := verify.Verify(b.Context(), subject, []verify.Source{verify.Attached(store)}, root, p, verify.Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// with is another test result.
func with(p attest.Predicate, n int) attest.Predicate {
	return attest.Predicate{Type: p.Type, JSON: fmt.Appendf(nil, `{"result":"PASSED","configuration":[],"n":%d}`, n)}
}
