package bundle

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strconv"
)

// LogEntry is an entry of a transparency log, unverified: dev.sigstore.rekor.v1's
// TransparencyLogEntry
// (https://github.com/sigstore/protobuf-specs/blob/main/protos/sigstore_rekor.proto).
type LogEntry struct {
	Kind, Version  string
	Index          int64  // within all shards of the log
	LogID          []byte // SHA-256 of the log's key, or the key ID of its checkpoints
	IntegratedTime int64  // seconds since 1970; 0: the log does not say
	Promise        []byte // signed entry timestamp; nil: none
	Proof          *InclusionProof
	Body           []byte // canonicalized; nil: the log did not give it
}

// InclusionProof says where in a Merkle tree an entry stands (RFC 9162, section
// 2.1.3), unverified.
type InclusionProof struct {
	Index      int64 // within the tree
	RootHash   []byte
	TreeSize   int64
	Hashes     [][]byte
	Checkpoint string // a signed note with the tree's root (https://c2sp.org/tlog-checkpoint)
}

const (
	maxProofHashes = 64 // a tree of 2^63 entries has proofs of 63
	maxCheckpoint  = 64 << 10
)

// ParseLogEntry reads one log entry from its JSON form, as a log answers and as it
// stands in a bundle.
func ParseLogEntry(raw []byte) (*LogEntry, error) {
	var entry LogEntry
	err := eachMember(raw, func(name string, m Member) (err error) {
		switch name {
		case "kindVersion":
			entry.Kind, entry.Version, err = parseKind(m.Raw)
		case "canonicalizedBody":
			entry.Body, err = base64Text(m)
		case "logIndex":
			entry.Index, err = natural(m)
		case "logId":
			entry.LogID, err = parseBytes(m.Raw, "keyId")
		case "integratedTime":
			entry.IntegratedTime, err = natural(m)
		case "inclusionPromise":
			entry.Promise, err = parseBytes(m.Raw, "signedEntryTimestamp")
		case "inclusionProof":
			entry.Proof, err = parseProof(m.Raw)
		default:
			err = unknown(m)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("log entry: %w", err)
	}
	return &entry, nil
}

func (b *Bundle) parseLogEntries(raw []byte) error {
	return eachElement(raw, maxLogEntries, func(raw []byte) error {
		entry, err := ParseLogEntry(raw)
		if err == nil {
			b.LogEntries = append(b.LogEntries, *entry)
		}
		return err
	})
}

func parseKind(raw []byte) (kind, version string, err error) {
	err = eachMember(raw, func(name string, m Member) (err error) {
		switch name {
		case "kind":
			kind, err = text(m)
		case "version":
			version, err = text(m)
		default:
			err = unknown(m)
		}
		return err
	})
	return kind, version, err
}

func parseProof(raw []byte) (*InclusionProof, error) {
	var p InclusionProof
	err := eachMember(raw, func(name string, m Member) (err error) {
		switch name {
		case "logIndex":
			p.Index, err = natural(m)
		case "rootHash":
			p.RootHash, err = base64Text(m)
		case "treeSize":
			p.TreeSize, err = natural(m)
		case "hashes":
			err = eachElement(m.Raw, maxProofHashes, func(raw []byte) error {
				hash, err := base64Text(Member{m.Key, raw})
				p.Hashes = append(p.Hashes, hash)
				return err
			})
		case "checkpoint":
			p.Checkpoint, err = parseCheckpoint(m.Raw)
		default:
			err = unknown(m)
		}
		return err
	})
	return &p, err
}

func parseCheckpoint(raw []byte) (note string, err error) {
	err = eachMember(raw, func(name string, m Member) (err error) {
		if name != "envelope" {
			return unknown(m)
		}
		note, err = text(m)
		return err
	})
	if err == nil && len(note) > maxCheckpoint {
		err = fmt.Errorf("%w: a checkpoint of %d bytes", ErrFormat, len(note))
	}
	return note, err
}

// parseBytes reads an object whose only member holds bytes.
func parseBytes(raw []byte, only string) (value []byte, err error) {
	err = eachMember(raw, func(name string, m Member) (err error) {
		if name != only {
			return unknown(m)
		}
		value, err = base64Text(m)
		return err
	})
	return value, err
}

// natural reads an int64 that is not negative, which protobuf's JSON form writes as
// text or as a number.
func natural(m Member) (int64, error) {
	digits := string(bytes.TrimSpace(m.Raw))
	if len(digits) > 0 && digits[0] == '"' {
		var err error
		if digits, err = text(m); err != nil {
			return 0, err
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%w: %s is no natural number", ErrFormat, clip(m.Key))
	}
	return n, nil
}

// appendJSON writes the entry as it stands in a bundle.
func (e *LogEntry) appendJSON(out []byte) []byte {
	out = append(out, `{"logIndex":"`...)
	out = strconv.AppendInt(out, e.Index, 10)
	out = append(out, `","logId":{"keyId":`...)
	out = appendBase64(out, e.LogID)
	out = append(out, `},"kindVersion":{"kind":`...)
	out = appendString(out, e.Kind)
	out = append(out, `,"version":`...)
	out = appendString(out, e.Version)
	out = append(out, '}')
	if e.IntegratedTime != 0 {
		out = append(out, `,"integratedTime":"`...)
		out = strconv.AppendInt(out, e.IntegratedTime, 10)
		out = append(out, '"')
	}
	if e.Promise != nil {
		out = append(out, `,"inclusionPromise":{"signedEntryTimestamp":`...)
		out = appendBase64(out, e.Promise)
		out = append(out, '}')
	}
	if e.Proof != nil {
		out = append(out, `,"inclusionProof":`...)
		out = e.Proof.appendJSON(out)
	}
	out = append(out, `,"canonicalizedBody":`...)
	return append(appendBase64(out, e.Body), '}')
}

func (p *InclusionProof) appendJSON(out []byte) []byte {
	out = append(out, `{"logIndex":"`...)
	out = strconv.AppendInt(out, p.Index, 10)
	out = append(out, `","rootHash":`...)
	out = appendBase64(out, p.RootHash)
	out = append(out, `,"treeSize":"`...)
	out = strconv.AppendInt(out, p.TreeSize, 10)
	out = append(out, `","hashes":[`...)
	for i, hash := range p.Hashes {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendBase64(out, hash)
	}
	out = append(out, `],"checkpoint":{"envelope":`...)
	return append(appendString(out, p.Checkpoint), `}}`...)
}

func appendBase64(out, value []byte) []byte {
	out = append(out, '"')
	out = base64.StdEncoding.AppendEncode(out, value)
	return append(out, '"')
}
