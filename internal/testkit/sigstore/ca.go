package sigstore

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"time"
)

// CA is a certificate authority as Fulcio is one: a root, one intermediate, and
// certificates that live ten minutes.
type CA struct {
	Name  string
	URL   string // what the trusted root says of it
	Valid Window // what the trusted root says of it

	Root         *x509.Certificate
	Intermediate *x509.Certificate

	rootKey *ecdsa.PrivateKey
	key     *ecdsa.PrivateKey
}

// Lifetime is how long a certificate is valid unless a request says otherwise.
const Lifetime = 10 * time.Minute

// NewCA makes an authority whose root and intermediate are valid in the given windows.
// The trusted root takes the window of the root.
func NewCA(name string, root, intermediate Window) *CA {
	ca := &CA{Name: name, URL: "https://" + name, Valid: root, rootKey: NewKey(), key: NewKey()}
	ca.SetWindows(root, intermediate)
	return ca
}

// SetWindows makes the authority's certificates anew, with the same names and keys but
// other windows. What the trusted root says of the authority stays.
func (ca *CA) SetWindows(root, intermediate Window) {
	ca.Root = newAuthority(authority{name: ca.Name, key: ca.rootKey, window: root, usage: x509.ExtKeyUsageCodeSigning, depth: 1})
	ca.Intermediate = newAuthority(authority{
		name: ca.Name + " intermediate", key: ca.key, window: intermediate,
		parent: ca.Root, parentKey: ca.rootKey, usage: x509.ExtKeyUsageCodeSigning,
	})
}

// Chain is the authority's certificates from the intermediate to the root.
func (ca *CA) Chain() []*x509.Certificate { return []*x509.Certificate{ca.Intermediate, ca.Root} }

// CertRequest is what a certificate is to say.
type CertRequest struct {
	Public     crypto.PublicKey
	Identity   Identity
	Issuer     string // no issuer extension if empty
	Extensions Extensions
	From       time.Time
	Lifetime   time.Duration      // [Lifetime] if zero
	SCTs       []SCT              // proofs that a log saw the certificate
	Usage      []x509.ExtKeyUsage // code signing if nil
	Extra      []pkix.Extension   // after all others
}

// Issue makes a certificate that the intermediate signs.
func (ca *CA) Issue(r CertRequest) *x509.Certificate {
	template := leafTemplate(r)
	if len(r.SCTs) == 0 {
		return ca.sign(template, r.Public)
	}
	// RFC 6962 section 3.2: a log signs the certificate as it is without the list.
	seen := ca.sign(template, r.Public).RawTBSCertificate
	template.ExtraExtensions = append(template.ExtraExtensions, sctExtension(r.SCTs, seen, ca.Intermediate, r.From))
	return ca.sign(template, r.Public)
}

func (ca *CA) sign(template *x509.Certificate, public crypto.PublicKey) *x509.Certificate {
	raw := must(x509.CreateCertificate(rand.Reader, template, ca.Intermediate, public, ca.key))
	return must(x509.ParseCertificate(raw))
}

func leafTemplate(r CertRequest) *x509.Certificate {
	lifetime, usage := r.Lifetime, r.Usage
	if lifetime == 0 {
		lifetime = Lifetime
	}
	if usage == nil {
		usage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}
	}
	extra := []pkix.Extension{r.Identity.nameExtension()}
	extra = append(extra, issuerExtensions(r.Issuer)...)
	extra = append(extra, r.Extensions.encode()...)
	return &x509.Certificate{
		SerialNumber:    serial(),
		NotBefore:       r.From,
		NotAfter:        r.From.Add(lifetime),
		KeyUsage:        x509.KeyUsageDigitalSignature,
		ExtKeyUsage:     usage,
		SubjectKeyId:    digest(crypto.SHA1, publicDER(r.Public)),
		ExtraExtensions: append(extra, r.Extra...),
	}
}

type authority struct {
	name      string
	key       crypto.Signer
	window    Window
	usage     x509.ExtKeyUsage
	depth     int // authorities that may follow below
	parent    *x509.Certificate
	parentKey crypto.Signer
}

func newAuthority(a authority) *x509.Certificate {
	template := &x509.Certificate{
		SerialNumber:          serial(),
		Subject:               pkix.Name{Organization: []string{"sigstore.test"}, CommonName: a.name},
		NotBefore:             a.window.From,
		NotAfter:              a.window.end(),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLen:            a.depth,
		MaxPathLenZero:        a.depth == 0,
	}
	parent, signer := template, a.key
	if a.parent != nil {
		template.ExtKeyUsage = []x509.ExtKeyUsage{a.usage}
		parent, signer = a.parent, a.parentKey
	}
	raw := must(x509.CreateCertificate(rand.Reader, template, parent, a.key.Public(), signer))
	return must(x509.ParseCertificate(raw))
}

// end is for certificates, which must end.
func (w Window) end() time.Time {
	if w.Until.IsZero() {
		return time.Date(2099, 12, 31, 23, 59, 59, 0, time.UTC)
	}
	return w.Until
}

func concatPEM(certs ...*x509.Certificate) []byte {
	var out bytes.Buffer
	for _, c := range certs {
		out.Write(certPEM(c))
	}
	return out.Bytes()
}
