package verify_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"testing"

	"github.com/hallmark-project/hallmark/bundle"
	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/policy"
	"github.com/hallmark-project/hallmark/sign"
	"github.com/hallmark-project/hallmark/trust"
	"github.com/hallmark-project/hallmark/verify"
)

// simpleSigning is cosign's older payload about a digest.
func simpleSigning(about, kind string) []byte {
	return []byte(`{"critical":{"identity":{"docker-reference":"registry.example.com/app"},"image":{"docker-manifest-digest":"` +
		about + `"},"type":"` + kind + `"},"optional":null}`)
}

const cosignType = "cosign container image signature"

// tag puts a manifest with some layers under one of cosign's tags.
func (w *world) tag(to oci.Subject, suffix string, layers ...object) {
	w.t.Helper()
	manifest := w.blob("application/vnd.oci.image.manifest.v1+json", object{"schemaVersion": 2,
		"mediaType": "application/vnd.oci.image.manifest.v1+json",
		"config":    w.blob("application/vnd.oci.image.config.v1+json", object{"of": suffix}), "layers": layers})
	manifest["annotations"] = object{"org.opencontainers.image.ref.name": oci.FallbackTag(to.Digest()) + suffix}
	w.addEntry(manifest)
}

// legacyLayer is a layer of a ".sig" tag over a payload.
func (w *world) legacyLayer(by *sign.KeySigner, payload []byte) object {
	w.t.Helper()
	sig, err := by.SignMessage(bytes.NewReader(payload))
	w.must(err)
	layer := w.rawBlob(bundle.MediaTypeSimpleSigning, payload)
	layer["annotations"] = object{"dev.cosignproject.cosign/signature": encoded(sig)}
	return layer
}

