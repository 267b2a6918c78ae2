package verify_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hallmark-project/hallmark/attest"
	"github.com/hallmark-project/hallmark/bundle"
	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/policy"
	"github.com/hallmark-project/hallmark/sign"
	"github.com/hallmark-project/hallmark/trust"
	"github.com/hallmark-project/hallmark/verify"
)

// world is an image of two platforms, with a buildkit attestation child, in an OCI
// layout, and two people with keys.
type world struct {
	t       *testing.T
	dir     string
	store   oci.Store
	index   oci.Subject
	amd64   oci.Subject
	arm64   oci.Subject
	alice   *sign.KeySigner
	mallory *sign.KeySigner
}

type object = map[string]any

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), alice: newSigner(t, "alice"), mallory: newSigner(t, "mallory")}
	amd64 := w.image("amd64")
	arm64 := w.image("arm64")
	attestation := w.blob("application/vnd.oci.image.manifest.v1+json", object{"schemaVersion": 2,
		"mediaType": "application/vnd.oci.image.manifest.v1+json",
		"config":    w.blob("application/vnd.oci.image.config.v1+json", object{"of": "attestations"}), "layers": []object{}})
	attestation["platform"] = object{"os": "unknown", "architecture": "unknown"}
	attestation["annotations"] = object{"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": amd64["digest"]}
	index := w.blob("application/vnd.oci.image.index.v1+json", object{"schemaVersion": 2,
		"mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []object{amd64, arm64, attestation}})
	index["annotations"] = object{"org.opencontainers.image.ref.name": "app"}
	w.write("oci-layout", object{"imageLayoutVersion": "1.0.0"})
	w.write("index.json", object{"schemaVersion": 2, "manifests": []object{index}})
	w.reopen()
	return w
}

// reopen forgets what the store has read.
func (w *world) reopen() {
	w.t.Helper()
	var err error
	w.store, err = oci.OpenLayout(w.dir)
	w.must(err)
	w.index, err = w.store.Resolve(context.Background(), "app")
	w.must(err)
	platforms, err := w.index.Platforms()
	w.must(err)
	if len(platforms) != 2 {
		w.t.Fatalf("%d platforms, want 2: buildkit's attestation is none", len(platforms))
	}
	w.amd64, w.arm64 = platforms[0].Subject, platforms[1].Subject
}

func newSigner(t *testing.T, name string) *sign.KeySigner {
	t.Helper()
	key, err := sign.Generate(sign.ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	s, err := sign.NewKeySigner(name, key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) write(name string, v any) []byte {
	w.t.Helper()
	raw, err := json.Marshal(v)
	w.must(err)
	file := filepath.Join(w.dir, name)
	w.must(os.MkdirAll(filepath.Dir(file), 0o755))
	w.must(os.WriteFile(file, raw, 0o644))
	return raw
}

// blob stores v as JSON and describes it.
func (w *world) blob(mediaType string, v any) object {
	w.t.Helper()
	raw, err := json.Marshal(v)
	w.must(err)
	return w.rawBlob(mediaType, raw)
}

func (w *world) rawBlob(mediaType string, raw []byte) object {
	w.t.Helper()
	sum := sha256.Sum256(raw)
	digest := hex.EncodeToString(sum[:])
	file := filepath.Join(w.dir, "blobs", "sha256", digest)
	w.must(os.MkdirAll(filepath.Dir(file), 0o755))
	w.must(os.WriteFile(file, raw, 0o644))
	return object{"mediaType": mediaType, "digest": "sha256:" + digest, "size": len(raw)}
}

func (w *world) image(arch string) object {
	manifest := w.blob("application/vnd.oci.image.manifest.v1+json", object{"schemaVersion": 2,
		"mediaType": "application/vnd.oci.image.manifest.v1+json",
		"config":    w.blob("application/vnd.oci.image.config.v1+json", object{"os": "linux", "architecture": arch}),
		"layers":    []object{w.rawBlob("application/vnd.oci.image.layer.v1.tar", []byte("layer of "+arch))}})
	manifest["platform"] = object{"os": "linux", "architecture": arch}
	return manifest
}

// addEntry puts a descriptor into index.json, as a registry's list of referrers.
func (w *world) addEntry(d object) {
	w.t.Helper()
	var index object
	raw, err := os.ReadFile(filepath.Join(w.dir, "index.json"))
	w.must(err)
	w.must(json.Unmarshal(raw, &index))
	index["manifests"] = append(index["manifests"].([]any), d)
	w.write("index.json", index)
	w.reopen()
}

const (
	typeSPDX       = "https://spdx.dev/Document"
	typeCycloneDX  = "https://cyclonedx.org/bom"
	typeTestResult = "https://in-toto.io/attestation/test-result/v0.1"
)

var (
	signature  = attest.Signature()
	spdx       = attest.Predicate{Type: typeSPDX, JSON: []byte(`{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT"}`)}
	cyclonedx  = attest.Predicate{Type: typeCycloneDX, JSON: []byte(`{"bomFormat":"CycloneDX","specVersion":"1.6"}`)}
	testResult = attest.Predicate{Type: typeTestResult, JSON: []byte(`{"result":"PASSED","configuration":[]}`)}
)

// payload is the statement that p is said of a subject.
func (w *world) payload(about oci.Subject, p attest.Predicate) []byte {
	w.t.Helper()
	raw, err := attest.Statement(about, p)
	w.must(err)
	return raw
}

// signed is a bundle over any payload.
func (w *world) signed(by *sign.KeySigner, payloadType string, payload []byte) *bundle.Bundle {
	w.t.Helper()
	b, err := by.Sign(context.Background(), payloadType, payload)
	w.must(err)
	return b
}

// attach attaches a bundle to a subject, labelled as a predicate of type label.
func (w *world) attach(to oci.Subject, b *bundle.Bundle, label string) {
	w.t.Helper()
	artifact, err := attest.Artifact(b, attest.Predicate{Type: label}, time.Unix(1_700_000_000, 0))
	w.must(err)
	_, err = w.store.Attach(context.Background(), []oci.Attachment{{Subject: to, Artifact: artifact}})
	w.must(err)
	w.reopen()
}

// vouch is the honest way: p, signed by somebody, attached to what it is about.
func (w *world) vouch(by *sign.KeySigner, about oci.Subject, p attest.Predicate) {
	w.t.Helper()
	w.attach(about, w.signed(by, bundle.PayloadType, w.payload(about, p)), p.Type)
}

func require(t *testing.T, names ...string) policy.Policy {
	t.Helper()
	p := policy.Policy{AllowLegacy: true}
	for _, name := range names {
		kind, err := policy.ParseType(name)
		if err != nil {
			t.Fatal(err)
		}
		p.Requirements = append(p.Requirements, policy.Requirement{Type: kind})
	}
	return p
}

// trusting trusts the keys of some signers.
func trusting(signers ...*sign.KeySigner) trust.Root {
	var root trust.Root
	for _, s := range signers {
		root.Keys = append(root.Keys, s.Public())
	}
	return root
}

func (w *world) sources() []verify.Source {
	return []verify.Source{verify.Attached(w.store), verify.Legacy(w.store)}
}

// verify judges a subject with Alice trusted.
func (w *world) verify(subject oci.Subject, p policy.Policy) (*verify.Result, *verify.Report, error) {
	w.t.Helper()
	result, report, err := verify.Verify(context.Background(), subject, w.sources(), trusting(w.alice), p, verify.Options{})
	if (result == nil) == (err == nil) {
		w.t.Fatalf("result %v beside error %v: exactly one is wanted", result, err)
	}
	if report == nil {
		w.t.Fatal("no report: it is promised whatever the verdict")
	}
	return result, report, err
}

// failedCheck is the check that failed first in a report.
func failedCheck(r *verify.Report) string {
	for _, e := range r.Evidence {
		for _, f := range e.Facts {
			if f.Outcome == verify.Failed {
				return f.Check
			}
		}
	}
	return ""
}

// dump is a report for a failing test's message.
func dump(r *verify.Report) string {
	raw, err := json.MarshalIndent(r, "", "  ")
	return fmt.Sprint(string(raw), err)
}
