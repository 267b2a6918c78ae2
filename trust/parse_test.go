package trust_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	common "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/hallmark-project/hallmark/internal/testkit/sigstore"
	"github.com/hallmark-project/hallmark/trust"
)

func TestParseInstances(t *testing.T) {
	world := sigstore.New(t)
	one := world.TrustedRoot()
	for name, c := range map[string]struct {
		data []byte
		want int
	}{
		"one": {one, 1}, "two lines": {append(append(bytes.Clone(one), '\n'), one...), 2},
		"empty": {nil, 0}, "no JSON": {[]byte("hello"), 0}, "no root": {[]byte(`{}`), 0},
		"a second line that is none": {append(append(bytes.Clone(one), '\n'), "hello"...), 0},
		"another media type":         {bytes.Replace(one, []byte("trustedroot"), []byte("other"), 1), 0},
		"a key that is none":         {bytes.Replace(one, []byte(`"rawBytes":"MFkw`), []byte(`"rawBytes":"AAAA`), 1), 0},
	} {
		got, err := trust.ParseInstances(name, c.data)
		if len(got) != c.want || (err != nil) != (c.want == 0) || err != nil && !errors.Is(err, trust.ErrTrustedRoot) {
			t.Errorf("%s: %d roots and %v, want %d", name, len(got), err, c.want)
		}
	}
}

// TestEncodeInstance: what is written is what is read.
func TestEncodeInstance(t *testing.T) {
	world := sigstore.New(t, sigstore.WithRekorV1(), sigstore.WithRekorV2())
	instances, err := trust.ParseInstances("world", world.TrustedRoot())
	if err != nil {
		t.Fatal(err)
	}
	raw, err := trust.EncodeInstance(instances[0])
	if err != nil {
		t.Fatal(err)
	}
	again, err := trust.ParseInstances("again", raw)
	if err != nil {
		t.Fatal(err)
	}
	second, err := trust.EncodeInstance(again[0])
	if err != nil || !bytes.Equal(raw, second) {
		t.Errorf("%v: not the same after reading\n%s\n%s", err, raw, second)
	}
	if len(again[0].Logs) != 2 || !bytes.Equal(again[0].Logs[0].ID, world.Logs[0].ID()) {
		t.Errorf("logs %+v", again[0].Logs)
	}
}

// TestSelect: which services sign, by window, version, operator and selector.
func TestSelect(t *testing.T) {
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	day := 24 * time.Hour
	open := trust.Window{From: now.Add(-30 * day)}
	logs := []trust.Service{
		{URL: "https://v1.example", APIVersion: 1, Operator: "one", Validity: open},
		{URL: "https://v2.example", APIVersion: 2, Operator: "one", Validity: open},
		{URL: "https://newer.example", APIVersion: 2, Operator: "one", Validity: trust.Window{From: now.Add(-day)}},
		{URL: "https://tomorrow.example", APIVersion: 2, Operator: "one", Validity: trust.Window{From: now.Add(day)}},
		{URL: "https://gone.example", APIVersion: 2, Operator: "three", Validity: trust.Window{Until: now.Add(-day)}},
		{URL: "https://v3.example", APIVersion: 3, Operator: "four", Validity: open},
		{URL: "https://two.example", APIVersion: 1, Operator: "two", Validity: open},
	}
	for name, c := range map[string]struct {
		use  trust.Selection
		want []string // all that may be chosen
		n    int      // how many are; 0: an error
	}{
		"any":     {trust.Selection{}, []string{"https://newer.example", "https://two.example"}, 1},
		"all":     {trust.Selection{All: true}, []string{"https://newer.example", "https://two.example"}, 2},
		"exact 2": {trust.Selection{Count: 2}, []string{"https://newer.example", "https://two.example"}, 2},
		"exact 3": {trust.Selection{Count: 3}, nil, 0},
	} {
		got, err := trust.SigningConfig{Logs: logs, LogUse: c.use}.UseLogs(now)
		if len(got) != c.n || (err == nil) != (c.n > 0) || err != nil && !errors.Is(err, trust.ErrNoService) {
			t.Errorf("%s: %v and %v, want %d", name, got, err, c.n)
		}
		for _, s := range got {
			if !strings.Contains(strings.Join(c.want, " "), s.URL) {
				t.Errorf("%s: chose %s, want one of %v", name, s.URL, c.want)
			}
		}
	}
	if got, err := (trust.SigningConfig{}).UseLogs(now); len(got) != 0 || err != nil {
		t.Errorf("without logs: %v and %v, want nothing", got, err)
	}
	if _, err := (trust.SigningConfig{}).CA(now); !errors.Is(err, trust.ErrNoService) {
		t.Errorf("without authorities: %v", err)
	}
}

