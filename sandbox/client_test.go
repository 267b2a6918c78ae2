package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/digitorus/timestamp"
	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/hallmark-project/hallmark/sandbox/internal/stack"
)

// signer signs with a certificate of the sandbox, over plain HTTP.
type signer struct {
	*testing.T
	urls map[stack.Service]string
	key  *ecdsa.PrivateKey
	leaf *x509.Certificate
}

// newSigner gets a certificate for a fresh key and an ID token.
func newSigner(t *testing.T, dir string, status stack.Status, token string) *signer {
	t.Helper()
	s := &signer{T: t, urls: map[stack.Service]string{}}
	for _, service := range status.Services {
		s.urls[service.Name] = service.URL
	}
	var err error
	if s.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, s.key)
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Embedded struct {
			Chain struct{ Certificates []string }
		} `json:"signedCertificateEmbeddedSct"`
	}
	s.postJSON(stack.Fulcio, "/api/v2/signingCert", map[string]any{
		"credentials":               map[string]string{"oidcIdentityToken": strings.TrimSpace(token)},
		"certificateSigningRequest": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: request}),
	}, &answer)
	if len(answer.Embedded.Chain.Certificates) != 3 {
		t.Fatalf("%d certificates, want leaf, intermediate and root", len(answer.Embedded.Chain.Certificates))
	}
	block, _ := pem.Decode([]byte(answer.Embedded.Chain.Certificates[0]))
	if s.leaf, err = x509.ParseCertificate(block.Bytes); err != nil {
		t.Fatal(err)
	}
	if chain := strings.Join(answer.Embedded.Chain.Certificates[1:], ""); squeeze(chain) != squeeze(read(t, dir, "public", "fulcio-chain.pem")) {
		t.Error("the chain is not the one in the folder")
	}
	return s
}

// checkFirstAPI gets a certificate by the first version of Fulcio's API, which older
// clients use: the token in a header, PEM for an answer, status 201.
func checkFirstAPI(t *testing.T, s *signer, token string) {
	t.Helper()
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, s.key)
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(map[string]any{
		"certificateSigningRequest": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: request})})
	if err != nil {
		t.Fatal(err)
	}
	post, err := http.NewRequest(http.MethodPost, s.urls[stack.Fulcio]+"/api/v1/signingCert", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	post.Header.Set("Content-Type", "application/json")
	post.Header.Set("Authorization", "Bearer "+strings.TrimSpace(token))
	response, err := http.DefaultClient.Do(post)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusCreated || strings.Count(string(data), "BEGIN CERTIFICATE") != 3 {
		t.Errorf("%s: %s (%v)", response.Status, data, err)
	}
	for name := range response.Header {
		if strings.HasPrefix(name, "Grpc-") {
			t.Errorf("the answer has the header %s", name)
		}
	}
}

func squeeze(text string) string { return strings.ReplaceAll(text, "\n", "") }

func (s *signer) post(service stack.Service, path, kind string, body []byte) []byte {
	s.Helper()
	response, err := http.Post(s.urls[service]+path, kind, bytes.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode/100 != 2 {
		s.Fatalf("%s%s answers %s: %s", service, path, response.Status, data)
	}
	return data
}

func (s *signer) postJSON(service stack.Service, path string, body, into any) {
	s.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		s.Fatal(err)
	}
	if err := json.Unmarshal(s.post(service, path, "application/json", data), into); err != nil {
		s.Fatal(err)
	}
}

// sign makes a bundle for a message: signature, timestamp, log entry.
func (s *signer) sign(message string) *protobundle.Bundle {
	s.Helper()
	digest := sha256.Sum256([]byte(message))
	signature, err := ecdsa.SignASN1(rand.Reader, s.key, digest[:])
	if err != nil {
		s.Fatal(err)
	}
	return &protobundle.Bundle{
		MediaType: "application/vnd.dev.sigstore.bundle.v0.3+json",
		VerificationMaterial: &protobundle.VerificationMaterial{
			Content:     &protobundle.VerificationMaterial_Certificate{Certificate: &protocommon.X509Certificate{RawBytes: s.leaf.Raw}},
			TlogEntries: []*protorekor.TransparencyLogEntry{s.log(digest[:], signature)},
			TimestampVerificationData: &protobundle.TimestampVerificationData{
				Rfc3161Timestamps: []*protocommon.RFC3161SignedTimestamp{{SignedTimestamp: s.stamp(signature)}}},
		},
		Content: &protobundle.Bundle_MessageSignature{MessageSignature: &protocommon.MessageSignature{
			MessageDigest: &protocommon.HashOutput{Algorithm: protocommon.HashAlgorithm_SHA2_256, Digest: digest[:]},
			Signature:     signature,
		}},
	}
}

func (s *signer) log(digest, signature []byte) *protorekor.TransparencyLogEntry {
	s.Helper()
	b64 := base64.StdEncoding.EncodeToString
	request, err := json.Marshal(map[string]any{"hashedRekordRequestV002": map[string]any{
		"digest": b64(digest),
		"signature": map[string]any{"content": b64(signature), "verifier": map[string]any{
			"x509Certificate": map[string]string{"rawBytes": b64(s.leaf.Raw)}, "keyDetails": "PKIX_ECDSA_P256_SHA_256"}},
	}})
	if err != nil {
		s.Fatal(err)
	}
	entry := &protorekor.TransparencyLogEntry{}
	if err := protojson.Unmarshal(s.post(stack.Rekor, "/api/v2/log/entries", "application/json", request), entry); err != nil {
		s.Fatal(err)
	}
	return entry
}

func (s *signer) stamp(signature []byte) []byte {
	s.Helper()
	request, err := timestamp.CreateRequest(bytes.NewReader(signature), &timestamp.RequestOptions{Hash: crypto.SHA256, Certificates: true})
	if err != nil {
		s.Fatal(err)
	}
	return s.post(stack.TSA, "/api/v1/timestamp", "application/timestamp-query", request)
}

// verifyBundle verifies as Sigstore's clients do, with the sandbox's trusted root.
func verifyBundle(t *testing.T, dir string, evidence *protobundle.Bundle, message, issuer, identity string) {
	t.Helper()
	trusted, err := root.NewTrustedRootFromPath(filepath.Join(dir, "trusted_root.json"))
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := verify.NewVerifier(trusted, verify.WithSignedCertificateTimestamps(1), verify.WithSignedTimestamps(1), verify.WithTransparencyLog(1))
	if err != nil {
		t.Fatal(err)
	}
	entity, err := bundle.NewBundle(evidence)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := verify.NewShortCertificateIdentity(issuer, "", identity, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verifier.Verify(entity, verify.NewPolicy(verify.WithArtifact(strings.NewReader(message)), verify.WithCertificateIdentity(signed))); err != nil {
		t.Errorf("%s: %v", identity, err)
	}
}

// checkExtensions wants Fulcio's extensions to have these values.
func checkExtensions(t *testing.T, cert *x509.Certificate, wanted map[string]string) {
	t.Helper()
	got := map[string]string{}
	for _, extension := range cert.Extensions {
		var value string
		if _, err := asn1.Unmarshal(extension.Value, &value); err == nil {
			got[extension.Id.String()] = value
		}
	}
	for id, value := range wanted {
		if got[id] != value {
			t.Errorf("%s is %q, want %q", id, got[id], value)
		}
	}
}
