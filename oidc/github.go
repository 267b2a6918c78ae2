package oidc

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
)

// Variables that a GitHub Actions job has if it may ask for tokens
// (https://docs.github.com/en/actions/reference/security/oidc).
const (
	envGitHubURL   = "ACTIONS_ID_TOKEN_REQUEST_URL"
	envGitHubToken = "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
)

func findGitHub(o Options) (Source, string) {
	at, secret := o.env(envGitHubURL), o.env(envGitHubToken)
	if at == "" || secret == "" {
		return nil, envGitHubURL + " and " + envGitHubToken + " (in the workflow: permissions: id-token: write)"
	}
	return github{o, at, secret}, ""
}

type github struct {
	o          Options
	at, secret string
}

func (g github) Name() string { return "GitHub Actions" }

func (g github) Token(ctx context.Context, r Request) (Token, error) {
	u, err := url.Parse(g.at)
	if err != nil {
		return Token{}, &ProviderError{Provider: g.Name(), Cause: errNoURL}
	}
	q := u.Query()
	q.Set("audience", r.Audience)
	u.RawQuery = q.Encode()
	body, err := g.o.ask(ctx, question{provider: g.Name(), method: http.MethodGet, url: u.String(),
		header: http.Header{"Authorization": {"bearer " + g.secret}, "Accept": {"application/json"}}})
	if err != nil {
		return Token{}, err
	}
	var doc struct {
		Value string `json:"value"`
	}
	if err := json.Unmarshal(body, &doc); err != nil || doc.Value == "" {
		return Token{}, &ProviderError{Provider: g.Name(), URL: plain(u), Status: http.StatusOK, Cause: errNoToken}
	}
	return parseFor(doc.Value, r.Audience, g.o.Now())
}
