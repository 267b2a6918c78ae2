package trust

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cryptobyteasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// ErrSCT says that no trusted certificate log vouches for a certificate by a signed
// certificate timestamp in it.
var ErrSCT = errors.New("no certificate log vouches for the certificate")

// sct is a signed certificate timestamp (RFC 6962, section 3.2), unverified.
type sct struct {
	logID      []byte
	timestamp  uint64 // milliseconds since 1970
	extensions []byte
	signature  []byte
}

var oidSCTs = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 2}

// maxSCTs caps the timestamps in one certificate.
const maxSCTs = 16

// VerifySCTs checks the signed certificate timestamps that are embedded in leaf, which
// issuer issued, and gives the logs whose timestamps hold, each once. The error says
// why there is none.
func (i Instance) VerifySCTs(leaf, issuer *x509.Certificate) ([]Log, error) {
	list, err := embeddedSCTs(leaf)
	if err != nil {
		return nil, err
	}
	tbs, err := withoutSCTs(leaf.RawTBSCertificate)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSCT, err)
	}
	cause := fmt.Errorf("%w: its timestamps are by logs that the trusted root does not have", ErrSCT)
	var logs []Log
	for _, s := range list {
		log, ok := FindLog(i.CTLogs, s.logID)
		if !ok {
			continue
		}
		if err := s.verify(log, tbs, issuer); err != nil {
			cause = fmt.Errorf("%w: %s: %w", ErrSCT, log.URI, err)
			continue
		}
		if !slices.ContainsFunc(logs, func(have Log) bool { return have.Authority() == log.Authority() }) {
			logs = append(logs, log)
		}
	}
	if len(logs) == 0 {
		return nil, cause
	}
	return logs, nil
}

// verify checks the signature over the certificate as it was before timestamps were put
// in: a digitally-signed struct of RFC 6962, section 3.2.
func (s sct) verify(log Log, tbs []byte, issuer *x509.Certificate) error {
	t := time.UnixMilli(int64(s.timestamp))
	if !log.Key.Validity.Contains(t) {
		return fmt.Errorf("its timestamp is of %s, and its key is trusted %s", stamp(t), log.Key.Validity)
	}
	issuerKey := sha256.Sum256(issuer.RawSubjectPublicKeyInfo)
	var signed cryptobyte.Builder
	signed.AddUint8(0) // version 1
	signed.AddUint8(0) // certificate_timestamp
	signed.AddUint64(s.timestamp)
	signed.AddUint16(1) // precert_entry
	signed.AddBytes(issuerKey[:])
	signed.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(tbs) })
	signed.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(s.extensions) })
	message, err := signed.Bytes()
	if err != nil {
		return err
	}
	return log.Key.Verify(bytes.NewReader(message), s.signature)
}

// embeddedSCTs reads the timestamps in a certificate (RFC 6962, section 3.3).
func embeddedSCTs(leaf *x509.Certificate) ([]sct, error) {
	for _, e := range leaf.Extensions {
		if !e.Id.Equal(oidSCTs) {
			continue
		}
		var octets, list cryptobyte.String
		value := cryptobyte.String(e.Value)
		if !value.ReadASN1(&octets, cryptobyteasn1.OCTET_STRING) || !value.Empty() ||
			!octets.ReadUint16LengthPrefixed(&list) || !octets.Empty() {
			return nil, fmt.Errorf("%w: its list of timestamps cannot be read", ErrSCT)
		}
		return readSCTs(list)
	}
	return nil, fmt.Errorf("%w: it has no signed certificate timestamp", ErrSCT)
}

func readSCTs(list cryptobyte.String) ([]sct, error) {
	var out []sct
	for !list.Empty() {
		var one, extensions, signature cryptobyte.String
		var version, hash, algorithm uint8
		var s sct
		if !list.ReadUint16LengthPrefixed(&one) || !one.ReadUint8(&version) || version != 0 ||
			!one.ReadBytes(&s.logID, sha256.Size) || !one.ReadUint64(&s.timestamp) ||
			!one.ReadUint16LengthPrefixed(&extensions) || !one.ReadUint8(&hash) || !one.ReadUint8(&algorithm) ||
			!one.ReadUint16LengthPrefixed(&signature) || !one.Empty() || len(out) == maxSCTs {
			return nil, fmt.Errorf("%w: a timestamp cannot be read", ErrSCT)
		}
		const sha256Hash = 4 // RFC 5246, section 7.4.1.4.1; the key tells the algorithm
		if hash != sha256Hash {
			return nil, fmt.Errorf("%w: a timestamp signed with hash %d", ErrSCT, hash)
		}
		s.extensions, s.signature = extensions, signature
		out = append(out, s)
	}
	return out, nil
}

// withoutSCTs takes the list of timestamps out of the signed part of a certificate.
// Everything else stays byte for byte.
func withoutSCTs(tbs []byte) ([]byte, error) {
	errForm := errors.New("its extensions cannot be read")
	input := cryptobyte.String(tbs)
	var fields cryptobyte.String
	if !input.ReadASN1(&fields, cryptobyteasn1.SEQUENCE) || !input.Empty() {
		return nil, errForm
	}
	extensionsTag := cryptobyteasn1.Tag(3).ContextSpecific().Constructed()
	var head, kept []byte
	for !fields.Empty() {
		var element cryptobyte.String
		var tag cryptobyteasn1.Tag
		if !fields.ReadAnyASN1Element(&element, &tag) {
			return nil, errForm
		}
		if tag != extensionsTag {
			head = append(head, element...)
			continue
		}
		var wrapped, list cryptobyte.String
		if !element.ReadASN1(&wrapped, extensionsTag) || !wrapped.ReadASN1(&list, cryptobyteasn1.SEQUENCE) || !wrapped.Empty() {
			return nil, errForm
		}
		var ok bool
		if kept, ok = otherExtensions(list); !ok {
			return nil, errForm
		}
	}
	var out cryptobyte.Builder
	out.AddASN1(cryptobyteasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(head)
		b.AddASN1(extensionsTag, func(b *cryptobyte.Builder) {
			b.AddASN1(cryptobyteasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddBytes(kept) })
		})
	})
	return out.Bytes()
}

// otherExtensions is a list of extensions but for the one that holds timestamps.
func otherExtensions(list cryptobyte.String) (kept []byte, ok bool) {
	for !list.Empty() {
		var extension, inner cryptobyte.String
		var id asn1.ObjectIdentifier
		if !list.ReadASN1Element(&extension, cryptobyteasn1.SEQUENCE) {
			return nil, false
		}
		whole := slices.Clone(extension)
		if !extension.ReadASN1(&inner, cryptobyteasn1.SEQUENCE) || !inner.ReadASN1ObjectIdentifier(&id) {
			return nil, false
		}
		if !id.Equal(oidSCTs) {
			kept = append(kept, whole...)
		}
	}
	return kept, true
}
