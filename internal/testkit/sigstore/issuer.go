package sigstore

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// Issuer is an identity provider that signs in without asking. Its fields are to be set
// before requests are made.
type Issuer struct {
	URL      string
	Aliases  []string // further values of iss that the authority accepts from it
	Audience string   // for whom tokens are, and the client ID of the browser and device flows
	User     Claims   // who signs in

	Workflow  Claims // of GitHub's runner endpoint
	Buildkite Claims // of Buildkite's agent endpoint
	Account   Claims // of Google's metadata endpoint

	Refuse     string // error that the browser flow answers instead of a code, such as "access_denied"
	WrongState bool   // the browser flow answers another state
	WrongNonce bool   // tokens of the browser flow carry another nonce

	Pending  int    // so many polls of the device flow are answered with authorization_pending
	SlowDown int    // so many before those with slow_down
	Denied   string // error that a device flow ends with, such as "expired_token"
	Interval int    // seconds between polls that the device flow asks for

	w   *World
	key *ecdsa.PrivateKey

	mu     sync.Mutex
	grants map[string]*grant // by code or device code
}

// grant is a sign-in under way.
type grant struct {
	client, redirect, challenge, nonce string
	polls                              int
}

func newIssuer(w *World, address string) *Issuer {
	return &Issuer{
		URL:       address,
		Aliases:   []string{GitHubIssuer, GitLabIssuer, buildkiteIssuer, googleIssuer},
		Audience:  "sigstore",
		User:      Claims{"sub": "user-1", "email": "dev@example.com", "email_verified": true},
		Workflow:  GitHubClaims("octo/app"),
		Buildkite: buildkiteClaims(),
		Account:   googleClaims(),
		w:         w, key: NewKey(), grants: map[string]*grant{},
	}
}

// issuerService gives the names that a request to the issuer counts as.
func issuerService(r *http.Request) []string {
	switch p := r.URL.Path; {
	case p == "/auth":
		return []string{"issuer", "issuer-auth"}
	case p == "/token":
		return []string{"issuer", "issuer-token"}
	case p == "/device/code":
		return []string{"issuer", "issuer-device"}
	case p == "/keys":
		return []string{"issuer", "issuer-keys"}
	case p == gitHubPath:
		return []string{"github"}
	case strings.HasPrefix(p, "/buildkite/"):
		return []string{"buildkite"}
	case strings.HasPrefix(p, metadataPath):
		return []string{"gcp"}
	}
	return []string{"issuer", "issuer-discovery"}
}

func (i *Issuer) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", i.discovery)
	mux.HandleFunc("GET /keys", i.keys)
	mux.HandleFunc("GET /auth", i.auth)
	mux.HandleFunc("POST /device/code", i.device)
	mux.HandleFunc("POST /token", i.token)
	mux.HandleFunc("GET "+gitHubPath, i.gitHub)
	mux.HandleFunc("POST /buildkite/jobs/{job}/oidc/tokens", i.buildkite)
	mux.HandleFunc("GET "+metadataPath, i.metadata)
	return mux
}

func (i *Issuer) discovery(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{
		"issuer":                                i.URL,
		"authorization_endpoint":                i.URL + "/auth",
		"token_endpoint":                        i.URL + "/token",
		"device_authorization_endpoint":         i.URL + "/device/code",
		"jwks_uri":                              i.URL + "/keys",
		"response_types_supported":              []string{"code"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{"ES256"},
		"code_challenge_methods_supported":      []string{"S256"},
		"scopes_supported":                      []string{"openid", "email"},
	})
}

// keys is the JSON web key set (RFC 7517).
func (i *Issuer) keys(w http.ResponseWriter, _ *http.Request) {
	point := must(i.key.PublicKey.Bytes()) // 0x04, X, Y
	writeJSON(w, http.StatusOK, map[string]any{"keys": []any{map[string]string{
		"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": keyName,
		"x": raw64.EncodeToString(point[1:33]), "y": raw64.EncodeToString(point[33:]),
	}}})
}

