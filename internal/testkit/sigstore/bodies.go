package sigstore

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"sort"
)

// Kinds of entries.
const (
	HashedRekord = "hashedrekord"
	DSSE         = "dsse"
	Intoto       = "intoto" // version 1 only
)

// object is JSON with keys in alphabetical order, as canonical JSON has it. Nothing
// that a body holds needs the escapes in which canonical JSON differs.
type object map[string]any

func (o object) encode() []byte {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(o); err != nil {
		panic("testkit/sigstore: " + err.Error())
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}

// signed is one signature as a log sees it: by a certificate, or by a bare key.
type signed struct {
	signature []byte
	cert      *x509.Certificate
	public    crypto.PublicKey
}

func (s signed) pem() []byte {
	if s.cert != nil {
		return certPEM(s.cert)
	}
	return PublicPEM(s.public)
}

func (s signed) base64() string { return base64.StdEncoding.EncodeToString(s.signature) }

// verifier is the form of version 2.
func (s signed) verifier() object {
	details := detailsOf(s.public).String()
	if details == "PKIX_ED25519" {
		details = "PKIX_ED25519_PH" // version 2 knows digests only
	}
	if s.cert != nil {
		return object{"keyDetails": details, "x509Certificate": object{"rawBytes": s.cert.Raw}}
	}
	return object{"keyDetails": details, "publicKey": object{"rawBytes": publicDER(s.public)}}
}

func body(kind, version string, spec object) []byte {
	return object{"apiVersion": version, "kind": kind, "spec": spec}.encode()
}

func hashedRekordV1(hash crypto.Hash, sum []byte, s signed) []byte {
	return body(HashedRekord, "0.0.1", object{
		"data": object{"hash": object{
			"algorithm": map[crypto.Hash]string{crypto.SHA256: "sha256", crypto.SHA384: "sha384", crypto.SHA512: "sha512"}[hash],
			"value":     hex.EncodeToString(sum),
		}},
		"signature": object{"content": s.signature, "publicKey": object{"content": s.pem()}},
	})
}

func hashedRekordV2(hash crypto.Hash, sum []byte, s signed) []byte {
	return body(HashedRekord, "0.0.2", object{"hashedRekordV002": object{
		"data":      object{"algorithm": hashName(hash).String(), "digest": sum},
		"signature": object{"content": s.signature, "verifier": s.verifier()},
	}})
}

// dsseV1 is the entry of an envelope whose JSON form is given, as it was proposed.
func dsseV1(envelope, payload []byte, signatures []signed) []byte {
	sort.Slice(signatures, func(i, j int) bool { return signatures[i].base64() < signatures[j].base64() })
	var list []object
	for _, s := range signatures {
		list = append(list, object{"signature": s.base64(), "verifier": s.pem()})
	}
	return body(DSSE, "0.0.1", object{
		"envelopeHash": sha256Object(envelope),
		"payloadHash":  sha256Object(payload),
		"signatures":   list,
	})
}

func dsseV2(payload []byte, signatures []signed) []byte {
	sum := sha256.Sum256(payload)
	var list []object
	for _, s := range signatures {
		list = append(list, object{"content": s.signature, "verifier": s.verifier()})
	}
	return body(DSSE, "0.0.2", object{"dsseV002": object{
		"payloadHash": object{"algorithm": "SHA2_256", "digest": sum[:]},
		"signatures":  list,
	}})
}

// intotoV2 is version 0.0.2 of the older kind, which encodes the signature twice.
func intotoV2(envelope []byte, payloadType string, payload []byte, signatures []signed) []byte {
	var list []object
	for _, s := range signatures {
		list = append(list, object{"publicKey": s.pem(), "sig": []byte(s.base64())})
	}
	return body(Intoto, "0.0.2", object{"content": object{
		"envelope":    object{"payloadType": payloadType, "signatures": list},
		"hash":        sha256Object(envelope),
		"payloadHash": sha256Object(payload),
	}})
}

func sha256Object(data []byte) object {
	sum := sha256.Sum256(data)
	return object{"algorithm": "sha256", "value": hex.EncodeToString(sum[:])}
}

// PAE is what is signed of an envelope: the pre-authentication encoding of DSSE 1.0.
func PAE(payloadType string, payload []byte) []byte {
	return fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(payloadType), payloadType, len(payload), payload)
}
