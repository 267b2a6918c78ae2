package sigstore

import (
	"crypto"
	"crypto/x509"
	"time"

	rekorpb "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
)

// Media types of bundles.
const (
	BundleV01 = "application/vnd.dev.sigstore.bundle+json;version=0.1"
	BundleV02 = "application/vnd.dev.sigstore.bundle+json;version=0.2"
	BundleV03 = "application/vnd.dev.sigstore.bundle.v0.3+json"
)

// StatementType is the payload type of an in-toto statement.
const StatementType = "application/vnd.in-toto+json"

// Request describes a bundle. Its zero value is a sound bundle over a small statement
// for dev@example.com, signed now; every other field changes one thing.
type Request struct {
	// Payload goes into a DSSE envelope of PayloadType ([StatementType] if empty).
	// If it is nil and Artifact is not, the bundle holds a message signature.
	Payload     []byte
	PayloadType string
	Artifact    []byte

	// Key signs; a new P-256 key if nil. ECDSA, RSA and Ed25519 keys do; the latter
	// signs by Ed25519ph where the log sees a digest only. With Managed the bundle
	// names the key by a hint and carries no certificate.
	Key     crypto.Signer
	Managed bool

	Identity   Identity // dev@example.com if zero
	Issuer     string   // the world's issuer if empty
	Extensions Extensions
	// Certificate replaces what the authority would issue; CertRequest changes what it
	// is asked for.
	Certificate *x509.Certificate
	CertRequest func(*CertRequest)
	CA          *CA   // the world's if nil
	SCTs        []SCT // one of the world's first CT log if nil
	NoSCT       bool

	At     time.Time // of signing; the world's clock if zero
	CertAt time.Time // when the certificate starts; At if zero

	Log         *Log        // the world's first if nil
	NoLog       bool        // no entry of Log
	Kind        string      // of entry; what signers of the day choose if empty
	EntryFaults EntryFaults // of every log
	// EntrySignature is logged instead of the bundle's signature.
	EntrySignature []byte
	ExtraLogs      []*Log                          // also log here
	Foreign        []*rekorpb.TransparencyLogEntry // also carry these entries

	// TSAs stamp the signature. If nil it is the world's first, and none if the log
	// is of version 1, as in bundles of its time.
	TSAs        []*TSA
	NoTimestamp bool
	StampFaults StampFaults

	MediaType string // [BundleV03] if empty
	// Mutate changes the parts before they are written.
	Mutate []func(*Parts)
}

// defaults fills in what the request leaves open.
func (r Request) defaults(w *World) Request {
	if r.Payload == nil && r.Artifact == nil {
		r.Payload = []byte(DefaultStatement)
	}
	if r.PayloadType == "" {
		r.PayloadType = StatementType
	}
	if r.Key == nil {
		r.Key = NewKey()
	}
	if r.Identity == (Identity{}) {
		r.Identity.Email = "dev@example.com"
	}
	if r.Issuer == "" {
		r.Issuer = w.Issuer.URL
	}
	if r.CA == nil {
		r.CA = w.CA
	}
	if r.At.IsZero() {
		r.At = w.Now()
	}
	if r.CertAt.IsZero() {
		r.CertAt = r.At
	}
	if r.MediaType == "" {
		r.MediaType = BundleV03
	}
	if r.SCTs == nil && len(w.CTLogs) > 0 {
		r.SCTs = []SCT{{Log: w.CTLogs[0]}}
	}
	if r.NoSCT {
		r.SCTs = nil
	}
	return r.parties(w)
}

func (r Request) parties(w *World) Request {
	if r.Log == nil && len(w.Logs) > 0 {
		r.Log = w.Logs[0]
	}
	if r.NoLog {
		r.Log = nil
	}
	if r.TSAs == nil && len(w.TSAs) > 0 && (r.Log == nil || r.Log.Version == 2) {
		r.TSAs = w.TSAs[:1]
	}
	if r.NoTimestamp {
		r.TSAs = nil
	}
	return r
}

// DefaultStatement is an in-toto statement about the empty file.
const DefaultStatement = `{"_type":"https://in-toto.io/Statement/v1",` +
	`"subject":[{"name":"empty","digest":{"sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}}],` +
	`"predicateType":"https://example.com/predicate/v1","predicate":{"made":"by a test"}}`
