package sigstore

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"

	commonpb "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
)

// NewKey makes an ECDSA P-256 key.
func NewKey() *ecdsa.PrivateKey {
	return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
}

// PublicPEM is the PKIX form of a public key in PEM.
func PublicPEM(public crypto.PublicKey) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: publicDER(public)})
}

// KeyHint is what a bundle says of a managed key: base64 of the SHA-256 of its PKIX form.
func KeyHint(public crypto.PublicKey) string {
	sum := sha256.Sum256(publicDER(public))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func certPEM(cert *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
}

func publicDER(public crypto.PublicKey) []byte { return must(x509.MarshalPKIXPublicKey(public)) }

// sign signs message as Sigstore's parties do: ECDSA and RSA (PKCS #1 v1.5) over the
// digest that fits the key, Ed25519 over the message itself.
func sign(key crypto.Signer, message []byte) []byte {
	if _, ok := key.Public().(ed25519.PublicKey); ok {
		return must(key.Sign(rand.Reader, message, crypto.Hash(0)))
	}
	hash := hashOf(key.Public())
	return must(key.Sign(rand.Reader, digest(hash, message), hash))
}

// signDigest signs as sign does, save that Ed25519 signs the SHA-512 of the message
// (Ed25519ph, RFC 8032 section 5.1), as logs of version 2 want that see digests only.
func signDigest(key crypto.Signer, message []byte) []byte {
	if _, ok := key.Public().(ed25519.PublicKey); ok {
		sum := digest(crypto.SHA512, message)
		return must(key.Sign(rand.Reader, sum, &ed25519.Options{Hash: crypto.SHA512}))
	}
	return sign(key, message)
}

// signedBy says whether signature is public's over the message.
func signedBy(public crypto.PublicKey, message, signature []byte) bool {
	if key, ok := public.(ed25519.PublicKey); ok {
		return ed25519.Verify(key, message, signature)
	}
	return signedDigestBy(public, digest(hashOf(public), message), signature)
}

func signedDigestBy(public crypto.PublicKey, sum, signature []byte) bool {
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(key, sum, signature)
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum, signature) == nil
	case ed25519.PublicKey:
		return ed25519.VerifyWithOptions(key, sum, signature, &ed25519.Options{Hash: crypto.SHA512}) == nil
	}
	return false
}

func hashOf(public crypto.PublicKey) crypto.Hash {
	if key, ok := public.(*ecdsa.PublicKey); ok {
		switch key.Curve {
		case elliptic.P384():
			return crypto.SHA384
		case elliptic.P521():
			return crypto.SHA512
		}
	}
	if _, ok := public.(ed25519.PublicKey); ok {
		return crypto.SHA512
	}
	return crypto.SHA256
}

func digest(hash crypto.Hash, message []byte) []byte {
	h := hash.New()
	h.Write(message)
	return h.Sum(nil)
}

func hashName(hash crypto.Hash) commonpb.HashAlgorithm {
	switch hash {
	case crypto.SHA384:
		return commonpb.HashAlgorithm_SHA2_384
	case crypto.SHA512:
		return commonpb.HashAlgorithm_SHA2_512
	}
	return commonpb.HashAlgorithm_SHA2_256
}

// detailsOf is how a log or trusted root names the kind of key and signature.
func detailsOf(public crypto.PublicKey) commonpb.PublicKeyDetails {
	switch key := public.(type) {
	case ed25519.PublicKey:
		return commonpb.PublicKeyDetails_PKIX_ED25519
	case *rsa.PublicKey:
		switch key.N.BitLen() {
		case 3072:
			return commonpb.PublicKeyDetails_PKIX_RSA_PKCS1V15_3072_SHA256
		case 4096:
			return commonpb.PublicKeyDetails_PKIX_RSA_PKCS1V15_4096_SHA256
		}
		return commonpb.PublicKeyDetails_PKIX_RSA_PKCS1V15_2048_SHA256
	case *ecdsa.PublicKey:
		switch key.Curve {
		case elliptic.P384():
			return commonpb.PublicKeyDetails_PKIX_ECDSA_P384_SHA_384
		case elliptic.P521():
			return commonpb.PublicKeyDetails_PKIX_ECDSA_P521_SHA_512
		}
		return commonpb.PublicKeyDetails_PKIX_ECDSA_P256_SHA_256
	}
	panic(fmt.Sprintf("testkit/sigstore: no name for a key of type %T", public))
}

func serial() *big.Int {
	return must(rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 150)))
}

func der(v any) []byte { return must(asn1.Marshal(v)) }
