package verify_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/hallmark-project/hallmark/attest"
	"github.com/hallmark-project/hallmark/bundle"
	"github.com/hallmark-project/hallmark/internal/testkit/sigstore"
	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/policy"
	"github.com/hallmark-project/hallmark/sign"
	"github.com/hallmark-project/hallmark/trust"
	"github.com/hallmark-project/hallmark/verify"
)

// court is a world whose images are judged by policy files. Alice's key has a second
// name, and ci signs keyless.
type court struct {
	*keyless
	bob, gate *sign.KeySigner
}

const courtPeople = `schemaVersion: hallmark.policy/v1
signers:
  alice: {key: a}
  alias: {key: b}
  bob: {key: c}
  ci: {issuer: "https://token.actions.githubusercontent.com", identity: "` + workflow + `"}
verifiers:
  gate: {id: https://example.com/gate, signer: {key: d}}
`

func newCourt(t *testing.T) *court {
	k := newKeyless(t)
	c := &court{keyless: k, bob: newSigner(t, "bob"), gate: newSigner(t, "gate")}
	for name, s := range map[string]*sign.KeySigner{"alice": k.alice, "alias": k.alice, "bob": c.bob, "gate": c.gate} {
		key := s.Public()
		key.Name = name
		k.root.Keys = append(k.root.Keys, key)
	}
	k.root.Instances = k.instances(k.sigstore.TrustedRoot())
	return c
}

// rule judges the amd64 image by one rule, and more at the end of the file.
func (c *court) rule(rule, more string) (*verify.Result, *verify.Report, error) {
	c.t.Helper()
	return c.file(c.amd64, "rules: [{subjects: ['**'], "+rule+"}]\n"+more, "")
}

func (c *court) file(subject oci.Subject, text, environment string) (*verify.Result, *verify.Report, error) {
	c.t.Helper()
	set, err := policy.Parse([]policy.File{{Name: "p.yaml", Data: []byte(courtPeople + text)}})
	c.must(err)
	plan, err := set.For("registry.example.com/team/app", environment)
	c.must(err)
	return verify.Verify(context.Background(), subject, c.sources(), c.root, plan.Policy, verify.Options{Now: c.now})
}

// says attaches a predicate about the amd64 image.
func (c *court) says(by *sign.KeySigner, predicateType, predicate string) {
	c.t.Helper()
	c.vouch(by, c.amd64, attest.Predicate{Type: predicateType, JSON: []byte(predicate)})
}

// stamped attaches one that a timestamp authority saw a while ago.
func (c *court) stamped(by *sign.KeySigner, predicateType, predicate string, ago time.Duration) {
	c.t.Helper()
	b := c.signed(by, bundle.PayloadType, c.payload(c.amd64, attest.Predicate{Type: predicateType, JSON: []byte(predicate)}))
	at := c.now.Add(-ago)
	b.Timestamps = [][]byte{c.sigstore.TSAs[0].Stamp(b.Envelope.Signatures[0].Sig, at, sigstore.StampFaults{})}
	c.attach(c.amd64, b, predicateType)
}

// ciSays attaches one by the workflow of octo/app.
func (c *court) ciSays(predicateType, predicate string, change func(*sigstore.Request)) {
	c.t.Helper()
	c.asWorkflow()
	r := c.request
	r.Payload = c.payload(c.amd64, attest.Predicate{Type: predicateType, JSON: []byte(predicate)})
	if change != nil {
		change(&r)
	}
	c.attachContent(c.amd64, c.sigstore.Bundle(r), predicateType)
}

const (
	typeProvenance   = "https://slsa.dev/provenance/v1"
	typeProvenance02 = "https://slsa.dev/provenance/v0.2"
	typeVuln         = "https://cosign.sigstore.dev/attestation/vuln/v1"
	typeVulns        = "https://in-toto.io/attestation/vulns/v0.2"
	typeVEX          = "https://openvex.dev/ns"
	typeVSA          = "https://slsa.dev/verification_summary/v1"
	policyDigest     = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
)

// ruling is a case: what is attached, what a rule asks, and what comes of it.
type ruling struct {
	name    string
	arrange func(c *court)
	rule    string
	more    string // the rest of the file
	verdict error
	cause   string
}

func (r ruling) run(t *testing.T) {
	c := newCourt(t)
	if r.arrange != nil {
		r.arrange(c)
	}
	yesterday := c.now.Add(-24 * time.Hour).UTC().Format(time.RFC3339)
	result, report, err := c.rule(r.rule, strings.ReplaceAll(r.more, "DAY", yesterday))
	if (result == nil) == (err == nil) {
		t.Fatalf("result %v beside error %v", result, err)
	}
	if r.verdict == nil && err != nil || !errors.Is(err, r.verdict) {
		t.Fatalf("got %v, want %v\n%s", err, r.verdict, dump(report))
	}
	if r.cause != "" && (err == nil || !strings.Contains(err.Error(), r.cause)) {
		t.Errorf("got %v, want the cause %q", err, r.cause)
	}
}

func runAll(t *testing.T, cases []ruling) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, c.run)
	}
}

func both(c *court) {
	c.vouch(c.alice, c.amd64, signature)
	c.vouch(c.bob, c.amd64, signature)
}

