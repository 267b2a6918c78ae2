package verify_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"crypto/sha256"

	"github.com/hallmark-project/hallmark/attest"
	"github.com/hallmark-project/hallmark/bundle"
	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/policy"
	"github.com/hallmark-project/hallmark/sign"
	"github.com/hallmark-project/hallmark/trust"
	"github.com/hallmark-project/hallmark/verify"
)

// TestRules has one case for each rule that evidence has to pass: each is what only
// that rule keeps out.
func TestRules(t *testing.T) {
	cases := []struct {
		name    string
		require string
		arrange func(w *world)
		want    error  // nil: verified
		check   string // the check that fails
	}{
		{"honest signature", "signature", func(w *world) { w.vouch(w.alice, w.amd64, signature) }, nil, ""},
		{"honest SBOM", "spdx", func(w *world) { w.vouch(w.alice, w.amd64, spdx) }, nil, ""},
		{"nothing there", "signature", func(*world) {}, verify.ErrMissing, ""},
		{"another key", "signature", func(w *world) { w.vouch(w.mallory, w.amd64, signature) },
			verify.ErrRejected, verify.CheckSignature},
		{"another key under the trusted key's hint", "signature", func(w *world) {
			b := w.signed(w.mallory, bundle.PayloadType, w.payload(w.amd64, signature))
			hint := w.alice.Public().Hint()
			b.KeyHint = &hint
			w.attach(w.amd64, b, signature.Type)
		}, verify.ErrRejected, verify.CheckSignature},
		{"the trusted key under another hint", "signature", func(w *world) {
			b := w.signed(w.alice, bundle.PayloadType, w.payload(w.amd64, signature))
			hint := w.mallory.Public().Hint()
			b.KeyHint = &hint
			w.attach(w.amd64, b, signature.Type)
		}, nil, ""},
		{"payload changed after signing", "spdx", func(w *world) {
			b := w.signed(w.alice, bundle.PayloadType, w.payload(w.amd64, spdx))
			b.Envelope.Payload = bytes.Replace(b.Envelope.Payload, []byte("SPDX-2.3"), []byte("SPDX-2.2"), 1)
			w.attach(w.amd64, b, spdx.Type)
		}, verify.ErrRejected, verify.CheckSignature},
		{"payload type lies", "signature", func(w *world) {
			w.attach(w.amd64, w.signed(w.alice, "application/vnd.other+json", w.payload(w.amd64, signature)), signature.Type)
		}, verify.ErrRejected, verify.CheckPayloadType},
		{"payload type changed after signing", "signature", func(w *world) {
			b := w.signed(w.alice, "application/vnd.other+json", w.payload(w.amd64, signature))
			b.Envelope.PayloadType = bundle.PayloadType
			w.attach(w.amd64, b, signature.Type)
		}, verify.ErrRejected, verify.CheckSignature},
		{"statement about another digest", "signature", func(w *world) {
			w.attach(w.amd64, w.signed(w.alice, bundle.PayloadType, w.payload(w.arm64, signature)), signature.Type)
		}, verify.ErrRejected, verify.CheckSubject},
		{"digest of the right value under another algorithm", "signature", func(w *world) {
			payload := strings.Replace(string(w.payload(w.amd64, signature)), `"sha256":`, `"gitCommit":`, 1)
			w.attach(w.amd64, w.signed(w.alice, bundle.PayloadType, []byte(payload)), signature.Type)
		}, verify.ErrRejected, verify.CheckSubject},
		{"payload is no statement", "signature", func(w *world) {
			w.attach(w.amd64, w.signed(w.alice, bundle.PayloadType, []byte(`{"hello":"world"}`)), signature.Type)
		}, verify.ErrRejected, verify.CheckStatement},
		// GHSA-w6c6-c85g-mmv6 is about readers that see different things in one text.
		{"statement that names its type twice", "signature", func(w *world) {
			payload := bytes.Replace(w.payload(w.amd64, signature), []byte(`"predicateType"`), []byte(`"predicateType":"`+typeSPDX+`","predicateType"`), 1)
			w.attach(w.amd64, w.signed(w.alice, bundle.PayloadType, payload), signature.Type)
		}, verify.ErrRejected, verify.CheckStatement},
		{"one of several subjects is the digest", "signature", func(w *world) {
			payload := bytes.Replace(w.payload(w.amd64, signature), []byte(`"subject":[`),
				[]byte(`"subject":[{"name":"other","digest":{"sha256":"`+strings.Repeat("ab", 32)+`"}},`), 1)
			w.attach(w.amd64, w.signed(w.alice, bundle.PayloadType, payload), signature.Type)
		}, nil, ""},
		{"statement of version 0.1, as cosign attests", "spdx", func(w *world) {
			payload := bytes.Replace(w.payload(w.amd64, spdx), []byte("Statement/v1"), []byte("Statement/v0.1"), 1)
			w.attach(w.amd64, w.signed(w.alice, bundle.PayloadType, payload), spdx.Type)
		}, nil, ""},
		// infrahub#10618, conforma/cli#3269: an SBOM attestation passes for a signature.
		{"an SBOM is no signature", "signature", func(w *world) { w.vouch(w.alice, w.amd64, spdx) }, verify.ErrMissing, ""},
		{"a signature is no SBOM", "spdx", func(w *world) { w.vouch(w.alice, w.amd64, signature) }, verify.ErrMissing, ""},
		{"an SBOM labelled as a signature", "signature", func(w *world) {
			w.attach(w.amd64, w.signed(w.alice, bundle.PayloadType, w.payload(w.amd64, spdx)), signature.Type)
		}, verify.ErrMissing, ""},
		{"a signature labelled as an SBOM still counts", "signature", func(w *world) {
			w.attach(w.amd64, w.signed(w.alice, bundle.PayloadType, w.payload(w.amd64, signature)), spdx.Type)
		}, nil, ""},
		// frostyard/snosi#775: somebody else's evidence beside ours breaks verification.
		{"somebody else's beside ours", "signature", func(w *world) {
			w.vouch(w.mallory, w.amd64, signature)
			w.vouch(w.alice, w.amd64, signature)
			w.vouch(w.mallory, w.amd64, spdx)
		}, nil, ""},
		{"garbage beside ours", "signature", func(w *world) {
			w.attachContent(w.amd64, []byte("garbage"), signature.Type)
			w.vouch(w.alice, w.amd64, signature)
		}, nil, ""},
		{"garbage alone", "signature", func(w *world) { w.attachContent(w.amd64, []byte("garbage"), "") },
			verify.ErrRejected, verify.CheckFormat},
		{"bundle nested 64 KiB deep", "signature", func(w *world) {
			deep := strings.Repeat("[", 64<<10) + strings.Repeat("]", 64<<10)
			w.attachContent(w.amd64, []byte(`{"mediaType":`+deep+`}`), signature.Type)
		}, verify.ErrRejected, verify.CheckFormat},
		{"bundle with an unknown member", "signature", func(w *world) {
			w.attachContent(w.amd64, w.edited(signature, func(b object) { b["trustMe"] = true }), signature.Type)
		}, verify.ErrRejected, verify.CheckFormat},
		{"bundle with two signatures", "signature", func(w *world) {
			w.attachContent(w.amd64, w.edited(signature, func(b object) {
				e := b["dsseEnvelope"].(object)
				e["signatures"] = append(e["signatures"].([]any), e["signatures"].([]any)[0])
			}), signature.Type)
		}, verify.ErrRejected, verify.CheckFormat},
		{"bundle without a signature", "signature", func(w *world) {
			w.attachContent(w.amd64, w.edited(signature, func(b object) { b["dsseEnvelope"].(object)["signatures"] = []any{} }), signature.Type)
		}, verify.ErrRejected, verify.CheckFormat},
		{"bundle of an unknown version", "signature", func(w *world) {
			w.attachContent(w.amd64, w.edited(signature, func(b object) { b["mediaType"] = "application/vnd.dev.sigstore.bundle.v9+json" }), signature.Type)
		}, verify.ErrRejected, verify.CheckFormat},
		{"bundle with a key and a certificate", "signature", func(w *world) {
			w.attachContent(w.amd64, w.edited(signature, func(b object) {
				b["verificationMaterial"].(object)["certificate"] = object{"rawBytes": "AAAA"}
			}), signature.Type)
		}, verify.ErrRejected, verify.CheckFormat},
		{"signed with a certificate while only keys are trusted", "signature", func(w *world) {
			w.attachContent(w.amd64, w.edited(signature, func(b object) {
				b["verificationMaterial"] = object{"certificate": object{"rawBytes": "AAAA"}}
			}), signature.Type)
		}, verify.ErrRejected, verify.CheckIdentity},
		{"a signature over bytes does not speak about an image", "signature", func(w *world) {
			w.attachContent(w.amd64, w.messageSignature(w.amd64.Raw()), signature.Type)
		}, verify.ErrRejected, verify.CheckFormat},
		{"two layers", "signature", func(w *world) {
			raw, err := w.signed(w.alice, bundle.PayloadType, w.payload(w.amd64, signature)).MarshalJSON()
			w.must(err)
			w.attachLayers(w.amd64, w.rawBlob(bundle.MediaType, raw), w.rawBlob(bundle.MediaType, raw))
		}, verify.ErrRejected, verify.CheckFormat},
		// cosign CVE-2026-22703: a log entry of something else beside a signature.
		{"log entry about this signature", "signature", func(w *world) {
			w.attachContent(w.amd64, w.logged(w.payload(w.amd64, signature), nil), signature.Type)
		}, nil, ""},
		{"log entry about another signature", "signature", func(w *world) {
			w.attachContent(w.amd64, w.logged(w.payload(w.amd64, signature), func(spec object) {
				spec["signature"].(object)["content"] = []byte("another")
			}), signature.Type)
		}, verify.ErrRejected, verify.CheckLogEntry},
		{"log entry about another key", "signature", func(w *world) {
			w.attachContent(w.amd64, w.logged(w.payload(w.amd64, signature), func(spec object) {
				spec["signature"].(object)["publicKey"] = object{"content": w.mallory.Public().PEM()}
			}), signature.Type)
		}, verify.ErrRejected, verify.CheckLogEntry},
		{"log entry about other content", "signature", func(w *world) {
			w.attachContent(w.amd64, w.logged(w.payload(w.amd64, signature), func(spec object) {
				spec["data"] = object{"hash": object{"algorithm": "sha256", "value": strings.Repeat("ab", 32)}}
			}), signature.Type)
		}, verify.ErrRejected, verify.CheckLogEntry},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			c.arrange(w)
			result, report, err := w.verify(w.amd64, require(t, c.require))
			if !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v\n%s", err, c.want, dump(report))
			}
			if c.check != "" && failedCheck(report) != c.check {
				t.Errorf("check %q failed first, want %q\n%s", failedCheck(report), c.check, dump(report))
			}
			if result != nil && (len(result.Verified()) == 0 || result.Verified()[0].Signer.Fingerprint != w.alice.Public().Fingerprint()) {
				t.Errorf("verified %+v, want evidence by Alice", result.Verified())
			}
		})
	}
}

