package trust

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
)

// Limits on keys and what is verified with them.
const (
	// MinRSABits is the smallest RSA modulus that is accepted.
	MinRSABits = 2048
	// maxRSABits bounds the work that a stranger's key may cause.
	maxRSABits = 16384
	maxPEM     = 1 << 20
	maxPure    = 512 << 20
)

var (
	// ErrPrivateKey says that a private key was given where a public one is
	// wanted. Give the .pub file instead, and keep the private key to yourself.
	ErrPrivateKey = errors.New("this is a private key, a public key is wanted")
	// ErrKeyFormat says that the bytes are no public key in a form that is read:
	// PEM of a PKIX ("PUBLIC KEY") or PKCS#1 ("RSA PUBLIC KEY") key.
	ErrKeyFormat = errors.New("not a public key in PEM form")
	// ErrKeyKind says that keys of this kind or size are not supported.
	ErrKeyKind = errors.New("unsupported kind of key")
	// ErrSignature says that a signature was not made by the key over the message.
	ErrSignature = errors.New("the signature does not match")
)

// Key is a public key that is trusted, and when. The zero value verifies nothing.
type Key struct {
	// Name tells people which key this is, such as the path it was read from.
	Name string
	// Validity is the time in which signatures count.
	Validity Window

	public crypto.PublicKey
	der    []byte
}

// NewKey trusts public, an ECDSA key on P-256, P-384 or P-521, an Ed25519 key or
// an RSA key of at least [MinRSABits].
func NewKey(name string, public crypto.PublicKey) (Key, error) {
	if _, err := algorithmOf(public); err != nil {
		return Key{}, err
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return Key{}, fmt.Errorf("%w: %w", ErrKeyKind, err)
	}
	return Key{Name: name, public: public, der: der}, nil
}

// ParseKey reads one public key from PEM. Anything after it is refused, so that a
// file of two keys is not half believed.
func ParseKey(name string, data []byte) (Key, error) {
	if len(data) > maxPEM {
		return Key{}, fmt.Errorf("%w: larger than %d bytes", ErrKeyFormat, maxPEM)
	}
	block, rest := pem.Decode(data)
	if block == nil {
		return Key{}, ErrKeyFormat
	}
	var public crypto.PublicKey
	var err error
	switch block.Type {
	case "PUBLIC KEY":
		public, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		public, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case "PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY", "ENCRYPTED PRIVATE KEY",
		"ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY":
		return Key{}, ErrPrivateKey
	default:
		return Key{}, fmt.Errorf("%w: PEM block %q", ErrKeyFormat, block.Type)
	}
	if err != nil {
		return Key{}, fmt.Errorf("%w: %w", ErrKeyFormat, err)
	}
	if len(bytes.TrimSpace(rest)) > 0 {
		return Key{}, fmt.Errorf("%w: something follows the key; give one key per file", ErrKeyFormat)
	}
	return NewKey(name, public)
}

// PEM returns the key as a PKIX PEM block.
func (k Key) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: k.der})
}