// auth is the browser flow (RFC 6749 section 4.1 with RFC 7636): the user has agreed.
func (i *Issuer) auth(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	target, err := url.Parse(q.Get("redirect_uri"))
	switch {
	case err != nil || q.Get("redirect_uri") == "":
		oauthError(w, "invalid_request", "redirect_uri is missing")
		return
	case q.Get("client_id") != i.Audience:
		oauthError(w, "unauthorized_client", "client_id is not known")
		return
	case q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" || q.Get("code_challenge") == "":
		oauthError(w, "invalid_request", "a code with a challenge by S256 is wanted")
		return
	}
	answer := target.Query()
	answer.Set("state", q.Get("state"))
	if i.WrongState {
		answer.Set("state", "another-state")
	}
	if i.Refuse != "" {
		answer.Set("error", i.Refuse)
	} else {
		answer.Set("code", i.remember(&grant{
			client: q.Get("client_id"), redirect: q.Get("redirect_uri"),
			challenge: q.Get("code_challenge"), nonce: q.Get("nonce"),
		}))
	}
	if target.Scheme == "urn" { // out of band: the user copies the code
		_, _ = w.Write([]byte(answer.Get("code")))
		return
	}
	target.RawQuery = answer.Encode()
	http.Redirect(w, r, target.String(), http.StatusFound)
}

// device starts the device flow (RFC 8628 section 3.1).
func (i *Issuer) device(w http.ResponseWriter, r *http.Request) {
	if r.FormValue("client_id") != i.Audience {
		oauthError(w, "unauthorized_client", "client_id is not known")
		return
	}
	code := i.remember(&grant{client: r.FormValue("client_id"), challenge: r.FormValue("code_challenge")})
	writeJSON(w, http.StatusOK, map[string]any{
		"device_code": code, "user_code": "WDJB-MJHT", "expires_in": 300, "interval": i.Interval,
		"verification_uri": i.URL + "/device", "verification_uri_complete": i.URL + "/device?user_code=WDJB-MJHT",
	})
}

func (i *Issuer) remember(g *grant) string {
	code := rand.Text()
	i.mu.Lock()
	defer i.mu.Unlock()
	i.grants[code] = g
	return code
}

// token answers both flows.
func (i *Issuer) token(w http.ResponseWriter, r *http.Request) {
	switch r.FormValue("grant_type") {
	case "authorization_code":
		i.codeToken(w, r)
	case "urn:ietf:params:oauth:grant-type:device_code":
		i.deviceToken(w, r)
	default:
		oauthError(w, "unsupported_grant_type", "")
	}
}

func (i *Issuer) codeToken(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	g := i.grants[r.FormValue("code")]
	delete(i.grants, r.FormValue("code")) // a code is good once
	i.mu.Unlock()
	client := r.FormValue("client_id")
	if name, _, ok := r.BasicAuth(); ok {
		client = name
	}
	switch {
	case g == nil:
		oauthError(w, "invalid_grant", "the code is not known or was used")
	case client != g.client || r.FormValue("redirect_uri") != g.redirect:
		oauthError(w, "invalid_grant", "the code is of another client or redirect_uri")
	case !g.verified(r.FormValue("code_verifier")):
		oauthError(w, "invalid_grant", "the verifier does not match the challenge")
	default:
		i.grant(w, g)
	}
}

func (i *Issuer) deviceToken(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	g := i.grants[r.FormValue("device_code")]
	if g == nil || r.FormValue("client_id") != g.client || !g.verified(r.FormValue("code_verifier")) {
		oauthError(w, "invalid_grant", "the device code is not known")
		return
	}
	g.polls++
	switch {
	case g.polls <= i.SlowDown:
		oauthError(w, "slow_down", "")
	case g.polls <= i.SlowDown+i.Pending:
		oauthError(w, "authorization_pending", "")
	case i.Denied != "":
		oauthError(w, i.Denied, "")
	default:
		delete(i.grants, r.FormValue("device_code"))
		i.grant(w, g)
	}
}

// verified compares by RFC 7636 section 4.6. A device flow may do without.
func (g *grant) verified(verifier string) bool {
	if g.challenge == "" {
		return true
	}
	sum := sha256.Sum256([]byte(verifier))
	return raw64.EncodeToString(sum[:]) == g.challenge
}

func (i *Issuer) grant(w http.ResponseWriter, g *grant) {
	claims := Claims{"nonce": g.nonce}
	if g.nonce == "" {
		claims["nonce"] = nil
	}
	if i.WrongNonce {
		claims["nonce"] = "another-nonce"
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"id_token": i.Token(claims), "access_token": rand.Text(), "token_type": "Bearer", "expires_in": int(TokenLifetime.Seconds()),
	})
}

func oauthError(w http.ResponseWriter, code, description string) {
	answer := map[string]string{"error": code}
	if description != "" {
		answer["error_description"] = description
	}
	writeJSON(w, http.StatusBadRequest, answer)
}
