package sigstore

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strconv"
)

// requestV2 is the body of POST /api/v2/log/entries: one of the two.
type requestV2 struct {
	HashedRekord *struct {
		Digest    []byte      `json:"digest"`
		Signature signatureV2 `json:"signature"`
	} `json:"hashedRekordRequestV002"`
	DSSE *struct {
		Envelope  envelope     `json:"envelope"`
		Verifiers []verifierV2 `json:"verifiers"`
	} `json:"dsseRequestV002"`
}

type signatureV2 struct {
	Content  []byte     `json:"content"`
	Verifier verifierV2 `json:"verifier"`
}

type verifierV2 struct {
	PublicKey   *rawBytes `json:"publicKey"`
	Certificate *rawBytes `json:"x509Certificate"`
	KeyDetails  string    `json:"keyDetails"`
}

type rawBytes struct {
	Raw []byte `json:"rawBytes"`
}

func (w *World) addV2(l *Log, rw http.ResponseWriter, r *http.Request) {
	var request requestV2
	if !readJSON(rw, r, &request) {
		return
	}
	kind, body, err := request.body()
	if err != nil {
		refuse(rw, http.StatusBadRequest, err)
		return
	}
	if known := l.find(body); known != nil {
		index := strconv.FormatInt(known.LogIndex, 10)
		rw.Header().Set("X-Log-Index", index)
		refuse(rw, http.StatusConflict, fmt.Errorf("an equivalent entry already exists in the transparency log with index %s", index))
		return
	}
	entry := l.Add(kind, "0.0.2", body, w.Now(), w.Twists.Entry)
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(http.StatusCreated)
	_, _ = rw.Write(compactJSON(entry))
}

func (r requestV2) body() (kind string, body []byte, err error) {
	switch {
	case r.HashedRekord != nil && r.DSSE == nil:
		body, err = r.hashedRekord()
		return HashedRekord, body, err
	case r.DSSE != nil && r.HashedRekord == nil:
		body, err = r.dsse()
		return DSSE, body, err
	}
	return "", nil, errors.New("the request holds not exactly one proposed entry")
}

func (r requestV2) hashedRekord() ([]byte, error) {
	by, err := r.HashedRekord.Signature.Verifier.signed()
	if err != nil {
		return nil, err
	}
	by.signature = r.HashedRekord.Signature.Content
	hash := hashOf(by.public)
	if len(r.HashedRekord.Digest) != hash.Size() {
		return nil, fmt.Errorf("the proposed digest has %d bytes, the key wants %d", len(r.HashedRekord.Digest), hash.Size())
	}
	if !signedDigestBy(by.public, r.HashedRekord.Digest, by.signature) {
		return nil, errors.New("the proposed signature does not match its digest and key")
	}
	return hashedRekordV2(hash, r.HashedRekord.Digest, by), nil
}

func (r requestV2) dsse() ([]byte, error) {
	var verifiers []signed
	for _, v := range r.DSSE.Verifiers {
		by, err := v.signed()
		if err != nil {
			return nil, err
		}
		verifiers = append(verifiers, by)
	}
	signatures, err := r.DSSE.Envelope.match(verifiers)
	if err != nil {
		return nil, err
	}
	return dsseV2(r.DSSE.Envelope.Payload, signatures), nil
}

func (v verifierV2) signed() (signed, error) {
	by, err := v.parse()
	if err != nil {
		return signed{}, err
	}
	if want := by.verifier()["keyDetails"]; v.KeyDetails != want {
		return signed{}, fmt.Errorf("the proposed verifier says %q of its key, which is %s", v.KeyDetails, want)
	}
	return by, nil
}

func (v verifierV2) parse() (signed, error) {
	switch {
	case v.Certificate != nil && v.PublicKey == nil:
		cert, err := x509.ParseCertificate(v.Certificate.Raw)
		if err != nil {
			return signed{}, fmt.Errorf("the proposed certificate: %w", err)
		}
		return signed{cert: cert, public: cert.PublicKey}, nil
	case v.PublicKey != nil && v.Certificate == nil:
		public, err := x509.ParsePKIXPublicKey(v.PublicKey.Raw)
		if err != nil {
			return signed{}, fmt.Errorf("the proposed key: %w", err)
		}
		return signed{public: crypto.PublicKey(public)}, nil
	}
	return signed{}, errors.New("the proposed verifier is not exactly one of key and certificate")
}