// attachContent attaches any bytes as if they were a bundle.
func (w *world) attachContent(to oci.Subject, content []byte, label string) {
	w.t.Helper()
	artifact := oci.Artifact{Type: bundle.MediaType, Layer: oci.BytesBlob(bundle.MediaType, content),
		Annotations: map[string]string{"dev.sigstore.bundle.predicateType": label}}
	_, err := w.store.Attach(context.Background(), []oci.Attachment{{Subject: to, Artifact: artifact}})
	w.must(err)
	w.reopen()
}

// attachLayers attaches a manifest with any layers.
func (w *world) attachLayers(to oci.Subject, layers ...object) {
	w.t.Helper()
	d := to.Descriptor()
	manifest := w.blob("application/vnd.oci.image.manifest.v1+json", object{"schemaVersion": 2,
		"mediaType": "application/vnd.oci.image.manifest.v1+json", "artifactType": bundle.MediaType,
		"config": w.rawBlob("application/vnd.oci.empty.v1+json", []byte("{}")), "layers": layers,
		"subject": object{"mediaType": d.MediaType, "digest": d.Digest, "size": d.Size}})
	w.addEntry(manifest)
}

// edited is Alice's bundle about amd64 with its JSON changed.
func (w *world) edited(p attest.Predicate, edit func(object)) []byte {
	w.t.Helper()
	raw, err := w.signed(w.alice, bundle.PayloadType, w.payload(w.amd64, p)).MarshalJSON()
	w.must(err)
	var doc object
	w.must(json.Unmarshal(raw, &doc))
	edit(doc)
	raw, err = json.Marshal(doc)
	w.must(err)
	return raw
}

