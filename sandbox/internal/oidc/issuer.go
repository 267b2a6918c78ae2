package oidc

import (
	"crypto/rsa"
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// GitHubPath is where the GitHub-shaped issuer is below the other.
const GitHubPath = "/github"

// DefaultRepository is what the stand-in of the runner's token endpoint speaks for
// unless its URL says otherwise.
const DefaultRepository = "hallmark-sandbox/demo"

// Issuer is all issuers behind one address.
type Issuer struct {
	base    string
	key     *rsa.PrivateKey
	bearer  string
	now     func() time.Time
	pending pending
}

// New returns the issuers at base, an address such as "http://127.0.0.1:4000" that is
// also the identifier of the email issuer. Who knows bearer gets tokens from the
// stand-in of the runner's token endpoint.
func New(base string, key *rsa.PrivateKey, bearer string) *Issuer {
	return &Issuer{base: base, key: key, bearer: bearer, now: time.Now}
}

// Handler serves all issuers.
//
// The email issuer has discovery, keys, an authorization endpoint with PKCE, a token
// endpoint and the device flow (RFC 8628). It asks for an address in a form, or takes
// the one in login_hint at once. The others have discovery and keys; GET /github/token
// answers as the token endpoint of a GitHub runner does, and
// POST /buildkite/v3/jobs/ID/oidc/tokens as the API of Buildkite's agent.
func (i *Issuer) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", i.discovery)
	mux.HandleFunc("GET /keys", i.keys)
	mux.HandleFunc("GET /auth", i.authorize)
	mux.HandleFunc("POST /auth", i.authorize)
	mux.HandleFunc("POST /token", i.token)
	mux.HandleFunc("POST /device/code", i.deviceCode)
	mux.HandleFunc("GET /device", i.device)
	mux.HandleFunc("POST /device", i.device)
	for _, path := range []string{GitHubPath, GitLabPath, BuildkitePath} {
		mux.HandleFunc("GET "+path+"/.well-known/openid-configuration", i.discoveryAt(path))
		mux.HandleFunc("GET "+path+"/keys", i.keys)
	}
	mux.HandleFunc("GET "+GitHubPath+"/token", i.runnerToken)
	mux.HandleFunc("POST "+BuildkiteEndpoint+"/jobs/{job}/oidc/tokens", i.agentToken)
	return mux
}

func (i *Issuer) discovery(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{
		"issuer":                                i.base,
		"authorization_endpoint":                i.base + "/auth",
		"token_endpoint":                        i.base + "/token",
		"device_authorization_endpoint":         i.base + "/device/code",
		"jwks_uri":                              i.base + "/keys",
		"response_types_supported":              []string{"code"},
		"grant_types_supported":                 []string{"authorization_code", deviceGrant},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"code_challenge_methods_supported":      []string{"S256"},
		"scopes_supported":                      []string{"openid", "email"},
		"claims_supported":                      []string{"aud", "email", "email_verified", "exp", "iat", "iss", "nonce", "sub"},
	})
}

func (i *Issuer) keys(w http.ResponseWriter, _ *http.Request) {
	key := jwk(&i.key.PublicKey)
	key["alg"], key["use"], key["kid"] = "RS256", "sig", keyID(&i.key.PublicKey)
	answer(w, http.StatusOK, map[string]any{"keys": []any{key}})
}

// runnerToken answers GET /github/token?api-version=2.0&audience=A with {"value": TOKEN}.
// The runner knows what it runs; here the query may say so: repository, ref, workflow,
// sha, event, runner_environment, run_id, run_attempt, job_workflow_ref.
func (i *Issuer) runnerToken(w http.ResponseWriter, r *http.Request) {
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if i.bearer == "" || !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare([]byte(given), []byte(i.bearer)) != 1 {
		fail(w, http.StatusUnauthorized, "invalid_token", "the bearer token is not the one in github.env")
		return
	}
	q := r.URL.Query()
	workflow := Workflow{Repository: q.Get("repository"), Ref: q.Get("ref"), File: q.Get("workflow"),
		SHA: q.Get("sha"), Environment: q.Get("runner_environment"), Event: q.Get("event"),
		RunID: q.Get("run_id"), RunAttempt: q.Get("run_attempt"), Reusable: q.Get("job_workflow_ref")}
	if workflow.Repository == "" {
		workflow.Repository = DefaultRepository
	}
	claims, err := workflow.Claims()
	if err != nil {
		fail(w, http.StatusBadRequest, "invalid_request", err.Error())
		return
	}
	audience := q.Get("audience")
	if audience == "" { // as GitHub does
		owner, _, _ := strings.Cut(workflow.Repository, "/")
		audience = "https://github.com/" + owner
	}
	token, err := Sign(i.key, i.base+GitHubPath, audience, claims, i.now(), DefaultLifetime)
	if err != nil {
		fail(w, http.StatusInternalServerError, "server_error", err.Error())
		return
	}
	answer(w, http.StatusOK, map[string]any{"count": len(token), "value": token})
}

// answer writes JSON that nobody may keep.
func answer(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value) // who does not wait for the answer needs none
}

// fail answers with an error of RFC 6749 section 5.2.
func fail(w http.ResponseWriter, status int, code, description string) {
	answer(w, status, map[string]string{"error": code, "error_description": description})
}

// with returns the address with parameters added to its query.
func with(address string, parameters url.Values) string {
	u, err := url.Parse(address)
	if err != nil {
		return address // it was parsed before
	}
	q := u.Query()
	for name, values := range parameters {
		q[name] = values
	}
	u.RawQuery = q.Encode()
	return u.String()
}
