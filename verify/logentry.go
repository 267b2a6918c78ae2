package verify

import (
	"crypto"
	_ "crypto/sha512" // hashes of P-384 and P-521 signatures
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/hallmark-project/hallmark/bundle"
)

// errEntryKind is about a log entry of a kind that is not known here.
var errEntryKind = errors.New("a kind of log entry that is not known")

// checkLogEntries checks that log entries that come with evidence are about this
// very signature (cosign CVE-2026-22703: an entry of something else beside a
// signature is no proof that the signature was logged). Whether the log really
// holds them takes a trusted log key.
func (s *assessor) checkLogEntries(a *assessment, evidence signed) {
	for _, entry := range evidence.logEntries {
		err := binds(entry, evidence)
		if errors.Is(err, errEntryKind) {
			a.notChecked(CheckLogEntry, err.Error())
			continue
		}
		if a.check(CheckLogEntry, "this signature", err) {
			a.notChecked(CheckLogEntry, "no log is trusted here, so whether the log holds this entry was not asked")
		}
	}
}

// logBody is what the kinds of entries have that a signature can be compared with
// (https://github.com/sigstore/rekor/tree/main/pkg/types,
// https://github.com/sigstore/rekor-tiles/blob/main/api/proto/rekor/v2).
type logBody struct {
	Kind    string `json:"kind"`
	Version string `json:"apiVersion"`
	Spec    struct {
		// hashedrekord 0.0.1
		Signature struct {
			Content []byte `json:"content"`
		} `json:"signature"`
		Data struct {
			Hash hashValue `json:"hash"`
		} `json:"data"`
		// dsse 0.0.1
		PayloadHash hashValue `json:"payloadHash"`
		Signatures  []struct {
			Signature []byte `json:"signature"`
		} `json:"signatures"`
		// intoto 0.0.1 and 0.0.2
		Content struct {
			PayloadHash hashValue `json:"payloadHash"`
			Envelope    struct {
				Signatures []struct {
					Sig []byte `json:"sig"` // base64 of base64
				} `json:"signatures"`
			} `json:"envelope"`
		} `json:"content"`
		// hashedrekord 0.0.2
		V002 struct {
			Signature struct {
				Content []byte `json:"content"`
			} `json:"signature"`
			Data struct {
				Digest []byte `json:"digest"`
			} `json:"data"`
		} `json:"hashedRekordV002"`
	} `json:"spec"`
}

type hashValue struct {
	Algorithm string `json:"algorithm"`
	Value     string `json:"value"`
}

// binds reports by a nil error that entry is about the evidence's signature and
// what it was made over.
func binds(entry bundle.LogEntry, evidence signed) error {
	if len(entry.Body) == 0 {
		return fmt.Errorf("%w: it comes without its body", errEntryKind)
	}
	if err := bundle.CheckJSON(entry.Body); err != nil {
		return err
	}
	var body logBody
	if err := json.Unmarshal(entry.Body, &body); err != nil {
		return fmt.Errorf("the entry cannot be read: %w", err)
	}
	spec := body.Spec
	switch body.Kind + " " + body.Version {
	case "hashedrekord 0.0.1":
		if err := sameSignature(spec.Signature.Content, evidence); err != nil {
			return err
		}
		return sameHash(spec.Data.Hash, evidence.message())
	case "hashedrekord 0.0.2":
		if err := sameSignature(spec.V002.Signature.Content, evidence); err != nil {
			return err
		}
		return sameHash(hashValue{Value: hex.EncodeToString(spec.V002.Data.Digest)}, evidence.message())
	case "dsse 0.0.1":
		if len(spec.Signatures) != 1 {
			return fmt.Errorf("the entry holds %d signatures", len(spec.Signatures))
		}
		if err := sameSignature(spec.Signatures[0].Signature, evidence); err != nil {
			return err
		}
		return sameHash(spec.PayloadHash, strings.NewReader(string(evidence.payload)))
	case "intoto 0.0.2":
		if len(spec.Content.Envelope.Signatures) != 1 {
			return fmt.Errorf("the entry holds %d signatures", len(spec.Content.Envelope.Signatures))
		}
		sig, err := base64.StdEncoding.DecodeString(string(spec.Content.Envelope.Signatures[0].Sig))
		if err != nil {
			return fmt.Errorf("the entry's signature is no base64")
		}
		if err := sameSignature(sig, evidence); err != nil {
			return err
		}
		return sameHash(spec.Content.PayloadHash, strings.NewReader(string(evidence.payload)))
	case "intoto 0.0.1": // has no signature of its own
		return sameHash(spec.Content.PayloadHash, strings.NewReader(string(evidence.payload)))
	}
	return fmt.Errorf("%w: %q", errEntryKind, printable(body.Kind+" "+body.Version))
}

func sameSignature(logged []byte, evidence signed) error {
	if string(logged) != string(evidence.signature) {
		return errors.New("the log entry is about another signature")
	}
	return nil
}

// sameHash compares by the hash whose length the entry's value has: P-384 and P-521
// signatures are logged with theirs.
func sameHash(logged hashValue, message io.Reader) error {
	hashes := map[int]crypto.Hash{64: crypto.SHA256, 96: crypto.SHA384, 128: crypto.SHA512}
	hash, ok := hashes[len(logged.Value)]
	if !ok {
		return errors.New("the log entry has no hash of what was signed")
	}
	h := hash.New()
	if _, err := io.Copy(h, message); err != nil {
		return err
	}
	if hex.EncodeToString(h.Sum(nil)) != strings.ToLower(logged.Value) {
		return errors.New("the log entry is about other content")
	}
	return nil
}

// legacyLogEntries reads the annotation in which cosign before version 3 keeps the
// log entry of a signature. No annotation is no entry.
func legacyLogEntries(raw []byte) ([]bundle.LogEntry, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	if err := bundle.CheckJSON(raw); err != nil {
		return nil, fmt.Errorf("log entry: %w", err)
	}
	var doc struct {
		Payload struct {
			Body []byte `json:"body"`
		} `json:"Payload"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, fmt.Errorf("log entry: %w", err)
	}
	return []bundle.LogEntry{{Body: doc.Payload.Body}}, nil
}