func TestParseSigningConfig(t *testing.T) {
	const mediaType = `"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json"`
	const log = `"rekorTlogUrls":[{"url":"https://log.example","majorApiVersion":2,"validFor":{"start":"2025-01-01T00:00:00Z"}}]`
	for name, c := range map[string]struct {
		doc string
		ok  bool
	}{
		"empty services": {`{` + mediaType + `,"rekorTlogConfig":{},"tsaConfig":{}}`, true},
		"any":            {`{` + mediaType + `,` + log + `,"rekorTlogConfig":{"selector":"ANY"}}`, true},
		"exact":          {`{` + mediaType + `,` + log + `,"rekorTlogConfig":{"selector":"EXACT","count":1}}`, true},
		"no selector":    {`{` + mediaType + `,` + log + `}`, false},
		"exact nothing":  {`{` + mediaType + `,` + log + `,"rekorTlogConfig":{"selector":"EXACT"}}`, false},
		"version 0.1":    {`{"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.1+json"}`, false},
		"no URL":         {`{` + mediaType + `,"caUrls":[{"url":"nowhere"}]}`, false},
		"no JSON":        {`hello`, false},
	} {
		config, err := trust.ParseSigningConfig(name, []byte(c.doc))
		if (err == nil) != c.ok || err != nil && !errors.Is(err, trust.ErrSigningConfig) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !c.ok {
			continue
		}
		if _, err := trust.EncodeSigningConfig(config); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzVerifyInclusion: a stranger's proof never panics, and never holds.
func FuzzVerifyInclusion(f *testing.F) {
	world := sigstore.New(f)
	parts := world.Parts(sigstore.Request{Artifact: []byte("x")})
	instances, err := trust.ParseInstances("world", world.TrustedRoot())
	if err != nil {
		f.Fatal(err)
	}
	log, proof := instances[0].Logs[0], parts.Entries[0].InclusionProof
	f.Add(parts.Entries[0].CanonicalizedBody, proof.LogIndex, proof.TreeSize, proof.RootHash, proof.Checkpoint.Envelope)
	f.Add([]byte("x"), int64(-1), int64(0), []byte{}, "a\n1\n\n\n— a AAAAAAAA\n")
	sound := trust.Proof{Index: proof.LogIndex, RootHash: proof.RootHash, TreeSize: proof.TreeSize, Hashes: proof.Hashes, Checkpoint: proof.Checkpoint.Envelope}
	if err := log.VerifyInclusion(parts.Entries[0].CanonicalizedBody, sound); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte, index, size int64, root []byte, checkpoint string) {
		err := log.VerifyInclusion(body, trust.Proof{Index: index, RootHash: root, TreeSize: size, Hashes: proof.Hashes, Checkpoint: checkpoint})
		same := bytes.Equal(body, parts.Entries[0].CanonicalizedBody) && index == proof.LogIndex
		if err == nil && !same {
			t.Errorf("another entry is proved: %q at %d of %d", body, index, size)
		}
	})
}

// FuzzParseInstances: a trusted root from a stranger never panics.
func FuzzParseInstances(f *testing.F) {
	f.Add(sigstore.New(f).TrustedRoot())
	f.Add([]byte(`{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}`))
	f.Fuzz(func(_ *testing.T, data []byte) { _, _ = trust.ParseInstances("fuzz", data) })
}

// TestCheckpointOfAnotherName: a log of version 2 signs under the name that the trusted
// root gives it.
func TestCheckpointOfAnotherName(t *testing.T) {
	world := sigstore.New(t)
	parts := world.Parts(sigstore.Request{Artifact: []byte("x")})
	instances, err := trust.ParseInstances("world", world.TrustedRoot())
	if err != nil {
		t.Fatal(err)
	}
	entry, log := parts.Entries[0], instances[0].Logs[0]
	p := trust.Proof{Index: entry.InclusionProof.LogIndex, RootHash: entry.InclusionProof.RootHash, TreeSize: entry.InclusionProof.TreeSize,
		Hashes: entry.InclusionProof.Hashes, Checkpoint: entry.InclusionProof.Checkpoint.Envelope}
	if err := log.VerifyInclusion(entry.CanonicalizedBody, p); err != nil {
		t.Fatal(err)
	}
	log.URI = "https://another.example"
	if err := log.VerifyInclusion(entry.CanonicalizedBody, p); !errors.Is(err, trust.ErrLog) {
		t.Errorf("got %v, want %v", err, trust.ErrLog)
	}
}

// TestCheckpointKeyID: a trusted root may name the key ID of a log's checkpoints besides
// the log's own, and shorten it to the four bytes that stand before a signature.
func TestCheckpointKeyID(t *testing.T) {
	world := sigstore.New(t, sigstore.WithRekorV1())
	parts := world.Parts(sigstore.Request{Artifact: []byte("x")})
	entry := parts.Entries[0]
	p := trust.Proof{Index: entry.InclusionProof.LogIndex, RootHash: entry.InclusionProof.RootHash, TreeSize: entry.InclusionProof.TreeSize,
		Hashes: entry.InclusionProof.Hashes, Checkpoint: entry.InclusionProof.Checkpoint.Envelope}
	for name, c := range map[string]struct {
		id []byte
		ok bool
	}{"four bytes": {world.Logs[0].ID()[:4], true}, "another": {[]byte("abcd"), false}} {
		doc := world.TrustedRootProto()
		doc.Tlogs[0].CheckpointKeyId = &common.LogId{KeyId: c.id}
		raw, err := protojson.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		instances, err := trust.ParseInstances(name, raw)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		log, found := trust.FindLog(instances[0].Logs, entry.LogId.KeyId)
		if err := log.VerifyInclusion(entry.CanonicalizedBody, p); !found || (err == nil) != c.ok {
			t.Errorf("%s: found is %v, and %v", name, found, err)
		}
	}
}
