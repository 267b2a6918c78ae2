package verify

import (
	"bytes"
	"crypto"
	_ "crypto/sha512" // hashes of P-384 and P-521 signatures
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/hallmark-project/hallmark/bundle"
)

// verifier is the key or certificate that a log entry says the signature was made with,
// in DER form.
type verifier struct{ certificate, key []byte }

func (v verifier) isCertificate(der []byte) bool {
	return v.certificate != nil && bytes.Equal(v.certificate, der)
}
func (v verifier) isKey(der []byte) bool { return v.key != nil && bytes.Equal(v.key, der) }

// checkEntries checks that log entries that come with evidence are about this very
// signature, by this signer (cosign CVE-2026-22703: an entry of something else beside a
// signature is no proof that the signature was logged). Whether a log really holds them
// is asked elsewhere.
func (s *assessor) checkEntries(a *assessment, evidence signed, ours func(verifier) bool) {
	for i, entry := range evidence.logEntries {
		v, err := binds(entry, evidence)
		if err == nil && !ours(v) {
			err = errors.New("the log entry is about another signer")
		}
		a.check(CheckLogEntry, fmt.Sprintf("entry %d is about this signature", i+1), err)
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
			Content   []byte `json:"content"`
			PublicKey struct {
				Content []byte `json:"content"` // PEM
			} `json:"publicKey"`
		} `json:"signature"`
		Data struct {
			Hash hashValue `json:"hash"`
		} `json:"data"`
		// dsse 0.0.1
		PayloadHash hashValue `json:"payloadHash"`
		Signatures  []struct {
			Signature []byte `json:"signature"`
			Verifier  []byte `json:"verifier"` // PEM
		} `json:"signatures"`
		// intoto 0.0.1 and 0.0.2
		PublicKey []byte `json:"publicKey"` // PEM, 0.0.1
		Content   struct {
			Hash        hashValue `json:"hash"` // of the whole envelope
			PayloadHash hashValue `json:"payloadHash"`
			Envelope    struct {
				Signatures []struct {
					Sig       []byte `json:"sig"` // base64 of base64
					PublicKey []byte `json:"publicKey"`
				} `json:"signatures"`
			} `json:"envelope"`
		} `json:"content"`
		HashedRekordV002 struct {
			Signature signatureV002 `json:"signature"`
			Data      digestV002    `json:"data"`
		} `json:"hashedRekordV002"`
		DSSEV002 struct {
			PayloadHash digestV002      `json:"payloadHash"`
			Signatures  []signatureV002 `json:"signatures"`
		} `json:"dsseV002"`
	} `json:"spec"`
}

type digestV002 struct {
	Digest []byte `json:"digest"`
}

func (d digestV002) hash() hashValue { return hashValue{Value: hex.EncodeToString(d.Digest)} }

type signatureV002 struct {
	Content  []byte `json:"content"`
	Verifier struct {
		PublicKey       struct{ RawBytes []byte } `json:"publicKey"`
		X509Certificate struct{ RawBytes []byte } `json:"x509Certificate"`
	} `json:"verifier"`
}

func (s signatureV002) signer() verifier {
	return verifier{certificate: nonEmpty(s.Verifier.X509Certificate.RawBytes), key: nonEmpty(s.Verifier.PublicKey.RawBytes)}
}

func nonEmpty(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return b
}

// signerInPEM reads the key or certificate of an entry of Rekor's first version.
func signerInPEM(text []byte) verifier {
	block, _ := pem.Decode(text)
	switch {
	case block == nil:
		return verifier{}
	case block.Type == "CERTIFICATE":
		return verifier{certificate: block.Bytes}
	}
	return verifier{key: block.Bytes}
}

type hashValue struct {
	Algorithm string `json:"algorithm"`
	Value     string `json:"value"`
}