// messageSignature is Alice's signature over bytes, as cosign sign-blob makes it.
func (w *world) messageSignature(message []byte) []byte {
	w.t.Helper()
	sum := sha256.Sum256(message)
	sig, err := w.alice.SignMessage(bytes.NewReader(message))
	w.must(err)
	raw, err := json.Marshal(object{"mediaType": bundle.MediaType,
		"verificationMaterial": object{"publicKey": object{"hint": w.alice.Public().Hint()}},
		"messageSignature":     object{"messageDigest": object{"algorithm": "SHA2_256", "digest": sum[:]}, "signature": sig}})
	w.must(err)
	return raw
}

// logged is Alice's bundle over a payload with an entry of a log about it.
func (w *world) logged(payload []byte, edit func(spec object)) []byte {
	w.t.Helper()
	b := w.signed(w.alice, bundle.PayloadType, payload)
	raw, err := io.ReadAll(bundle.PAE(bundle.PayloadType, payload))
	w.must(err)
	sum := sha256.Sum256(raw)
	spec := object{"signature": object{"content": b.Envelope.Signatures[0].Sig, "publicKey": object{"content": w.alice.Public().PEM()}},
		"data": object{"hash": object{"algorithm": "sha256", "value": hex.EncodeToString(sum[:])}}}
	if edit != nil {
		edit(spec)
	}
	body, err := json.Marshal(object{"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": spec})
	w.must(err)
	content, err := b.MarshalJSON()
	w.must(err)
	var doc object
	w.must(json.Unmarshal(content, &doc))
	doc["verificationMaterial"].(object)["tlogEntries"] = []object{{"canonicalizedBody": body, "inclusionProof": object{},
		"kindVersion": object{"kind": "hashedrekord", "version": "0.0.1"}}}
	content, err = json.Marshal(doc)
	w.must(err)
	return content
}

