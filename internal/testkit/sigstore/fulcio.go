package sigstore

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// certRequest is the body of POST /api/v2/signingCert.
type certRequest struct {
	Credentials struct {
		Token string `json:"oidcIdentityToken"`
	} `json:"credentials"`
	Key struct {
		Public struct {
			Algorithm string `json:"algorithm"`
			Content   string `json:"content"` // PEM
		} `json:"publicKey"`
		Proof []byte `json:"proofOfPossession"`
	} `json:"publicKeyRequest"`
	CSR []byte `json:"certificateSigningRequest"` // PEM
}

func (w *World) fulcio() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v2/signingCert", w.signingCert)
	mux.HandleFunc("GET /api/v2/trustBundle", func(rw http.ResponseWriter, _ *http.Request) {
		chain := map[string]any{"certificates": pemStrings(w.CA.Chain())}
		writeJSON(rw, http.StatusOK, map[string]any{"chains": []any{chain}})
	})
	return mux
}

func (w *World) signingCert(rw http.ResponseWriter, r *http.Request) {
	var request certRequest
	if !readJSON(rw, r, &request) {
		return
	}
	token := request.Credentials.Token
	if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok && token == "" {
		token = bearer
	}
	claims, err := w.Issuer.verifyToken(token)
	if err != nil {
		refuse(rw, http.StatusUnauthorized, err)
		return
	}
	public, err := request.public(claims.subject())
	if err != nil {
		refuse(rw, http.StatusBadRequest, err)
		return
	}
	identity, extensions, err := principal(claims)
	if err != nil {
		refuse(rw, http.StatusBadRequest, err)
		return
	}
	order := CertRequest{
		Public: public, Identity: identity, Issuer: claims.text("iss"), Extensions: extensions,
		From: w.Now(), SCTs: w.defaultSCTs(),
	}
	if w.Twists.Cert != nil {
		w.Twists.Cert(&order)
	}
	chain := append([]*x509.Certificate{w.CA.Issue(order)}, w.CA.Chain()...)
	writeJSON(rw, http.StatusOK, map[string]any{"signedCertificateEmbeddedSct": map[string]any{
		"chain": map[string]any{"certificates": pemStrings(chain)},
	}})
}

func (w *World) defaultSCTs() []SCT {
	if len(w.CTLogs) == 0 {
		return nil
	}
	return []SCT{{Log: w.CTLogs[0]}}
}

// public is the key that is to be certified, proven to be held by who asks.
func (r certRequest) public(subject string) (crypto.PublicKey, error) {
	if len(r.CSR) > 0 {
		return keyOfCSR(r.CSR)
	}
	public, err := parsePublicPEM([]byte(r.Key.Public.Content))
	if err != nil {
		return nil, err
	}
	if !signedBy(public, []byte(subject), r.Key.Proof) {
		return nil, fmt.Errorf("the proof of possession is not a signature of the key over %q", subject)
	}
	return public, nil
}

func keyOfCSR(data []byte) (crypto.PublicKey, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, errors.New("the certificate signing request is not PEM")
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("the certificate signing request: %w", err)
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, fmt.Errorf("the certificate signing request: %w", err)
	}
	return csr.PublicKey, nil
}

func parsePublicPEM(data []byte) (crypto.PublicKey, error) {
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "PUBLIC KEY" {
		return nil, errors.New("the public key is not PEM of a PKIX key")
	}
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("the public key: %w", err)
	}
	return public, nil
}

func pemStrings(certs []*x509.Certificate) []string {
	var out []string
	for _, c := range certs {
		out = append(out, string(certPEM(c)))
	}
	return out
}
