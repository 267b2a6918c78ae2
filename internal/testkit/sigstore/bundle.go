package sigstore

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/json"

	bundlepb "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	commonpb "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	dssepb "github.com/sigstore/protobuf-specs/gen/pb-go/dsse"
	rekorpb "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// Parts is a bundle before it is written. A test may change any part, or carry one
// over from another bundle.
type Parts struct {
	MediaType string

	// Either an envelope with Payload and its signatures, or a message signature.
	PayloadType string
	Payload     []byte
	Signatures  [][]byte // of the envelope
	KeyIDs      []string // of the signatures, if any

	Message   bool
	Digest    []byte
	HashName  string // such as "SHA2_256"
	Signature []byte // over the message

	// Either a certificate, which older media types write as a chain, or a hint.
	Certificate *x509.Certificate
	Chain       []*x509.Certificate // follows the certificate and forces the chain form
	Hint        string

	Entries    []*rekorpb.TransparencyLogEntry
	Timestamps [][]byte // responses in DER

	// Key is what signed.
	Key crypto.Signer
}

// Bundle makes a bundle in JSON.
func (w *World) Bundle(r Request) []byte { return w.Parts(r).JSON() }

// Parts makes the parts of a bundle, with the request's mutations done.
func (w *World) Parts(r Request) *Parts {
	r = r.defaults(w)
	p := &Parts{MediaType: r.MediaType, Key: r.Key}
	w.certify(p, r)
	p.sign(r)
	for _, l := range r.logs() {
		p.Entries = append(p.Entries, p.log(l, r))
	}
	for _, e := range r.Foreign {
		p.Entries = append(p.Entries, proto.CloneOf(e))
	}
	for _, t := range r.TSAs {
		p.Timestamps = append(p.Timestamps, t.Stamp(p.signature(), r.At, r.StampFaults))
	}
	for _, m := range r.Mutate {
		m(p)
	}
	return p
}

func (w *World) certify(p *Parts, r Request) {
	if r.Managed {
		p.Hint = KeyHint(r.Key.Public())
		return
	}
	p.Certificate = r.Certificate
	if p.Certificate != nil {
		return
	}
	request := CertRequest{
		Public: r.Key.Public(), Identity: r.Identity, Issuer: r.Issuer, Extensions: r.Extensions,
		From: r.CertAt, SCTs: r.SCTs,
	}
	if r.CertRequest != nil {
		r.CertRequest(&request)
	}
	p.Certificate = r.CA.Issue(request)
}

func (p *Parts) sign(r Request) {
	sign := sign
	if r.digestLogged() {
		sign = signDigest
	}
	if r.Payload != nil {
		p.PayloadType, p.Payload = r.PayloadType, r.Payload
		p.Signatures = [][]byte{sign(r.Key, PAE(r.PayloadType, r.Payload))}
		return
	}
	hash := hashOf(r.Key.Public())
	p.Message = true
	p.Digest, p.HashName = digest(hash, r.Artifact), hashName(hash).String()
	p.Signature = sign(r.Key, r.Artifact)
}

// digestLogged says whether the log sees no more than the digest of what is signed.
func (r Request) digestLogged() bool {
	return r.Log != nil && (r.Log.Version == 2 || r.Payload == nil || r.Kind == HashedRekord)
}

func (r Request) logs() []*Log {
	if r.Log == nil {
		return r.ExtraLogs
	}
	return append([]*Log{r.Log}, r.ExtraLogs...)
}

func (p *Parts) signature() []byte {
	if p.Message {
		return p.Signature
	}
	return p.Signatures[0]
}

// log adds the signature to l in the kind of entry that was asked for.
func (p *Parts) log(l *Log, r Request) *rekorpb.TransparencyLogEntry {
	kind, version, body := p.entry(l.Version, r)
	return l.Add(kind, version, body, r.At, r.EntryFaults)
}