func TestKeyValidity(t *testing.T) {
	w := newWorld(t)
	w.vouch(w.alice, w.amd64, signature)
	now := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	day := 24 * time.Hour
	cases := []struct {
		name        string
		from, until time.Time
		want        error
	}{
		{"no bounds", time.Time{}, time.Time{}, nil},
		{"within", now.Add(-day), now.Add(day), nil},
		{"at its first moment", now, time.Time{}, nil},
		{"at its last moment", time.Time{}, now, nil},
		{"over", now.Add(-2 * day), now.Add(-day), verify.ErrRejected},
		{"not yet", now.Add(day), time.Time{}, verify.ErrRejected},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			key := w.alice.Public()
			key.Validity = trust.Window{From: c.from, Until: c.until}
			_, report, err := verify.Verify(context.Background(), w.amd64, w.sources(), trust.Root{Keys: []trust.Key{key}},
				require(t, "signature"), verify.Options{Now: now})
			if !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v\n%s", err, c.want, dump(report))
			}
		})
	}
}

// TestNothingAsked: cli/cli#10418, a verify that matched nothing exited 0, must be
// impossible: the zero policy and the zero root accept nothing.
func TestNothingAsked(t *testing.T) {
	w := newWorld(t)
	w.vouch(w.alice, w.amd64, signature)
	ctx := context.Background()
	for name, call := range map[string]func() (*verify.Result, *verify.Report, error){
		"zero policy": func() (*verify.Result, *verify.Report, error) {
			return verify.Verify(ctx, w.amd64, w.sources(), trusting(w.alice), policy.Policy{}, verify.Options{})
		},
		"zero root": func() (*verify.Result, *verify.Report, error) {
			return verify.Verify(ctx, w.amd64, w.sources(), trust.Root{}, require(t, "signature"), verify.Options{})
		},
		"zero key": func() (*verify.Result, *verify.Report, error) {
			return verify.Verify(ctx, w.amd64, w.sources(), trust.Root{Keys: []trust.Key{{}}}, require(t, "signature"), verify.Options{})
		},
		"zero subject": func() (*verify.Result, *verify.Report, error) {
			return verify.Verify(ctx, oci.Subject{}, w.sources(), trusting(w.alice), require(t, "signature"), verify.Options{})
		},
		"zero type": func() (*verify.Result, *verify.Report, error) {
			return verify.Verify(ctx, w.amd64, w.sources(), trusting(w.alice), policy.Policy{Requirements: make([]policy.Requirement, 1)}, verify.Options{})
		},
		"no sources": func() (*verify.Result, *verify.Report, error) {
			return verify.Verify(ctx, w.amd64, nil, trusting(w.alice), require(t, "signature"), verify.Options{})
		},
	} {
		if result, report, err := call(); result != nil || err == nil {
			t.Errorf("%s: got %v, want an error\n%s", name, result, dump(report))
		}
	}
}

func TestRepository(t *testing.T) {
	w := newWorld(t)
	payload := bytes.Replace(w.payload(w.amd64, signature), []byte(`"subject":[{`), []byte(`"subject":[{"name":"registry.example.com/app",`), 1)
	w.attach(w.amd64, w.signed(w.alice, bundle.PayloadType, payload), signature.Type)
	for repository, want := range map[string]error{
		"": nil, "registry.example.com/app": nil, "registry.example.com/apple": verify.ErrRejected, "app": verify.ErrRejected,
	} {
		p := require(t, "signature")
		p.Repository = repository
		if _, report, err := w.verify(w.amd64, p); !errors.Is(err, want) {
			t.Errorf("repository %q: got %v, want %v\n%s", repository, err, want, dump(report))
		}
	}
}

