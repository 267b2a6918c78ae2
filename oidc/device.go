package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"golang.org/x/oauth2"
)

// Bounds on what an issuer says of a sign-in on another device.
const (
	maxInterval = 60 // seconds between polls
	deviceTime  = 15 * time.Minute
)

// findDevice is for who asks for it only.
func findDevice(o Options) (Source, string) {
	if o.Provider != "device" || o.Person == nil {
		return nil, toSignIn
	}
	return device{o}, ""
}

// device signs a person in with a browser elsewhere (RFC 8628).
type device struct{ o Options }

func (d device) Name() string { return "the sign-in on another device" }

// Token waits until somebody has entered the code, or its time is over.
func (d device) Token(ctx context.Context, r Request) (Token, error) {
	if err := d.o.consent(); err != nil {
		return Token{}, err
	}
	i, err := d.o.discover(ctx, d.Name(), r.Issuer)
	if err != nil {
		return Token{}, err
	}
	if i.device == "" {
		return Token{}, &ProviderError{Provider: d.Name(), URL: i.url, Cause: errors.New("it knows no sign-in on another device: use a browser here")}
	}
	verifier := oauth2.GenerateVerifier()
	code, err := i.oauth.DeviceAuth(i.context(ctx), oauth2.S256ChallengeOption(verifier))
	if err != nil {
		return Token{}, i.fail(ctx, i.device, err)
	}
	if err := soundCode(code); err != nil {
		return Token{}, &ProviderError{Provider: d.Name(), URL: i.url, Cause: err}
	}
	d.o.Person.Say(invitation(code))
	within, cancel := context.WithTimeout(ctx, deviceTime)
	defer cancel()
	answer, err := i.oauth.DeviceAccessToken(i.context(within), code, oauth2.VerifierOption(verifier))
	if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) && late(within, code) {
		return Token{}, &ProviderError{Provider: d.Name(), URL: i.url, Cause: errLate}
	}
	if err != nil {
		return Token{}, i.fail(ctx, i.oauth.Endpoint.TokenURL, err)
	}
	return i.token(answer, r, "")
}

// late reports whether the time to sign in is over, and not the time of one request.
func late(within context.Context, code *oauth2.DeviceAuthResponse) bool {
	return within.Err() != nil || !code.Expiry.IsZero() && !time.Now().Before(code.Expiry)
}

// soundCode reports what is wrong with an issuer's invitation (RFC 8628 section 3.2).
func soundCode(code *oauth2.DeviceAuthResponse) error {
	at, err := url.Parse(code.VerificationURI)
	switch {
	case code.DeviceCode == "" || code.UserCode == "":
		return fmt.Errorf("%w: it holds no code", errAnswer)
	case err != nil || !private(at):
		return fmt.Errorf("%w: its page %s is neither https nor on this machine", errAnswer, clean(code.VerificationURI))
	case code.Interval < 0 || code.Interval > maxInterval:
		return fmt.Errorf("%w: it wants to be asked every %d seconds", errAnswer, code.Interval)
	}
	return nil
}

func invitation(code *oauth2.DeviceAuthResponse) string {
	return fmt.Sprintf("To sign in, open %s on any device and enter the code %s", clean(code.VerificationURI), clean(code.UserCode))
}