// TestSigners: k of n are different people under different names.
func TestSigners(t *testing.T) {
	two := "signatures: [{by: [alice, bob], atLeast: 2}]"
	runAll(t, []ruling{
		{name: "two of two", arrange: both, rule: two},
		{name: "one of two", arrange: func(c *court) { c.vouch(c.alice, c.amd64, signature) }, rule: two, verdict: verify.ErrRejected, cause: "nothing that counts is by bob"},
		{name: "the same twice", arrange: func(c *court) {
			c.vouch(c.alice, c.amd64, signature)
			c.stamped(c.alice, signature.Type, "{ }", time.Hour)
		}, rule: two, verdict: verify.ErrRejected, cause: "2 different signers are wanted"},
		{name: "one key under two names", arrange: func(c *court) { c.vouch(c.alice, c.amd64, signature) }, rule: "signatures: [{by: [alice, alias], atLeast: 2}]",
			verdict: verify.ErrRejected, cause: "2 different signers are wanted"},
		{name: "one key twice, under two names", arrange: func(c *court) {
			c.vouch(c.alice, c.amd64, signature)
			c.stamped(c.alice, signature.Type, "{ }", time.Hour)
		}, rule: "signatures: [{by: [alice, alias], atLeast: 2}]", verdict: verify.ErrRejected, cause: "2 different signers are wanted"},
		{name: "one key under two names, and another", arrange: both, rule: "signatures: [{by: [alice, alias, bob], atLeast: 2}]"},
		{name: "three of two people", arrange: both, rule: "signatures: [{by: [alice, alias, bob], atLeast: 3}]", verdict: verify.ErrRejected},
		{name: "two on different digests", arrange: func(c *court) {
			c.vouch(c.alice, c.amd64, signature)
			c.vouch(c.bob, c.arm64, signature)
		}, rule: two, verdict: verify.ErrRejected},
		{name: "by somebody else who is trusted", arrange: func(c *court) { c.vouch(c.bob, c.amd64, signature) }, rule: "signatures: [{by: [alice]}]",
			verdict: verify.ErrRejected, cause: "it is by bob, of whom this is not asked"},
		{name: "by a stranger", arrange: func(c *court) { c.vouch(c.mallory, c.amd64, signature) }, rule: "signatures: [{}]", verdict: verify.ErrRejected},
		{name: "a verifier signs nothing", arrange: func(c *court) { c.vouch(c.gate, c.amd64, signature) }, rule: "signatures: [{}]", verdict: verify.ErrRejected, cause: "it is by gate"},
		{name: "nobody", rule: two, verdict: verify.ErrMissing},
		{name: "a key and a job", arrange: func(c *court) {
			c.vouch(c.alice, c.amd64, signature)
			c.ciSays(signature.Type, "{}", nil)
		}, rule: "signatures: [{by: [alice, ci], atLeast: 2}]"},
		{name: "one job twice", arrange: func(c *court) {
			c.ciSays(signature.Type, "{}", nil)
			c.ciSays(signature.Type, "{ }", nil)
		}, rule: "signatures: [{by: [alice, ci], atLeast: 2}]", verdict: verify.ErrRejected},
		{name: "young enough", arrange: func(c *court) { c.ciSays(signature.Type, "{}", nil) }, rule: "signatures: [{maxAge: 25h}]"},
		{name: "too old", arrange: func(c *court) { c.ciSays(signature.Type, "{}", nil) }, rule: "signatures: [{maxAge: 23h}]", verdict: verify.ErrRejected, cause: "age: it is of"},
		{name: "a key's signature, stamped again", arrange: func(c *court) { c.stamped(c.alice, signature.Type, "{}", time.Hour) }, rule: "signatures: [{maxAge: 24h}]",
			verdict: verify.ErrRejected, cause: "stamped again"},
		{name: "of no known time", arrange: both, rule: "signatures: [{maxAge: 24h}]", verdict: verify.ErrRejected, cause: "sign it with a timestamp"},
	})
}

// TestAuthorityOfOnesOwn: an authority that a policy names vouches for its signer only,
// and the public one not for that signer.
func TestAuthorityOfOnesOwn(t *testing.T) {
	own := `schemaVersion: hallmark.policy/v1
signers:
  corporate: {authority: ca.pem, identity: dev@example.com}
  public: {issuer: ISSUER, identity: dev@example.com}
rules: [{subjects: ['**'], signatures: [{by: [WHO]}]}]
`
	for _, c := range []struct {
		who     string
		private bool
		want    error
	}{{"corporate", true, nil}, {"public", false, nil}, {"public", true, verify.ErrRejected}, {"corporate", false, verify.ErrRejected}} {
		k := newKeyless(t)
		k.attachContent(k.amd64, k.sigstore.Bundle(k.request), signature.Type)
		text := strings.NewReplacer("WHO", c.who, "ISSUER", k.sigstore.Issuer.URL).Replace(own)
		set, err := policy.Parse([]policy.File{{Name: "p.yaml", Data: []byte(text)}})
		k.must(err)
		plan, err := set.For("x", "")
		k.must(err)
		k.policy, k.root = plan.Policy, trust.Root{Instances: k.instances(k.sigstore.TrustedRoot())}
		for i := range k.root.Instances {
			if c.private {
				k.root.Instances[i].Name, k.root.Instances[i].Private = "corporate", true
			}
		}
		if _, report, err := k.judge(); !errors.Is(err, c.want) {
			t.Errorf("%s, private %v: %v, want %v\n%s", c.who, c.private, err, c.want, dump(report))
		}
	}
}

// TestAttestationRules: content is asked by conditions, and by the repository it names.
func TestAttestationRules(t *testing.T) {
	passed := func(c *court) { c.vouch(c.alice, c.amd64, testResult) }
	rule := "attestations: [{type: test-result, conditions: ['predicate.result == \"PASSED\"', 'size(predicate.configuration) == 0']}]"
	runAll(t, []ruling{
		{name: "holds", arrange: passed, rule: rule},
		{name: "does not", arrange: func(c *court) { c.says(c.alice, typeTestResult, `{"result":"FAILED","configuration":[]}`) }, rule: rule, verdict: verify.ErrRejected, cause: "condition"},
		{name: "cannot be evaluated", arrange: func(c *court) { c.says(c.alice, typeTestResult, `{"result":"PASSED"}`) }, rule: rule, verdict: verify.ErrRejected, cause: "no such key"},
		{name: "one of two holds", arrange: func(c *court) {
			passed(c)
			c.says(c.bob, typeTestResult, `{"result":"FAILED","configuration":[]}`)
		}, rule: rule},
		{name: "another repository", arrange: passed, rule: "sameRepository: true, attestations: [{type: test-result}]", verdict: verify.ErrRejected, cause: "repository"},
		{name: "of another type", arrange: passed, rule: "attestations: [{type: link}]", verdict: verify.ErrMissing},
	})
}

