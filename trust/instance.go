package trust

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"

	common "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	trustroot "github.com/sigstore/protobuf-specs/gen/pb-go/trustroot/v1"
)

// ErrTrustedRoot says that bytes are no trusted root in Sigstore's JSON form. Give the
// trusted_root.json of the deployment, as `trust create` or its TUF repository has it.
var ErrTrustedRoot = errors.New("not a trusted root")

// Instance is one deployment of Sigstore: the authorities that its trusted root names.
// What evidence needs follows from what it has. Two instances are never added up: a
// certificate of one is judged by the logs and timestamps of that one alone.
type Instance struct {
	Name       string // where it was read from, for people
	CAs        []CertificateAuthority
	CTLogs     []Log
	Logs       []Log
	TSAs       []TimestampAuthority
	Provenance string // how it came here, such as "snapshot of 2026-05-04", for people
	// Private says that it vouches for nobody but identities that name it, see
	// [policy.Identity.Authority].
	Private bool
}

const (
	maxTrustedRoot = 4 << 20
	maxAuthorities = 256
)

// trustedRootTypes are the media types of the form that is read
// (https://github.com/sigstore/protobuf-specs/blob/main/protos/sigstore_trustroot.proto).
var trustedRootTypes = []string{
	"application/vnd.dev.sigstore.trustedroot+json;version=0.1",
	"application/vnd.dev.sigstore.trustedroot.v0.2+json",
}

// ParseInstances reads trusted roots: one JSON document, or one on each line as
// `gh attestation trusted-root` prints them.
func ParseInstances(name string, data []byte) ([]Instance, error) {
	if len(data) > maxTrustedRoot {
		return nil, fmt.Errorf("%w: %s: larger than %d bytes", ErrTrustedRoot, name, maxTrustedRoot)
	}
	one, err := parseInstance(name, data)
	if err == nil {
		return []Instance{one}, nil
	}
	lines := bytes.Split(bytes.TrimSpace(data), []byte("\n"))
	if len(lines) < 2 || !bytes.HasSuffix(bytes.TrimSpace(lines[0]), []byte("}")) {
		return nil, err
	}
	var all []Instance
	for i, line := range lines {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		instance, err := parseInstance(fmt.Sprintf("%s line %d", name, i+1), line)
		if err != nil {
			return nil, err
		}
		all = append(all, instance)
	}
	return all, nil
}

func parseInstance(name string, data []byte) (Instance, error) {
	if !json.Valid(data) { // whose own error would quote what may be anything, a secret among it
		return Instance{}, fmt.Errorf("%w: %s: it is no JSON document", ErrTrustedRoot, name)
	}
	var doc trustroot.TrustedRoot
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(data, &doc); err != nil {
		return Instance{}, fmt.Errorf("%w: %s: %w", ErrTrustedRoot, name, err)
	}
	known := false
	for _, t := range trustedRootTypes {
		known = known || t == doc.GetMediaType()
	}
	if !known {
		return Instance{}, fmt.Errorf("%w: %s: media type %q", ErrTrustedRoot, name, doc.GetMediaType())
	}
	i := Instance{Name: name}
	if err := i.fill(&doc); err != nil {
		return Instance{}, fmt.Errorf("%w: %s: %w", ErrTrustedRoot, name, err)
	}
	return i, nil
}

func (i *Instance) fill(doc *trustroot.TrustedRoot) error {
	if n := len(doc.CertificateAuthorities) + len(doc.Ctlogs) + len(doc.Tlogs) + len(doc.TimestampAuthorities); n > maxAuthorities {
		return fmt.Errorf("%d authorities, more than %d", n, maxAuthorities)
	}
	for _, ca := range doc.GetCertificateAuthorities() {
		chain, err := parseChain(ca)
		if err != nil {
			return fmt.Errorf("certificate authority %s: %w", ca.GetUri(), err)
		}
		i.CAs = append(i.CAs, CertificateAuthority{chain})
	}
	for _, tsa := range doc.GetTimestampAuthorities() {
		chain, err := parseChain(tsa)
		if err != nil {
			return fmt.Errorf("timestamp authority %s: %w", tsa.GetUri(), err)
		}
		i.TSAs = append(i.TSAs, TimestampAuthority{chain})
	}
	for _, set := range []struct {
		from []*trustroot.TransparencyLogInstance
		to   *[]Log
	}{{doc.GetCtlogs(), &i.CTLogs}, {doc.GetTlogs(), &i.Logs}} {
		for _, log := range set.from {
			parsed, err := parseLog(log)
			if err != nil {
				return fmt.Errorf("log %s: %w", log.GetBaseUrl(), err)
			}
			*set.to = append(*set.to, parsed)
		}
	}
	return nil
}

