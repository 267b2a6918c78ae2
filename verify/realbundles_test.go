package verify_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/policy"
	"github.com/hallmark-project/hallmark/trust"
	"github.com/hallmark-project/hallmark/verify"
)

// TestRealBundles verifies bundles that real deployments of Sigstore made, from the test
// data of the module sigstore-go: SIGSTORE_GO_DATA names the folder.
func TestRealBundles(t *testing.T) {
	data := os.Getenv("SIGSTORE_GO_DATA")
	if data == "" {
		if os.Getenv("HALLMARK_NO_SKIP") != "" {
			t.Fatal("HALLMARK_NO_SKIP is set, and SIGSTORE_GO_DATA is not")
		}
		t.Skip("SIGSTORE_GO_DATA names no folder")
	}
	read := func(name string) []byte {
		raw, err := os.ReadFile(filepath.Join(data, name))
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	const npm = "46d4e2f74c4877316640000a6fdf8a8b59f1e0847667973e9859f774dd31b8f1e0937813b777fb66a2ac67d50540fe34640966eee9fc2ccca387082b4c85cd3c"
	const slsa = "bbfd372fc9beeb777fe35d05bb10c0c70a9733d366a75fed7dd18866c7391de3ee7e88ba74dd47abf3e15c845e547fcf0e5c3da80854c751554224d3a6d4e55f"
	repo, err := policy.GitHubRepo("sigstore/sigstore-js")
	if err != nil {
		t.Fatal(err)
	}
	brian := policy.Identity{Subject: "brian@dehamer.com", Issuer: "https://github.com/login/oauth"}
	for _, c := range []struct {
		bundle, root, subject, require string
		identity                       policy.Identity
		ok                             bool
	}{
		{"sigstore.js@2.0.0-provenance.sigstore.json", "public-good.json", "sha512:" + npm, "slsaprovenance", repo, true},
		{"sigstore.js@2.0.0-provenance.sigstore.json", "public-good.json", "sha512:" + npm, "signature", repo, false},
		{"sigstore.js@2.0.0-provenance.sigstore.json", "public-good.json", "sha512:" + slsa, "slsaprovenance", repo, false},
		{"sigstore.js@2.0.0-provenance.sigstore.json", "scaffolding.json", "sha512:" + npm, "slsaprovenance", repo, false},
		{"dsse.sigstore.json", "public-good.json", "sha512:" + slsa, "slsaprovenance", brian, false}, // brings its root along
		{"dsse-2sigs.sigstore.json", "public-good.json", "sha512:" + slsa, "slsaprovenance", brian, false},
		{"othername.sigstore.json", "scaffolding.json", "sha256:bc103b4a84971ef6459b294a2b98568a2bfb72cded09d4acd1e16366a401f95b", "signature",
			policy.Identity{Subject: "foo!oidc.local", Issuer: "http://oidc.local:8080"}, true},
	} {
		subject, err := oci.DigestSubject(digest.Digest(c.subject))
		if err != nil {
			t.Fatal(err)
		}
		instances, err := trust.ParseInstances(c.root, read("trusted-roots/"+c.root))
		if err != nil {
			t.Fatal(err)
		}
		p := require(t, c.require)
		p.Identities = []policy.Identity{c.identity}
		source := verify.Bundles([]string{c.bundle}, [][]byte{read("bundles/" + c.bundle)})
		_, report, err := verify.Verify(context.Background(), subject, []verify.Source{source}, trust.Root{Instances: instances}, p, verify.Options{ByDigest: true})
		if (err == nil) != c.ok {
			t.Errorf("%s with %s as %s: %v\n%s", c.bundle, c.root, c.identity, err, dump(report))
		}
	}
}
