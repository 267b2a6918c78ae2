package sign

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"

	"github.com/hallmark-project/hallmark/trust"
)

const serviceCA = "certificate authority"

// requestCertificate asks a Fulcio for a certificate over key, for whom a token speaks
// for (https://github.com/sigstore/fulcio/blob/main/fulcio.proto, API version 2). The
// key proves itself by a certificate signing request, which fits every issuer. The
// certificate is in DER form, unverified.
func (c *Client) requestCertificate(ctx context.Context, ca trust.Service, key crypto.Signer, token string) ([]byte, error) {
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return nil, err
	}
	type credentials struct {
		Token string `json:"oidcIdentityToken"`
	}
	body, err := json.Marshal(struct {
		Credentials credentials `json:"credentials"`
		Request     []byte      `json:"certificateSigningRequest"`
	}{credentials{token}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr})})
	if err != nil {
		return nil, err
	}
	url := strings.TrimSuffix(ca.URL, "/") + "/api/v2/signingCert"
	got, err := c.do(ctx, request{service: serviceCA, method: http.MethodPost, url: url,
		contentType: "application/json", body: body, secret: token})
	if err != nil {
		return nil, err
	}
	der, err := readCertificate(got.body)
	if err != nil {
		return nil, &ServiceError{Service: serviceCA, URL: url, Status: got.status, Message: err.Error(), Cause: ErrAnswer}
	}
	return der, nil
}

func readCertificate(body []byte) ([]byte, error) {
	type chain struct {
		Chain struct {
			Certificates []string `json:"certificates"`
		} `json:"chain"`
	}
	var doc struct {
		Embedded chain `json:"signedCertificateEmbeddedSct"`
		Detached chain `json:"signedCertificateDetachedSct"`
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		return nil, fmt.Errorf("the answer cannot be read: %w", err)
	}
	list := doc.Embedded.Chain.Certificates
	if len(list) == 0 {
		list = doc.Detached.Chain.Certificates // its timestamp is checked like any other: in the certificate
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("the answer has no certificate")
	}
	block, _ := pem.Decode([]byte(list[0]))
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, fmt.Errorf("the answer's certificate is not in PEM form")
	}
	return block.Bytes, nil
}
