package oidc

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net"
	"net/http"
	"net/url"
	"strings"
)

const (
	deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"
	outOfBand   = "urn:ietf:wg:oauth:2.0:oob"
	maxForm     = 64 << 10
)

// authorize is the authorization endpoint (RFC 6749 section 4.1.1 with PKCE, RFC 7636):
// it shows a form that asks for an address, or takes login_hint for the answer.
func (i *Issuer) authorize(w http.ResponseWriter, r *http.Request) {
	if !form(w, r) {
		return
	}
	redirect := r.Form.Get("redirect_uri")
	if !redirectAllowed(redirect) {
		http.Error(w, "redirect_uri should be an http address on this machine, or "+outOfBand, http.StatusBadRequest)
		return
	}
	g := grant{client: r.Form.Get("client_id"), redirect: redirect, nonce: r.Form.Get("nonce"), challenge: r.Form.Get("code_challenge")}
	switch {
	case g.client == "":
		http.Error(w, "client_id is missing; sigstore is what Fulcio takes", http.StatusBadRequest)
		return
	case r.Form.Get("response_type") != "code":
		http.Error(w, "response_type should be code", http.StatusBadRequest)
		return
	case r.Form.Get("code_challenge_method") != "S256" || g.challenge == "":
		http.Error(w, "PKCE is wanted: code_challenge with code_challenge_method=S256", http.StatusBadRequest)
		return
	}
	if g.email = emailOf(r); g.email == "" {
		page(w, loginPage, map[string]any{"Action": "/auth", "Hidden": keep(r.Form)})
		return
	}
	if _, err := EmailClaims(g.email); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	code := i.pending.addCode(g, i.now())
	if redirect == outOfBand {
		page(w, codePage, code)
		return
	}
	http.Redirect(w, r, with(redirect, url.Values{"code": {code}, "state": {r.Form.Get("state")}}), http.StatusFound) //nolint:gosec // to this machine only, see redirectAllowed
}

// token is the token endpoint, for codes of both flows.
func (i *Issuer) token(w http.ResponseWriter, r *http.Request) {
	if !form(w, r) {
		return
	}
	switch r.PostForm.Get("grant_type") {
	case "authorization_code":
		g, ok := i.pending.takeCode(r.PostForm.Get("code"), i.now())
		if !ok || g.redirect != r.PostForm.Get("redirect_uri") || g.client != clientOf(r) || !g.proves(r.PostForm.Get("code_verifier")) {
			fail(w, http.StatusBadRequest, "invalid_grant", "the code is unknown, used or too old, or does not belong to this client, redirect_uri or code_verifier")
			return
		}
		i.issue(w, g)
	case deviceGrant:
		g, code := i.pending.takeDevice(r.PostForm.Get("device_code"), r.PostForm.Get("code_verifier"), i.now())
		if code != "" {
			fail(w, http.StatusBadRequest, code, "")
			return
		}
		i.issue(w, g)
	default:
		fail(w, http.StatusBadRequest, "unsupported_grant_type", "authorization_code and "+deviceGrant+" are known here")
	}
}

func (i *Issuer) issue(w http.ResponseWriter, g grant) {
	claims, err := EmailClaims(g.email)
	if err != nil {
		fail(w, http.StatusBadRequest, "invalid_grant", err.Error())
		return
	}
	if g.nonce != "" {
		claims["nonce"] = g.nonce
	}
	token, err := Sign(i.key, i.base, g.client, claims, i.now(), DefaultLifetime)
	if err != nil {
		fail(w, http.StatusInternalServerError, "server_error", err.Error())
		return
	}
	answer(w, http.StatusOK, map[string]any{"access_token": random(), "token_type": "Bearer",
		"expires_in": int(DefaultLifetime.Seconds()), "id_token": token})
}

// deviceCode starts the device flow (RFC 8628 section 3.1). With login_hint it is
// agreed to at once.
func (i *Issuer) deviceCode(w http.ResponseWriter, r *http.Request) {
	if !form(w, r) {
		return
	}
	g := grant{client: clientOf(r), challenge: r.PostForm.Get("code_challenge"), nonce: r.PostForm.Get("nonce"), email: r.PostForm.Get("login_hint")}
	if g.client == "" || g.challenge != "" && r.PostForm.Get("code_challenge_method") != "S256" {
		fail(w, http.StatusBadRequest, "invalid_request", "client_id is wanted, and S256 for PKCE")
		return
	}
	if _, err := EmailClaims(g.email); g.email != "" && err != nil {
		fail(w, http.StatusBadRequest, "invalid_request", err.Error())
		return
	}
	device, user := i.pending.addDevice(g, i.now())
	answer(w, http.StatusOK, map[string]any{
		"device_code": device, "user_code": user, "expires_in": int(codeLifetime.Seconds()), "interval": 1,
		"verification_uri":          i.base + "/device",
		"verification_uri_complete": with(i.base+"/device", url.Values{"user_code": {user}}),
	})
}

// device is where a person agrees to what a device asked for.
func (i *Issuer) device(w http.ResponseWriter, r *http.Request) {
	if !form(w, r) {
		return
	}
	email, user := emailOf(r), strings.ToUpper(strings.TrimSpace(r.Form.Get("user_code")))
	if email == "" || user == "" {
		page(w, loginPage, map[string]any{"Action": "/device", "AskCode": true, "Code": user})
		return
	}
	if _, err := EmailClaims(email); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if !i.pending.agree(user, email, i.now()) {
		http.Error(w, "this code is unknown or too old; start again on the device", http.StatusBadRequest)
		return
	}
	page(w, donePage, email)
}

func form(w http.ResponseWriter, r *http.Request) bool {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		fail(w, http.StatusBadRequest, "invalid_request", err.Error())
		return false
	}
	return true
}

func emailOf(r *http.Request) string {
	if email := strings.TrimSpace(r.PostForm.Get("email")); email != "" {
		return email
	}
	return r.Form.Get("login_hint")
}

func clientOf(r *http.Request) string {
	if id, _, ok := r.BasicAuth(); ok {
		if plain, err := url.QueryUnescape(id); err == nil {
			return plain
		}
	}
	return r.PostForm.Get("client_id")
}

// keep is what the form carries over from the request that it interrupts.
func keep(values url.Values) map[string]string {
	kept := map[string]string{}
	for _, name := range []string{"client_id", "redirect_uri", "response_type", "scope", "state", "nonce", "code_challenge", "code_challenge_method"} {
		kept[name] = values.Get(name)
	}
	return kept
}

// redirectAllowed keeps codes on this machine.
func redirectAllowed(address string) bool {
	if address == outOfBand {
		return true
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" || u.Fragment != "" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// proves reports whether the verifier is what the challenge was made of (RFC 7636
// section 4.6). A grant without a challenge wants none.
func (g grant) proves(verifier string) bool {
	if g.challenge == "" {
		return true
	}
	sum := sha256.Sum256([]byte(verifier))
	made := base64.RawURLEncoding.EncodeToString(sum[:])
	return subtle.ConstantTimeCompare([]byte(made), []byte(g.challenge)) == 1
}
