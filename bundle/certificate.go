package bundle

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"slices"
)

// Certificate is a signing certificate, unverified: whom it names, and what its
// issuer says of the token it was given for
// (https://github.com/sigstore/fulcio/blob/main/docs/certificate-specification.md).
type Certificate struct {
	X509 *x509.Certificate
	// Identity is the one subject alternative name: an address, a URI, a DNS name, or
	// a user name in Fulcio's own form.
	Identity string
	// Issuer is the OIDC issuer of the token, empty if the certificate names none.
	Issuer string
	Claims Claims
}

// Claims are what a certificate says of the job that it was issued to, by Fulcio's
// extensions. What it does not say is empty
// (https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md).
type Claims struct {
	BuildSignerURI        string `json:"buildSignerURI,omitempty"`
	BuildSignerDigest     string `json:"buildSignerDigest,omitempty"`
	RunnerEnvironment     string `json:"runnerEnvironment,omitempty"`
	SourceRepository      string `json:"sourceRepositoryURI,omitempty"`
	SourceDigest          string `json:"sourceRepositoryDigest,omitempty"`
	SourceRef             string `json:"sourceRepositoryRef,omitempty"`
	SourceRepositoryID    string `json:"sourceRepositoryIdentifier,omitempty"`
	SourceOwner           string `json:"sourceRepositoryOwnerURI,omitempty"`
	SourceOwnerID         string `json:"sourceRepositoryOwnerIdentifier,omitempty"`
	BuildConfigURI        string `json:"buildConfigURI,omitempty"`
	BuildConfigDigest     string `json:"buildConfigDigest,omitempty"`
	BuildTrigger          string `json:"buildTrigger,omitempty"`
	RunInvocationURI      string `json:"runInvocationURI,omitempty"`
	RepositoryVisibility  string `json:"sourceRepositoryVisibilityAtSigning,omitempty"`
	DeploymentEnvironment string `json:"deploymentEnvironment,omitempty"`
}

// fulcio is the arc of Fulcio's extensions.
var fulcio = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1}

// Numbers under the arc that are not claims.
const (
	oidIssuerRaw = 1 // bytes of the text, before 2022-12
	oidUserName  = 7 // otherName of the subject alternative name
	oidIssuer    = 8
)

var oidSubjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}

// place is where the claim with a number under the arc goes, nil if it is none.
func (c *Claims) place(number int) *string {
	places := map[int]*string{
		9: &c.BuildSignerURI, 10: &c.BuildSignerDigest, 11: &c.RunnerEnvironment, 12: &c.SourceRepository,
		13: &c.SourceDigest, 14: &c.SourceRef, 15: &c.SourceRepositoryID, 16: &c.SourceOwner, 17: &c.SourceOwnerID,
		18: &c.BuildConfigURI, 19: &c.BuildConfigDigest, 20: &c.BuildTrigger, 21: &c.RunInvocationURI,
		22: &c.RepositoryVisibility, 23: &c.DeploymentEnvironment,
	}
	return places[number]
}

const maxCertificate = 64 << 10

// ParseCertificate reads a signing certificate in DER form. One that names nobody,
// or more than one, is refused: whom it speaks for must not be a matter of choice.
func ParseCertificate(der []byte) (*Certificate, error) {
	if len(der) > maxCertificate {
		return nil, fmt.Errorf("%w: a certificate of %d bytes", ErrFormat, len(der))
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("%w: certificate: %w", ErrFormat, err)
	}
	c := &Certificate{X509: cert}
	if c.Identity, err = identityOf(cert); err != nil {
		return nil, err
	}
	for _, extension := range cert.Extensions {
		if err := c.addExtension(extension); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// addExtension reads one of Fulcio's extensions; the newer form of the issuer stands
// above the older.
func (c *Certificate) addExtension(e pkix.Extension) error {
	if len(e.Id) != len(fulcio)+1 || !e.Id[:len(fulcio)].Equal(fulcio) {
		return nil
	}
	number := e.Id[len(fulcio)]
	place := c.Claims.place(number)
	switch {
	case number == oidIssuerRaw && c.Issuer == "":
		c.Issuer = string(e.Value)
		return nil
	case number == oidIssuer:
		place = &c.Issuer
	case place == nil:
		return nil
	}
	var value string
	if rest, err := asn1.Unmarshal(e.Value, &value); err != nil || len(rest) > 0 {
		return fmt.Errorf("%w: certificate: extension %s is no text", ErrFormat, e.Id)
	}
	*place = value
	return nil
}

// identityOf is the one name that a certificate speaks for.
func identityOf(cert *x509.Certificate) (string, error) {
	names := slices.Concat(cert.EmailAddresses, cert.DNSNames)
	for _, uri := range cert.URIs {
		names = append(names, uri.String())
	}
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	user, err := userNames(cert)
	if err != nil {
		return "", err
	}
	if names = append(names, user...); len(names) != 1 || names[0] == "" {
		return "", fmt.Errorf("%w: certificate: one subject alternative name is wanted, there are %d", ErrFormat, len(names))
	}
	if len(user) > 0 { // the standard library does not know the form, and calls it unhandled
		cert.UnhandledCriticalExtensions = slices.DeleteFunc(cert.UnhandledCriticalExtensions, oidSubjectAltName.Equal)
	}
	return names[0], nil
}

// userNames finds the names in Fulcio's otherName form.
func userNames(cert *x509.Certificate) (names []string, err error) {
	for _, e := range cert.Extensions {
		if !e.Id.Equal(oidSubjectAltName) {
			continue
		}
		var general []asn1.RawValue
		if rest, err := asn1.Unmarshal(e.Value, &general); err != nil || len(rest) > 0 {
			return nil, fmt.Errorf("%w: certificate: subject alternative names cannot be read", ErrFormat)
		}
		for _, name := range general {
			if name.Class != asn1.ClassContextSpecific || name.Tag != 0 {
				continue
			}
			user, err := parseUserName(name)
			if err != nil {
				return nil, err
			}
			names = append(names, user)
		}
	}
	return names, nil
}

// parseUserName reads an otherName: OtherName ::= SEQUENCE { type-id OBJECT IDENTIFIER,
// value [0] EXPLICIT ANY }.
func parseUserName(raw asn1.RawValue) (string, error) {
	var other struct {
		ID    asn1.ObjectIdentifier
		Value string `asn1:"utf8,explicit,tag:0"`
	}
	rest, err := asn1.UnmarshalWithParams(raw.FullBytes, &other, "tag:0")
	if err != nil || len(rest) > 0 || !other.ID.Equal(append(slices.Clone(fulcio), oidUserName)) {
		return "", fmt.Errorf("%w: certificate: a subject alternative name of a form that is not known", ErrFormat)
	}
	return other.Value, nil
}

// SelfSigned reports whether a certificate in DER form is its own issuer, as a root
// is: evidence must not bring the root that it is judged by.
func SelfSigned(der []byte) bool {
	cert, err := x509.ParseCertificate(der)
	return err == nil && bytes.Equal(cert.RawSubject, cert.RawIssuer) && cert.IsCA
}
