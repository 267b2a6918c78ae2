package sign

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/secure-systems-lab/go-securesystemslib/encrypted"
	"github.com/youmark/pkcs8"
)

// PEM types of private keys.
const (
	pemSigstore = "ENCRYPTED SIGSTORE PRIVATE KEY" // what cosign writes
	pemCosign   = "ENCRYPTED COSIGN PRIVATE KEY"   // what it wrote before 2.0
	pemPKCS8    = "PRIVATE KEY"
	pemPKCS8Enc = "ENCRYPTED PRIVATE KEY"
	pemPKCS1    = "RSA PRIVATE KEY"
	pemSEC1     = "EC PRIVATE KEY"
)

const maxKeyFile = 1 << 20

var (
	// ErrPassword says that an encrypted key does not open with the password given.
	// Ask for another one.
	ErrPassword = errors.New("the password does not open the key")
	// ErrPublicKey says that a public key was given where a private one is wanted.
	// Give the .key file instead.
	ErrPublicKey = errors.New("this is a public key, a private key is wanted")
	// ErrKeyFormat says that the bytes are no private key in a form that is read:
	// PEM of cosign's encrypted form, PKCS#8, PKCS#1 or SEC1.
	ErrKeyFormat = errors.New("not a private key in PEM form")
)

// PasswordFunc gives the password of an encrypted key. It is asked only if the key
// is encrypted.
type PasswordFunc func() ([]byte, error)

// ParsePrivateKey reads a private key from PEM: the encrypted form that cosign and
// this package write, PKCS#8 encrypted or not, PKCS#1 and SEC1.
func ParsePrivateKey(data []byte, password PasswordFunc) (crypto.Signer, error) {
	if len(data) > maxKeyFile {
		return nil, fmt.Errorf("%w: larger than %d bytes", ErrKeyFormat, maxKeyFile)
	}
	block, err := privateBlock(data)
	if err != nil {
		return nil, err
	}
	key, err := parseBlock(block, password)
	if err != nil {
		return nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%w: %T cannot sign", ErrKeyFormat, key)
	}
	return signer, nil
}

// privateBlock finds the block of the key. OpenSSL puts EC parameters in front.
func privateBlock(data []byte) (*pem.Block, error) {
	for {
		block, rest := pem.Decode(data)
		if block == nil {
			return nil, ErrKeyFormat
		}
		switch block.Type {
		case "EC PARAMETERS":
			data = rest
		case "PUBLIC KEY", "RSA PUBLIC KEY":
			return nil, ErrPublicKey
		default:
			return block, nil
		}
	}
}

func parseBlock(block *pem.Block, password PasswordFunc) (any, error) {
	switch block.Type {
	case pemSigstore, pemCosign:
		secret, err := password()
		if err != nil {
			return nil, err
		}
		der, err := encrypted.Decrypt(block.Bytes, secret)
		if err != nil {
			return nil, wrongPassword(err)
		}
		return parseDER(x509.ParsePKCS8PrivateKey, der)
	case pemPKCS8Enc:
		secret, err := password()
		if err != nil {
			return nil, err
		}
		key, err := pkcs8.ParsePKCS8PrivateKey(block.Bytes, secret)
		if err != nil {
			return nil, wrongPassword(err)
		}
		return key, nil
	}
	der := block.Bytes
	if x509.IsEncryptedPEMBlock(block) { //nolint:staticcheck // OpenSSL's old form is still around; it is read, never written
		secret, err := password()
		if err != nil {
			return nil, err
		}
		if der, err = x509.DecryptPEMBlock(block, secret); err != nil { //nolint:staticcheck // as above
			return nil, wrongPassword(err)
		}
	}
	switch block.Type {
	case pemPKCS8:
		return parseDER(x509.ParsePKCS8PrivateKey, der)
	case pemPKCS1:
		return parseDER(x509.ParsePKCS1PrivateKey, der)
	case pemSEC1:
		return parseDER(x509.ParseECPrivateKey, der)
	}
	return nil, fmt.Errorf("%w: PEM block %q", ErrKeyFormat, block.Type)
}

// wrongPassword keeps the cause for people who look, without its text leading.
func wrongPassword(cause error) error {
	return fmt.Errorf("%w (%w)", ErrPassword, cause)
}

func parseDER[K any](parse func([]byte) (K, error), der []byte) (any, error) {
	key, err := parse(der)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeyFormat, err)
	}
	return key, nil
}

// IsEncrypted reports whether a private key in PEM form needs a password.
func IsEncrypted(data []byte) bool {
	block, err := privateBlock(data)
	if err != nil {
		return false
	}
	return block.Type == pemSigstore || block.Type == pemCosign || block.Type == pemPKCS8Enc ||
		x509.IsEncryptedPEMBlock(block) //nolint:staticcheck // see parseBlock
}

// EncryptPrivateKey writes a private key in the encrypted PEM form that cosign reads
// and writes: PKCS#8 in a secretbox whose key scrypt derives from the password.
func EncryptPrivateKey(key crypto.Signer, password []byte) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	box, err := encrypted.Encrypt(der, password)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemSigstore, Bytes: bytes.TrimSpace(box)}), nil
}