// binds reports by a nil error that entry is about the evidence's signature and what
// it was made over, and says by whom the signature is.
func binds(entry bundle.LogEntry, evidence signed) (verifier, error) {
	if len(entry.Body) == 0 {
		return verifier{}, errors.New("the log entry comes without its body")
	}
	if err := bundle.CheckJSON(entry.Body); err != nil {
		return verifier{}, err
	}
	var body logBody
	if err := json.Unmarshal(entry.Body, &body); err != nil {
		return verifier{}, fmt.Errorf("the log entry cannot be read: %w", err)
	}
	if entry.Kind != "" && (entry.Kind != body.Kind || entry.Version != body.Version) {
		return verifier{}, fmt.Errorf("the log entry is called %s %s, and is %s %s",
			printable(entry.Kind), printable(entry.Version), printable(body.Kind), printable(body.Version))
	}
	about, err := body.about(evidence)
	if err != nil {
		return verifier{}, err
	}
	if about.signature != nil && !bytes.Equal(about.signature, evidence.signature) {
		return verifier{}, errors.New("the log entry is about another signature")
	}
	return about.signer, about.same(about.hash)
}

// about is what an entry says it is about.
type about struct {
	signature []byte // nil: the hash covers it
	hash      hashValue
	same      func(hashValue) error // compares the hash with what it has to be of
	signer    verifier
}

func (b *logBody) about(evidence signed) (about, error) {
	spec := b.Spec
	payload := func(h hashValue) error { return sameHash(h, bytes.NewReader(evidence.payload)) }
	switch b.Kind + " " + b.Version {
	case "hashedrekord 0.0.1":
		return about{notNil(spec.Signature.Content), spec.Data.Hash, evidence.sameHash, signerInPEM(spec.Signature.PublicKey.Content)}, nil
	case "hashedrekord 0.0.2":
		s := spec.HashedRekordV002.Signature
		return about{notNil(s.Content), spec.HashedRekordV002.Data.hash(), evidence.sameHash, s.signer()}, nil
	case "dsse 0.0.1":
		if n := len(spec.Signatures); n != 1 {
			return about{}, fmt.Errorf("the log entry holds %d signatures", n)
		}
		s := spec.Signatures[0]
		return about{notNil(s.Signature), spec.PayloadHash, payload, signerInPEM(s.Verifier)}, nil
	case "dsse 0.0.2":
		if n := len(spec.DSSEV002.Signatures); n != 1 {
			return about{}, fmt.Errorf("the log entry holds %d signatures", n)
		}
		s := spec.DSSEV002.Signatures[0]
		return about{notNil(s.Content), spec.DSSEV002.PayloadHash.hash(), payload, s.signer()}, nil
	case "intoto 0.0.2":
		if n := len(spec.Content.Envelope.Signatures); n != 1 {
			return about{}, fmt.Errorf("the log entry holds %d signatures", n)
		}
		s := spec.Content.Envelope.Signatures[0]
		sig, err := base64.StdEncoding.DecodeString(string(s.Sig))
		if err != nil {
			return about{}, errors.New("the log entry's signature is no base64")
		}
		return about{notNil(sig), spec.Content.PayloadHash, payload, signerInPEM(s.PublicKey)}, nil
	case "intoto 0.0.1": // has no signature of its own: the hash of the envelope covers it
		if evidence.envelope == nil {
			return about{}, errors.New("the log entry is of a kind that cannot be compared with a bundle")
		}
		envelope := func(h hashValue) error { return sameHash(h, bytes.NewReader(evidence.envelope)) }
		return about{nil, spec.Content.Hash, envelope, signerInPEM(spec.PublicKey)}, nil
	}
	return about{}, fmt.Errorf("a kind of log entry that is not known: %q", printable(b.Kind+" "+b.Version))
}

func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// sameHash compares a hash with that of what was signed.
func (e signed) sameHash(logged hashValue) error {
	if e.digest == nil {
		return sameHash(logged, e.message())
	}
	if hex.EncodeToString(e.digest) != strings.ToLower(logged.Value) {
		return errContent
	}
	return nil
}

var errContent = errors.New("it is about other content")

// sameHash compares by the hash whose length the entry's value has: P-384 and P-521
// signatures are logged with theirs.
func sameHash(logged hashValue, message io.Reader) error {
	hashes := map[int]crypto.Hash{64: crypto.SHA256, 96: crypto.SHA384, 128: crypto.SHA512}
	hash, ok := hashes[len(logged.Value)]
	if !ok {
		return errors.New("it has no hash of what was signed")
	}
	h := hash.New()
	if _, err := io.Copy(h, message); err != nil {
		return err
	}
	if hex.EncodeToString(h.Sum(nil)) != strings.ToLower(logged.Value) {
		return errContent
	}
	return nil
}
