package trust

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	common "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	trustroot "github.com/sigstore/protobuf-specs/gen/pb-go/trustroot/v1"
)

// LogID is the identifier of a log: the SHA-256 of its key in PKIX form, as Rekor's
// first version and certificate logs use it, or the key ID that its checkpoints have,
// which goes with the log's name (https://c2sp.org/signed-note).
func LogID(key Key, checkpointName string) []byte {
	public, ok := key.Public().(ed25519.PublicKey)
	if !ok || checkpointName == "" {
		sum := sha256.Sum256(key.DER())
		return sum[:]
	}
	const ed25519Signature = 1
	sum := sha256.Sum256(append([]byte(checkpointName+"\n"), append([]byte{ed25519Signature}, public...)...))
	return sum[:]
}

// LogName is the name under which a log at a URL signs its checkpoints: its host.
func LogName(url string) string { return hostOf(url) }

// EncodeInstance writes a trusted root in Sigstore's JSON form.
func EncodeInstance(i Instance) ([]byte, error) {
	doc := &trustroot.TrustedRoot{MediaType: trustedRootTypes[0]}
	for _, ca := range i.CAs {
		doc.CertificateAuthorities = append(doc.CertificateAuthorities, encodeChain(ca.Chain))
	}
	for _, tsa := range i.TSAs {
		doc.TimestampAuthorities = append(doc.TimestampAuthorities, encodeChain(tsa.Chain))
	}
	for _, set := range []struct {
		from []Log
		to   *[]*trustroot.TransparencyLogInstance
	}{{i.Logs, &doc.Tlogs}, {i.CTLogs, &doc.Ctlogs}} {
		for _, log := range set.from {
			encoded, err := encodeLog(log)
			if err != nil {
				return nil, err
			}
			*set.to = append(*set.to, encoded)
		}
	}
	return indented(doc)
}

func encodeChain(c Chain) *trustroot.CertificateAuthority {
	out := &trustroot.CertificateAuthority{Uri: c.URI, Operator: c.Operator, ValidFor: encodeWindow(c.Validity),
		CertChain: &common.X509CertificateChain{}, Subject: &common.DistinguishedName{}}
	for _, cert := range c.Certificates {
		out.CertChain.Certificates = append(out.CertChain.Certificates, &common.X509Certificate{RawBytes: cert.Raw})
	}
	root := c.root().Subject
	out.Subject.CommonName = root.CommonName
	if len(root.Organization) > 0 {
		out.Subject.Organization = root.Organization[0]
	}
	return out
}

func encodeLog(l Log) (*trustroot.TransparencyLogInstance, error) {
	details, err := keyDetails(l.Key.Public())
	if err != nil {
		return nil, fmt.Errorf("log %s: %w", l.URI, err)
	}
	return &trustroot.TransparencyLogInstance{
		BaseUrl: l.URI, Operator: l.Operator, HashAlgorithm: common.HashAlgorithm_SHA2_256, LogId: &common.LogId{KeyId: l.ID}, CheckpointKeyId: checkpointID(l),
		PublicKey: &common.PublicKey{RawBytes: l.Key.DER(), KeyDetails: details, ValidFor: encodeWindow(l.Key.Validity)},
	}, nil
}

func checkpointID(l Log) *common.LogId {
	if l.CheckpointID == nil {
		return nil
	}
	return &common.LogId{KeyId: l.CheckpointID}
}

// KeyDetails is what Sigstore's formats call a key and the hash that goes with it.
func KeyDetails(public crypto.PublicKey) (string, error) {
	details, err := keyDetails(public)
	return details.String(), err
}

func keyDetails(public crypto.PublicKey) (common.PublicKeyDetails, error) {
	switch key := public.(type) {
	case ed25519.PublicKey:
		return common.PublicKeyDetails_PKIX_ED25519, nil
	case *ecdsa.PublicKey:
		switch key.Curve.Params().BitSize {
		case 256:
			return common.PublicKeyDetails_PKIX_ECDSA_P256_SHA_256, nil
		case 384:
			return common.PublicKeyDetails_PKIX_ECDSA_P384_SHA_384, nil
		case 521:
			return common.PublicKeyDetails_PKIX_ECDSA_P521_SHA_512, nil
		}
	case *rsa.PublicKey:
		switch key.N.BitLen() {
		case 2048:
			return common.PublicKeyDetails_PKIX_RSA_PKCS1V15_2048_SHA256, nil
		case 3072:
			return common.PublicKeyDetails_PKIX_RSA_PKCS1V15_3072_SHA256, nil
		case 4096:
			return common.PublicKeyDetails_PKIX_RSA_PKCS1V15_4096_SHA256, nil
		}
	}
	return 0, fmt.Errorf("%w: Sigstore's formats have no name for it", ErrKeyKind)
}

func encodeWindow(w Window) *common.TimeRange {
	out := &common.TimeRange{Start: timestamppb.New(w.From)}
	if !w.Until.IsZero() {
		out.End = timestamppb.New(w.Until)
	}
	return out
}

// EncodeSigningConfig writes a signing configuration of version 0.2.
func EncodeSigningConfig(c SigningConfig) ([]byte, error) {
	return indented(&trustroot.SigningConfig{
		MediaType: signingConfigType,
		CaUrls:    encodeServices(c.CAs), OidcUrls: encodeServices(c.OIDCs),
		RekorTlogUrls: encodeServices(c.Logs), TsaUrls: encodeServices(c.TSAs),
		RekorTlogConfig: encodeSelection(c.LogUse), TsaConfig: encodeSelection(c.TSAUse),
	})
}

func encodeServices(list []Service) (out []*trustroot.Service) {
	for _, s := range list {
		out = append(out, &trustroot.Service{Url: s.URL, MajorApiVersion: uint32(s.APIVersion), Operator: s.Operator, ValidFor: encodeWindow(s.Validity)})
	}
	return out
}

func encodeSelection(s Selection) *trustroot.ServiceConfiguration {
	switch {
	case s.All:
		return &trustroot.ServiceConfiguration{Selector: trustroot.ServiceSelector_ALL}
	case s.Count > 0:
		return &trustroot.ServiceConfiguration{Selector: trustroot.ServiceSelector_EXACT, Count: uint32(s.Count)}
	}
	return &trustroot.ServiceConfiguration{Selector: trustroot.ServiceSelector_ANY}
}

// indented is JSON that is the same from run to run, which protojson alone is not.
func indented(m proto.Message) ([]byte, error) {
	raw, err := protojson.Marshal(m)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, raw, "", "  "); err != nil {
		return nil, err
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}
