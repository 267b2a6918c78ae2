package ctlog

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// The poison extension of a precertificate (RFC 6962 section 3.1).
var poison = pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 3}, Critical: true, Value: []byte{5, 0}}

type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	a := authority{key: newKey(t)}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "root"},
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	a.cert = create(t, template, template, a.key)
	return a
}

func create(t *testing.T, template, parent *x509.Certificate, key *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// issue makes a leaf; extensions are what differs between a certificate and its
// precertificate.
func (a authority) issue(t *testing.T, extensions ...pkix.Extension) *x509.Certificate {
	t.Helper()
	return create(t, &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "leaf"},
		NotAfter: time.Unix(4e9, 0), ExtraExtensions: extensions}, a.cert, a.key)
}

type sct struct {
	Version   int    `json:"sct_version"`
	ID        []byte `json:"id"`
	Timestamp uint64 `json:"timestamp"`
	Signature []byte `json:"signature"`
}

func add(t *testing.T, url, what string, chain ...*x509.Certificate) (int, string) {
	t.Helper()
	raw := [][]byte{}
	for _, cert := range chain {
		raw = append(raw, cert.Raw)
	}
	body, err := json.Marshal(map[string]any{"chain": raw})
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.Post(url+"/ct/v1/"+what, "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// signedBytes are written by hand from RFC 6962 section 3.2.
func signedBytes(timestamp uint64, entryType uint16, entry []byte) []byte {
	out := []byte{0, 0} // v1, certificate_timestamp
	out = binary.BigEndian.AppendUint64(out, timestamp)
	out = binary.BigEndian.AppendUint16(out, entryType)
	out = append(out, entry...)
	return append(out, 0, 0) // no extensions
}

func length24(data []byte) []byte {
	return append([]byte{byte(len(data) >> 16), byte(len(data) >> 8), byte(len(data))}, data...)
}

func TestTimestampsAreThoseOfRFC6962(t *testing.T) {
	ca, key := newAuthority(t), newKey(t)
	log, err := New(key, ca.cert)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(log.Handler())
	defer server.Close()

	final := ca.issue(t)
	issuer := sha256.Sum256(ca.cert.RawSubjectPublicKeyInfo)
	// A precertificate without its poison is the certificate that is to be.
	precertEntry := append(issuer[:], length24(final.RawTBSCertificate)...)
	for _, test := range []struct {
		what  string
		leaf  *x509.Certificate
		bytes func(timestamp uint64) []byte
	}{
		{"add-chain", final, func(at uint64) []byte { return signedBytes(at, 0, length24(final.Raw)) }},
		{"add-pre-chain", ca.issue(t, poison), func(at uint64) []byte { return signedBytes(at, 1, precertEntry) }},
	} {
		t.Run(test.what, func(t *testing.T) {
			status, body := add(t, server.URL, test.what, test.leaf, ca.cert)
			var got sct
			if err := json.Unmarshal([]byte(body), &got); err != nil || status != http.StatusOK {
				t.Fatalf("%d %s", status, body)
			}
			der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
			if err != nil {
				t.Fatal(err)
			}
			if id := sha256.Sum256(der); !bytes.Equal(got.ID, id[:]) || got.Version != 0 {
				t.Errorf("log ID %x, version %d", got.ID, got.Version)
			}
			// digitally-signed of RFC 5246: sha256, ecdsa, a length of two bytes
			if !bytes.Equal(got.Signature[:2], []byte{4, 3}) || int(binary.BigEndian.Uint16(got.Signature[2:4])) != len(got.Signature)-4 {
				t.Fatalf("signature %x", got.Signature)
			}
			digest := sha256.Sum256(test.bytes(got.Timestamp))
			if !ecdsa.VerifyASN1(&key.PublicKey, digest[:], got.Signature[4:]) {
				t.Error("the signature is not over the bytes of RFC 6962")
			}
		})
	}
}

func TestRefusesWhatIsNotItsOwn(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	log, err := New(newKey(t), ca.cert)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(log.Handler())
	defer server.Close()
	for _, test := range []struct {
		name, what, want string
		chain            []*x509.Certificate
	}{
		{"other root", "add-chain", "does not end at a root", []*x509.Certificate{other.issue(t), other.cert}},
		{"other issuer", "add-chain", "not signed by the next", []*x509.Certificate{other.issue(t), ca.cert}},
		{"leaf alone", "add-chain", "2 to 8 certificates", []*x509.Certificate{ca.issue(t)}},
		{"precertificate", "add-chain", "precertificates go to", []*x509.Certificate{ca.issue(t, poison), ca.cert}},
		{"certificate", "add-pre-chain", "precertificates go to", []*x509.Certificate{ca.issue(t), ca.cert}},
	} {
		t.Run(test.name, func(t *testing.T) {
			status, body := add(t, server.URL, test.what, test.chain...)
			if status != http.StatusBadRequest || !strings.Contains(body, test.want) {
				t.Errorf("%d %s, want 400 with %q", status, body, test.want)
			}
		})
	}
}
