package sigstore

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	commonpb "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	rekorpb "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"google.golang.org/protobuf/proto"
)

// Log is a transparency log with its Merkle tree. Version 1 signs with ECDSA, says when
// an entry came and promises to include it; version 2 signs with Ed25519 and proves
// inclusion only.
type Log struct {
	Name    string // the host name, which starts a checkpoint
	Version int
	URL     string
	Valid   Window
	// TreeID follows the name in the checkpoints of version 1.
	TreeID string
	// Offset is what an entry's index is larger than its place in the tree: version 1
	// counts across the trees that it once had.
	Offset int64

	key     crypto.Signer
	mu      sync.Mutex
	tree    tree
	entries []*rekorpb.TransparencyLogEntry
	known   map[string]int // by hash of the body, place in entries
}

// NewLog makes a log of version 1 or 2 that the trusted root trusts in the given
// window. It holds a few entries already, so that proofs are not empty.
func NewLog(name string, version int, valid Window) *Log {
	l := &Log{Name: name, Version: version, URL: "https://" + name, Valid: valid, known: map[string]int{}}
	if version == 1 {
		l.key, l.TreeID, l.Offset = NewKey(), "2605736670972794746", 1000
	} else {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		l.key = must(key, err)
	}
	for i := range 5 {
		l.tree.add(fmt.Appendf(nil, "entry %d of %s", i, name))
	}
	return l
}

// Public is the key that the log signs with.
func (l *Log) Public() crypto.PublicKey { return l.key.Public() }

// ID is how entries and trusted roots name the log: for version 1 the SHA-256 of its
// key, for version 2 the whole key ID of its checkpoints
// (https://c2sp.org/signed-note: SHA-256 of name, line feed, 0x01, key).
func (l *Log) ID() []byte {
	if key, ok := l.Public().(ed25519.PublicKey); ok {
		sum := sha256.Sum256([]byte(l.Name + "\n\x01" + string(key)))
		return sum[:]
	}
	sum := sha256.Sum256(publicDER(l.Public()))
	return sum[:]
}

// Size is how many leaves the tree has.
func (l *Log) Size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.tree.leaves)
}

// Checkpoint is the log's signed tree head as it is now.
func (l *Log) Checkpoint() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.checkpoint(len(l.tree.leaves), l.tree.root())
}

func (l *Log) checkpoint(size int, root []byte) string {
	origin := l.Name
	if l.Version == 1 {
		origin += " - " + l.TreeID
	}
	text := fmt.Sprintf("%s\n%d\n%s\n", origin, size, base64.StdEncoding.EncodeToString(root))
	return text + "\n" + l.Cosign(text)
}

// Cosign is the signature line of this log for the text of a signed note: name, the
// first four bytes of [Log.ID], signature.
func (l *Log) Cosign(text string) string {
	line := slices.Concat(l.ID()[:4], sign(l.key, []byte(text)))
	return "— " + l.Name + " " + base64.StdEncoding.EncodeToString(line) + "\n"
}

// EntryFaults are the ways in which an entry may be unsound. The tree behind it is
// sound always.
type EntryFaults struct {
	Time          time.Time // integrated time instead of the request's (version 1 signs it, version 2 does not)
	WrongIndex    bool      // index is that of the leaf before
	WrongHash     bool      // one hash of the proof is changed
	WrongRoot     bool      // the proof's root hash is not the checkpoint's
	OtherTree     bool      // the log signs a checkpoint over a tree without the entry
	CheckpointBy  *Log      // another log signs the checkpoint, under its own name
	ForgedNote    bool      // another key signs the checkpoint, under this log's name
	NoProof       bool
	NoCheckpoint  bool
	NoPromise     bool // version 1
	ForgedPromise bool // version 1: another key signs the promise
}