func (p *Parts) entry(version int, r Request) (kind, kindVersion string, body []byte) {
	s := signed{signature: p.signature(), cert: p.Certificate, public: r.Key.Public()}
	if r.EntrySignature != nil {
		s.signature = r.EntrySignature
	}
	kind = r.Kind
	if kind == "" {
		kind = HashedRekord
		if version == 1 && !p.Message {
			kind = DSSE
		}
	}
	hash := hashOf(s.public)
	sum := p.Digest
	if !p.Message {
		sum = digest(hash, PAE(p.PayloadType, p.Payload))
	}
	switch {
	case version == 2 && kind == DSSE:
		return kind, "0.0.2", dsseV2(p.Payload, []signed{s})
	case version == 2:
		return HashedRekord, "0.0.2", hashedRekordV2(hash, sum, s)
	case kind == DSSE:
		return kind, "0.0.1", dsseV1(p.envelopeJSON(), p.Payload, []signed{s})
	case kind == Intoto:
		return kind, "0.0.2", intotoV2(p.envelopeJSON(), p.PayloadType, p.Payload, []signed{s})
	}
	return HashedRekord, "0.0.1", hashedRekordV1(hash, sum, s)
}

// envelopeJSON is the envelope as a signer proposes it to a log of version 1.
func (p *Parts) envelopeJSON() []byte {
	var signatures []object
	for _, s := range p.Signatures {
		signatures = append(signatures, object{"sig": s})
	}
	return object{"payload": p.Payload, "payloadType": p.PayloadType, "signatures": signatures}.encode()
}

// JSON writes the bundle.
func (p *Parts) JSON() []byte { return compactJSON(p.Proto()) }

// Proto is the bundle as a protocol buffer.
func (p *Parts) Proto() *bundlepb.Bundle {
	material := &bundlepb.VerificationMaterial{TlogEntries: p.Entries}
	if len(p.Timestamps) > 0 {
		material.TimestampVerificationData = &bundlepb.TimestampVerificationData{}
	}
	for _, t := range p.Timestamps {
		material.TimestampVerificationData.Rfc3161Timestamps = append(material.TimestampVerificationData.Rfc3161Timestamps,
			&commonpb.RFC3161SignedTimestamp{SignedTimestamp: t})
	}
	p.identify(material)
	b := &bundlepb.Bundle{MediaType: p.MediaType, VerificationMaterial: material}
	if p.Message {
		b.Content = &bundlepb.Bundle_MessageSignature{MessageSignature: &commonpb.MessageSignature{
			MessageDigest: &commonpb.HashOutput{Algorithm: commonpb.HashAlgorithm(commonpb.HashAlgorithm_value[p.HashName]), Digest: p.Digest},
			Signature:     p.Signature,
		}}
		return b
	}
	b.Content = &bundlepb.Bundle_DsseEnvelope{DsseEnvelope: p.envelope()}
	return b
}

func (p *Parts) envelope() *dssepb.Envelope {
	envelope := &dssepb.Envelope{Payload: p.Payload, PayloadType: p.PayloadType}
	for i, s := range p.Signatures {
		signature := &dssepb.Signature{Sig: s}
		if i < len(p.KeyIDs) {
			signature.Keyid = p.KeyIDs[i]
		}
		envelope.Signatures = append(envelope.Signatures, signature)
	}
	return envelope
}

func (p *Parts) identify(material *bundlepb.VerificationMaterial) {
	switch {
	case p.Certificate == nil:
		material.Content = &bundlepb.VerificationMaterial_PublicKey{PublicKey: &commonpb.PublicKeyIdentifier{Hint: p.Hint}}
	case p.Chain != nil || p.MediaType == BundleV01 || p.MediaType == BundleV02:
		chain := chainOf(append([]*x509.Certificate{p.Certificate}, p.Chain...))
		material.Content = &bundlepb.VerificationMaterial_X509CertificateChain{X509CertificateChain: chain}
	default:
		material.Content = &bundlepb.VerificationMaterial_Certificate{Certificate: &commonpb.X509Certificate{RawBytes: p.Certificate.Raw}}
	}
}

func chainOf(certs []*x509.Certificate) *commonpb.X509CertificateChain {
	chain := &commonpb.X509CertificateChain{}
	for _, c := range certs {
		chain.Certificates = append(chain.Certificates, &commonpb.X509Certificate{RawBytes: c.Raw})
	}
	return chain
}

// compactJSON undoes the spaces that protojson strews about, so that the same message
// is the same bytes.
func compactJSON(m proto.Message) []byte {
	var out bytes.Buffer
	if err := json.Compact(&out, must(protojson.Marshal(m))); err != nil {
		panic("testkit/sigstore: " + err.Error())
	}
	return out.Bytes()
}
