package sign

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/hallmark-project/hallmark/bundle"
	"github.com/hallmark-project/hallmark/trust"
)

// ErrCertificate says that a certificate authority issued a certificate that does not
// hold under the trusted root. Nothing was signed with it.
var ErrCertificate = errors.New("the new certificate is not one that could be verified")

// ErrNoTime says that nobody would vouch for the time of a keyless signature: the signing
// configuration has logs of version 2, which say no time, and no timestamp authority.
var ErrNoTime = errors.New("nobody would say when it was signed: logs of version 2 need a timestamp authority beside them")

// TokenFunc gets an identity token, checked to be for the certificate authority.
type TokenFunc func(ctx context.Context) (string, error)

// Keyless signs as the identity in a token: with a key that exists for this run only
// and is never written anywhere, and a certificate that speaks for it. One certificate
// serves everything that is signed while it is valid.
type Keyless struct {
	client *Client
	ca     trust.Service
	token  TokenFunc
	notary *Notary

	mu      sync.Mutex
	current *credential
}

// credential is a key with its certificate.
type credential struct {
	signer *KeySigner
	cert   *bundle.Certificate
}

// NewKeyless signs with certificates of ca for the identity that token speaks of, and
// has notary witness every signature.
func NewKeyless(client *Client, ca trust.Service, token TokenFunc, notary *Notary) (*Keyless, error) {
	if err := notary.Check(); err != nil {
		return nil, err
	}
	if !notary.tellsTime() {
		return nil, fmt.Errorf("%w: %s", ErrNoTime, ca.URL)
	}
	return &Keyless{client: client, ca: ca, token: token, notary: notary}, nil
}

// Certificate is the certificate that signs now. It is asked for when it is needed
// first, and again when it is about to end.
func (k *Keyless) Certificate(ctx context.Context) (*bundle.Certificate, error) {
	c, err := k.credential(ctx)
	if err != nil {
		return nil, err
	}
	return c.cert, nil
}

// margin is how long before its end a certificate is replaced: the timestamp of what it
// signs must still fall within it, even if a service is asked until the budget is used
// up. A certificate serves half of its life in any case.
func (k *Keyless) margin(cert *x509.Certificate) time.Duration {
	return min(k.client.budget()+time.Minute, cert.NotAfter.Sub(cert.NotBefore)/2)
}

func (k *Keyless) credential(ctx context.Context) (*credential, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.current != nil && k.client.now().Add(k.margin(k.current.cert.X509)).Before(k.current.cert.X509.NotAfter) {
		return k.current, nil
	}
	token, err := k.token(ctx)
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := k.client.requestCertificate(ctx, k.ca, key, token)
	if err != nil {
		return nil, err
	}
	cert, err := k.check(der, key)
	if err != nil {
		return nil, fmt.Errorf("%w (from %s): %w", ErrCertificate, k.ca.URL, err)
	}
	signer, err := NewKeySigner("the certificate's key", key)
	if err != nil {
		return nil, err
	}
	k.current = &credential{signer, cert}
	return k.current, nil
}

// check holds a new certificate to what a verifier will ask of it: our key, one
// identity, a chain to a trusted authority, and a certificate log that knows it.
func (k *Keyless) check(der []byte, key *ecdsa.PrivateKey) (*bundle.Certificate, error) {
	cert, err := bundle.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	if cert.Issuer == "" {
		return nil, errors.New("it does not name the issuer of the identity")
	}
	if public, ok := cert.X509.PublicKey.(*ecdsa.PublicKey); !ok || !public.Equal(key.Public()) {
		return nil, errors.New("it is for another key")
	}
	cause := errors.New("there is no trusted root to check it against")
	for _, i := range k.notary.Instances {
		var issuer *x509.Certificate
		issuer, cause = i.VerifyCertificate(cert.X509, []time.Time{cert.X509.NotBefore})
		if cause == nil && len(i.CTLogs) > 0 {
			_, cause = i.VerifySCTs(cert.X509, issuer)
		}
		if cause == nil {
			return cert, nil
		}
	}
	return nil, cause
}

// Sign implements [Signer].
func (k *Keyless) Sign(ctx context.Context, payloadType string, payload []byte) (*bundle.Bundle, error) {
	c, err := k.credential(ctx)
	if err != nil {
		return nil, err
	}
	signed, err := c.signer.Sign(ctx, payloadType, payload)
	if err != nil {
		return nil, err
	}
	return k.witnessed(ctx, c, bundle.NewCertified(signed.Envelope, c.cert.X509.Raw))
}

// SignFile implements [FileSigner].
func (k *Keyless) SignFile(ctx context.Context, open func() (io.ReadCloser, error)) (*bundle.Bundle, error) {
	c, err := k.credential(ctx)
	if err != nil {
		return nil, err
	}
	m, err := c.signer.signFile(open)
	if err != nil {
		return nil, err
	}
	return k.witnessed(ctx, c, bundle.NewMessage(m, nil, c.cert.X509.Raw))
}

func (k *Keyless) witnessed(ctx context.Context, c *credential, b *bundle.Bundle) (*bundle.Bundle, error) {
	if err := k.notary.notarize(ctx, b, signerKey{c.cert.X509.Raw, c.signer.Public()}); err != nil {
		return nil, err
	}
	return b, nil
}

// Notarized signs with a key and has a notary witness every signature.
type Notarized struct {
	*KeySigner
	Notary *Notary
}

// Sign implements [Signer].
func (s Notarized) Sign(ctx context.Context, payloadType string, payload []byte) (*bundle.Bundle, error) {
	b, err := s.KeySigner.Sign(ctx, payloadType, payload)
	if err != nil {
		return nil, err
	}
	return s.witnessed(ctx, b)
}

// SignFile implements [FileSigner].
func (s Notarized) SignFile(ctx context.Context, open func() (io.ReadCloser, error)) (*bundle.Bundle, error) {
	b, err := s.KeySigner.SignFile(ctx, open)
	if err != nil {
		return nil, err
	}
	return s.witnessed(ctx, b)
}

func (s Notarized) witnessed(ctx context.Context, b *bundle.Bundle) (*bundle.Bundle, error) {
	if err := s.Notary.notarize(ctx, b, signerKey{key: s.Public()}); err != nil {
		return nil, err
	}
	return b, nil
}
