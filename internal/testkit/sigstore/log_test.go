package sigstore

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	rekorpb "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
)

func included(e *rekorpb.TransparencyLogEntry) error {
	p := e.InclusionProof
	leaf := rfc6962.DefaultHasher.HashLeaf(e.CanonicalizedBody)
	return proof.VerifyInclusion(rfc6962.DefaultHasher, uint64(p.LogIndex), uint64(p.TreeSize), leaf, p.Hashes, p.RootHash)
}

// logs are the versions that a test of entries goes through.
func logs() []*Log {
	window := Around(Epoch, year, year)
	return []*Log{NewLog("one.test", 1, window), NewLog("two.test", 2, window)}
}

func TestProofsOfGrowingTree(t *testing.T) {
	for _, l := range logs() {
		for i := range 40 {
			e := l.Add(HashedRekord, "x", []byte{byte(i)}, Epoch, EntryFaults{})
			if err := included(e); err != nil {
				t.Fatalf("version %d, entry %d: %v", l.Version, i, err)
			}
			if want := e.InclusionProof.LogIndex + l.Offset; e.LogIndex != want {
				t.Fatalf("index %d, want %d", e.LogIndex, want)
			}
		}
	}
}

func TestEntryFaults(t *testing.T) {
	for _, l := range logs() {
		for name, f := range map[string]EntryFaults{
			"index": {WrongIndex: true}, "hash": {WrongHash: true}, "root": {WrongRoot: true},
		} {
			if err := included(l.Add(DSSE, "x", []byte(name), Epoch, f)); err == nil {
				t.Errorf("version %d: the entry with a wrong %s is proven", l.Version, name)
			}
		}
		if e := l.Add(DSSE, "x", []byte("bare"), Epoch, EntryFaults{NoProof: true, NoPromise: true}); e.InclusionProof != nil || e.InclusionPromise != nil {
			t.Errorf("version %d: the entry has what it should lack", l.Version)
		}
		if err := included(l.Add(DSSE, "x", []byte("after"), Epoch, EntryFaults{})); err != nil {
			t.Errorf("version %d: the faults before spoil a sound entry: %v", l.Version, err)
		}
	}
}

func TestCheckpointOfVersion2(t *testing.T) {
	l := logs()[1]
	key := append([]byte{1}, l.Public().(ed25519.PublicKey)...)
	verifier, err := note.NewVerifier(l.Name + "+" + hex8(l.ID()) + "+" + base64.StdEncoding.EncodeToString(key))
	if err != nil {
		t.Fatal(err)
	}
	open := func(f EntryFaults) error {
		e := l.Add(DSSE, "x", []byte("entry"), Epoch, f)
		n, err := note.Open([]byte(e.InclusionProof.Checkpoint.Envelope), note.VerifierList(verifier))
		if err == nil && !strings.HasPrefix(n.Text, "two.test\n") {
			t.Errorf("origin of %q", n.Text)
		}
		return err
	}
	if err := open(EntryFaults{}); err != nil {
		t.Error(err)
	}
	if open(EntryFaults{ForgedNote: true}) == nil || open(EntryFaults{CheckpointBy: logs()[1]}) == nil {
		t.Error("a checkpoint of another key opens")
	}
}

func hex8(id []byte) string {
	const digits = "0123456789abcdef"
	var out []byte
	for _, b := range id[:4] {
		out = append(out, digits[b>>4], digits[b&15])
	}
	return string(out)
}

func TestCheckpointOfVersion1(t *testing.T) {
	l := logs()[0]
	text, line, ok := strings.Cut(l.Checkpoint(), "\n\n")
	fields := strings.Fields(line)
	if !ok || !strings.HasPrefix(text, "one.test - "+l.TreeID+"\n") || len(fields) != 3 || fields[1] != l.Name {
		t.Fatalf("checkpoint:\n%s", l.Checkpoint())
	}
	signature, err := base64.StdEncoding.DecodeString(fields[2])
	if err != nil || string(signature[:4]) != string(l.ID()[:4]) {
		t.Fatalf("signature %x, %v", signature, err)
	}
	sum := sha256.Sum256([]byte(text + "\n"))
	if !ecdsa.VerifyASN1(l.Public().(*ecdsa.PublicKey), sum[:], signature[4:]) {
		t.Error("the signature is not the log's")
	}
}

func TestPromise(t *testing.T) {
	l := logs()[0]
	holds := func(f EntryFaults) bool {
		e := l.Add(DSSE, "0.0.1", []byte(`{"x":1}`), Epoch, f)
		// The canonical form, built another way: map keys in order, no spaces.
		text, err := json.Marshal(map[string]any{
			"body": e.CanonicalizedBody, "integratedTime": e.IntegratedTime, "logIndex": e.LogIndex,
			"logID": strings.ToLower(hexOf(l.ID())),
		})
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(text)
		return ecdsa.VerifyASN1(l.Public().(*ecdsa.PublicKey), sum[:], e.InclusionPromise.SignedEntryTimestamp)
	}
	if !holds(EntryFaults{}) || !holds(EntryFaults{Time: Epoch.Add(-day)}) {
		t.Error("the promise does not hold")
	}
	if holds(EntryFaults{ForgedPromise: true}) || holds(EntryFaults{WrongIndex: true}) {
		t.Error("the faulty promise holds")
	}
}

func hexOf(id []byte) string {
	var out strings.Builder
	for i := 0; i < len(id); i += 4 {
		out.WriteString(hex8(id[i:]))
	}
	return out.String()
}
