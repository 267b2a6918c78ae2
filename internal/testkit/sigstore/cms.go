package sigstore

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"time"
)

// cms is a signed time stamp (RFC 5652 section 5, RFC 3161 section 2.4.2, RFC 5816). It
// is written here and not by a library so that the time in its attributes is the
// world's.
type cms struct {
	content     []byte // DER of the TSTInfo
	key         crypto.Signer
	signer      *x509.Certificate
	certs       []*x509.Certificate
	signingTime time.Time
}

var (
	oidSignedData    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidTSTInfo       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 1, 4}
	oidContentType   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	oidMessageDigest = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	oidSigningTime   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 5}
	oidSigningCertV2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 47}
	oidECDSASHA256   = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}
)

type attribute struct {
	Type   asn1.ObjectIdentifier
	Values []asn1.RawValue `asn1:"set"`
}

type signerInfo struct {
	Version   int
	Signer    issuerAndSerial
	Digest    pkix.AlgorithmIdentifier
	Signed    []attribute `asn1:"set,tag:0"`
	Algorithm pkix.AlgorithmIdentifier
	Signature []byte
}

type issuerAndSerial struct {
	Issuer asn1.RawValue
	Serial *big.Int
}

type signedData struct {
	Version int
	Digests []pkix.AlgorithmIdentifier `asn1:"set"`
	Content contentInfo
	Certs   []asn1.RawValue `asn1:"set,tag:0,optional,omitempty"`
	Signers []signerInfo    `asn1:"set"`
}

type contentInfo struct {
	Type    asn1.ObjectIdentifier
	Content asn1.RawValue
}

func (c cms) encode() []byte {
	sha := pkix.AlgorithmIdentifier{Algorithm: hashOIDs[crypto.SHA256]}
	attributes := c.attributes()
	// RFC 5652 section 5.4: what is signed is the attributes as a plain SET OF.
	toSign := must(asn1.MarshalWithParams(attributes, "set"))
	data := signedData{
		Version: 3,
		Digests: []pkix.AlgorithmIdentifier{sha},
		Content: contentInfo{Type: oidTSTInfo, Content: explicit(0, der(c.content))},
		Signers: []signerInfo{{
			Version:   1,
			Signer:    issuerAndSerial{Issuer: asn1.RawValue{FullBytes: c.signer.RawIssuer}, Serial: c.signer.SerialNumber},
			Digest:    sha,
			Signed:    attributes,
			Algorithm: pkix.AlgorithmIdentifier{Algorithm: oidECDSASHA256},
			Signature: sign(c.key, toSign),
		}},
	}
	for _, cert := range c.certs {
		data.Certs = append(data.Certs, asn1.RawValue{FullBytes: cert.Raw})
	}
	return der(contentInfo{Type: oidSignedData, Content: explicit(0, der(data))})
}

func (c cms) attributes() []attribute {
	sum := sha256.Sum256(c.content)
	certHash := sha256.Sum256(c.signer.Raw)
	type certID struct{ Hash []byte } // RFC 5816: ESSCertIDv2, SHA-256 being the default
	signingCert := struct{ Certs []certID }{[]certID{{certHash[:]}}}
	return []attribute{
		newAttribute(oidContentType, oidTSTInfo),
		newAttribute(oidSigningTime, c.signingTime),
		newAttribute(oidMessageDigest, sum[:]),
		newAttribute(oidSigningCertV2, signingCert),
	}
}

func newAttribute(id asn1.ObjectIdentifier, value any) attribute {
	return attribute{Type: id, Values: []asn1.RawValue{{FullBytes: der(value)}}}
}

func explicit(tag int, value []byte) asn1.RawValue {
	return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag, IsCompound: true, Bytes: value}
}
