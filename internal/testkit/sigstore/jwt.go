package sigstore

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"
)

// Claims are what an identity token says. A nil value leaves a default out.
type Claims map[string]any

// TokenLifetime is how long a token is valid unless its claims say otherwise.
const TokenLifetime = 5 * time.Minute

const keyName = "key-1"

var raw64 = base64.RawURLEncoding

// Token is an identity token of the issuer: by default for its user, for Sigstore,
// issued now and valid for [TokenLifetime]. The claims given replace the defaults.
func (w *World) Token(c Claims) string { return w.Issuer.Token(c) }

// Token is as [World.Token].
func (i *Issuer) Token(c Claims) string { return encodeToken(i.key, i.complete(c)) }

// ForgedToken is a token that another key signed under the issuer's name.
func (i *Issuer) ForgedToken(c Claims) string { return encodeToken(NewKey(), i.complete(c)) }

func (i *Issuer) complete(c Claims) Claims {
	now := i.w.Now()
	all := Claims{
		"iss": i.URL, "aud": i.Audience,
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(TokenLifetime).Unix(),
	}
	if _, own := c["sub"]; !own {
		maps.Copy(all, i.User)
	}
	maps.Copy(all, c)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	return all
}

func encodeToken(key *ecdsa.PrivateKey, c Claims) string {
	header := must(json.Marshal(map[string]string{"alg": "ES256", "kid": keyName, "typ": "JWT"}))
	text := raw64.EncodeToString(header) + "." + raw64.EncodeToString(must(json.Marshal(c)))
	sum := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	r = must(r, err)
	signature := append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	return text + "." + raw64.EncodeToString(signature)
}

// verifyToken checks what an authority checks: the signature, who issued the token, for
// whom, and when.
func (i *Issuer) verifyToken(token string) (Claims, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, errors.New("the identity token does not have three parts")
	}
	payload, err := raw64.DecodeString(parts[1])
	if err != nil {
		return nil, fmt.Errorf("the identity token's claims: %w", err)
	}
	signature, err := raw64.DecodeString(parts[2])
	if err != nil || len(signature) != 64 {
		return nil, errors.New("the identity token's signature is not one of ES256")
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
	if !ecdsa.Verify(&i.key.PublicKey, sum[:], r, s) {
		return nil, errors.New("the identity token is not signed by the issuer")
	}
	var c Claims
	if err := json.Unmarshal(payload, &c); err != nil {
		return nil, fmt.Errorf("the identity token's claims: %w", err)
	}
	return c, i.checkClaims(c)
}

func (i *Issuer) checkClaims(c Claims) error {
	if iss := c.text("iss"); iss != i.URL && !slices.Contains(i.Aliases, iss) {
		return fmt.Errorf("the identity token is of the unknown issuer %q", iss)
	}
	if !c.audience(i.Audience) {
		return fmt.Errorf("the identity token is for %v, wanted is %q", c["aud"], i.Audience)
	}
	now := float64(i.w.Now().Unix())
	if exp, ok := c["exp"].(float64); !ok || now >= exp {
		return errors.New("the identity token has expired")
	}
	if nbf, ok := c["nbf"].(float64); ok && now < nbf {
		return errors.New("the identity token is not valid yet")
	}
	return nil
}

func (c Claims) audience(want string) bool {
	switch aud := c["aud"].(type) {
	case string:
		return aud == want
	case []any:
		return slices.Contains(aud, any(want))
	}
	return false
}

func (c Claims) text(name string) string {
	s, _ := c[name].(string)
	return s
}

// subject is what a proof of possession signs: the address if there is one.
func (c Claims) subject() string {
	if email := c.text("email"); email != "" {
		return email
	}
	return c.text("sub")
}
