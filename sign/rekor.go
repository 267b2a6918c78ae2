package sign

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/hallmark-project/hallmark/bundle"
	"github.com/hallmark-project/hallmark/trust"
)

const serviceLog = "transparency log"

// maxLogged is the largest payload, in base64, that is sent to a log of Rekor's first version,
// which takes payloads and refuses large ones.
const maxLogged = 4 << 20

// ErrTooLargeToLog says that a statement is too large for a log of Rekor's first
// version. Use a log of its second version, which takes hashes only.
var ErrTooLargeToLog = errors.New("too large for a transparency log of version 1, which takes the whole statement; a log of version 2 takes a hash")

// requestEntry asks a log to take the signature of a bundle, made by the key in signer.
// The entry is unverified.
func (c *Client) requestEntry(ctx context.Context, log trust.Service, b *bundle.Bundle, by signerKey) (*bundle.LogEntry, error) {
	if log.APIVersion == 1 {
		return c.requestEntryV1(ctx, log, b, by)
	}
	return c.requestEntryV2(ctx, log, b, by)
}

// signerKey is what a log is told of the key: the certificate, or the key itself.
type signerKey struct {
	certificate []byte // DER
	key         trust.Key
}

func (s signerKey) pem() []byte {
	if s.certificate != nil {
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.certificate})
	}
	return s.key.PEM()
}

// requestEntryV2 logs a hashedrekord over the envelope's pre-authentication encoding
// (https://github.com/sigstore/rekor-tiles/blob/main/api/proto/rekor/v2).
func (c *Client) requestEntryV2(ctx context.Context, log trust.Service, b *bundle.Bundle, by signerKey) (*bundle.LogEntry, error) {
	digest, err := loggedDigest(b, by.key)
	if err != nil {
		return nil, err
	}
	details, err := trust.KeyDetails(by.key.Public())
	if err != nil {
		return nil, err
	}
	verifier := map[string]any{"keyDetails": details}
	if by.certificate != nil {
		verifier["x509Certificate"] = map[string]any{"rawBytes": by.certificate}
	} else {
		verifier["publicKey"] = map[string]any{"rawBytes": by.key.DER()}
	}
	body, err := json.Marshal(map[string]any{"hashedRekordRequestV002": map[string]any{
		"digest":    digest,
		"signature": map[string]any{"content": b.SignatureBytes(), "verifier": verifier},
	}})
	if err != nil {
		return nil, err
	}
	at := strings.TrimSuffix(log.URL, "/") + "/api/v2/log/entries"
	got, err := c.do(ctx, request{service: serviceLog, method: http.MethodPost, url: at, contentType: "application/json", body: body})
	if err != nil {
		return nil, err
	}
	entry, err := bundle.ParseLogEntry(got.body)
	if err != nil {
		return nil, &ServiceError{Service: serviceLog, URL: at, Status: got.status, Message: err.Error(), Cause: ErrAnswer}
	}
	return entry, nil
}

// loggedDigest is the digest that a log takes in place of what was signed.
func loggedDigest(b *bundle.Bundle, key trust.Key) ([]byte, error) {
	hash, err := trust.HashOf(key.Public())
	if err != nil {
		return nil, err
	}
	if hash == 0 {
		return nil, fmt.Errorf("%w: a log takes a hash, and Ed25519 signatures are made without one; use an ECDSA key", trust.ErrKeyKind)
	}
	if b.MessageSignature != nil {
		return b.MessageSignature.Digest, nil
	}
	h := hash.New()
	_, err = io.Copy(h, bundle.PAE(b.Envelope.PayloadType, b.Envelope.Payload))
	return h.Sum(nil), err
}

// proposal is what a log of Rekor's first version is asked to take: an envelope as kind
// dsse, a signature over a file as kind hashedrekord.
func proposal(b *bundle.Bundle, by signerKey) ([]byte, error) {
	if b.MessageSignature != nil {
		digest, err := loggedDigest(b, by.key)
		if err != nil {
			return nil, err
		}
		algorithm := map[int]string{32: "sha256", 48: "sha384", 64: "sha512"}[len(digest)]
		return json.Marshal(map[string]any{"kind": "hashedrekord", "apiVersion": "0.0.1", "spec": map[string]any{
			"signature": map[string]any{"content": b.SignatureBytes(), "publicKey": map[string]any{"content": by.pem()}},
			"data":      map[string]any{"hash": map[string]any{"algorithm": algorithm, "value": hex.EncodeToString(digest)}}}})
	}
	if n := base64.StdEncoding.EncodedLen(len(b.Envelope.Payload)); n > maxLogged {
		return nil, fmt.Errorf("%w: %d bytes", ErrTooLargeToLog, n)
	}
	envelope := b.Envelope.AppendJSON(nil)
	return json.Marshal(map[string]any{"kind": "dsse", "apiVersion": "0.0.1", "spec": map[string]any{
		"proposedContent": map[string]any{"envelope": string(envelope), "verifiers": [][]byte{by.pem()}}}})
}

