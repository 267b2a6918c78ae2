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
	"unicode"
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
	raw               *string // printed as an address where no method of Token is asked
}

// Parse reads a token in its compact form (RFC 7519 with RFC 7515, section 7.1), at most
// 64 KiB. It must name its issuer, somebody, an audience and its end. An error wraps
// [ErrToken] and repeats nothing but such names.
func Parse(raw string) (Token, error) {
	raw = strings.TrimSpace(raw)
	if len(raw) > maxToken {
		return Token{}, fmt.Errorf("%w: it has more than %d bytes", ErrToken, maxToken)
	}
	c, err := parseClaims(raw)
	if err != nil {
		return Token{}, err
	}
	t := Token{raw: &raw}
	for _, text := range []struct {
		name string
		to   *string
	}{{"iss", &t.Issuer}, {"sub", &t.Subject}, {"email", &t.Email}, {"nonce", &t.nonce}} {
		if err := c.read(text.name, text.to); err != nil {
			return Token{}, err
		}
	}
	for _, date := range []struct {
		name string
		to   *time.Time
	}{{"exp", &t.Expires}, {"iat", &t.issued}, {"nbf", &t.notBefore}} {
		var n float64
		if err := c.read(date.name, &n); err != nil {
			return Token{}, err
		}
		*date.to = seconds(n)
	}
	if t.Audience, err = c.audience(); err != nil {
		return Token{}, err
	}
	if err := t.named(c); err != nil {
		return Token{}, err
	}
	return t, nil
}

// named reports what a token does not say.
func (t Token) named(c claims) error {
	verified := string(c["email_verified"])
	switch {
	case t.Issuer == "":
		return fmt.Errorf("%w: it names no issuer", ErrToken)
	case t.Subject == "" && t.Email == "":
		return fmt.Errorf("%w: it names nobody", ErrToken)
	case t.Expires.IsZero():
		return fmt.Errorf("%w: it does not say when it ends", ErrToken)
	case verified == "false" || verified == `"false"`:
		return fmt.Errorf("%w: its address %s was not verified by its issuer", ErrToken, clean(t.Email))
	}
	return nil
}

// claims are the members of a token by their names, which are told apart by case.
type claims map[string]json.RawMessage

func parseClaims(raw string) (claims, error) {
	var parts [3][]byte
	texts := strings.Split(raw, ".")
	if len(texts) != len(parts) {
		return nil, fmt.Errorf("%w: it is no JSON web token", ErrToken)
	}
	for i, text := range texts {
		part, err := base64.RawURLEncoding.Strict().DecodeString(text)
		if err != nil || len(part) == 0 || strings.ContainsAny(text, "\r\n") {
			return nil, fmt.Errorf("%w: it is no JSON web token", ErrToken)
		}
		parts[i] = part
	}
	var header, c claims
	if json.Unmarshal(parts[0], &header) != nil || json.Unmarshal(parts[1], &c) != nil || header == nil || c == nil {
		return nil, fmt.Errorf("%w: its claims cannot be read", ErrToken)
	}
	return c, nil
}

// read reads a claim. One that is absent leaves its target alone.
func (c claims) read(name string, to any) error {
	if value, ok := c[name]; ok && json.Unmarshal(value, to) != nil {
		return fmt.Errorf("%w: its claim %s cannot be read", ErrToken, name)
	}
	return nil
}

// audience reads the audience, a text or a list of them.
func (c claims) audience() (list []string, err error) {
	var one string
	if c.read("aud", &one) == nil {
		list = []string{one}
	} else if err := c.read("aud", &list); err != nil {
		return nil, err
	}
	if len(list) == 0 || slices.Contains(list, "") {
		return nil, fmt.Errorf("%w: it does not say whom it is for", ErrToken)
	}
	return list, nil
}

// seconds is a date as RFC 7519 section 2 has it. What is not after 1970 is none.
func seconds(n float64) time.Time {
	const most = 1 << 37 // far beyond any date that a token could mean
	if n < 1 {
		return time.Time{}
	}
	return time.Unix(int64(min(n, most)), 0)
}

// Check reports whether the token is for an audience and may be used at a time: it lasts
// ten seconds more at least, and counts already by a clock that may be a minute off.
// The error wraps [ErrToken].
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
		if !unicode.IsPrint(c) {
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
func (t Token) Reveal() string {
	if t.raw == nil {
		return ""
	}
	return *t.raw
}

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
