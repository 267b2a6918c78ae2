package sigstore

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"time"
)

// TSA is a timestamp authority of RFC 3161: a root, an intermediate and a leaf that
// signs time stamps.
type TSA struct {
	Name  string
	URL   string
	Valid Window // what the trusted root says of it

	Root         *x509.Certificate
	Intermediate *x509.Certificate
	Leaf         *x509.Certificate

	rootKey, middleKey, key *ecdsa.PrivateKey
}

// NewTSA makes an authority whose leaf and whose other certificates are valid in the
// given windows. The trusted root takes the window of the leaf.
func NewTSA(name string, leaf, chain Window) *TSA {
	t := &TSA{Name: name, URL: "https://" + name + timestampPath, Valid: leaf}
	t.rootKey, t.middleKey, t.key = NewKey(), NewKey(), NewKey()
	t.SetWindows(leaf, chain)
	return t
}

const timestampPath = "/api/v1/timestamp"

// SetWindows makes the certificates anew, with the same names and keys but other
// windows. What the trusted root says of the authority stays.
func (t *TSA) SetWindows(leaf, chain Window) {
	t.Root = newAuthority(authority{name: t.Name + " root", key: t.rootKey, window: chain, usage: x509.ExtKeyUsageTimeStamping, depth: 1})
	t.Intermediate = newAuthority(authority{
		name: t.Name + " intermediate", key: t.middleKey, window: chain,
		parent: t.Root, parentKey: t.rootKey, usage: x509.ExtKeyUsageTimeStamping,
	})
	template := &x509.Certificate{
		SerialNumber: serial(),
		Subject:      pkix.Name{Organization: []string{"sigstore.test"}, CommonName: t.Name},
		NotBefore:    leaf.From,
		NotAfter:     leaf.end(),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		// RFC 3161 section 2.3 wants the only usage to be critical.
		ExtraExtensions: []pkix.Extension{{
			Id: oidEKU, Critical: true,
			Value: der([]asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 8}}),
		}},
	}
	raw := must(x509.CreateCertificate(rand.Reader, template, t.Intermediate, t.key.Public(), t.middleKey))
	t.Leaf = must(x509.ParseCertificate(raw))
}

// Chain is the authority's certificates from the leaf to the root.
func (t *TSA) Chain() []*x509.Certificate {
	return []*x509.Certificate{t.Leaf, t.Intermediate, t.Root}
}

// StampFaults are the ways in which a time stamp may differ from a plain one.
type StampFaults struct {
	Time       time.Time   // time to state instead of the request's
	Over       []byte      // what to stamp instead of the signature
	NoCert     bool        // the response embeds no certificate
	WrongKey   bool        // another key signs
	Hash       crypto.Hash // of what is stamped; SHA-256 if zero
	SignedTime time.Time   // the CMS attribute, which is the stated time otherwise
}

// Stamp is a response that states that message existed at the given time, in DER.
func (t *TSA) Stamp(message []byte, at time.Time, f StampFaults) []byte {
	if !f.Time.IsZero() {
		at = f.Time
	}
	if f.Over != nil {
		message = f.Over
	}
	if f.Hash == 0 {
		f.Hash = crypto.SHA256
	}
	return t.respond(stampRequest{hash: f.Hash, sum: digest(f.Hash, message), embed: !f.NoCert}, at, f)
}

// stampRequest is what a client asks for.
type stampRequest struct {
	hash  crypto.Hash
	sum   []byte
	nonce *big.Int
	embed bool
}

var hashOIDs = map[crypto.Hash]asn1.ObjectIdentifier{
	crypto.SHA1:   {1, 3, 14, 3, 2, 26},
	crypto.SHA256: {2, 16, 840, 1, 101, 3, 4, 2, 1},
	crypto.SHA384: {2, 16, 840, 1, 101, 3, 4, 2, 2},
	crypto.SHA512: {2, 16, 840, 1, 101, 3, 4, 2, 3},
}

// tstInfo is RFC 3161 section 2.4.2.
type tstInfo struct {
	Version int
	Policy  asn1.ObjectIdentifier
	Imprint messageImprint
	Serial  *big.Int
	Time    time.Time     `asn1:"generalized"`
	Nonce   *big.Int      `asn1:"optional"`
	TSA     asn1.RawValue `asn1:"tag:0,explicit,optional"`
}

type messageImprint struct {
	Algorithm pkix.AlgorithmIdentifier
	Sum       []byte
}

func (t *TSA) respond(r stampRequest, at time.Time, f StampFaults) []byte {
	at = at.UTC().Truncate(time.Second)
	info := tstInfo{
		Version: 1,
		Policy:  asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 2},
		Imprint: messageImprint{Algorithm: pkix.AlgorithmIdentifier{Algorithm: hashOIDs[r.hash], Parameters: asn1.NullRawValue}, Sum: r.sum},
		Serial:  serial(),
		Time:    at,
		Nonce:   r.nonce,
	}
	if f.SignedTime.IsZero() {
		f.SignedTime = at
	}
	key := t.key
	if f.WrongKey {
		key = NewKey()
	}
	message := cms{content: der(info), key: key, signer: t.Leaf, signingTime: f.SignedTime.UTC()}
	if r.embed {
		message.certs = []*x509.Certificate{t.Leaf}
	}
	token := asn1.RawValue{FullBytes: message.encode()}
	granted := struct{ Status int }{0}
	return der(struct {
		Status any
		Token  asn1.RawValue
	}{granted, token})
}