func parseWindow(r *common.TimeRange) (w Window) {
	if r.GetStart() != nil {
		w.From = r.GetStart().AsTime()
	}
	if r.GetEnd() != nil {
		w.Until = r.GetEnd().AsTime()
	}
	return w
}

func parseChain(ca *trustroot.CertificateAuthority) (Chain, error) {
	c := Chain{URI: ca.GetUri(), Operator: ca.GetOperator(), Validity: parseWindow(ca.GetValidFor())}
	for _, raw := range ca.GetCertChain().GetCertificates() {
		cert, err := x509.ParseCertificate(raw.GetRawBytes())
		if err != nil {
			return Chain{}, err
		}
		c.Certificates = append(c.Certificates, cert)
	}
	if len(c.Certificates) == 0 {
		return Chain{}, errors.New("it has no certificate")
	}
	if root := c.root(); !root.IsCA {
		return Chain{}, errors.New("its last certificate is no authority's")
	}
	return c, nil
}

func parseLog(log *trustroot.TransparencyLogInstance) (Log, error) {
	if h := log.GetHashAlgorithm(); h != common.HashAlgorithm_SHA2_256 {
		return Log{}, fmt.Errorf("hash %s is not supported", h)
	}
	public, err := x509.ParsePKIXPublicKey(log.GetPublicKey().GetRawBytes())
	if err != nil { // a form that an older log of Sigstore's staging instance has
		if public, err = x509.ParsePKCS1PublicKey(log.GetPublicKey().GetRawBytes()); err != nil {
			return Log{}, fmt.Errorf("%w: %w", ErrKeyKind, err)
		}
	}
	key, err := NewKey(log.GetBaseUrl(), public)
	if err != nil {
		return Log{}, err
	}
	key.Validity = parseWindow(log.GetPublicKey().GetValidFor())
	l := Log{URI: log.GetBaseUrl(), Operator: log.GetOperator(), ID: log.GetLogId().GetKeyId(), Key: key}
	if c := log.GetCheckpointKeyId().GetKeyId(); len(c) > 0 {
		if l.CheckpointID = c; len(l.ID) == 0 {
			l.ID = c
		}
	}
	if len(l.ID) < hintSize || l.CheckpointID != nil && len(l.CheckpointID) < hintSize {
		return Log{}, fmt.Errorf("its identifier has less than %d bytes", hintSize)
	}
	return l, nil
}

// Chain is the certificates of an authority and when it may be believed.
type Chain struct {
	URI, Operator string
	Validity      Window
	Certificates  []*x509.Certificate // the root last
}

func (c Chain) root() *x509.Certificate { return c.Certificates[len(c.Certificates)-1] }

// Fingerprint is the SHA-256 of the first certificate, in hexadecimal.
func (c Chain) Fingerprint() string {
	sum := sha256.Sum256(c.Certificates[0].Raw)
	return hex.EncodeToString(sum[:])
}

// Authority tells authorities apart where a threshold counts them: by operator, else
// by host, else by root. One that is listed twice, with an old and a new key, is one.
func (c Chain) Authority() string {
	sum := sha256.Sum256(c.root().RawSubjectPublicKeyInfo)
	return authority(c.Operator, c.URI, hex.EncodeToString(sum[:]))
}

func authority(operator, uri, fingerprint string) string {
	if operator != "" {
		return operator
	}
	if host := hostOf(uri); host != "" {
		return host
	}
	return fingerprint
}

// hostOf is the host that a URL names, without its port.
func hostOf(uri string) string {
	_, rest, ok := strings.Cut(uri, "://")
	if !ok {
		return ""
	}
	host, _, _ := strings.Cut(rest, "/")
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:i]
	}
	return host
}

// Lifetime is the window in which an authority can still make new statements: its own, cut
// short by the certificate of its chain that ends first.
func (c Chain) Lifetime() Window {
	w := c.Validity
	for _, cert := range c.Certificates {
		if w.Until.IsZero() || cert.NotAfter.Before(w.Until) {
			w.Until = cert.NotAfter
		}
	}
	return w
}
