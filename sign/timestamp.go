package sign

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"math/big"
	"net/http"

	"github.com/digitorus/timestamp"

	"github.com/hallmark-project/hallmark/trust"
)

const serviceTSA = "timestamp authority"

// requestTimestamp asks an authority for an RFC 3161 time-stamp over a signature. The
// response is in DER form, unverified but for its nonce, which makes it a fresh one.
func (c *Client) requestTimestamp(ctx context.Context, tsa trust.Service, signature []byte) ([]byte, error) {
	sum := sha256.Sum256(signature)
	nonce, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 63))
	if err != nil {
		return nil, err
	}
	query, err := (&timestamp.Request{HashAlgorithm: crypto.SHA256, HashedMessage: sum[:], Certificates: true, Nonce: nonce}).Marshal()
	if err != nil {
		return nil, err
	}
	got, err := c.do(ctx, request{service: serviceTSA, method: http.MethodPost, url: tsa.URL,
		contentType: "application/timestamp-query", body: query})
	if err != nil {
		return nil, err
	}
	wrong := func(err error) error {
		return &ServiceError{Service: serviceTSA, URL: tsa.URL, Status: got.status, Message: err.Error(), Cause: ErrAnswer}
	}
	stamp, err := timestamp.ParseResponse(got.body)
	if err != nil {
		return nil, wrong(err)
	}
	if stamp.Nonce == nil || stamp.Nonce.Cmp(nonce) != 0 {
		return nil, wrong(fmt.Errorf("its timestamp was made for another question"))
	}
	return got.body, nil
}
