package verify_test

import (
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"testing"

	"github.com/hallmark-project/hallmark/bundle"
	"github.com/hallmark-project/hallmark/internal/testkit/sigstore"
	"github.com/hallmark-project/hallmark/trust"
	"github.com/hallmark-project/hallmark/verify"
)

// TestLegacyKeyless: evidence in cosign's older forms that is signed without a key goes
// through the same rules as bundles (GHSA-w6c6-c85g-mmv6).
func TestLegacyKeyless(t *testing.T) {
	type layer struct {
		parts       *sigstore.Parts
		chain       bool // the whole chain beside the certificate, as cosign puts it
		certificate bool
		log         bool
	}
	cases := []struct {
		name    string
		arrange func(k *keyless, l *layer)
		check   string
	}{
		{"sound", func(*keyless, *layer) {}, ""},
		{"without a chain", func(_ *keyless, l *layer) { l.chain = false }, ""},
		{"not logged", func(_ *keyless, l *layer) { l.log = false }, verify.CheckTimestamp},
		{"without the certificate", func(_ *keyless, l *layer) { l.certificate = false }, verify.CheckSignature},
		{"forged promise", func(_ *keyless, l *layer) { l.parts.Entries[0].InclusionPromise.SignedEntryTimestamp[9] ^= 1 }, verify.CheckLogInclusion},
		{"another time than promised", func(_ *keyless, l *layer) { l.parts.Entries[0].IntegratedTime++ }, verify.CheckLogInclusion},
		{"entry of another signature", func(k *keyless, l *layer) {
			l.parts.Entries = k.sigstore.Parts(sigstore.Request{Artifact: []byte("other")}).Entries
		}, verify.CheckLogEntry},
		{"another identity", func(k *keyless, _ *layer) { k.policy.Identities[0].Subject = "other@example.com" }, verify.CheckIdentity},
		{"not allowed", func(k *keyless, _ *layer) { k.policy.AllowLegacy = false }, verify.CheckForm},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			k := newKeyless(t, rekorV1)
			payload := simpleSigning(k.amd64.Digest().String(), cosignType)
			l := &layer{k.sigstore.Parts(sigstore.Request{Artifact: payload}), true, true, true}
			c.arrange(k, l)
			annotations := object{"dev.cosignproject.cosign/signature": encoded(l.parts.Signature)}
			if l.certificate {
				annotations["dev.sigstore.cosign/certificate"] = certificatePEM(l.parts.Certificate.Raw)
			}
			if l.chain {
				chain := k.sigstore.CA.Chain()
				annotations["dev.sigstore.cosign/chain"] = certificatePEM(chain[0].Raw) + certificatePEM(chain[1].Raw)
			}
			if l.log {
				e := l.parts.Entries[0]
				raw, err := json.Marshal(object{"SignedEntryTimestamp": e.InclusionPromise.SignedEntryTimestamp, "Payload": object{
					"body": e.CanonicalizedBody, "integratedTime": e.IntegratedTime, "logIndex": e.LogIndex, "logID": hex.EncodeToString(e.LogId.KeyId)}})
				k.must(err)
				annotations["dev.sigstore.cosign/bundle"] = string(raw)
			}
			blob := k.rawBlob(bundle.MediaTypeSimpleSigning, payload)
			blob["annotations"] = annotations
			k.tag(k.amd64, ".sig", blob)
			k.root.Instances = k.instances(k.sigstore.TrustedRoot())
			_, report, err := k.judge()
			if (err == nil) != (c.check == "") || c.check != "" && failedCheck(report) != c.check {
				t.Errorf("got %v and failed check %q, want %q\n%s", err, failedCheck(report), c.check, dump(report))
			}
		})
	}
}

func certificatePEM(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// TestLegacyKeyBesideCertificate: a signature by a trusted key counts although a
// certificate stands beside it.
func TestLegacyKeyBesideCertificate(t *testing.T) {
	k := newKeyless(t, rekorV1)
	payload := simpleSigning(k.amd64.Digest().String(), cosignType)
	parts := k.sigstore.Parts(sigstore.Request{Artifact: payload})
	key, err := trust.NewKey("release", parts.Certificate.PublicKey)
	k.must(err)
	layer := k.rawBlob(bundle.MediaTypeSimpleSigning, payload)
	layer["annotations"] = object{"dev.cosignproject.cosign/signature": encoded(parts.Signature), "dev.sigstore.cosign/certificate": certificatePEM(parts.Certificate.Raw)}
	k.tag(k.amd64, ".sig", layer)
	k.policy.Identities = nil
	k.root = trust.Root{Keys: []trust.Key{key}}
	if _, report, err := k.judge(); err != nil {
		t.Errorf("%v\n%s", err, dump(report))
	}
	k.root = trusting(k.mallory)
	if _, _, err := k.judge(); err == nil {
		t.Error("another key is taken for the one that signed")
	}
}

// TestLegacyAttestationTimestamp: cosign has had the whole envelope of an older
// attestation stamped, and has the signature stamped since version 3.
func TestLegacyAttestationTimestamp(t *testing.T) {
	for over, ok := range map[string]bool{"envelope": true, "signature": true, "payload": false} {
		k := newKeyless(t, sigstore.WithoutLog())
		parts := k.sigstore.Parts(sigstore.Request{Payload: k.payload(k.amd64, spdx), NoTimestamp: true})
		envelope := (&bundle.Envelope{PayloadType: parts.PayloadType, Payload: parts.Payload, Signatures: []bundle.Signature{{Sig: parts.Signatures[0]}}}).AppendJSON(nil)
		stamped := map[string][]byte{"envelope": envelope, "signature": parts.Signatures[0], "payload": parts.Payload}[over]
		raw, err := json.Marshal(object{"SignedRFC3161Timestamp": k.sigstore.TSAs[0].Stamp(stamped, k.sigstore.Now(), sigstore.StampFaults{})})
		k.must(err)
		layer := k.rawBlob(bundle.MediaTypeEnvelope, envelope)
		layer["annotations"] = object{"dev.sigstore.cosign/certificate": certificatePEM(parts.Certificate.Raw), "dev.sigstore.cosign/rfc3161timestamp": string(raw)}
		k.tag(k.amd64, ".att", layer)
		k.root.Instances, k.policy.Requirements = k.instances(k.sigstore.TrustedRoot()), require(t, "spdx").Requirements
		if _, report, err := k.judge(); (err == nil) != ok {
			t.Errorf("stamped over the %s: %v\n%s", over, err, dump(report))
		}
	}
}
