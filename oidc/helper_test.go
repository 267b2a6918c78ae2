package oidc_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-project/hallmark/internal/testkit/sigstore"
	"github.com/hallmark-project/hallmark/oidc"
)

// env is an environment that holds only what a test puts there.
type env map[string]string

func (e env) get(name string) (string, bool) {
	value, ok := e[name]
	return value, ok
}

// bench is a world with its parties served, and options that see nothing else.
type bench struct {
	*sigstore.World
	urls sigstore.URLs
	o    oidc.Options
	e    env
	said []string
	// waits is how long the code under test slept, without doing so.
	waits []time.Duration
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{World: sigstore.New(t, sigstore.WithClock(time.Now)), e: env{}}
	b.urls = b.Serve(t)
	b.o = oidc.Options{Env: b.e.get, Client: &http.Client{}, Now: b.Now,
		Sleep: func(ctx context.Context, d time.Duration) error {
			b.waits = append(b.waits, d)
			return ctx.Err()
		}}
	return b
}

// person puts somebody at the terminal whose browser is open.
func (b *bench) person(open func(page string) error) {
	b.o.Person = &oidc.Person{Say: func(text string) { b.said = append(b.said, text) }, OpenBrowser: open}
}

func (b *bench) find(t *testing.T) oidc.Source {
	t.Helper()
	source, err := oidc.Find(b.o)
	if err != nil {
		t.Fatal(err)
	}
	return source
}

func (b *bench) token(t *testing.T) (oidc.Token, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	token, err := b.find(t).Token(ctx, oidc.Request{Audience: oidc.Audience, Issuer: b.urls.Issuer})
	b.silent(t, err)
	return token, err
}

// silent fails if an error says a secret of the test.
func (b *bench) silent(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	secrets := []string{b.urls.GitHubRequestToken, b.urls.BuildkiteToken, "eyJ"}
	for _, secret := range secrets {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the error says the secret %q: %v", secret, err)
		}
	}
}

func providerError(t *testing.T, err error) *oidc.ProviderError {
	t.Helper()
	var failure *oidc.ProviderError
	if !errors.As(err, &failure) {
		t.Fatalf("got %v, want a ProviderError", err)
	}
	return failure
}

func says(t *testing.T, err error, texts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", texts)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%q does not say %q", err, text)
		}
	}
}