// requestEntryV1 logs what was signed in full
// (https://github.com/sigstore/rekor/blob/main/openapi.yaml).
func (c *Client) requestEntryV1(ctx context.Context, log trust.Service, b *bundle.Bundle, by signerKey) (*bundle.LogEntry, error) {
	body, err := proposal(b, by)
	if err != nil {
		return nil, err
	}
	at := strings.TrimSuffix(log.URL, "/") + "/api/v1/log/entries"
	got, err := c.do(ctx, request{service: serviceLog, method: http.MethodPost, url: at, contentType: "application/json", body: body}, http.StatusConflict)
	if err == nil && got.status == http.StatusConflict { // an earlier attempt was carried out after all
		if at, err = c.entryAt(at, got.header.Get("Location")); err == nil {
			got, err = c.do(ctx, request{service: serviceLog, method: http.MethodGet, url: at})
		}
	}
	if err != nil {
		return nil, err
	}
	entry, err := readEntryV1(got.body)
	if err != nil {
		return nil, &ServiceError{Service: serviceLog, URL: at, Status: got.status, Message: err.Error(), Cause: ErrAnswer}
	}
	return entry, nil
}

// entryAt is where a log says that an entry is: on the log itself, nowhere else.
func (c *Client) entryAt(at, location string) (string, error) {
	base, err := url.Parse(at)
	if err != nil {
		return "", err
	}
	u, err := base.Parse(location)
	if err != nil || location == "" || u.Host != base.Host || u.Scheme != base.Scheme {
		return "", &ServiceError{Service: serviceLog, URL: at, Status: http.StatusConflict,
			Message: "it has the entry already, and does not say where", Cause: ErrAnswer}
	}
	return u.String(), nil
}

// readEntryV1 reads a log's answer: one entry under its identifier.
func readEntryV1(body []byte) (*bundle.LogEntry, error) {
	if err := bundle.CheckJSON(body); err != nil {
		return nil, err
	}
	var doc map[string]struct {
		Body           []byte `json:"body"`
		IntegratedTime int64  `json:"integratedTime"`
		LogID          string `json:"logID"`
		LogIndex       int64  `json:"logIndex"`
		Verification   struct {
			InclusionProof *struct {
				Checkpoint string   `json:"checkpoint"`
				Hashes     []string `json:"hashes"`
				LogIndex   int64    `json:"logIndex"`
				RootHash   string   `json:"rootHash"`
				TreeSize   int64    `json:"treeSize"`
			} `json:"inclusionProof"`
			Promise []byte `json:"signedEntryTimestamp"`
		} `json:"verification"`
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		return nil, err
	}
	for _, e := range doc {
		var kind struct {
			Kind    string `json:"kind"`
			Version string `json:"apiVersion"`
		}
		if err := json.Unmarshal(e.Body, &kind); err != nil {
			return nil, err
		}
		id, err := hex.DecodeString(e.LogID)
		if err != nil {
			return nil, err
		}
		p := e.Verification.InclusionProof
		if len(doc) != 1 || p == nil || len(p.Hashes) > 64 {
			return nil, errors.New("it is not one entry with its inclusion proof")
		}
		proof := &bundle.InclusionProof{Index: p.LogIndex, TreeSize: p.TreeSize, Checkpoint: p.Checkpoint}
		if proof.RootHash, err = hex.DecodeString(p.RootHash); err != nil || len(proof.RootHash) != sha256.Size {
			return nil, errors.New("its root hash cannot be read")
		}
		for _, text := range p.Hashes {
			hash, err := hex.DecodeString(text)
			if err != nil {
				return nil, err
			}
			proof.Hashes = append(proof.Hashes, hash)
		}
		return &bundle.LogEntry{Kind: kind.Kind, Version: kind.Version, Index: e.LogIndex, LogID: id, IntegratedTime: e.IntegratedTime,
			Promise: e.Verification.Promise, Proof: proof, Body: e.Body}, nil
	}
	return nil, errors.New("it holds no entry")
}
