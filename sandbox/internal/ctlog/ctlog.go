// Package ctlog is the part of a certificate transparency log that a certificate
// authority needs: it takes chains and signs timestamps for them (RFC 6962 sections 4.1
// and 4.2). It promises inclusion as a log does, but keeps no tree.
package ctlog

import (
	"crypto/ecdsa"
	"crypto/sha256"
	stdx509 "crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	ct "github.com/google/certificate-transparency-go"
	"github.com/google/certificate-transparency-go/tls"
	"github.com/google/certificate-transparency-go/x509"
)

const (
	maxBody  = 1 << 20
	maxChain = 8
)

// Log signs timestamps for certificates that end at one of its roots.
type Log struct {
	key   *ecdsa.PrivateKey
	id    [sha256.Size]byte
	roots map[[sha256.Size]byte][]byte
	now   func() time.Time
}

// New returns the log of the key that takes certificates below the given roots.
func New(key *ecdsa.PrivateKey, roots ...*stdx509.Certificate) (*Log, error) {
	id, err := ID(&key.PublicKey)
	if err != nil {
		return nil, err
	}
	l := &Log{key: key, id: id, roots: map[[sha256.Size]byte][]byte{}, now: time.Now}
	for _, root := range roots {
		l.roots[sha256.Sum256(root.Raw)] = root.Raw
	}
	return l, nil
}

// ID is what names a log in its timestamps: the SHA-256 of its key's PKIX form
// (RFC 6962 section 3.2).
func ID(public *ecdsa.PublicKey) ([sha256.Size]byte, error) {
	der, err := stdx509.MarshalPKIXPublicKey(public)
	return sha256.Sum256(der), err
}

// Handler serves add-chain, add-pre-chain and get-roots below /ct/v1/.
func (l *Log) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /ct/v1/add-chain", func(w http.ResponseWriter, r *http.Request) { l.add(w, r, ct.X509LogEntryType) })
	mux.HandleFunc("POST /ct/v1/add-pre-chain", func(w http.ResponseWriter, r *http.Request) { l.add(w, r, ct.PrecertLogEntryType) })
	mux.HandleFunc("GET /ct/v1/get-roots", l.getRoots)
	return mux
}

func (l *Log) add(w http.ResponseWriter, r *http.Request, kind ct.LogEntryType) {
	var request ct.AddChainRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&request); err != nil {
		http.Error(w, "the body is no add-chain request: "+err.Error(), http.StatusBadRequest)
		return
	}
	chain, err := l.check(request.Chain)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	response, err := l.sign(chain, kind)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer(w, response)
}

// check parses a chain and follows it to a root that is taken.
func (l *Log) check(raw [][]byte) ([]*x509.Certificate, error) {
	if len(raw) < 2 || len(raw) > maxChain {
		return nil, fmt.Errorf("a chain of 2 to %d certificates is wanted, got %d", maxChain, len(raw))
	}
	chain := make([]*x509.Certificate, len(raw))
	for i, der := range raw {
		cert, err := x509.ParseCertificate(der)
		if x509.IsFatal(err) {
			return nil, fmt.Errorf("certificate %d of the chain: %w", i, err)
		}
		chain[i] = cert
		if i == 0 {
			continue
		}
		if err := chain[i-1].CheckSignatureFrom(cert); err != nil {
			return nil, fmt.Errorf("certificate %d of the chain is not signed by the next: %w", i-1, err)
		}
	}
	if _, ok := l.roots[sha256.Sum256(raw[len(raw)-1])]; !ok {
		return nil, errors.New("the chain does not end at a root of this log (see get-roots)")
	}
	return chain, nil
}

func (l *Log) sign(chain []*x509.Certificate, kind ct.LogEntryType) (*ct.AddChainResponse, error) {
	if chain[0].IsPrecertificate() != (kind == ct.PrecertLogEntryType) {
		return nil, errors.New("precertificates go to add-pre-chain, certificates to add-chain")
	}
	timestamp := uint64(l.now().UnixMilli())
	leaf, err := ct.MerkleTreeLeafFromChain(chain, kind, timestamp)
	if err != nil {
		return nil, err
	}
	sct := ct.SignedCertificateTimestamp{SCTVersion: ct.V1, LogID: ct.LogID{KeyID: l.id}, Timestamp: timestamp}
	signed, err := ct.SerializeSCTSignatureInput(sct, ct.LogEntry{Leaf: *leaf})
	if err != nil {
		return nil, err
	}
	signature, err := tls.CreateSignature(*l.key, tls.SHA256, signed)
	if err != nil {
		return nil, err
	}
	encoded, err := tls.Marshal(signature)
	if err != nil {
		return nil, err
	}
	return &ct.AddChainResponse{SCTVersion: sct.SCTVersion, ID: l.id[:], Timestamp: timestamp, Signature: encoded}, nil
}

func (l *Log) getRoots(w http.ResponseWriter, _ *http.Request) {
	roots := []string{}
	for _, der := range l.roots {
		roots = append(roots, base64.StdEncoding.EncodeToString(der))
	}
	answer(w, map[string]any{"certificates": roots})
}

func answer(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value) // who does not wait for the answer needs none
}