// TestFile: files carry their evidence beside them, as a statement or as cosign
// sign-blob's signature over their bytes.
func TestFile(t *testing.T) {
	w := newWorld(t)
	content := []byte("a release")
	file := t.TempDir() + "/app.tgz"
	w.must(writeFile(file, content))
	subject, err := oci.FileSubject(file)
	w.must(err)
	statement, err := w.signed(w.alice, bundle.PayloadType, w.payload(subject, signature)).MarshalJSON()
	w.must(err)
	foreign, err := w.signed(w.mallory, bundle.PayloadType, w.payload(subject, signature)).MarshalJSON()
	w.must(err)
	cases := map[string]struct {
		evidence []byte
		want     error
	}{
		"statement":                  {statement, nil},
		"signature over the bytes":   {w.messageSignature(content), nil},
		"signature over other bytes": {w.messageSignature([]byte("another release")), verify.ErrRejected},
		"another key":                {foreign, verify.ErrRejected},
		"statement about an image":   {w.edited(signature, func(object) {}), verify.ErrRejected},
	}
	for name, c := range cases {
		options := verify.Options{Artifact: func() (io.ReadCloser, error) { return oci.OpenFile(file, subject) }}
		sources := []verify.Source{verify.Bundles([]string{"evidence"}, [][]byte{c.evidence})}
		_, report, err := verify.Verify(context.Background(), subject, sources, trusting(w.alice), require(t, "signature"), options)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v\n%s", name, err, c.want, dump(report))
		}
	}
	// A file that is the inside of an envelope would carry an attestation's signature
	// over as one of the file.
	for name, inside := range map[string][]byte{"envelope": pae(t, w.payload(w.amd64, spdx)), "simple signing": simpleSigning(w.amd64.Digest().String(), cosignType)} {
		w.must(writeFile(file+".inside", inside))
		forged, err := oci.FileSubject(file + ".inside")
		w.must(err)
		options := verify.Options{Artifact: func() (io.ReadCloser, error) { return oci.OpenFile(file+".inside", forged) }}
		sources := []verify.Source{verify.Bundles([]string{"evidence"}, [][]byte{w.messageSignature(inside)})}
		if _, report, err := verify.Verify(context.Background(), forged, sources, trusting(w.alice), require(t, "signature"), options); !errors.Is(err, verify.ErrRejected) {
			t.Errorf("%s: got %v\n%s", name, err, dump(report))
		}
	}
	// The file is changed between the moment it was pinned and the moment it is read.
	w.must(writeFile(file, []byte("a forgery")))
	options := verify.Options{Artifact: func() (io.ReadCloser, error) { return oci.OpenFile(file, subject) }}
	sources := []verify.Source{verify.Bundles([]string{"evidence"}, [][]byte{w.messageSignature([]byte("a forgery"))})}
	if _, report, err := verify.Verify(context.Background(), subject, sources, trusting(w.alice), require(t, "signature"), options); err == nil {
		t.Errorf("a file that changed verified\n%s", dump(report))
	}
}

// TestAlgorithms: every kind of key verifies what it signed.
func TestAlgorithms(t *testing.T) {
	w := newWorld(t)
	for _, algorithm := range sign.Algorithms() {
		key, err := sign.Generate(algorithm)
		w.must(err)
		s, err := sign.NewKeySigner(string(algorithm), key)
		w.must(err)
		content, err := w.signed(s, bundle.PayloadType, w.payload(w.amd64, signature)).MarshalJSON()
		w.must(err)
		sources := []verify.Source{verify.Bundles([]string{"evidence"}, [][]byte{content})}
		if _, report, err := verify.Verify(context.Background(), w.amd64, sources, trusting(s), require(t, "signature"), verify.Options{}); err != nil {
			t.Errorf("%s: %v\n%s", algorithm, err, dump(report))
		}
		if _, _, err := verify.Verify(context.Background(), w.amd64, sources, trusting(w.alice), require(t, "signature"), verify.Options{}); !errors.Is(err, verify.ErrRejected) {
			t.Errorf("%s: under another key: %v", algorithm, err)
		}
	}
}

// pae is what an envelope's signature is made over.
func pae(t *testing.T, payload []byte) []byte {
	t.Helper()
	raw, err := io.ReadAll(bundle.PAE(bundle.PayloadType, payload))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// encoded is base64 as annotations carry it.
func encoded(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
