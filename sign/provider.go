package sign

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/hallmark-project/hallmark/trust"
)

// ErrProvider says that keys of a URI scheme are known of but not supported by this
// program. Use a key file, or env://NAME.
var ErrProvider = errors.New("this kind of key is not supported by this build")

// ErrNoKey says that there is no key of this name. Give another path or URI.
var ErrNoKey = errors.New("no such key")

// ErrUnprotected says that a key file without a password can be read by others.
// Protect it (chmod 600), or encrypt it with `keys import`.
var ErrUnprotected = errors.New("a private key without a password that others can read")

// A Provider opens the keys of one URI scheme.
type Provider interface {
	// Signer opens the private key that uri names.
	Signer(ctx context.Context, uri string, password PasswordFunc) (*KeySigner, error)
	// Public reads the public key that uri names.
	Public(ctx context.Context, uri string) (trust.Key, error)
}

// providers holds the provider of each scheme, nil where it is not built.
var providers = map[string]Provider{
	"env://":        pemProvider{readEnv},
	"awskms://":     nil,
	"gcpkms://":     nil,
	"azurekms://":   nil,
	"hashivault://": nil,
	"pkcs11:":       nil,
	"k8s://":        nil,
	"gitlab://":     nil,
	"github://":     nil,
}

// OpenSigner opens the private key at a path or URI.
func OpenSigner(ctx context.Context, uri string, password PasswordFunc) (*KeySigner, error) {
	p, err := providerOf(uri)
	if err != nil {
		return nil, err
	}
	s, err := p.Signer(ctx, uri, password)
	if err != nil {
		return nil, fmt.Errorf("private key %s: %w", uri, err)
	}
	return s, nil
}

// OpenPublic reads the public key at a path or URI.
func OpenPublic(ctx context.Context, uri string) (trust.Key, error) {
	p, err := providerOf(uri)
	if err != nil {
		return trust.Key{}, err
	}
	k, err := p.Public(ctx, uri)
	if err != nil {
		return trust.Key{}, fmt.Errorf("public key %s: %w", uri, err)
	}
	return k, nil
}

func providerOf(uri string) (Provider, error) {
	for scheme, p := range providers {
		if !strings.HasPrefix(uri, scheme) {
			continue
		}
		if p == nil {
			return nil, fmt.Errorf("key %s: %w", uri, ErrProvider)
		}
		return p, nil
	}
	if scheme, _, ok := strings.Cut(uri, "://"); ok {
		return nil, fmt.Errorf("%w: %s: unknown scheme %q: want a path or one of %s", ErrNoKey, uri, scheme, strings.Join(Schemes(), " "))
	}
	return pemProvider{readKeyFile}, nil
}

// Schemes lists the URI schemes that are known, built or not.
func Schemes() []string {
	var out []string
	for scheme := range providers {
		out = append(out, scheme)
	}
	slices.Sort(out)
	return out
}

// pemProvider reads keys in PEM form from a place.
type pemProvider struct {
	read func(uri string, private bool) ([]byte, error)
}

func (p pemProvider) Signer(_ context.Context, uri string, password PasswordFunc) (*KeySigner, error) {
	data, err := p.read(uri, true)
	if err != nil {
		return nil, err
	}
	key, err := ParsePrivateKey(data, password)
	if err != nil {
		return nil, err
	}
	return NewKeySigner(uri, key)
}

func (p pemProvider) Public(_ context.Context, uri string) (trust.Key, error) {
	data, err := p.read(uri, false)
	if err != nil {
		return trust.Key{}, err
	}
	return trust.ParseKey(uri, data)
}

func readEnv(uri string, _ bool) ([]byte, error) {
	name := strings.TrimPrefix(uri, "env://")
	value, ok := os.LookupEnv(name)
	if !ok || name == "" {
		return nil, fmt.Errorf("%w: the environment has no variable %q", ErrNoKey, name)
	}
	return []byte(value), nil
}

// readKeyFile reads a key file. A private key that no password protects must be
// protected by its mode.
func readKeyFile(path string, private bool) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return nil, err
	}
	open := info.Mode().Perm()&0o077 != 0 && info.Mode().IsRegular() && runtime.GOOS != "windows"
	if _, err := privateBlock(data); private && err == nil && open && !IsEncrypted(data) {
		return nil, fmt.Errorf("%w: mode %04o", ErrUnprotected, info.Mode().Perm())
	}
	return data, nil
}
