package trust

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/sigstore/timestamp-authority/v2/pkg/verification"
)

var (
	// ErrCertificate says that no authority vouches for a certificate at a time.
	ErrCertificate = errors.New("the certificate is not vouched for")
	// ErrTimestamp says that no authority vouches for a timestamp of these bytes.
	ErrTimestamp = errors.New("the timestamp is not vouched for")
)

// CertificateAuthority issues signing certificates.
type CertificateAuthority struct{ Chain }

// Verify checks that the authority issued leaf for signing code and that every
// certificate up to its root was valid at t, as was the authority itself. It gives
// the leaf's issuer.
func (a CertificateAuthority) Verify(leaf *x509.Certificate, t time.Time) (*x509.Certificate, error) {
	if !a.Validity.Contains(t) {
		return nil, fmt.Errorf("%w: the authority %s is trusted %s, not at %s", ErrCertificate, a.URI, a.Validity, stamp(t))
	}
	if leaf.IsCA {
		return nil, fmt.Errorf("%w: it is an authority's own", ErrCertificate)
	}
	if leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
		return nil, fmt.Errorf("%w: it is not for signatures", ErrCertificate)
	}
	roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(a.root())
	for _, c := range a.Certificates[:len(a.Certificates)-1] {
		intermediates.AddCert(c)
	}
	chains, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates, CurrentTime: t,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}})
	if err != nil {
		return nil, fmt.Errorf("%w at %s: %w", ErrCertificate, stamp(t), err)
	}
	return chains[0][1], nil
}

// VerifyCertificate looks for the authority that vouches for leaf at every one of the
// times, and gives the leaf's issuer. Without a time nothing is vouched for.
func (i Instance) VerifyCertificate(leaf *x509.Certificate, times []time.Time) (*x509.Certificate, error) {
	cause := fmt.Errorf("%w: the trusted root has no certificate authority", ErrCertificate)
	for n, ca := range i.CAs {
		issuer, err := ca.verifyAll(leaf, times)
		if err == nil {
			return issuer, nil
		}
		if n == 0 || bytes.Equal(leaf.RawIssuer, ca.Certificates[0].RawSubject) {
			cause = err
		}
	}
	return nil, cause
}

func (a CertificateAuthority) verifyAll(leaf *x509.Certificate, times []time.Time) (*x509.Certificate, error) {
	if len(times) == 0 {
		return nil, fmt.Errorf("%w: the time of signing is not known", ErrCertificate)
	}
	var issuer *x509.Certificate
	for _, t := range times {
		var err error
		if issuer, err = a.Verify(leaf, t); err != nil {
			return nil, err
		}
	}
	return issuer, nil
}

// TimestampAuthority issues time-stamps by RFC 3161.
type TimestampAuthority struct{ Chain }

const maxTimestamp = 256 << 10

// Verify checks that the authority signed response, a time-stamp response in DER form,
// about message, at a time when it was trusted and its certificates were valid.
func (a TimestampAuthority) Verify(response, message []byte) (time.Time, error) {
	if len(response) > maxTimestamp {
		return time.Time{}, fmt.Errorf("%w: it has %d bytes", ErrTimestamp, len(response))
	}
	options := verification.VerifyOpts{Roots: []*x509.Certificate{a.root()}}
	rest := a.Certificates[:len(a.Certificates)-1]
	if len(rest) > 0 && !rest[0].IsCA {
		options.TSACertificate, rest = rest[0], rest[1:]
	}
	options.Intermediates = rest
	stamped, err := verification.VerifyTimestampResponse(response, bytes.NewReader(message), options)
	if err != nil {
		return time.Time{}, fmt.Errorf("%w: %w", ErrTimestamp, err)
	}
	if !a.Validity.Contains(stamped.Time) {
		return time.Time{}, fmt.Errorf("%w: it says %s, and the authority is trusted %s", ErrTimestamp, stamp(stamped.Time), a.Validity)
	}
	return stamped.Time, nil
}

// VerifyTimestamp looks for the authority that signed response about message.
func (i Instance) VerifyTimestamp(response, message []byte) (TimestampAuthority, time.Time, error) {
	cause := fmt.Errorf("%w: the trusted root has no timestamp authority", ErrTimestamp)
	for _, a := range i.TSAs {
		t, err := a.Verify(response, message)
		if err == nil {
			return a, t, nil
		}
		cause = err
	}
	return TimestampAuthority{}, time.Time{}, cause
}
