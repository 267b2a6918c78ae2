package sigstore

import (
	"crypto"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	rekorpb "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
)

const entriesPath = "/api/v1/log/entries"

func (w *World) rekor(l *Log) http.Handler {
	mux := http.NewServeMux()
	if l.Version == 2 {
		mux.HandleFunc("POST /api/v2/log/entries", func(rw http.ResponseWriter, r *http.Request) { w.addV2(l, rw, r) })
		mux.HandleFunc("GET /api/v2/checkpoint", func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write([]byte(l.Checkpoint())) })
		return mux
	}
	mux.HandleFunc("POST "+entriesPath, func(rw http.ResponseWriter, r *http.Request) { w.addV1(l, rw, r) })
	mux.HandleFunc("GET "+entriesPath+"/{uuid}", func(rw http.ResponseWriter, r *http.Request) {
		uuid := r.PathValue("uuid")
		entry := l.byKey(uuid[max(0, len(uuid)-64):])
		if entry == nil {
			refuse(rw, http.StatusNotFound, fmt.Errorf("the log has no entry %s", uuid))
			return
		}
		writeJSON(rw, http.StatusOK, map[string]any{l.uuid(entry): anonymous(entry)})
	})
	mux.HandleFunc("GET /api/v1/log/publicKey", func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write(PublicPEM(l.Public())) })
	return mux
}

// proposedV1 is an entry as clients propose it, of either kind.
type proposedV1 struct {
	APIVersion string          `json:"apiVersion"`
	Kind       string          `json:"kind"`
	Spec       json.RawMessage `json:"spec"`
}

type hashedRekordSpecV1 struct {
	Data struct {
		Hash struct {
			Algorithm string `json:"algorithm"`
			Value     string `json:"value"`
		} `json:"hash"`
	} `json:"data"`
	Signature struct {
		Content   []byte `json:"content"`
		PublicKey struct {
			Content []byte `json:"content"` // PEM of a key or certificate
		} `json:"publicKey"`
	} `json:"signature"`
}

type dsseSpecV1 struct {
	Proposed struct {
		Envelope  string   `json:"envelope"`
		Verifiers [][]byte `json:"verifiers"` // PEM
	} `json:"proposedContent"`
}

type envelope struct {
	Payload     []byte `json:"payload"`
	PayloadType string `json:"payloadType"`
	Signatures  []struct {
		Sig []byte `json:"sig"`
	} `json:"signatures"`
}

func (w *World) addV1(l *Log, rw http.ResponseWriter, r *http.Request) {
	var proposed proposedV1
	if !readJSON(rw, r, &proposed) {
		return
	}
	body, err := proposed.body()
	if err != nil {
		refuse(rw, http.StatusBadRequest, err)
		return
	}
	if known := l.find(body); known != nil {
		rw.Header().Set("Location", entriesPath+"/"+l.uuid(known))
		refuse(rw, http.StatusConflict, fmt.Errorf("an equivalent entry already exists in the transparency log with UUID %s", l.uuid(known)))
		return
	}
	entry := l.Add(proposed.Kind, proposed.APIVersion, body, w.Now(), w.Twists.Entry)
	rw.Header().Set("ETag", l.uuid(entry))
	rw.Header().Set("Location", entriesPath+"/"+l.uuid(entry))
	writeJSON(rw, http.StatusCreated, map[string]any{l.uuid(entry): anonymous(entry)})
}

func (p proposedV1) body() ([]byte, error) {
	switch p.Kind + " " + p.APIVersion {
	case HashedRekord + " 0.0.1":
		var spec hashedRekordSpecV1
		if err := json.Unmarshal(p.Spec, &spec); err != nil {
			return nil, fmt.Errorf("the proposed entry: %w", err)
		}
		return spec.body()
	case DSSE + " 0.0.1":
		var spec dsseSpecV1
		if err := json.Unmarshal(p.Spec, &spec); err != nil {
			return nil, fmt.Errorf("the proposed entry: %w", err)
		}
		return spec.body()
	}
	return nil, fmt.Errorf("entries of kind %q %q are not taken", p.Kind, p.APIVersion)
}