// TestDenials: what is denied does not count, and rejects nothing by being there.
func TestDenials(t *testing.T) {
	deny := func(what string) string { return "deny: [{" + what + ", reason: because}]\n" }
	any2 := "signatures: [{}]"
	fingerprint := func(c *court) string { return c.alice.Public().Fingerprint() }
	runAll(t, []ruling{
		{name: "signer", arrange: func(c *court) { c.vouch(c.alice, c.amd64, signature) }, rule: any2, more: deny("signer: alice"), verdict: verify.ErrRejected, cause: "because"},
		{name: "signer by another name", arrange: func(c *court) { c.vouch(c.alice, c.amd64, signature) }, rule: any2, more: deny("signer: alias"), verdict: verify.ErrRejected},
		{name: "presence rejects nothing", arrange: both, rule: any2, more: deny("signer: alice")},
		{name: "before a date", arrange: func(c *court) { c.stamped(c.alice, signature.Type, "{}", 48*time.Hour) }, rule: any2, more: deny("issuedBefore: DAY"), verdict: verify.ErrRejected},
		{name: "not before a date", arrange: func(c *court) { c.ciSays(signature.Type, "{}", nil) }, rule: any2, more: deny("issuedBefore: DAY")},
		{name: "before a date, stamped again", arrange: func(c *court) { c.stamped(c.alice, signature.Type, "{}", time.Hour) }, rule: any2, more: deny("issuedBefore: DAY"), verdict: verify.ErrRejected},
		{name: "after a date", arrange: func(c *court) { c.stamped(c.alice, signature.Type, "{}", time.Hour) }, rule: any2, more: deny("issuedAfter: DAY"), verdict: verify.ErrRejected},
		{name: "not after a date", arrange: func(c *court) { c.stamped(c.alice, signature.Type, "{}", 48*time.Hour) }, rule: any2, more: deny("issuedAfter: DAY")},
		{name: "undated", arrange: both, rule: any2, more: deny("issuedAfter: DAY"), verdict: verify.ErrRejected},
		{name: "undated, of another signer", arrange: both, rule: any2, more: deny("signer: alice, issuedBefore: DAY")},
	})
	c := newCourt(t)
	both(c)
	if _, _, err := c.rule("signatures: [{by: [alice]}]", deny("certificate: '"+fingerprint(c)+"'")); !errors.Is(err, verify.ErrRejected) {
		t.Errorf("a key denied by its fingerprint: %v", err)
	}
	if _, _, err := c.rule("signatures: [{by: [bob]}]", deny("certificate: '"+fingerprint(c)+"'")); err != nil {
		t.Errorf("another key than the denied one: %v", err)
	}
	for _, digest := range []string{c.amd64.Digest().String(), c.index.Digest().String()} {
		c.vouch(c.alice, c.index, signature)
		_, _, err := c.file(c.index, "rules: [{subjects: ['**'], signatures: [{}]}]\n"+deny("digest: '"+digest+"'"), "")
		if !errors.Is(err, verify.ErrRejected) || !strings.Contains(err.Error(), "because") {
			t.Errorf("a denied digest of an index: %v", err)
		}
	}
}

