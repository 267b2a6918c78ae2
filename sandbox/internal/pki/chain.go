package pki

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"time"
)

// lifetime of every certificate of the sandbox: its evidence is to outlive a lab.
const lifetime = 10 * 365 * 24 * time.Hour

var oidExtKeyUsage = asn1.ObjectIdentifier{2, 5, 29, 37}
var oidTimeStamping = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 8}

// CodeSigningChain reads the chain in a PEM file, or makes one there: an intermediate
// for issuer, restricted to code signing, and a root for root. Order: intermediate, root.
func CodeSigningChain(path string, root, issuer crypto.Signer, from time.Time) ([]*x509.Certificate, error) {
	return chainIn(path, root, issuer.Public(), from, "Fulcio", &x509.Certificate{
		Subject:               subject("Fulcio intermediate"),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
	})
}

// TimestampChain reads the chain in a PEM file, or makes one there: a leaf for signer
// whose only use, marked critical, is time stamping (RFC 3161 section 2.3), and a root
// for root. Order: leaf, root.
func TimestampChain(path string, root, signer crypto.Signer, from time.Time) ([]*x509.Certificate, error) {
	usage, err := asn1.Marshal([]asn1.ObjectIdentifier{oidTimeStamping})
	if err != nil {
		return nil, err
	}
	return chainIn(path, root, signer.Public(), from, "timestamp authority", &x509.Certificate{
		Subject:               subject("timestamp authority"),
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtraExtensions:       []pkix.Extension{{Id: oidExtKeyUsage, Critical: true, Value: usage}},
	})
}

func subject(name string) pkix.Name {
	return pkix.Name{Organization: []string{"Hallmark sandbox"}, CommonName: "Sandbox " + name + " (not for production)"}
}

func chainIn(path string, root crypto.Signer, public crypto.PublicKey, from time.Time, what string, leaf *x509.Certificate) ([]*x509.Certificate, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if data, err = makeChain(root, public, from, what, leaf); err == nil {
			err = WriteFile(path, data, 0o644)
		}
	}
	if err != nil {
		return nil, err
	}
	chain, err := parseChain(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if key, ok := public.(interface{ Equal(crypto.PublicKey) bool }); !ok || !key.Equal(chain[0].PublicKey) {
		return nil, fmt.Errorf("%s certifies another key than the one in the sandbox's folder; remove the folder to start anew", path)
	}
	return chain, nil
}

func makeChain(root crypto.Signer, public crypto.PublicKey, from time.Time, what string, leaf *x509.Certificate) ([]byte, error) {
	authority := &x509.Certificate{
		Subject:               subject(what + " root"),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	for _, template := range []*x509.Certificate{authority, leaf} {
		serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
		if err != nil {
			return nil, err
		}
		template.SerialNumber, template.NotBefore, template.NotAfter = serial, from, from.Add(lifetime)
	}
	rootDER, err := x509.CreateCertificate(rand.Reader, authority, authority, root.Public(), root)
	if err != nil {
		return nil, err
	}
	parent, err := x509.ParseCertificate(rootDER) // with the key identifier that was chosen
	if err != nil {
		return nil, err
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, parent, public, root)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	for _, der := range [][]byte{leafDER, rootDER} {
		if err := pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: der}); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), nil
}

func parseChain(data []byte) ([]*x509.Certificate, error) {
	var chain []*x509.Certificate
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		chain = append(chain, cert)
	}
	if len(chain) < 2 {
		return nil, errors.New("no chain of certificates; remove the sandbox's folder to start anew")
	}
	return chain, nil
}
