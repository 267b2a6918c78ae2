// Package pki makes the keys and certificates of a sandbox and keeps them in files,
// so that a second start uses the same ones.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// WriteFile writes a file of the given mode under a temporary name in the same folder
// and renames it, so that a reader never sees half of it.
func WriteFile(path string, data []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone after the rename
	_, err = f.Write(data)
	if err = errors.Join(err, f.Chmod(mode), f.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return os.Rename(f.Name(), path)
}

// ECDSAKey reads the P-256 key in a PKCS#8 PEM file, or makes one there (mode 0600) if
// there is no such file.
func ECDSAKey(path string) (*ecdsa.PrivateKey, error) {
	return keyIn(path, func() (*ecdsa.PrivateKey, error) {
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	})
}

// Ed25519Key is [ECDSAKey] for an Ed25519 key.
func Ed25519Key(path string) (ed25519.PrivateKey, error) {
	return keyIn(path, func() (ed25519.PrivateKey, error) {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	})
}

// RSAKey is [ECDSAKey] for an RSA key of 2048 bits.
func RSAKey(path string) (*rsa.PrivateKey, error) {
	return keyIn(path, func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })
}

func keyIn[K crypto.Signer](path string, generate func() (K, error)) (K, error) {
	var none K
	data, err := os.ReadFile(path)
	if err == nil {
		return parseKey[K](path, data)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return none, err
	}
	key, err := generate()
	if err != nil {
		return none, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return none, err
	}
	return key, WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
}

func parseKey[K crypto.Signer](path string, data []byte) (K, error) {
	var none K
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "PRIVATE KEY" {
		return none, fmt.Errorf("%s holds no private key in PKCS#8 PEM form; remove the sandbox's folder to start anew", path)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return none, fmt.Errorf("%s: %w", path, err)
	}
	key, ok := parsed.(K)
	if !ok {
		return none, fmt.Errorf("%s holds a %T, not the kind of key that was written there; remove the sandbox's folder to start anew", path, parsed)
	}
	return key, nil
}

// WritePublic writes the public half of a key as a PKIX PEM file.
func WritePublic(path string, key crypto.Signer) error {
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	return WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o644)
}
