package oidc

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

// Variables of a Buildkite job (https://buildkite.com/docs/pipelines/configure/environment-variables).
const (
	envBuildkiteToken    = "BUILDKITE_AGENT_ACCESS_TOKEN"
	envBuildkiteJob      = "BUILDKITE_JOB_ID"
	envBuildkiteEndpoint = "BUILDKITE_AGENT_ENDPOINT"
	buildkiteEndpoint    = "https://agent.buildkite.com/v3"
)

func findBuildkite(o Options) (Source, string) {
	secret, job, at := o.env(envBuildkiteToken), o.env(envBuildkiteJob), o.env(envBuildkiteEndpoint)
	if secret == "" || job == "" {
		return nil, envBuildkiteToken + " and " + envBuildkiteJob + ", which a Buildkite job has"
	}
	if at == "" {
		at = buildkiteEndpoint
	}
	return buildkite{o: o, at: at, job: job, secret: secret}, ""
}

// buildkite asks the API of Buildkite's agent
// (https://buildkite.com/docs/pipelines/security/oidc).
type buildkite struct {
	o               Options
	at, job, secret string
}

func (b buildkite) Name() string { return "Buildkite" }

func (b buildkite) Token(ctx context.Context, r Request) (Token, error) {
	body, err := json.Marshal(map[string]string{"audience": r.Audience})
	if err != nil {
		return Token{}, err
	}
	at := strings.TrimSuffix(b.at, "/") + "/jobs/" + url.PathEscape(b.job) + "/oidc/tokens"
	answer, err := b.o.ask(ctx, question{provider: b.Name(), method: http.MethodPost, url: at, body: body,
		header: http.Header{"Authorization": {"Token " + b.secret}, "Content-Type": {"application/json"}, "Accept": {"application/json"}}})
	if err != nil {
		return Token{}, err
	}
	var doc struct {
		Token string `json:"token"`
	}
	if err := json.Unmarshal(answer, &doc); err != nil || doc.Token == "" {
		return Token{}, &ProviderError{Provider: b.Name(), URL: at, Status: http.StatusOK, Cause: errNoToken}
	}
	return parseFor(doc.Token, r.Audience, b.o.Now())
}
