package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/oauth2"
)

// What this client is called at an issuer, and what it asks for. Sigstore's issuers know
// the client as a public one: there is no secret.
const (
	clientID  = "sigstore"
	envIssuer = "HALLMARK_OIDC_ISSUER"
)

var scopes = []string{"openid", "email"}

const toSignIn = "somebody at a terminal, and an issuer to sign in with"

// issuer is who a person signs in with.
type issuer struct {
	o      Options
	name   string // of the source, for errors
	url    string
	device string // endpoint; empty if there is none
	oauth  oauth2.Config
}

// consent asks the person first: after it their name goes places.
func (o Options) consent() error {
	if o.Person.Consent == nil {
		return nil
	}
	return o.Person.Consent()
}

// discover reads where an issuer answers
// (https://openid.net/specs/openid-connect-discovery-1_0.html, section 4).
func (o Options) discover(ctx context.Context, name, at string) (*issuer, error) {
	if own := o.env(envIssuer); own != "" {
		at = own
	}
	if at == "" {
		return nil, fmt.Errorf("%w: nothing says which issuer to sign in with: name one in the signing configuration or in %s", ErrNoIdentity, envIssuer)
	}
	document := strings.TrimSuffix(at, "/") + "/.well-known/openid-configuration"
	body, err := o.ask(ctx, question{provider: name, method: http.MethodGet, url: document,
		header: http.Header{"Accept": {"application/json"}}})
	if err != nil {
		return nil, err
	}
	var doc struct {
		Issuer string `json:"issuer"`
		Auth   string `json:"authorization_endpoint"`
		Token  string `json:"token_endpoint"`
		Device string `json:"device_authorization_endpoint"`
	}
	u, err := url.Parse(at)
	if err != nil {
		return nil, &ProviderError{Provider: name, Cause: errNoURL}
	}
	wrong := &ProviderError{Provider: name, URL: plain(u)}
	if err := json.Unmarshal(body, &doc); err != nil {
		wrong.Cause = fmt.Errorf("%w: its description is no JSON", errAnswer)
		return nil, wrong
	}
	if !sameIssuer(doc.Issuer, at) {
		wrong.Cause = fmt.Errorf("%w: it calls itself %s", errAnswer, clean(doc.Issuer))
		return nil, wrong
	}
	for _, endpoint := range []string{doc.Auth, doc.Token, doc.Device} {
		if e, err := url.Parse(endpoint); endpoint != "" && (err != nil || !private(e)) {
			wrong.Cause = fmt.Errorf("%w: its endpoint %s is neither https nor on this machine", errAnswer, clean(endpoint))
			return nil, wrong
		}
	}
	return &issuer{o: o, name: name, url: at, device: doc.Device, oauth: oauth2.Config{ClientID: clientID, Scopes: scopes,
		Endpoint: oauth2.Endpoint{AuthURL: doc.Auth, TokenURL: doc.Token, DeviceAuthURL: doc.Device, AuthStyle: oauth2.AuthStyleInParams}}}, nil
}

// sameIssuer compares as strictly as issuers are named, but for a slash at the end.
func sameIssuer(a, b string) bool { return strings.TrimSuffix(a, "/") == strings.TrimSuffix(b, "/") }

// context carries the HTTP client to the oauth2 package.
func (i *issuer) context(ctx context.Context) context.Context {
	client := i.o.client()
	client.Timeout = askTime
	client.Transport = bounded{client.Transport}
	return context.WithValue(ctx, oauth2.HTTPClient, client)
}

// bounded cuts answers off that are larger than any that is wanted.
type bounded struct{ next http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	next := b.next
	if next == nil {
		next = http.DefaultTransport
	}
	response, err := next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	response.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(response.Body, maxAnswer), response.Body}
	return response, nil
}

// fail turns an error of the oauth2 package into one that repeats nothing of an answer
// but its error code: what else an answer holds may be secret.
func (i *issuer) fail(ctx context.Context, endpoint string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	failure := &ProviderError{Provider: i.name}
	if u, err := url.Parse(endpoint); err == nil {
		failure.URL = plain(u)
	}
	var refused *oauth2.RetrieveError
	var unsent *url.Error
	switch {
	case errors.As(err, &refused):
		failure.Status = refused.Response.StatusCode
		failure.Cause = refusal(refused.ErrorCode)
	case errors.As(err, &unsent):
		failure.Cause = unsent.Err
	default:
		failure.Cause = errAnswer
	}
	return failure
}

// refusal says what an error code means (RFC 6749 section 4.1.2.1, RFC 8628 section 3.5).
func refusal(code string) error {
	switch code {
	case "":
		return nil
	case "access_denied":
		return errors.New("the sign-in was refused (access_denied)")
	case "expired_token":
		return errLate
	}
	return fmt.Errorf("the error is %s", clean(code))
}

var errLate = errors.New("nobody signed in before the time was over: sign in again")

// token takes the identity token out of an answer and checks it.
func (i *issuer) token(answer *oauth2.Token, r Request, nonce string) (Token, error) {
	raw, _ := answer.Extra("id_token").(string)
	if raw == "" {
		return Token{}, &ProviderError{Provider: i.name, URL: i.url, Cause: errNoToken}
	}
	t, err := parseFor(raw, r.Audience, i.o.Now())
	if err != nil {
		return Token{}, err
	}
	switch {
	case !sameIssuer(t.Issuer, i.url):
		return Token{}, fmt.Errorf("%w: it is by %s, and the sign-in was with %s", ErrToken, clean(t.Issuer), clean(i.url))
	case nonce != "" && t.nonce != nonce:
		return Token{}, fmt.Errorf("%w: %s made it for another sign-in", ErrToken, clean(t.Issuer))
	}
	return t, nil
}
