package verify

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"

	"github.com/hallmark-project/hallmark/bundle"
)

// openLegacy takes evidence in cosign's older forms apart: a signature over a simple
// signing payload, or an envelope, with everything else in annotations beside it.
func (s *assessor) openLegacy(a *assessment, p Piece) (signed, error) {
	var evidence signed
	var err error
	if evidence.logEntries, err = legacyLogEntries(p.LogBundle); err != nil {
		return evidence, err
	}
	if evidence.timestamps, err = legacyTimestamps(p.Timestamp); err != nil {
		return evidence, err
	}
	if len(p.Certificate) > 0 {
		if evidence.certificates, err = pemCertificates(append(append(bytes.Clone(p.Certificate), '\n'), p.Chain...)); err != nil {
			return evidence, err
		}
	}
	if p.Form == FormLegacySignature {
		a.predicateType = bundle.PredicateSignature
		evidence.message = func() io.Reader { return bytes.NewReader(p.Content) }
		evidence.signature, evidence.payload = p.Signature, p.Content
		return evidence, nil
	}
	envelope, err := bundle.ParseEnvelope(p.Content)
	if err != nil {
		return evidence, err
	}
	if len(envelope.Signatures) != 1 {
		return evidence, fmt.Errorf("%w: %d signatures in the envelope, one is wanted", bundle.ErrFormat, len(envelope.Signatures))
	}
	evidence.envelope, evidence.stamped = p.Content, p.Content // older versions of cosign had the whole of it stamped
	return s.openEnvelope(a, envelope, evidence)
}

// maxLegacyCertificates caps the certificates beside a signature.
const maxLegacyCertificates = 16

// pemCertificates reads certificates in PEM form, the signer's first. Roots at the end
// are left out: cosign put the whole chain there.
func pemCertificates(text []byte) (ders [][]byte, err error) {
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		if block.Type != "CERTIFICATE" || len(ders) == maxLegacyCertificates {
			return nil, fmt.Errorf("%w: the certificates beside the signature cannot be read", bundle.ErrFormat)
		}
		if len(ders) == 0 || !bundle.SelfSigned(block.Bytes) {
			ders = append(ders, block.Bytes)
		}
		text = rest
	}
	if len(ders) == 0 || len(bytes.TrimSpace(text)) > 0 {
		return nil, fmt.Errorf("%w: the certificates beside the signature cannot be read", bundle.ErrFormat)
	}
	return ders, nil
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
		Promise []byte `json:"SignedEntryTimestamp"`
		Payload struct {
			Body           []byte `json:"body"`
			IntegratedTime int64  `json:"integratedTime"`
			LogIndex       int64  `json:"logIndex"`
			LogID          string `json:"logID"`
		} `json:"Payload"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, fmt.Errorf("log entry: %w", err)
	}
	id, err := hex.DecodeString(doc.Payload.LogID)
	if err != nil {
		return nil, fmt.Errorf("%w: log entry: its log's identifier is not hexadecimal", bundle.ErrFormat)
	}
	return []bundle.LogEntry{{Body: doc.Payload.Body, IntegratedTime: doc.Payload.IntegratedTime, Index: doc.Payload.LogIndex,
		LogID: id, Promise: doc.Promise}}, nil
}

// legacyTimestamps reads the annotation with a timestamp over the signature.
func legacyTimestamps(raw []byte) ([][]byte, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	if err := bundle.CheckJSON(raw); err != nil {
		return nil, fmt.Errorf("timestamp: %w", err)
	}
	var doc struct {
		Signed []byte `json:"SignedRFC3161Timestamp"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, fmt.Errorf("timestamp: %w", err)
	}
	return [][]byte{doc.Signed}, nil
}
