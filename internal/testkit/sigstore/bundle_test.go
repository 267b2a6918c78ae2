package sigstore

import (
	"bytes"
	"crypto"
	"encoding/json"
	"strings"
	"testing"
	"time"

	bundlepb "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	trustpb "github.com/sigstore/protobuf-specs/gen/pb-go/trustroot/v1"
	"google.golang.org/protobuf/encoding/protojson"
)

func decode(t *testing.T, data []byte) *bundlepb.Bundle {
	t.Helper()
	b := &bundlepb.Bundle{}
	if err := protojson.Unmarshal(data, b); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBundleKinds(t *testing.T) {
	key := NewKey()
	for name, c := range map[string]struct {
		opts    []Option
		request Request
		entry   string
		stamps  int
	}{
		"v2 envelope": {nil, Request{}, "hashedrekord 0.0.2", 1},
		"v2 message":  {nil, Request{Artifact: []byte("a")}, "hashedrekord 0.0.2", 1},
		"v2 dsse":     {nil, Request{Kind: DSSE}, "dsse 0.0.2", 1},
		"v1 envelope": {[]Option{WithRekorV1()}, Request{}, "dsse 0.0.1", 0},
		"v1 message":  {[]Option{WithRekorV1()}, Request{Artifact: []byte("a")}, "hashedrekord 0.0.1", 0},
		"v1 intoto":   {[]Option{WithRekorV1()}, Request{Kind: Intoto}, "intoto 0.0.2", 0},
		"managed":     {nil, Request{Managed: true, Key: key}, "hashedrekord 0.0.2", 1},
		"no log":      {[]Option{WithoutLog()}, Request{}, "", 1},
		"nothing":     {[]Option{WithoutLog(), WithoutTSA(), WithoutCT()}, Request{}, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			m := decode(t, New(t, c.opts...).Bundle(c.request)).VerificationMaterial
			var entry string
			for _, e := range m.TlogEntries {
				entry = e.KindVersion.Kind + " " + e.KindVersion.Version
				if !strings.HasPrefix(string(e.CanonicalizedBody), `{"apiVersion":"`+e.KindVersion.Version+`","kind":"`+e.KindVersion.Kind+`","spec":{`) {
					t.Errorf("body %s", e.CanonicalizedBody)
				}
			}
			if entry != c.entry || len(m.GetTimestampVerificationData().GetRfc3161Timestamps()) != c.stamps {
				t.Errorf("entry %q, %d stamps", entry, len(m.GetTimestampVerificationData().GetRfc3161Timestamps()))
			}
			if c.request.Managed && m.GetPublicKey().GetHint() != KeyHint(key.Public()) {
				t.Errorf("hint %q", m.GetPublicKey().GetHint())
			}
		})
	}
}

func TestEnvelopeSignature(t *testing.T) {
	w := New(t)
	p := w.Parts(Request{Payload: []byte("hello world"), PayloadType: "http://example.com/HelloWorld"})
	// The example of the DSSE protocol description.
	const pae = "DSSEv1 29 http://example.com/HelloWorld 11 hello world"
	if !signedBy(p.Key.Public(), []byte(pae), p.Signatures[0]) {
		t.Error("the signature is not over the encoding")
	}
	if sum := digest(crypto.SHA256, []byte(pae)); !bytes.Contains(p.Entries[0].CanonicalizedBody, must(json.Marshal(sum))) {
		t.Error("the entry is not over the encoding's digest")
	}
}

func TestEntriesMove(t *testing.T) {
	w := New(t)
	other := w.Parts(Request{Artifact: []byte("other")})
	p := w.Parts(Request{NoLog: true, Foreign: other.Entries, Mutate: []func(*Parts){func(p *Parts) { p.Timestamps = other.Timestamps }}})
	b := decode(t, p.JSON()).VerificationMaterial
	if len(b.TlogEntries) != 1 || !bytes.Equal(b.TlogEntries[0].CanonicalizedBody, other.Entries[0].CanonicalizedBody) {
		t.Error("the foreign entry is not there")
	}
	if !bytes.Equal(b.TimestampVerificationData.Rfc3161Timestamps[0].SignedTimestamp, other.Timestamps[0]) {
		t.Error("the mutation was not done")
	}
	p.Entries[0].CanonicalizedBody[0] = 'x'
	if other.Entries[0].CanonicalizedBody[0] == 'x' {
		t.Error("two bundles share an entry")
	}
}

func TestClockAndWindows(t *testing.T) {
	w := New(t, WithRekorV1(), WithRekorV2())
	w.Advance(time.Hour)
	if e := w.Parts(Request{}).Entries[0]; e.IntegratedTime != Epoch.Add(time.Hour).Unix() {
		t.Errorf("integrated at %d", e.IntegratedTime)
	}
	w.SetNow(Epoch)
	w.Logs[1].Valid = Window{From: Epoch}
	root := &trustpb.TrustedRoot{}
	if err := protojson.Unmarshal(w.TrustedRoot(), root); err != nil {
		t.Fatal(err)
	}
	if len(root.Tlogs) != 2 || root.Tlogs[1].PublicKey.ValidFor.End != nil || !root.Tlogs[1].PublicKey.ValidFor.Start.AsTime().Equal(Epoch) {
		t.Errorf("logs %v", root.Tlogs)
	}
	if !bytes.Equal(w.TrustedRoot(), w.TrustedRoot()) {
		t.Error("the trusted root is not written the same twice")
	}
	if len(root.CertificateAuthorities) != 1 || len(root.Ctlogs) != 1 || len(root.TimestampAuthorities) != 1 {
		t.Error("a party is missing")
	}
}
