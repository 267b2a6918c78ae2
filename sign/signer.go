package sign

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"fmt"
	"io"

	"github.com/hallmark-project/hallmark/bundle"
	"github.com/hallmark-project/hallmark/trust"
)

// Signer signs payloads. It is safe for concurrent use.
type Signer interface {
	// Sign returns a bundle whose DSSE envelope holds the payload, of a type such as
	// [bundle.PayloadType], and one signature over both.
	Sign(ctx context.Context, payloadType string, payload []byte) (*bundle.Bundle, error)
}

// FileSigner signs files themselves. It is safe for concurrent use.
type FileSigner interface {
	SignFile(ctx context.Context, open func() (io.ReadCloser, error)) (*bundle.Bundle, error)
}

// KeySigner signs with a private key. Its zero value does not work: [NewKeySigner]
// makes one.
type KeySigner struct {
	key    crypto.Signer
	public trust.Key
}

// NewKeySigner signs with key, of a kind that [trust.NewKey] accepts. name tells
// people which key it is.
func NewKeySigner(name string, key crypto.Signer) (*KeySigner, error) {
	public, err := trust.NewKey(name, key.Public())
	if err != nil {
		return nil, err
	}
	return &KeySigner{key, public}, nil
}

// Public is the key that verifies what this signer signs.
func (s *KeySigner) Public() trust.Key { return s.public }

// Sign implements [Signer]. What was signed is verified before it is returned, so
// that a faulty key or device is found here and not by an auditor.
func (s *KeySigner) Sign(_ context.Context, payloadType string, payload []byte) (*bundle.Bundle, error) {
	sig, err := s.SignMessage(bundle.PAE(payloadType, payload))
	if err != nil {
		return nil, fmt.Errorf("signing with %s: %w", s.public.Name, err)
	}
	if err := s.public.Verify(bundle.PAE(payloadType, payload), sig); err != nil {
		return nil, fmt.Errorf("signing with %s: the new signature does not verify: %w", s.public.Name, err)
	}
	envelope := &bundle.Envelope{
		PayloadType: payloadType, Payload: payload,
		Signatures: []bundle.Signature{{Sig: sig}},
	}
	return bundle.New(envelope, s.public.Hint()), nil
}

// SignFile signs a file itself rather than a statement about it, as `cosign sign-blob`
// does. It has to be read twice, the second time to check what was signed.
func (s *KeySigner) SignFile(_ context.Context, open func() (io.ReadCloser, error)) (*bundle.Bundle, error) {
	m, err := s.signFile(open)
	if err != nil {
		return nil, err
	}
	hint := s.public.Hint()
	return bundle.NewMessage(m, &hint, nil), nil
}

func (s *KeySigner) signFile(open func() (io.ReadCloser, error)) (*bundle.MessageSignature, error) {
	hash, err := trust.HashOf(s.public.Public())
	if err != nil {
		return nil, err
	}
	name := "SHA2_256"
	switch hash {
	case 0: // signs the message itself; the digest is for readers
		hash = crypto.SHA256
	case crypto.SHA384:
		name = "SHA2_384"
	case crypto.SHA512:
		name = "SHA2_512"
	}
	m := &bundle.MessageSignature{Algorithm: name}
	digester := hash.New()
	if err := reading(open, func(r io.Reader) (err error) {
		m.Signature, err = s.SignMessage(io.TeeReader(r, digester))
		return err
	}); err != nil {
		return nil, fmt.Errorf("signing with %s: %w", s.public.Name, err)
	}
	m.Digest = digester.Sum(nil)
	if err := reading(open, func(r io.Reader) error { return s.public.Verify(r, m.Signature) }); err != nil {
		return nil, fmt.Errorf("signing with %s: the new signature does not verify: %w", s.public.Name, err)
	}
	return m, nil
}

// reading opens, uses and closes a file.
func reading(open func() (io.ReadCloser, error), use func(io.Reader) error) error {
	r, err := open()
	if err != nil {
		return err
	}
	defer r.Close()
	return use(r)
}

// SignMessage signs everything that message gives, with the hash that goes with the
// key. The signature says nothing of what the message is: prefer [KeySigner.Sign].
func (s *KeySigner) SignMessage(message io.Reader) ([]byte, error) {
	hash, err := trust.HashOf(s.public.Public())
	if err != nil {
		return nil, err
	}
	var input bytes.Buffer
	if hash == 0 {
		if _, err := io.Copy(&input, message); err != nil {
			return nil, err
		}
	} else {
		h := hash.New()
		if _, err := io.Copy(h, message); err != nil {
			return nil, err
		}
		input.Write(h.Sum(nil))
	}
	return s.key.Sign(rand.Reader, input.Bytes(), hash)
}