// logBundle is the annotation with a log entry, about a hash and a signature.
func logBundle(t *testing.T, hash, signature string, by trust.Key) string {
	t.Helper()
	body, err := json.Marshal(object{"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": object{
		"data": object{"hash": object{"algorithm": "sha256", "value": hash}}, "signature": object{"content": signature, "publicKey": object{"content": by.PEM()}}}})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(object{"SignedEntryTimestamp": "AAAA", "Payload": object{"body": body, "integratedTime": 1, "logIndex": 1, "logID": "00"}})
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestLegacy(t *testing.T) {
	cases := []struct {
		name     string
		require  string
		noLegacy bool
		arrange  func(w *world)
		want     error
		check    string
	}{
		{name: "signature", require: "signature", arrange: func(w *world) {
			w.tag(w.amd64, ".sig", w.legacyLayer(w.alice, simpleSigning(w.amd64.Digest().String(), cosignType)))
		}},
		{name: "signature, legacy not allowed", require: "signature", noLegacy: true, want: verify.ErrRejected, check: verify.CheckForm,
			arrange: func(w *world) {
				w.tag(w.amd64, ".sig", w.legacyLayer(w.alice, simpleSigning(w.amd64.Digest().String(), cosignType)))
			}},
		// conforma/cli#3269: an unrelated bundle hides valid legacy evidence.
		{name: "an unrelated bundle does not hide it", require: "signature", arrange: func(w *world) {
			w.vouch(w.mallory, w.amd64, signature)
			w.vouch(w.alice, w.amd64, spdx)
			w.tag(w.amd64, ".sig", w.legacyLayer(w.alice, simpleSigning(w.amd64.Digest().String(), cosignType)))
		}},
		{name: "another key", require: "signature", want: verify.ErrRejected, check: verify.CheckSignature, arrange: func(w *world) {
			w.tag(w.amd64, ".sig", w.legacyLayer(w.mallory, simpleSigning(w.amd64.Digest().String(), cosignType)))
		}},
		{name: "another digest", require: "signature", want: verify.ErrRejected, check: verify.CheckSubject, arrange: func(w *world) {
			w.tag(w.amd64, ".sig", w.legacyLayer(w.alice, simpleSigning(w.arm64.Digest().String(), cosignType)))
		}},
		{name: "another tool's type", require: "signature", want: verify.ErrRejected, check: verify.CheckStatement, arrange: func(w *world) {
			w.tag(w.amd64, ".sig", w.legacyLayer(w.alice, simpleSigning(w.amd64.Digest().String(), "atomic container signature")))
		}},
		{name: "one of several layers", require: "signature", arrange: func(w *world) {
			payload := simpleSigning(w.amd64.Digest().String(), cosignType)
			w.tag(w.amd64, ".sig", w.legacyLayer(w.mallory, payload), w.legacyLayer(w.alice, payload))
		}},
		{name: "log entry about this signature", require: "signature", arrange: func(w *world) {
			payload := simpleSigning(w.amd64.Digest().String(), cosignType)
			w.tag(w.amd64, ".sig", w.loggedLayer(payload, payload, ""))
		}},
		{name: "log entry about another payload", require: "signature", want: verify.ErrRejected, check: verify.CheckLogEntry, arrange: func(w *world) {
			w.tag(w.amd64, ".sig", w.loggedLayer(simpleSigning(w.amd64.Digest().String(), cosignType), []byte("other"), ""))
		}},
		{name: "log entry about another signature", require: "signature", want: verify.ErrRejected, check: verify.CheckLogEntry, arrange: func(w *world) {
			payload := simpleSigning(w.amd64.Digest().String(), cosignType)
			w.tag(w.amd64, ".sig", w.loggedLayer(payload, payload, encoded([]byte("another"))))
		}},
		{name: "attestation", require: "spdx", arrange: func(w *world) {
			w.tag(w.amd64, ".att", w.envelopeLayer(w.alice, w.amd64, bundle.PayloadType))
		}},
		{name: "attestation with a second signature", require: "spdx", want: verify.ErrRejected, check: verify.CheckFormat, arrange: func(w *world) {
			b := w.signed(w.alice, bundle.PayloadType, w.payload(w.amd64, spdx))
			b.Envelope.Signatures = append(b.Envelope.Signatures, bundle.Signature{Sig: []byte("another")})
			w.tag(w.amd64, ".att", w.rawBlob(bundle.MediaTypeEnvelope, b.Envelope.AppendJSON(nil)))
		}},
		{name: "attestation is no signature", require: "signature", want: verify.ErrMissing, arrange: func(w *world) {
			w.tag(w.amd64, ".att", w.envelopeLayer(w.alice, w.amd64, bundle.PayloadType))
		}},
		{name: "attestation about another digest", require: "spdx", want: verify.ErrRejected, check: verify.CheckSubject, arrange: func(w *world) {
			w.tag(w.amd64, ".att", w.envelopeLayer(w.alice, w.arm64, bundle.PayloadType))
		}},
		// GHSA-w6c6-c85g-mmv6: no check is skipped for one format.
		{name: "attestation of another payload type", require: "spdx", want: verify.ErrRejected, check: verify.CheckPayloadType, arrange: func(w *world) {
			w.tag(w.amd64, ".att", w.envelopeLayer(w.alice, w.amd64, "application/json"))
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			c.arrange(w)
			p := require(t, c.require)
			p.AllowLegacy = !c.noLegacy
			_, report, err := w.verify(w.amd64, p)
			if !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v\n%s", err, c.want, dump(report))
			}
			if c.check != "" && failedCheck(report) != c.check {
				t.Errorf("check %q failed first, want %q\n%s", failedCheck(report), c.check, dump(report))
			}
		})
	}
}

// TestZeroPolicyHasNoLegacy: evidence under tags counts only where it is allowed.
func TestZeroPolicyHasNoLegacy(t *testing.T) {
	if (policy.Policy{}).AllowLegacy {
		t.Error("the zero policy allows legacy evidence")
	}
}

func (w *world) loggedLayer(payload, logged []byte, signature string) object {
	w.t.Helper()
	sum := sha256.Sum256(logged)
	// The body is encoded twice, so the signature has to be known before it.
	sig, err := w.alice.SignMessage(bytes.NewReader(payload))
	w.must(err)
	if signature == "" {
		signature = encoded(sig)
	}
	layer := w.rawBlob(bundle.MediaTypeSimpleSigning, payload)
	layer["annotations"] = object{"dev.cosignproject.cosign/signature": encoded(sig),
		"dev.sigstore.cosign/bundle": logBundle(w.t, hex.EncodeToString(sum[:]), signature, w.alice.Public())}
	return layer
}

func (w *world) envelopeLayer(by *sign.KeySigner, about oci.Subject, payloadType string) object {
	w.t.Helper()
	b := w.signed(by, payloadType, w.payload(about, spdx))
	layer := w.rawBlob(bundle.MediaTypeEnvelope, b.Envelope.AppendJSON(nil))
	layer["annotations"] = object{"predicateType": typeSPDX}
	return layer
}
