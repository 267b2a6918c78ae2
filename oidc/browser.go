package oidc

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"golang.org/x/oauth2"
)

const (
	browserTime  = 5 * time.Minute
	callbackPath = "/auth/callback"
)

func findBrowser(o Options) (Source, string) {
	if o.Person == nil {
		return nil, toSignIn
	}
	return browser{o}, ""
}

// browser signs a person in with a browser on this machine: an authorization code that
// comes back over loopback (RFC 8252), with PKCE (RFC 7636), state and nonce.
type browser struct{ o Options }

func (b browser) Name() string { return "the sign-in with a browser" }

// Token waits until somebody has signed in, at most five minutes.
func (b browser) Token(ctx context.Context, r Request) (Token, error) {
	if err := b.o.consent(); err != nil {
		return Token{}, err
	}
	i, err := b.o.discover(ctx, b.Name(), r.Issuer)
	if err != nil {
		return Token{}, err
	}
	if i.oauth.Endpoint.AuthURL == "" || i.oauth.Endpoint.TokenURL == "" {
		return Token{}, &ProviderError{Provider: b.Name(), URL: i.url, Cause: errors.New("it knows no sign-in with a browser")}
	}
	state, nonce, verifier := rand.Text(), rand.Text(), oauth2.GenerateVerifier()
	back, err := listen(ctx, state)
	if err != nil {
		return Token{}, &ProviderError{Provider: b.Name(), Cause: err}
	}
	defer back.close()
	i.oauth.RedirectURL = back.url
	b.invite(i.oauth.AuthCodeURL(state, oauth2.S256ChallengeOption(verifier), oauth2.SetAuthURLParam("nonce", nonce)))
	code, err := b.wait(ctx, i, back)
	if err != nil {
		return Token{}, err
	}
	answer, err := i.oauth.Exchange(i.context(ctx), code, oauth2.VerifierOption(verifier))
	if err != nil {
		return Token{}, i.fail(ctx, i.oauth.Endpoint.TokenURL, err)
	}
	return i.token(answer, r, nonce)
}

// invite opens the page, and says where it is in case nothing opens.
func (b browser) invite(page string) {
	b.o.Person.Say("To sign in, open in a browser on this machine: " + page)
	if b.o.Person.OpenBrowser == nil {
		return
	}
	if err := b.o.Person.OpenBrowser(page); err != nil {
		b.o.Person.Say("No browser could be started: open the address yourself.")
	}
}

// wait gives the code that the browser brings.
func (b browser) wait(ctx context.Context, i *issuer, back *callback) (string, error) {
	timer := time.NewTimer(browserTime)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case <-timer.C:
		return "", &ProviderError{Provider: b.Name(), URL: i.url, Cause: errLate}
	case got := <-back.answers:
		switch {
		case got.Get("error") != "":
			return "", &ProviderError{Provider: b.Name(), URL: i.url, Cause: refusal(got.Get("error"))}
		case got.Get("code") == "":
			return "", &ProviderError{Provider: b.Name(), URL: i.url, Cause: errAnswer}
		}
		return got.Get("code"), nil
	}
}

// callback is the server that the browser comes back to.
type callback struct {
	url     string
	state   string
	answers chan url.Values // the first with the right state
	server  *http.Server
}

// listen starts the server on a free port of 127.0.0.1. Its address names localhost:
// many an issuer lets no other name pass for a client on a person's machine.
func listen(ctx context.Context, state string) (*callback, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	c := &callback{url: "http://localhost:" + strconv.Itoa(port) + callbackPath, state: state, answers: make(chan url.Values, 1)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+callbackPath, c.answer)
	c.server = &http.Server{Handler: mux, ReadHeaderTimeout: askTime, ReadTimeout: askTime, WriteTimeout: askTime, MaxHeaderBytes: maxToken}
	go func() { _ = c.server.Serve(l) }()
	return c, nil
}

// answer takes the first answer to the sign-in that was begun here. Whoever else comes,
// such as another page in the same browser, is sent away.
func (c *callback) answer(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Security-Policy", "default-src 'none'")
	w.Header().Set("Referrer-Policy", "no-referrer")
	if subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(c.state)) != 1 {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, page("This is no answer to the sign-in that hallmark began. It is still waiting."))
		return
	}
	text := "You are signed in. You may close this window."
	if q.Get("error") != "" {
		text = "You are not signed in. You may close this window; the terminal says more."
	}
	_, _ = io.WriteString(w, page(text))
	select {
	case c.answers <- q:
	default: // answered already
	}
}

func page(text string) string {
	return "<!doctype html><html lang=\"en\"><title>hallmark</title><p>" + text + "</p></html>\n"
}

// close lets the last page get to the browser, and ends the server.
func (c *callback) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = c.server.Shutdown(ctx)
	_ = c.server.Close()
}