// Add puts a body into the log and returns the entry as a bundle holds it. A body that
// is known already is added once more; [Log.find] tells.
func (l *Log) Add(kind, version string, body []byte, at time.Time, f EntryFaults) *rekorpb.TransparencyLogEntry {
	l.mu.Lock()
	defer l.mu.Unlock()
	place := l.tree.add(body)
	entry := &rekorpb.TransparencyLogEntry{
		LogIndex:          int64(place) + l.Offset,
		LogId:             &commonpb.LogId{KeyId: l.ID()},
		KindVersion:       &rekorpb.KindVersion{Kind: kind, Version: version},
		CanonicalizedBody: body,
	}
	if !f.Time.IsZero() {
		at = f.Time
	}
	if l.Version == 1 || !f.Time.IsZero() {
		entry.IntegratedTime = at.Unix()
	}
	if l.Version == 1 && !f.NoPromise {
		l.promise(entry, f)
	}
	if !f.NoProof {
		l.prove(entry, place, f)
	}
	sound := proto.CloneOf(entry)
	l.known[bodyKey(body)] = len(l.entries)
	l.entries = append(l.entries, sound)
	if f.WrongIndex {
		entry.LogIndex--
		if entry.InclusionProof != nil {
			entry.InclusionProof.LogIndex--
		}
	}
	return entry
}

func (l *Log) prove(entry *rekorpb.TransparencyLogEntry, place int, f EntryFaults) {
	proof := &rekorpb.InclusionProof{
		LogIndex: int64(place),
		RootHash: l.tree.root(),
		TreeSize: int64(len(l.tree.leaves)),
		Hashes:   l.tree.proof(place),
	}
	for i, h := range proof.Hashes {
		proof.Hashes[i] = append([]byte(nil), h...)
	}
	proof.Checkpoint = &rekorpb.Checkpoint{Envelope: l.faultyCheckpoint(proof, f)}
	if f.NoCheckpoint {
		proof.Checkpoint = nil
	}
	if f.WrongHash {
		proof.Hashes[0][0] ^= 1
	}
	if f.WrongRoot {
		proof.RootHash = append([]byte{proof.RootHash[0] ^ 1}, proof.RootHash[1:]...)
	}
	entry.InclusionProof = proof
}

func (l *Log) faultyCheckpoint(proof *rekorpb.InclusionProof, f EntryFaults) string {
	size, root := int(proof.TreeSize), proof.RootHash
	switch {
	case f.OtherTree:
		return l.checkpoint(size, digest(crypto.SHA256, root))
	case f.CheckpointBy != nil:
		return f.CheckpointBy.checkpoint(size, root)
	case f.ForgedNote:
		return l.forgedCheckpoint(size, root)
	}
	return l.checkpoint(size, root)
}

// forgedCheckpoint has this log's name and key ID, but a stranger's signature.
func (l *Log) forgedCheckpoint(size int, root []byte) string {
	stranger := NewLog(l.Name, l.Version, l.Valid)
	stranger.TreeID = l.TreeID
	text, _, _ := strings.Cut(l.checkpoint(size, root), "\n\n")
	text += "\n"
	line := slices.Concat(l.ID()[:4], sign(stranger.key, []byte(text)))
	return text + "\n— " + l.Name + " " + base64.StdEncoding.EncodeToString(line) + "\n"
}

// promise signs what version 1 calls the signed entry timestamp: canonical JSON of the
// four fields in alphabetical order.
func (l *Log) promise(entry *rekorpb.TransparencyLogEntry, f EntryFaults) {
	key := l.key
	if f.ForgedPromise {
		key = NewKey()
	}
	entry.InclusionPromise = &rekorpb.InclusionPromise{SignedEntryTimestamp: sign(key, promised(entry))}
}

func promised(entry *rekorpb.TransparencyLogEntry) []byte {
	return must(json.Marshal(struct {
		Body           []byte `json:"body"`
		IntegratedTime int64  `json:"integratedTime"`
		LogID          string `json:"logID"`
		LogIndex       int64  `json:"logIndex"`
	}{entry.CanonicalizedBody, entry.IntegratedTime, hex.EncodeToString(entry.LogId.KeyId), entry.LogIndex}))
}

// Entries is what was added, oldest first, without the index faults of single entries.
func (l *Log) Entries() []*rekorpb.TransparencyLogEntry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]*rekorpb.TransparencyLogEntry(nil), l.entries...)
}

// find returns the entry of a body that was added before, or nil.
func (l *Log) find(body []byte) *rekorpb.TransparencyLogEntry {
	return l.byKey(bodyKey(body))
}

func (l *Log) byKey(key string) *rekorpb.TransparencyLogEntry {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i, ok := l.known[key]; ok {
		return l.entries[i]
	}
	return nil
}

func bodyKey(body []byte) string {
	sum := sha256.Sum256(append([]byte{0}, body...))
	return hex.EncodeToString(sum[:])
}