func sbomOf(packages ...string) string {
	var list []object
	for i, purl := range packages {
		purl, licence, _ := strings.Cut(purl, " ")
		name, _, _ := strings.Cut(purl[strings.LastIndex(purl, "/")+1:], "@")
		list = append(list, object{"SPDXID": fmt.Sprintf("SPDXRef-Package-%d", i), "name": name, "licenseDeclared": licence,
			"externalRefs": []object{{"referenceType": "purl", "referenceLocator": purl}}})
	}
	raw, err := json.Marshal(object{"spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "packages": list})
	if err != nil {
		panic(err)
	}
	return string(raw)
}

// TestSBOMRules: what an SBOM must not name may stand in none that counts.
func TestSBOMRules(t *testing.T) {
	banned := "sbom: {packages: {banned: [{package: 'pkg:npm/evil@<2', reason: theft}]}}"
	clean, bad := sbomOf("pkg:npm/good@1 MIT"), sbomOf("pkg:npm/evil@1.5 MIT", "pkg:npm/good@1 MIT")
	runAll(t, []ruling{
		{name: "there is one", arrange: func(c *court) { c.says(c.alice, typeSPDX, clean) }, rule: "sbom: {formats: [spdx]}"},
		{name: "of another format", arrange: func(c *court) { c.says(c.alice, typeSPDX, clean) }, rule: "sbom: {formats: [cyclonedx]}", verdict: verify.ErrMissing},
		{name: "clean", arrange: func(c *court) { c.says(c.alice, typeSPDX, clean) }, rule: banned},
		{name: "banned", arrange: func(c *court) { c.says(c.alice, typeSPDX, bad) }, rule: banned, verdict: verify.ErrRejected, cause: "pkg:npm/evil@1.5 is banned by"},
		{name: "of no version that can be ordered", arrange: func(c *court) { c.says(c.alice, typeSPDX, sbomOf("pkg:npm/evil@(devel)")) }, rule: banned, verdict: verify.ErrRejected},
		{name: "of a package URL that cannot be read", arrange: func(c *court) { c.says(c.alice, typeSPDX, sbomOf("pkg:npm/evil@1%zz")) }, rule: banned, verdict: verify.ErrRejected},
		{name: "spelt otherwise", arrange: func(c *court) { c.says(c.alice, typeSPDX, sbomOf("PKG:npm/evil@1.5")) }, rule: banned, verdict: verify.ErrRejected},
		{name: "a later version", arrange: func(c *court) { c.says(c.alice, typeSPDX, sbomOf("pkg:npm/evil@2.1")) }, rule: banned},
		{name: "banned by another", arrange: func(c *court) {
			c.says(c.alice, typeSPDX, clean)
			c.says(c.bob, typeSPDX, bad)
		}, rule: banned, verdict: verify.ErrRejected, cause: "says otherwise"},
		{name: "banned by a stranger", arrange: func(c *court) {
			c.says(c.alice, typeSPDX, clean)
			c.says(c.mallory, typeSPDX, bad)
		}, rule: banned},
		{name: "replaced", arrange: func(c *court) {
			c.ciSays(typeSPDX, bad, nil)
			c.sigstore.Advance(time.Hour)
			c.ciSays(typeSPDX, clean, nil)
		}, rule: banned},
		{name: "replaced by a worse one", arrange: func(c *court) {
			c.ciSays(typeSPDX, clean, nil)
			c.sigstore.Advance(time.Hour)
			c.ciSays(typeSPDX, bad, nil)
		}, rule: banned, verdict: verify.ErrRejected},
		{name: "an older clean one, stamped again", arrange: func(c *court) {
			c.stamped(c.alice, typeSPDX, bad, 24*time.Hour)
			c.stamped(c.alice, typeSPDX, clean, time.Hour)
		}, rule: banned, verdict: verify.ErrRejected},
		{name: "nobody says which is newer", arrange: func(c *court) {
			c.says(c.alice, typeSPDX, bad)
			c.stamped(c.alice, typeSPDX, clean, time.Hour)
		}, rule: banned, verdict: verify.ErrRejected},
		{name: "hidden under another label", arrange: func(c *court) {
			c.says(c.alice, typeSPDX, clean)
			c.attach(c.amd64, c.signed(c.bob, bundle.PayloadType, c.payload(c.amd64, attest.Predicate{Type: typeSPDX, JSON: []byte(bad)})), "https://example.com/other")
		}, rule: banned, verdict: verify.ErrRejected},
		{name: "cannot be read", arrange: func(c *court) { c.says(c.alice, typeSPDX, `{"spdxVersion":"SPDX-9"}`) }, rule: banned, verdict: verify.ErrRejected, cause: "sbom"},
		{name: "not among the allowed", arrange: func(c *court) { c.says(c.alice, typeSPDX, bad) }, rule: "sbom: {packages: {allowed: [{package: good}]}}", verdict: verify.ErrRejected, cause: "none of those"},
		{name: "allowed", arrange: func(c *court) { c.says(c.alice, typeSPDX, clean) }, rule: "sbom: {packages: {allowed: [{package: 'good*'}]}}"},
		{name: "banned licence", arrange: func(c *court) { c.says(c.alice, typeSPDX, sbomOf("pkg:npm/a@1 AGPL-3.0-only")) }, rule: "sbom: {licences: {banned: ['AGPL-*']}}",
			verdict: verify.ErrRejected, cause: "AGPL-3.0-only"},
		{name: "banned in a licence that is no expression", arrange: func(c *court) { c.says(c.alice, typeSPDX, sbomOf("pkg:npm/a@1 MIT, AGPL-3.0-only")) }, rule: "sbom: {licences: {banned: ['AGPL-*']}}",
			verdict: verify.ErrRejected, cause: "AGPL-3.0-only"},
		{name: "one side of AND is banned", arrange: func(c *court) { c.says(c.alice, typeSPDX, sbomOf("pkg:npm/a@1 MIT AND AGPL-3.0-only")) }, rule: "sbom: {licences: {banned: ['AGPL-*']}}",
			verdict: verify.ErrRejected, cause: "AGPL-3.0-only"},
		{name: "one side of OR is banned", arrange: func(c *court) { c.says(c.alice, typeSPDX, sbomOf("pkg:npm/a@1 MIT OR AGPL-3.0-only")) }, rule: "sbom: {licences: {banned: ['AGPL-*']}}"},
		{name: "packages under another case", arrange: func(c *court) {
			c.says(c.alice, typeSPDX, strings.Replace(bad, `"packages"`, `"Packages":[],"packages"`, 1))
		}, rule: banned, verdict: verify.ErrRejected},
		{name: "unstated licence", arrange: func(c *court) { c.says(c.alice, typeSPDX, sbomOf("pkg:npm/a@1")) }, rule: "sbom: {licences: {allowed: [MIT]}}", verdict: verify.ErrRejected, cause: "states no licence"},
		{name: "unstated licence allowed", arrange: func(c *court) { c.says(c.alice, typeSPDX, sbomOf("pkg:npm/a@1")) }, rule: "sbom: {licences: {allowed: [MIT], allowUnstated: true}}"},
	})
}

// provenance of a build on GitHub, with members replaced.
func provenance(change func(parameters, builder object)) string {
	parameters := object{"workflow": object{"repository": "https://github.com/octo/app", "ref": "refs/heads/main", "path": ".github/workflows/release.yml"}}
	builder := object{"id": "https://github.com/actions/runner/github-hosted"}
	if change != nil {
		change(parameters, builder)
	}
	raw, err := json.Marshal(object{
		"buildDefinition": object{"buildType": "https://actions.github.io/buildtypes/workflow/v1", "externalParameters": parameters,
			"resolvedDependencies": []object{{"uri": "git+https://github.com/octo/app@refs/heads/main", "digest": object{"gitCommit": strings.Repeat("a", 40)}}}},
		"runDetails": object{"builder": builder, "metadata": object{"invocationId": "https://github.com/octo/app/actions/runs/1/attempts/1"}}})
	if err != nil {
		panic(err)
	}
	return string(raw)
}

// generated is version 0.2 as slsa-github-generator writes it.
const generated = `{"builder":{"id":"https://github.com/slsa-framework/slsa-github-generator/.github/workflows/generator_generic_slsa3.yml@refs/tags/v1.9.0"},
"buildType":"https://github.com/slsa-framework/slsa-github-generator/generic@v1","invocation":{"configSource":{"uri":"git+https://github.com/octo/app@refs/tags/v1.0.0",
"digest":{"sha1":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},"entryPoint":".github/workflows/release.yml"},"parameters":{}},"metadata":{"buildInvocationID":"1-1"},
"materials":[{"uri":"git+https://github.com/octo/app@refs/tags/v1.0.0","digest":{"sha1":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}}]}`

// TestProvenanceRules follows the steps of SLSA 1.2 that come behind the signature.
func TestProvenanceRules(t *testing.T) {
	rule := func(more string) string {
		return "provenance: {by: [ci, alice], level: 2, builders: [{id: https://github.com/actions/runner/github-hosted, level: 3}]" +
			", sources: [{repository: https://github.com/octo/app, refs: [refs/heads/main]}]" + more + "}"
	}
	bound := "provenance: {by: [alice], builders: [{id: 'https://github.com/slsa-framework/slsa-github-generator/.github/workflows/generator_generic_slsa3.yml@refs/tags/v1.*', level: 3, by: [alice]}]" +
		", sources: [{repository: https://github.com/octo/app, refs: [refs/tags/v*]}]}"
	by := func(change func(parameters, builder object)) func(*court) {
		return func(c *court) { c.ciSays(typeProvenance, provenance(change), nil) }
	}
	workflowOf := func(p object) object { return p["workflow"].(object) }
	runAll(t, []ruling{
		{name: "sound", arrange: by(nil), rule: rule("")},
		{name: "another builder", arrange: by(func(_, b object) { b["id"] = "https://example.com/laptop" }), rule: rule(""), verdict: verify.ErrRejected, cause: "not one that is trusted"},
		{name: "a builder of another runner", arrange: func(c *court) {
			c.ciSays(typeProvenance, provenance(nil), func(r *sigstore.Request) { r.Extensions[sigstore.RunnerEnvironment] = "self-hosted" })
		}, rule: rule(""), verdict: verify.ErrRejected, cause: "self-hosted"},
		{name: "level too low", arrange: by(nil), rule: strings.Replace(rule(""), "level: 3", "level: 1", 1), verdict: verify.ErrRejected, cause: "trusted for level 1"},
		{name: "another source", arrange: by(func(p, _ object) { workflowOf(p)["repository"] = "https://github.com/octo/fork" }), rule: rule(""), verdict: verify.ErrRejected, cause: "source"},
		{name: "another ref", arrange: func(c *court) {
			c.ciSays(typeProvenance, provenance(func(p, _ object) { workflowOf(p)["ref"] = "refs/heads/dev" }), func(r *sigstore.Request) { r.Extensions[sigstore.SourceRepositoryRef] = "refs/heads/dev" })
		}, rule: rule(""), verdict: verify.ErrRejected, cause: "refs/heads/dev"},
		{name: "the certificate says another source", arrange: func(c *court) {
			c.ciSays(typeProvenance, provenance(nil), func(r *sigstore.Request) {
				r.Extensions[sigstore.SourceRepositoryURI] = "https://github.com/octo/other"
			})
		}, rule: rule(""), verdict: verify.ErrRejected, cause: "the certificate says"},
		{name: "the certificate says another commit", arrange: func(c *court) {
			c.ciSays(typeProvenance, provenance(nil), func(r *sigstore.Request) { r.Extensions[sigstore.SourceRepositoryDigest] = strings.Repeat("c", 40) })
		}, rule: rule(""), verdict: verify.ErrRejected, cause: "commit"},
		{name: "another build type", arrange: by(nil), rule: rule(", buildTypes: [https://example.com/b]"), verdict: verify.ErrRejected, cause: "build type"},
		{name: "an unknown parameter", arrange: by(func(p, _ object) { p["inputs"] = object{"debug": true} }), rule: rule(""), verdict: verify.ErrRejected, cause: `nobody expects "inputs"`},
		{name: "an unknown member of the source", arrange: by(func(p, _ object) { workflowOf(p)["patch"] = "x" }), rule: rule(""), verdict: verify.ErrRejected, cause: `nobody expects "workflow"`},
		{name: "a parameter that is expected", arrange: by(func(p, _ object) { p["inputs"] = object{"debug": true, "n": 1} }), rule: rule(", externalParameters: {inputs: {n: 1, debug: true}}")},
		{name: "a parameter of another value", arrange: by(func(p, _ object) { p["inputs"] = object{"debug": true} }), rule: rule(", externalParameters: {inputs: {debug: false}}"), verdict: verify.ErrRejected, cause: "inputs"},
		{name: "a parameter that is not there", arrange: by(nil), rule: rule(", externalParameters: {inputs: {debug: false}}"), verdict: verify.ErrRejected, cause: "not there"},
		{name: "whatever parameters", arrange: by(func(p, _ object) { p["inputs"] = 1 }), rule: rule(", allowUnknownParameters: true")},
		{name: "signed with a key that nothing binds to the builder", arrange: func(c *court) { c.says(c.alice, typeProvenance, provenance(nil)) }, rule: rule(""),
			verdict: verify.ErrRejected, cause: "nothing binds"},
		{name: "version 0.2 with a bound key", arrange: func(c *court) { c.says(c.alice, typeProvenance02, generated) }, rule: bound},
		{name: "version 0.2 of another source", arrange: func(c *court) {
			c.says(c.alice, typeProvenance02, strings.ReplaceAll(generated, "octo/app", "octo/fork"))
		}, rule: bound,
			verdict: verify.ErrRejected, cause: "octo/fork"},
		{name: "version 0.2 by somebody else", arrange: func(c *court) { c.says(c.bob, typeProvenance02, generated) }, rule: strings.Replace(bound, "by: [alice], b", "by: [alice, bob], b", 1),
			verdict: verify.ErrRejected, cause: "signs through alice"},
		{name: "version 0.2 of another version of the builder", arrange: func(c *court) { c.says(c.alice, typeProvenance02, strings.Replace(generated, "v1.9.0", "v2.0.0", 1)) }, rule: bound, verdict: verify.ErrRejected},
		{name: "no builder", arrange: func(c *court) { c.says(c.alice, typeProvenance, `{"buildDefinition":{"buildType":"x"}}`) }, rule: rule(""), verdict: verify.ErrRejected, cause: "no builder"},
		{name: "none", rule: rule(""), verdict: verify.ErrMissing},
	})
}

func TestSources(t *testing.T) {
	for uri, want := range map[string][2]string{
		"git+https://github.com/octo/app@refs/heads/main": {"https://github.com/octo/app", "refs/heads/main"},
		"git+https://GitHub.com/octo/app.git":             {"https://github.com/octo/app", ""},
		"https://github.com/octo/app.git#refs/heads/x":    {"https://github.com/octo/app", "refs/heads/x"},
		"https://user@example.com/app":                    {"https://user@example.com/app", ""},
		"git+ssh://git@example.com/app@v1":                {"ssh://git@example.com/app", "v1"},
		"":                                                {"", ""},
	} {
		raw, err := json.Marshal(object{"builder": object{"id": "b"}, "buildType": "t", "invocation": object{"configSource": object{"uri": uri}}})
		if err != nil {
			t.Fatal(err)
		}
		b, err := verify.ParseBuild(typeProvenance02, raw)
		if err != nil || b.Source != want[0] || b.Ref != want[1] {
			t.Errorf("%s: %+v, %v, want %v", uri, b, err, want)
		}
	}
}

func scanOf(at time.Time, findings ...string) string {
	var list []object
	for _, f := range findings {
		parts := strings.Fields(f + " - -")
		list = append(list, object{"vulnerability": object{"id": parts[0], "severity": parts[1]}, "artifact": object{"purl": parts[2]}})
	}
	if list == nil {
		list = []object{}
	}
	raw, err := json.Marshal(object{"scanner": object{"uri": "https://example.com/scanner", "result": object{"matches": list}}, "metadata": object{"scanFinishedOn": at}})
	if err != nil {
		panic(err)
	}
	return string(raw)
}

func vexOf(status, id, part string, product object) string {
	if part != "" {
		product["subcomponents"] = []object{{"@id": part}}
	}
	raw, err := json.Marshal(object{"@context": "https://openvex.dev/ns/v0.2.0", "@id": "x", "author": "y", "timestamp": "2026-01-01T00:00:00Z",
		"statements": []object{{"vulnerability": object{"name": id}, "status": status, "products": []object{product}}}})
	if err != nil {
		panic(err)
	}
	return string(raw)
}

// TestVulnerabilityRules: the newest scan of each scanner decides, with what OpenVEX says
// of its findings.
func TestVulnerabilityRules(t *testing.T) {
	rule := "vulnerabilities: {by: [alice, bob], severity: high, vex: {by: [bob]}}"
	day := 24 * time.Hour
	evil := "CVE-1 Critical pkg:npm/a@1"
	scans := func(by func(*court) *sign.KeySigner, ago time.Duration, findings ...string) func(*court) {
		return func(c *court) { c.says(by(c), typeVuln, scanOf(c.now.Add(-ago), findings...)) }
	}
	alice := func(c *court) *sign.KeySigner { return c.alice }
	bob := func(c *court) *sign.KeySigner { return c.bob }
	all := func(steps ...func(*court)) func(*court) {
		return func(c *court) {
			for _, step := range steps {
				step(c)
			}
		}
	}
	vex := func(by func(*court) *sign.KeySigner, status, id, part string) func(*court) {
		return func(c *court) { c.says(by(c), typeVEX, vexOf(status, id, part, object{"@id": "pkg:oci/app"})) }
	}
	runAll(t, []ruling{
		{name: "clean", arrange: scans(alice, day), rule: rule},
		{name: "below the severity", arrange: scans(alice, day, "CVE-1 Medium pkg:npm/a@1"), rule: rule},
		{name: "a finding", arrange: scans(alice, day, evil), rule: rule, verdict: verify.ErrRejected, cause: "CVE-1 (critical) in pkg:npm/a@1"},
		{name: "of unknown severity", arrange: scans(alice, day, "CVE-1 Unknown pkg:npm/a@1"), rule: rule, verdict: verify.ErrRejected, cause: "unknown severity"},
		{name: "of unknown severity, accepted", arrange: scans(alice, day, "CVE-1 Unknown x"), rule: strings.Replace(rule, "severity: high", "severity: high, acceptUnknownSeverity: true", 1)},
		{name: "an older one had it", arrange: all(scans(alice, 2*day, evil), scans(alice, day)), rule: rule},
		{name: "a newer one has it", arrange: all(scans(alice, 2*day), scans(alice, day, evil)), rule: rule, verdict: verify.ErrRejected},
		{name: "another's has it", arrange: all(scans(alice, day), scans(bob, 2*day, evil)), rule: rule, verdict: verify.ErrRejected},
		{name: "a stranger's has it", arrange: all(scans(alice, day), scans(func(c *court) *sign.KeySigner { return c.mallory }, day, evil)), rule: rule},
		{name: "too old", arrange: scans(alice, 9*day), rule: strings.Replace(rule, "severity", "maxAge: 7d, severity", 1), verdict: verify.ErrRejected, cause: "age"},
		{name: "of tomorrow", arrange: scans(alice, -2*day), rule: rule, verdict: verify.ErrRejected, cause: "yet to come"},
		{name: "new by its own word, signed long ago", arrange: func(c *court) { c.stamped(c.alice, typeVuln, scanOf(c.now), 9*day) },
			rule: strings.Replace(rule, "severity", "maxAge: 7d, severity", 1), verdict: verify.ErrRejected, cause: "age"},
		{name: "accepted", arrange: scans(alice, day, evil), rule: strings.Replace(rule, "severity", "accept: [{id: cve-1}], severity", 1)},
		{name: "accepted until yesterday", arrange: scans(alice, day, evil), rule: strings.Replace(rule, "severity", "accept: [{id: CVE-1, until: 2020-01-01}], severity", 1), verdict: verify.ErrRejected},
		{name: "does not affect it", arrange: all(scans(alice, day, evil), vex(bob, "not_affected", "CVE-1", "")), rule: rule},
		{name: "does not affect the package", arrange: all(scans(alice, day, evil), vex(bob, "fixed", "CVE-1", "pkg:npm/a")), rule: rule},
		{name: "does not affect another package", arrange: all(scans(alice, day, evil), vex(bob, "fixed", "CVE-1", "pkg:npm/ab")), rule: rule, verdict: verify.ErrRejected},
		{name: "affects it", arrange: all(scans(alice, day, evil), vex(bob, "affected", "CVE-1", "")), rule: rule, verdict: verify.ErrRejected},
		{name: "both at the same time", arrange: all(scans(alice, day, evil), vex(bob, "not_affected", "CVE-1", ""), vex(bob, "affected", "CVE-1", "")), rule: rule, verdict: verify.ErrRejected},
		{name: "by whom it is not asked", arrange: all(scans(alice, day, evil), vex(alice, "not_affected", "CVE-1", "")), rule: rule, verdict: verify.ErrRejected},
		{name: "about another image", arrange: all(scans(alice, day, evil), func(c *court) {
			c.says(c.bob, typeVEX, vexOf("not_affected", "CVE-1", "", object{"@id": "pkg:oci/app@sha256:" + strings.Repeat("0", 64)}))
		}), rule: rule, verdict: verify.ErrRejected},
		{name: "a result nobody can read", arrange: func(c *court) {
			c.says(c.alice, typeVuln, `{"scanner":{"uri":"x","result":{"what":1}},"metadata":{"scanFinishedOn":"2026-01-01T00:00:00Z"}}`)
		}, rule: rule, verdict: verify.ErrRejected, cause: "cannot be read"},
		{name: "one that can be read beside it", arrange: all(scans(alice, day), func(c *court) {
			c.says(c.alice, typeVuln, `{"scanner":{"uri":"x","result":{"what":1}},"metadata":{"scanFinishedOn":"2026-01-01T00:00:00Z"}}`)
		}), rule: rule, verdict: verify.ErrRejected},
		{name: "in-toto's form", arrange: func(c *court) {
			c.says(c.alice, typeVulns, `{"scanner":{"uri":"x","result":[{"id":"CVE-9","severity":[{"method":"CVSS_V3","score":"9.8"}]}]},"metadata":{"scanFinishedOn":"2022-11-21T00:00:00Z"}}`)
		}, rule: rule, verdict: verify.ErrRejected, cause: "CVE-9 (critical)"},
		{name: "trivy's form", arrange: func(c *court) {
			c.says(c.alice, typeVuln, `{"scanner":{"uri":"x","result":{"Results":[{"Vulnerabilities":[{"VulnerabilityID":"CVE-8","Severity":"HIGH","PkgIdentifier":{"PURL":"pkg:npm/b@1"}}]}]}},"metadata":{"scanFinishedOn":"2022-11-21T00:00:00Z"}}`)
		}, rule: rule, verdict: verify.ErrRejected, cause: "CVE-8 (high) in pkg:npm/b@1"},
		{name: "SARIF", arrange: func(c *court) {
			c.says(c.alice, typeVuln, `{"scanner":{"uri":"x","result":{"runs":[{"tool":{"driver":{"rules":[{"id":"CVE-7","properties":{"security-severity":"7.1"}}]}},"results":[{"ruleId":"CVE-7"}]}]}},"metadata":{"scanFinishedOn":"2022-11-21T00:00:00Z"}}`)
		}, rule: rule, verdict: verify.ErrRejected, cause: "CVE-7 (high)"},
		{name: "none", rule: rule, verdict: verify.ErrMissing},
		{name: "an advisory about two, and one is accepted", arrange: func(c *court) {
			c.says(c.alice, typeVuln, `{"scanner":{"uri":"x","result":{"matches":[{"vulnerability":{"id":"ALAS-1","severity":"High"},"relatedVulnerabilities":[{"id":"CVE-1"},{"id":"CVE-2"}]}]}},"metadata":{"scanFinishedOn":"2022-11-21T00:00:00Z"}}`)
		}, rule: strings.Replace(rule, "severity", "accept: [{id: CVE-1}], severity", 1), verdict: verify.ErrRejected, cause: "ALAS-1"},
		{name: "a VEX product that is a package", arrange: all(scans(alice, day, evil), func(c *court) {
			c.says(c.bob, typeVEX, vexOf("not_affected", "CVE-1", "", object{"@id": "pkg:npm/unrelated@1"}))
		}), rule: rule, verdict: verify.ErrRejected},
		{name: "no results", arrange: func(c *court) {
			c.says(c.alice, typeVuln, `{"scanner":{"uri":"x","result":{"runs":[{"results":null}]}},"metadata":{"scanFinishedOn":"2022-11-21T00:00:00Z"}}`)
		}, rule: rule, verdict: verify.ErrRejected, cause: "scan"},
		{name: "no number", arrange: func(c *court) {
			c.says(c.alice, typeVulns, `{"scanner":{"uri":"x","result":[{"id":"CVE-9","severity":[{"score":"NaN"},{"score":"0"}]}]},"metadata":{"scanFinishedOn":"2022-11-21T00:00:00Z"}}`)
		}, rule: rule, verdict: verify.ErrRejected, cause: "CVE-9"},
	})
}

func summaryOf(change func(s object)) string {
	s := object{"verifier": object{"id": "https://example.com/gate"}, "timeVerified": "2022-11-20T00:00:00Z", "resourceUri": "oci://registry.example.com/team/app",
		"policy": object{"uri": "p", "digest": object{"sha256": strings.TrimPrefix(policyDigest, "sha256:")}}, "verificationResult": "PASSED",
		"verifiedLevels": []string{"SLSA_BUILD_LEVEL_2"}}
	if change != nil {
		change(s)
	}
	raw, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(raw)
}

// TestVerdictRules: a verdict is by a verifier, on this policy, about this resource, new
// enough, and the newest.
func TestVerdictRules(t *testing.T) {
	rule := "verdict: {by: [gate], policy: '" + policyDigest + "', levels: [SLSA_BUILD_LEVEL_2]}"
	gate := func(change func(s object)) func(*court) {
		return func(c *court) { c.says(c.gate, typeVSA, summaryOf(change)) }
	}
	failed := func(s object) { s["verificationResult"] = "FAILED" }
	aged := strings.Replace(rule, "by", "maxAge: 24h, by", 1)
	stamped := func(said, seen time.Duration, change func(s object)) func(*court) {
		return func(c *court) {
			c.stamped(c.gate, typeVSA, summaryOf(func(s object) {
				if s["timeVerified"] = c.now.Add(-said); change != nil {
					change(s)
				}
			}), seen)
		}
	}
	all := func(steps ...func(*court)) func(*court) {
		return func(c *court) {
			for _, step := range steps {
				step(c)
			}
		}
	}
	runAll(t, []ruling{
		{name: "passed", arrange: gate(nil), rule: rule},
		{name: "failed", arrange: gate(failed), rule: rule, verdict: verify.ErrRejected, cause: "FAILED"},
		{name: "on another policy", arrange: gate(func(s object) { s["policy"] = object{"digest": object{"sha256": strings.Repeat("b", 64)}} }), rule: rule, verdict: verify.ErrRejected, cause: "it is on the policy"},
		{name: "on no policy", arrange: gate(func(s object) { delete(s, "policy") }), rule: rule, verdict: verify.ErrRejected},
		{name: "about another resource", arrange: gate(func(s object) { s["resourceUri"] = "oci://registry.example.com/team/other" }), rule: rule, verdict: verify.ErrRejected, cause: "it is about"},
		{name: "by another verifier's name", arrange: gate(func(s object) { s["verifier"] = object{"id": "https://example.com/other"} }), rule: rule, verdict: verify.ErrRejected, cause: "is not trusted to be"},
		{name: "by a signer", arrange: func(c *court) { c.says(c.alice, typeVSA, summaryOf(nil)) }, rule: rule, verdict: verify.ErrRejected, cause: "of whom this is not asked"},
		{name: "of a lower level", arrange: gate(func(s object) { s["verifiedLevels"] = []string{"SLSA_BUILD_LEVEL_1"} }), rule: rule, verdict: verify.ErrRejected, cause: "SLSA_BUILD_LEVEL_1"},
		{name: "too old", arrange: stamped(48*time.Hour, 48*time.Hour, nil), rule: aged, verdict: verify.ErrRejected, cause: "age"},
		{name: "new enough", arrange: stamped(time.Hour, time.Hour, nil), rule: aged},
		{name: "an old one, stamped again", arrange: stamped(48*time.Hour, time.Hour, nil), rule: aged, verdict: verify.ErrRejected, cause: "age"},
		{name: "new by its own word, stamped long ago", arrange: stamped(time.Hour, 48*time.Hour, nil), rule: aged, verdict: verify.ErrRejected, cause: "age"},
		{name: "nobody says how old", arrange: gate(nil), rule: aged, verdict: verify.ErrRejected, cause: "age"},
		{name: "a newer one failed", arrange: all(stamped(48*time.Hour, 48*time.Hour, nil), stamped(time.Hour, time.Hour, failed)), rule: rule, verdict: verify.ErrRejected, cause: "the newest verdict"},
		{name: "a newer one failed, and the older was stamped again", arrange: all(stamped(48*time.Hour, time.Minute, nil), stamped(24*time.Hour, 24*time.Hour, failed)), rule: rule,
			verdict: verify.ErrRejected, cause: "the newest verdict"},
		{name: "a newer one failed, without a stamp", arrange: all(stamped(20*time.Hour, 20*time.Hour, nil), func(c *court) {
			c.says(c.gate, typeVSA, summaryOf(func(s object) { failed(s); s["timeVerified"] = c.now.Add(-time.Hour) }))
		}), rule: aged, verdict: verify.ErrRejected, cause: "the newest verdict"},
		{name: "an older one failed", arrange: all(stamped(48*time.Hour, 48*time.Hour, failed), stamped(time.Hour, time.Hour, nil)), rule: rule},
		{name: "a newer one failed, under another label", arrange: all(stamped(48*time.Hour, 48*time.Hour, nil), func(c *court) {
			p := attest.Predicate{Type: typeVSA, JSON: []byte(summaryOf(func(s object) { failed(s); s["timeVerified"] = c.now.Add(-time.Hour) }))}
			c.attach(c.amd64, c.signed(c.gate, bundle.PayloadType, c.payload(c.amd64, p)), typeSPDX)
		}), rule: rule, verdict: verify.ErrRejected},
		{name: "one of the same time failed", arrange: func(c *court) {
			gate(nil)(c)
			gate(failed)(c)
		}, rule: rule, verdict: verify.ErrRejected},
		{name: "denied", arrange: gate(nil), rule: rule, more: "deny: [{signer: gate, reason: gone}]\n", verdict: verify.ErrRejected, cause: "gone"},
	})
}

// TestPlacesOfWhatMustNotBe: what speaks against an image speaks wherever it stands.
func TestPlacesOfWhatMustNotBe(t *testing.T) {
	verdict := "verdict: {by: [gate], policy: '" + policyDigest + "'}"
	put := func(c *court, by *sign.KeySigner, on oci.Subject, kind, predicate string) {
		c.vouch(by, on, attest.Predicate{Type: kind, JSON: []byte(predicate)})
	}
	for name, run := range map[string]struct {
		rule    string
		arrange func(c *court)
		want    error
	}{
		"verdicts on the platforms only": {verdict, func(c *court) {
			put(c, c.gate, c.amd64, typeVSA, summaryOf(nil))
			put(c, c.gate, c.arm64, typeVSA, summaryOf(nil))
		}, verify.ErrMissing},
		"a banned package on a platform, none on the index": {"sbom: {acceptOnIndex: true, packages: {banned: [{package: evil}]}}", func(c *court) {
			put(c, c.alice, c.index, typeSPDX, sbomOf("pkg:npm/good@1"))
			put(c, c.alice, c.arm64, typeSPDX, sbomOf("pkg:npm/evil@1"))
		}, verify.ErrRejected},
		"none anywhere": {"sbom: {acceptOnIndex: true, packages: {banned: [{package: evil}]}}", func(c *court) {
			put(c, c.alice, c.index, typeSPDX, sbomOf("pkg:npm/good@1"))
		}, nil},
		"a finding on a platform, none on the index": {"vulnerabilities: {acceptOnIndex: true, severity: high}", func(c *court) {
			put(c, c.alice, c.index, typeVuln, scanOf(c.now.Add(-48*time.Hour)))
			put(c, c.alice, c.amd64, typeVuln, scanOf(c.now.Add(-time.Hour), "CVE-1 Critical pkg:npm/a@1"))
		}, verify.ErrRejected},
	} {
		c := newCourt(t)
		run.arrange(c)
		if _, report, err := c.file(c.index, "rules: [{subjects: ['**'], "+run.rule+"}]\n", ""); !errors.Is(err, run.want) || run.want == nil && err != nil {
			t.Errorf("%s: %v, want %v\n%s", name, err, run.want, dump(report))
		}
	}
}

// TestUnreadAndTheNewest: where the newest decides, what could not be read might be it.
func TestUnreadAndTheNewest(t *testing.T) {
	for rule, want := range map[string]error{
		"signatures: [{}]":                                      nil,
		"vulnerabilities: {severity: high}":                     verify.ErrInconclusive,
		"sbom: {packages: {banned: [{package: evil}]}}":         verify.ErrInconclusive,
		"verdict: {by: [gate], policy: '" + policyDigest + "'}": verify.ErrInconclusive,
	} {
		c := newCourt(t)
		c.vouch(c.alice, c.amd64, signature)
		c.says(c.alice, typeVuln, scanOf(c.now))
		c.says(c.alice, typeSPDX, sbomOf("pkg:npm/good@1"))
		c.says(c.gate, typeVSA, summaryOf(nil))
		content := c.signed(c.bob, bundle.PayloadType, c.payload(c.amd64, testResult))
		c.attach(c.amd64, content, "") // labelled as nothing: it may be anything
		raw, err := content.MarshalJSON()
		c.must(err)
		c.must(os.Remove(filepath.Join(c.dir, "blobs", "sha256", digest.FromBytes(raw).Encoded())))
		if _, report, err := c.rule(rule, ""); !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("%s: %v, want %v\n%s", rule, err, want, dump(report))
		}
	}
}
