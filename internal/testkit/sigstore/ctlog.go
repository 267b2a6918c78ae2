package sigstore

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"slices"
	"time"
)

// CTLog is a certificate transparency log that signs for certificates and keeps nothing.
type CTLog struct {
	Name  string
	URL   string
	Valid Window

	key *ecdsa.PrivateKey
}

// NewCTLog makes a log that the trusted root trusts in the given window.
func NewCTLog(name string, valid Window) *CTLog {
	return &CTLog{Name: name, URL: "https://" + name, Valid: valid, key: NewKey()}
}

// ID is the SHA-256 of the log's public key (RFC 6962 section 3.2).
func (l *CTLog) ID() [sha256.Size]byte { return sha256.Sum256(publicDER(l.key.Public())) }

// Public is the log's key.
func (l *CTLog) Public() crypto.PublicKey { return l.key.Public() }

// SCT is one signed certificate timestamp to put into a certificate.
type SCT struct {
	Log       *CTLog
	Time      time.Time // when the certificate starts if zero
	WrongKey  bool      // names the log, but another key signs
	OtherCert bool      // signed over another certificate
}

// sctExtension is the list of RFC 6962 section 3.3: the TLS form of the list within an
// octet string within the extension.
func sctExtension(scts []SCT, tbs []byte, issuer *x509.Certificate, from time.Time) pkix.Extension {
	var list []byte
	for _, s := range scts {
		if s.Time.IsZero() {
			s.Time = from
		}
		list = append(list, vector16(s.encode(tbs, issuer))...)
	}
	return pkix.Extension{Id: oidSCTs, Value: der(vector16(list))}
}

func (s SCT) encode(tbs []byte, issuer *x509.Certificate) []byte {
	key := s.Log.key
	if s.WrongKey {
		key = NewKey()
	}
	if s.OtherCert {
		tbs = slices.Concat(tbs[:len(tbs)-1], []byte{tbs[len(tbs)-1] ^ 1})
	}
	id := s.Log.ID()
	millis := binary.BigEndian.AppendUint64(nil, uint64(s.Time.UnixMilli()))
	signature := sign(key, precertificate(millis, tbs, issuer))
	const (
		v1     = 0
		sha256 = 4
		ecdsa  = 3
	)
	return slices.Concat([]byte{v1}, id[:], millis, []byte{0, 0}, []byte{sha256, ecdsa}, vector16(signature))
}

// precertificate is what is signed: RFC 6962 section 3.2 for an entry of type
// precert_entry without extensions.
func precertificate(millis, tbs []byte, issuer *x509.Certificate) []byte {
	hash := sha256.Sum256(issuer.RawSubjectPublicKeyInfo)
	size := []byte{byte(len(tbs) >> 16), byte(len(tbs) >> 8), byte(len(tbs))}
	return slices.Concat([]byte{0, 0}, millis, []byte{0, 1}, hash[:], size, tbs, []byte{0, 0})
}

func vector16(data []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(data))), data...)
}
