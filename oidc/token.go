// Package oidc gets identity tokens: from the CI system or machine that a job runs on,
// from a file, or from a person with a browser. A token is a secret until it has been
// used; nothing here prints one.
package oidc

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// Audience is the audience that a token must have to be accepted by a certificate
// authority of Sigstore.
const Audience = "sigstore"

// ErrToken says that a token cannot be used: it is none, it has ended, or it is for
// somebody else. It was not sent anywhere. Ask for another one.
var ErrToken = errors.New("the identity token cannot be used")

// Limits on tokens.
const (
	maxToken  = 64 << 10
	endMargin = 10 * time.Second // a token that ends sooner is not worth sending
	clockSkew = time.Minute
)

// Token is an identity token (https://openid.net/specs/openid-connect-core-1_0.html,
// section 2), whose signature nobody has verified here. What it is made of comes out of
// [Token.Reveal] alone.
type Token struct {
	Issuer, Subject, Email string
	Audience               []string
	Expires                time.Time

	issued, notBefore time.Time
	nonce             string
	raw               string
}

// claims are the members of a token that are read.
type claims struct {
	Issuer        string          `json:"iss"`
	Subject       string          `json:"sub"`
	Email         string          `json:"email"`
	EmailVerified json.RawMessage `json:"email_verified"`
	Audience      json.RawMessage `json:"aud"`
	Expires       *float64        `json:"exp"`
	Issued        float64         `json:"iat"`
	NotBefore     float64         `json:"nbf"`
	Nonce         string          `json:"nonce"`
}

// Parse reads a token in its compact form.
func Parse(raw string) (Token, error) {
	raw = strings.TrimSpace(raw)
	if len(raw) > maxToken {
		return Token{}, fmt.Errorf("%w: it has %d bytes, more than %d", ErrToken, len(raw), maxToken)
	}
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return Token{}, fmt.Errorf("%w: it is no JSON web token", ErrToken)
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return Token{}, fmt.Errorf("%w: it is no JSON web token", ErrToken)
	}
	var c claims
	if err := json.Unmarshal(payload, &c); err != nil {
		return Token{}, fmt.Errorf("%w: its claims cannot be read", ErrToken)
	}
	audience, err := c.audiences()
	if err != nil {
		return Token{}, err
	}
	switch verified := string(c.EmailVerified); {
	case c.Issuer == "":
		return Token{}, fmt.Errorf("%w: it names no issuer", ErrToken)
	case c.Subject == "" && c.Email == "":
		return Token{}, fmt.Errorf("%w: it names nobody", ErrToken)
	case c.Expires == nil:
		return Token{}, fmt.Errorf("%w: it does not say when it ends", ErrToken)
	case c.Email != "" && (verified == "false" || verified == `"false"`):
		return Token{}, fmt.Errorf("%w: its address %s was not verified by its issuer", ErrToken, clean(c.Email))
	}
	return Token{Issuer: c.Issuer, Subject: c.Subject, Email: c.Email, Audience: audience, Expires: seconds(*c.Expires),
		issued: seconds(c.Issued), notBefore: seconds(c.NotBefore), nonce: c.Nonce, raw: raw}, nil
}

// audiences reads the audience, a text or a list of them.
func (c claims) audiences() (list []string, err error) {
	var one string
	if json.Unmarshal(c.Audience, &one) == nil {
		return []string{one}, nil
	}
	if err := json.Unmarshal(c.Audience, &list); err != nil {
		return nil, fmt.Errorf("%w: it does not say whom it is for", ErrToken)
	}
	return list, nil
}

func seconds(n float64) time.Time {
	const most = 1 << 40 // far beyond any date that a token could mean
	if n <= 0 || n > most {
		return time.Time{}
	}
	return time.Unix(int64(n), 0)
}

// Check reports whether the token is for an audience and may be used at a time.
func (t Token) Check(audience string, now time.Time) error {
	switch {
	case !slices.Contains(t.Audience, audience):
		return fmt.Errorf("%w: it is by %s for the audience %q, wanted is %q", ErrToken, clean(t.Issuer), clean(strings.Join(t.Audience, ", ")), audience)
	case t.Expires.Before(now.Add(endMargin)):
		return fmt.Errorf("%w: it is by %s and ends at %s, and now is %s", ErrToken, clean(t.Issuer), stamp(t.Expires), stamp(now))
	case t.issued.After(now.Add(clockSkew)) || t.notBefore.After(now.Add(clockSkew)):
		return fmt.Errorf("%w: it is by %s and counts from a time to come; now is %s: is the clock right?", ErrToken, clean(t.Issuer), stamp(now))
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// clean keeps a stranger's text from steering a terminal.
func clean(s string) string {
	const most = 300
	s = strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return '?'
		}
		return c
	}, strings.ToValidUTF8(s, "?"))
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// Reveal is the token itself, to be sent to whom it is for.
func (t Token) Reveal() string { return t.raw }

// Describe says whose token it is, for people.
func (t Token) Describe() string {
	who := t.Email
	if who == "" {
		who = t.Subject
	}
	return fmt.Sprintf("%s (issuer %s, ends at %s)", clean(who), clean(t.Issuer), stamp(t.Expires))
}

// String is Describe: a token that is printed by mistake stays a secret. The other
// methods see to the same.
func (t Token) String() string { return t.Describe() }

// GoString implements [fmt.GoStringer].
func (t Token) GoString() string { return "oidc.Token(" + t.Describe() + ")" }

// Format implements [fmt.Formatter].
func (t Token) Format(f fmt.State, _ rune) { fmt.Fprint(f, t.Describe()) }

// MarshalJSON implements [json.Marshaler].
func (t Token) MarshalJSON() ([]byte, error) { return json.Marshal(t.Describe()) }

// LogValue implements [slog.LogValuer].
func (t Token) LogValue() slog.Value { return slog.StringValue(t.Describe()) }
