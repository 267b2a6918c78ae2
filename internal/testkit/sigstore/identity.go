package sigstore

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"maps"
	"slices"
)

// Identity is who a certificate is for: the first field that is set, in this order.
type Identity struct {
	Email    string
	URI      string
	Username string // as otherName 1.3.6.1.4.1.57264.1.7, such as "me!issuer.example"
}

// GitHubIssuer is the issuer of GitHub's workflow tokens.
const GitHubIssuer = "https://token.actions.githubusercontent.com"

var (
	oidSAN      = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidEKU      = asn1.ObjectIdentifier{2, 5, 29, 37}
	oidSCTs     = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 2}
	oidUsername = fulcioOID(7)
)

func fulcioOID(n int) asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, n}
}

// Names of the claims in [Extensions], as Fulcio's list of object identifiers has them.
const (
	GitHubWorkflowTrigger    = "GitHubWorkflowTrigger"
	GitHubWorkflowSHA        = "GitHubWorkflowSHA"
	GitHubWorkflowName       = "GitHubWorkflowName"
	GitHubWorkflowRepository = "GitHubWorkflowRepository"
	GitHubWorkflowRef        = "GitHubWorkflowRef"

	BuildSignerURI             = "BuildSignerURI"
	BuildSignerDigest          = "BuildSignerDigest"
	RunnerEnvironment          = "RunnerEnvironment"
	SourceRepositoryURI        = "SourceRepositoryURI"
	SourceRepositoryDigest     = "SourceRepositoryDigest"
	SourceRepositoryRef        = "SourceRepositoryRef"
	SourceRepositoryIdentifier = "SourceRepositoryIdentifier"
	SourceRepositoryOwnerURI   = "SourceRepositoryOwnerURI"
	SourceRepositoryOwnerID    = "SourceRepositoryOwnerIdentifier"
	BuildConfigURI             = "BuildConfigURI"
	BuildConfigDigest          = "BuildConfigDigest"
	BuildTrigger               = "BuildTrigger"
	RunInvocationURI           = "RunInvocationURI"
	SourceRepositoryVisibility = "SourceRepositoryVisibilityAtSigning"
	DeploymentEnvironment      = "DeploymentEnvironment"
	TokenSubject               = "TokenSubject"
)

var extensionNumbers = map[string]int{
	GitHubWorkflowTrigger: 2, GitHubWorkflowSHA: 3, GitHubWorkflowName: 4,
	GitHubWorkflowRepository: 5, GitHubWorkflowRef: 6,
	BuildSignerURI: 9, BuildSignerDigest: 10, RunnerEnvironment: 11, SourceRepositoryURI: 12,
	SourceRepositoryDigest: 13, SourceRepositoryRef: 14, SourceRepositoryIdentifier: 15,
	SourceRepositoryOwnerURI: 16, SourceRepositoryOwnerID: 17, BuildConfigURI: 18,
	BuildConfigDigest: 19, BuildTrigger: 20, RunInvocationURI: 21,
	SourceRepositoryVisibility: 22, DeploymentEnvironment: 23, TokenSubject: 24,
}

// Extensions are claims that a certificate carries, by the names above. The ones of
// number 2 to 6 are written as raw text, the others as a DER UTF8String.
type Extensions map[string]string

func (e Extensions) encode() []pkix.Extension {
	var out []pkix.Extension
	names := slices.SortedFunc(maps.Keys(e), func(a, b string) int { return extensionNumbers[a] - extensionNumbers[b] })
	for _, name := range names {
		n, known := extensionNumbers[name]
		if !known {
			panic("testkit/sigstore: no certificate extension is named " + name)
		}
		value := []byte(e[name])
		if n > 7 {
			value = utf8(e[name])
		}
		out = append(out, pkix.Extension{Id: fulcioOID(n), Value: value})
	}
	return out
}

func issuerExtensions(issuer string) []pkix.Extension {
	if issuer == "" {
		return nil
	}
	return []pkix.Extension{
		{Id: fulcioOID(1), Value: []byte(issuer)},
		{Id: fulcioOID(8), Value: utf8(issuer)},
	}
}

func utf8(s string) []byte {
	return der(asn1.RawValue{Tag: asn1.TagUTF8String, Bytes: []byte(s)})
}

// nameExtension writes the identity as a critical subject alternative name, as a
// certificate without subject must have it (RFC 5280 section 4.2.1.6).
func (i Identity) nameExtension() pkix.Extension {
	var name asn1.RawValue
	switch {
	case i.Email != "":
		name = asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 1, Bytes: []byte(i.Email)}
	case i.URI != "":
		name = asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 6, Bytes: []byte(i.URI)}
	default:
		value := asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: utf8(i.Username)}
		name = asn1.RawValue{
			Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true,
			Bytes: append(der(oidUsername), der(value)...),
		}
	}
	return pkix.Extension{Id: oidSAN, Critical: true, Value: der([]asn1.RawValue{name})}
}