// Hint is what a bundle says of the key: base64 of the SHA-256 of the DER form,
// as cosign writes it.
func (k Key) Hint() string {
	sum := sha256.Sum256(k.der)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// Fingerprint is the SHA-256 of the DER form in hexadecimal. Two keys are the
// same signer exactly if their fingerprints are equal.
func (k Key) Fingerprint() string {
	sum := sha256.Sum256(k.der)
	return hex.EncodeToString(sum[:])
}

// Public returns the key itself.
func (k Key) Public() crypto.PublicKey { return k.public }

// DER returns the PKIX form of the key.
func (k Key) DER() []byte { return bytes.Clone(k.der) }

// Algorithm names the key and the hash it signs with, such as "ecdsa-p256-sha256".
func (k Key) Algorithm() string {
	a, err := algorithmOf(k.public)
	if err != nil {
		return "none"
	}
	return a.name
}

// Verify checks sig over everything that message gives. The hash follows from the
// key (DESIGN: curves go with their registered hashes), never from the evidence. An
// error wraps [ErrSignature] unless message could not be read.
func (k Key) Verify(message io.Reader, sig []byte) error {
	a, err := algorithmOf(k.public)
	if err != nil {
		return err
	}
	if a.hash == 0 { // Ed25519 signs the message itself
		return verifyEd25519(k.public.(ed25519.PublicKey), message, sig)
	}
	h := a.hash.New()
	if _, err := io.Copy(h, message); err != nil {
		return fmt.Errorf("reading the signed bytes: %w", err)
	}
	return k.verifyDigest(a.hash, h.Sum(nil), sig)
}

// verifyEd25519 accepts the pure form, which is what is written here and what
// cosign verifies, and the pre-hashed form of RFC 8032, which is what cosign 3
// signs with. One cannot be taken for the other.
//
// The pure form needs the whole message in memory. One of more than maxPure bytes is
// verified in the other form only, and is otherwise an error that is no verdict.
func verifyEd25519(public ed25519.PublicKey, message io.Reader, sig []byte) error {
	h := sha512.New()
	data, err := io.ReadAll(io.TeeReader(io.LimitReader(message, maxPure), h))
	if err != nil {
		return fmt.Errorf("reading the signed bytes: %w", err)
	}
	rest, err := io.Copy(h, message)
	if err != nil {
		return fmt.Errorf("reading the signed bytes: %w", err)
	}
	if ed25519.VerifyWithOptions(public, h.Sum(nil), sig, &ed25519.Options{Hash: crypto.SHA512}) == nil {
		return nil
	}
	if rest > 0 {
		return fmt.Errorf("more than %d bytes cannot be verified with Ed25519 in its pure form", maxPure)
	}
	if !ed25519.Verify(public, data, sig) {
		return ErrSignature
	}
	return nil
}

// VerifyDigest checks sig over a message of which only the digest is known. The key must
// be one that signs that hash.
func (k Key) VerifyDigest(hash crypto.Hash, digest, sig []byte) error {
	a, err := algorithmOf(k.public)
	if err != nil {
		return err
	}
	if a.hash != hash || len(digest) != hash.Size() {
		return fmt.Errorf("%w: a key of kind %s does not sign %s; give the file itself", ErrKeyKind, a.name, hash)
	}
	return k.verifyDigest(hash, digest, sig)
}

func (k Key) verifyDigest(hash crypto.Hash, digest, sig []byte) error {
	switch public := k.public.(type) {
	case *ecdsa.PublicKey:
		if ecdsa.VerifyASN1(public, digest, sig) {
			return nil
		}
	case *rsa.PublicKey:
		if rsa.VerifyPKCS1v15(public, hash, digest, sig) == nil {
			return nil
		}
	}
	return ErrSignature
}

// algorithm is how a key signs: the registered pairs of
// https://github.com/sigstore/architecture-docs/blob/main/algorithm-registry.md.
type algorithm struct {
	name string
	hash crypto.Hash // 0: the key signs the message, not a hash
}

// HashOf returns the hash that a key signs with, 0 for Ed25519, which takes the
// message itself.
func HashOf(public crypto.PublicKey) (crypto.Hash, error) {
	a, err := algorithmOf(public)
	return a.hash, err
}

func algorithmOf(public crypto.PublicKey) (algorithm, error) {
	switch key := public.(type) {
	case *ecdsa.PublicKey:
		switch key.Curve {
		case elliptic.P256():
			return algorithm{"ecdsa-p256-sha256", crypto.SHA256}, nil
		case elliptic.P384():
			return algorithm{"ecdsa-p384-sha384", crypto.SHA384}, nil
		case elliptic.P521():
			return algorithm{"ecdsa-p521-sha512", crypto.SHA512}, nil
		}
		return algorithm{}, fmt.Errorf("%w: ECDSA on %s; use P-256, P-384 or P-521", ErrKeyKind, key.Curve.Params().Name)
	case ed25519.PublicKey:
		return algorithm{name: "ed25519"}, nil
	case *rsa.PublicKey:
		bits := key.N.BitLen()
		if bits < MinRSABits || bits > maxRSABits {
			return algorithm{}, fmt.Errorf("%w: RSA of %d bits; use %d to %d", ErrKeyKind, bits, MinRSABits, maxRSABits)
		}
		return algorithm{fmt.Sprintf("rsa-%d-pkcs1v15-sha256", bits), crypto.SHA256}, nil
	case nil:
		return algorithm{}, fmt.Errorf("%w: no key", ErrKeyKind)
	}
	return algorithm{}, fmt.Errorf("%w: %T", ErrKeyKind, public)
}
