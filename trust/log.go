package trust

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
)

// ErrLog says that a log does not vouch for an entry: a signature or a proof of it does
// not hold.
var ErrLog = errors.New("the log does not vouch for the entry")

// Log is a transparency log, of signatures or of certificates.
type Log struct {
	URI, Operator string
	ID            []byte // SHA-256 of its key, or the key ID of its checkpoints
	CheckpointID  []byte // the key ID of its checkpoints, at least 4 bytes; nil: that of ID
	Key           Key    // with the time in which it may be used
}

// Authority tells logs apart where a threshold counts them: by operator, else by host,
// else by key.
func (l Log) Authority() string { return authority(l.Operator, l.URI, hex.EncodeToString(l.ID)) }

// checkpointHint is what the log's signatures on checkpoints begin with.
func (l Log) checkpointHint() []byte {
	if l.CheckpointID != nil {
		return l.CheckpointID[:hintSize]
	}
	return l.ID[:hintSize]
}

// hintSize is how many bytes of a key ID stand before a signature (https://c2sp.org/signed-note).
const hintSize = 4

// FindLog is the log in logs that has an identifier, or false.
func FindLog(logs []Log, id []byte) (Log, bool) {
	for _, l := range logs {
		if len(id) > 0 && (bytes.Equal(l.ID, id) || bytes.Equal(l.CheckpointID, id)) {
			return l, true
		}
	}
	return Log{}, false
}

// Promise is what a log of Rekor's first version signs when it takes an entry.
type Promise struct {
	Body           []byte
	IntegratedTime int64 // seconds since 1970
	Index          int64
}

// VerifyPromise checks the log's signature over a promise, a signed entry timestamp,
// and that the log might be used at its time, which it gives.
func (l Log) VerifyPromise(p Promise, sig []byte) (time.Time, error) {
	signed, err := json.Marshal(struct { // the members in the order of RFC 8785
		Body           string `json:"body"`
		IntegratedTime int64  `json:"integratedTime"`
		LogID          string `json:"logID"`
		LogIndex       int64  `json:"logIndex"`
	}{base64.StdEncoding.EncodeToString(p.Body), p.IntegratedTime, hex.EncodeToString(l.ID), p.Index})
	if err != nil {
		return time.Time{}, err
	}
	if err := l.Key.Verify(bytes.NewReader(signed), sig); err != nil {
		return time.Time{}, fmt.Errorf("%w: signed entry timestamp: %w", ErrLog, err)
	}
	t := time.Unix(p.IntegratedTime, 0)
	if !l.Key.Validity.Contains(t) {
		return time.Time{}, fmt.Errorf("%w: its entry is of %s, and its key is trusted %s", ErrLog, stamp(t), l.Key.Validity)
	}
	return t, nil
}

// Proof says that an entry stands in a Merkle tree (RFC 9162, section 2.1.3) whose
// root is in a checkpoint.
type Proof struct {
	Index      int64
	RootHash   []byte
	TreeSize   int64
	Hashes     [][]byte
	Checkpoint string
}

// VerifyInclusion checks that a checkpoint which the log signed holds body.
func (l Log) VerifyInclusion(body []byte, p Proof) error {
	c, err := l.verifyCheckpoint(p.Checkpoint)
	if err != nil {
		return fmt.Errorf("%w: checkpoint: %w", ErrLog, err)
	}
	if c.size != p.TreeSize || !bytes.Equal(c.root, p.RootHash) {
		return fmt.Errorf("%w: its checkpoint is of another tree than the proof", ErrLog)
	}
	if p.Index < 0 || p.TreeSize <= 0 || p.Index >= p.TreeSize {
		return fmt.Errorf("%w: entry %d of a tree of %d", ErrLog, p.Index, p.TreeSize)
	}
	leaf := rfc6962.DefaultHasher.HashLeaf(body)
	if err := proof.VerifyInclusion(rfc6962.DefaultHasher, uint64(p.Index), uint64(p.TreeSize), leaf, p.Hashes, c.root); err != nil {
		return fmt.Errorf("%w: inclusion proof: it does not lead from the entry to the root %x of the checkpoint", ErrLog, c.root)
	}
	return nil
}
