package sigstore

import (
	"crypto/x509"
	"time"

	commonpb "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	trustpb "github.com/sigstore/protobuf-specs/gen/pb-go/trustroot/v1"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Media types of what a client reads.
const (
	trustedRootType   = "application/vnd.dev.sigstore.trustedroot+json;version=0.1"
	signingConfigType = "application/vnd.dev.sigstore.signingconfig.v0.2+json"
)

// TrustedRoot is the trusted root in JSON, with every party of the world as it is now.
func (w *World) TrustedRoot() []byte { return compactJSON(w.TrustedRootProto()) }

// TrustedRootProto is the same as a protocol buffer, for a test to change.
func (w *World) TrustedRootProto() *trustpb.TrustedRoot {
	root := &trustpb.TrustedRoot{MediaType: trustedRootType}
	if w.CA != nil {
		root.CertificateAuthorities = append(root.CertificateAuthorities, trustedCA(w.CA.Root, w.CA.URL, w.CA.Chain(), w.CA.Valid))
	}
	for _, l := range w.CTLogs {
		id := l.ID()
		root.Ctlogs = append(root.Ctlogs, trustedLog(l.URL, id[:], l.key.Public(), l.Valid))
	}
	for _, l := range w.Logs {
		root.Tlogs = append(root.Tlogs, trustedLog(l.URL, l.ID(), l.Public(), l.Valid))
	}
	for _, t := range w.TSAs {
		root.TimestampAuthorities = append(root.TimestampAuthorities, trustedCA(t.Root, t.URL, t.Chain(), t.Valid))
	}
	return root
}

func trustedCA(root *x509.Certificate, url string, chain []*x509.Certificate, valid Window) *trustpb.CertificateAuthority {
	return &trustpb.CertificateAuthority{
		Subject:   &commonpb.DistinguishedName{Organization: root.Subject.Organization[0], CommonName: root.Subject.CommonName},
		Uri:       url,
		CertChain: chainOf(chain),
		ValidFor:  valid.proto(),
	}
}

func trustedLog(url string, id []byte, public any, valid Window) *trustpb.TransparencyLogInstance {
	return &trustpb.TransparencyLogInstance{
		BaseUrl:       url,
		HashAlgorithm: commonpb.HashAlgorithm_SHA2_256,
		PublicKey: &commonpb.PublicKey{
			RawBytes:   publicDER(public),
			KeyDetails: detailsOf(public),
			ValidFor:   valid.proto(),
		},
		LogId: &commonpb.LogId{KeyId: id},
	}
}

func (w Window) proto() *commonpb.TimeRange {
	r := &commonpb.TimeRange{Start: timestamppb.New(w.From)}
	if !w.Until.IsZero() {
		r.End = timestamppb.New(w.Until)
	}
	return r
}

// SigningConfig is the signing configuration in JSON: where a signer finds the parties.
// The addresses answer only after [World.Serve].
func (w *World) SigningConfig() []byte { return compactJSON(w.SigningConfigProto()) }

// SigningConfigProto is the same as a protocol buffer, for a test to change.
func (w *World) SigningConfigProto() *trustpb.SigningConfig {
	since := w.Now().Add(-year).Truncate(time.Second)
	config := &trustpb.SigningConfig{
		MediaType:       signingConfigType,
		CaUrls:          []*trustpb.Service{service(w.CA.URL, 1, since)},
		OidcUrls:        []*trustpb.Service{service(w.Issuer.URL, 1, since)},
		RekorTlogConfig: &trustpb.ServiceConfiguration{Selector: trustpb.ServiceSelector_ANY},
		TsaConfig:       &trustpb.ServiceConfiguration{Selector: trustpb.ServiceSelector_ANY},
	}
	for _, l := range w.Logs {
		config.RekorTlogUrls = append(config.RekorTlogUrls, service(l.URL, uint32(l.Version), since))
	}
	for _, t := range w.TSAs {
		config.TsaUrls = append(config.TsaUrls, service(t.URL, 1, since))
	}
	return config
}

func service(url string, version uint32, since time.Time) *trustpb.Service {
	return &trustpb.Service{
		Url: url, MajorApiVersion: version, Operator: "test",
		ValidFor: &commonpb.TimeRange{Start: timestamppb.New(since)},
	}
}