func (s hashedRekordSpecV1) body() ([]byte, error) {
	hash, known := map[string]crypto.Hash{"sha256": crypto.SHA256, "sha384": crypto.SHA384, "sha512": crypto.SHA512}[s.Data.Hash.Algorithm]
	sum, err := hex.DecodeString(s.Data.Hash.Value)
	if err != nil || !known || len(sum) != hash.Size() {
		return nil, fmt.Errorf("the proposed entry's digest %s:%s is none", s.Data.Hash.Algorithm, s.Data.Hash.Value)
	}
	by, err := parseSigner(s.Signature.PublicKey.Content)
	if err != nil {
		return nil, err
	}
	by.signature = s.Signature.Content
	if !signedDigestBy(by.public, sum, by.signature) {
		return nil, errors.New("the proposed entry's signature does not match its digest and key")
	}
	return hashedRekordV1(hash, sum, by), nil
}

func (s dsseSpecV1) body() ([]byte, error) {
	var e envelope
	if err := json.Unmarshal([]byte(s.Proposed.Envelope), &e); err != nil {
		return nil, fmt.Errorf("the proposed envelope: %w", err)
	}
	var verifiers []signed
	for _, v := range s.Proposed.Verifiers {
		by, err := parseSigner(v)
		if err != nil {
			return nil, err
		}
		verifiers = append(verifiers, by)
	}
	signatures, err := e.match(verifiers)
	if err != nil {
		return nil, err
	}
	return dsseV1([]byte(s.Proposed.Envelope), e.Payload, signatures), nil
}

// match finds who made each signature of an envelope.
func (e envelope) match(verifiers []signed) ([]signed, error) {
	if len(e.Signatures) == 0 {
		return nil, errors.New("the proposed envelope has no signature")
	}
	message := PAE(e.PayloadType, e.Payload)
	var out []signed
	for _, s := range e.Signatures {
		for _, v := range verifiers {
			if signedBy(v.public, message, s.Sig) {
				v.signature = s.Sig
				out = append(out, v)
				break
			}
		}
	}
	if len(out) != len(e.Signatures) {
		return nil, errors.New("a signature of the proposed envelope is of none of the verifiers")
	}
	return out, nil
}

func parseSigner(data []byte) (signed, error) {
	if block, _ := pem.Decode(data); block != nil && block.Type == "CERTIFICATE" {
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return signed{}, fmt.Errorf("the proposed entry's certificate: %w", err)
		}
		return signed{cert: cert, public: cert.PublicKey}, nil
	}
	public, err := parsePublicPEM(data)
	return signed{public: public}, err
}

// uuid is tree ID and leaf hash, each in hexadecimal.
func (l *Log) uuid(entry *rekorpb.TransparencyLogEntry) string {
	tree := must(strconv.ParseUint(l.TreeID, 10, 64))
	return fmt.Sprintf("%016x%s", tree, bodyKey(entry.CanonicalizedBody))
}

// anonymous is an entry as version 1 answers it.
func anonymous(entry *rekorpb.TransparencyLogEntry) map[string]any {
	verification := map[string]any{}
	if p := entry.InclusionPromise; p != nil {
		verification["signedEntryTimestamp"] = p.SignedEntryTimestamp
	}
	if p := entry.InclusionProof; p != nil {
		var hashes []string
		for _, h := range p.Hashes {
			hashes = append(hashes, hex.EncodeToString(h))
		}
		verification["inclusionProof"] = map[string]any{
			"checkpoint": p.GetCheckpoint().GetEnvelope(), "hashes": hashes, "logIndex": p.LogIndex,
			"rootHash": hex.EncodeToString(p.RootHash), "treeSize": p.TreeSize,
		}
	}
	return map[string]any{
		"body": entry.CanonicalizedBody, "integratedTime": entry.IntegratedTime,
		"logID": strings.ToLower(hex.EncodeToString(entry.LogId.KeyId)), "logIndex": entry.LogIndex,
		"verification": verification,
	}
}
