package oidc

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

const (
	callback = "http://localhost:4711/auth/callback"
	verifier = "a-verifier-of-forty-three-characters-or-more-x"
)

// world is an issuer on loopback and a client that follows no redirect.
type world struct {
	*testing.T
	url    string
	issuer *Issuer
	client *http.Client
}

func newWorld(t *testing.T) *world {
	server := httptest.NewUnstartedServer(nil)
	server.Start()
	t.Cleanup(server.Close)
	issuer := New(server.URL, testKey(), "s3cret")
	server.Config.Handler = issuer.Handler()
	return &world{t, server.URL, issuer, &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

func challenge() string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func (w *world) do(response *http.Response, err error) (*http.Response, string) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		w.Fatal(err)
	}
	return response, string(body)
}

func (w *world) post(path string, form url.Values) (int, map[string]any) {
	w.Helper()
	response, body := w.do(w.client.PostForm(w.url+path, form))
	var parsed map[string]any
	if err := json.Unmarshal([]byte(body), &parsed); err != nil {
		w.Fatalf("%s answers %d %s", path, response.StatusCode, body)
	}
	return response.StatusCode, parsed
}

func authorization(change map[string]string) url.Values {
	q := url.Values{"client_id": {"sigstore"}, "redirect_uri": {callback}, "response_type": {"code"}, "scope": {"openid email"},
		"state": {"st"}, "nonce": {"no"}, "code_challenge": {challenge()}, "code_challenge_method": {"S256"}}
	for name, value := range change {
		q.Set(name, value)
	}
	return q
}

func exchange(code string) url.Values {
	return url.Values{"grant_type": {"authorization_code"}, "code": {code}, "client_id": {"sigstore"},
		"redirect_uri": {callback}, "code_verifier": {verifier}}
}

// code goes through the form as a browser would.
func (w *world) code() string {
	w.Helper()
	_, page := w.do(w.client.Get(w.url + "/auth?" + authorization(nil).Encode()))
	if !strings.Contains(page, `name="email"`) || !strings.Contains(page, `value="`+challenge()+`"`) {
		w.Fatalf("no form: %s", page)
	}
	form := authorization(map[string]string{"email": "dev@example.com"})
	response, body := w.do(w.client.PostForm(w.url+"/auth", form))
	to, err := response.Location()
	if err != nil {
		w.Fatalf("%d %s", response.StatusCode, body)
	}
	if !strings.HasPrefix(to.String(), callback+"?") || to.Query().Get("state") != "st" {
		w.Errorf("redirected to %s", to)
	}
	return to.Query().Get("code")
}

func TestAuthorizationCode(t *testing.T) {
	w := newWorld(t)
	code := w.code()
	status, answer := w.post("/token", exchange(code))
	if status != http.StatusOK {
		t.Fatalf("%d %v", status, answer)
	}
	provider, err := oidc.NewProvider(t.Context(), w.url)
	if err != nil {
		t.Fatal(err)
	}
	raw := answer["id_token"].(string)
	if _, err := provider.Verifier(&oidc.Config{ClientID: "sigstore"}).Verify(t.Context(), raw); err != nil {
		t.Error(err)
	}
	if claims := claimsOf(t, raw); claims["email"] != "dev@example.com" || claims["nonce"] != "no" {
		t.Errorf("claims %v", claims)
	}
	if status, answer := w.post("/token", exchange(code)); status != http.StatusBadRequest || answer["error"] != "invalid_grant" {
		t.Errorf("a used code: %d %v", status, answer)
	}
}

func TestCodeBelongsToItsRequest(t *testing.T) {
	for name, value := range map[string]string{"code_verifier": "another", "client_id": "another", "redirect_uri": "http://localhost:1/", "grant_type": "password"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			form := exchange(w.code())
			form.Set(name, value)
			if status, answer := w.post("/token", form); status != http.StatusBadRequest || answer["id_token"] != nil {
				t.Errorf("%d %v", status, answer)
			}
		})
	}
	w := newWorld(t)
	code := w.code()
	w.issuer.now = func() time.Time { return time.Now().Add(codeLifetime + time.Second) }
	if status, _ := w.post("/token", exchange(code)); status != http.StatusBadRequest {
		t.Errorf("an old code: %d", status)
	}
}

func TestLoginHintAgreesAtOnce(t *testing.T) {
	w := newWorld(t)
	q := authorization(map[string]string{"login_hint": "ci@example.com"})
	response, body := w.do(w.client.Get(w.url + "/auth?" + q.Encode()))
	if response.StatusCode != http.StatusFound {
		t.Errorf("%d %s", response.StatusCode, body)
	}
	q.Set("redirect_uri", outOfBand)
	if _, page := w.do(w.client.Get(w.url + "/auth?" + q.Encode())); !strings.Contains(page, "Enter this code") {
		t.Errorf("no code is shown: %s", page)
	}
}

func TestAuthorizationRefuses(t *testing.T) {
	w := newWorld(t)
	for name, value := range map[string]string{"redirect_uri": "https://example.com/", "code_challenge": "",
		"code_challenge_method": "plain", "response_type": "token", "client_id": "", "login_hint": "nobody"} {
		q := authorization(map[string]string{name: value})
		response, _ := w.do(w.client.Get(w.url + "/auth?" + q.Encode()))
		if response.StatusCode != http.StatusBadRequest {
			t.Errorf("%s=%q: %d", name, value, response.StatusCode)
		}
	}
}

func TestDeviceFlow(t *testing.T) {
	w := newWorld(t)
	status, begun := w.post("/device/code", url.Values{"client_id": {"sigstore"}, "code_challenge": {challenge()}, "code_challenge_method": {"S256"}})
	if status != http.StatusOK {
		t.Fatalf("%d %v", status, begun)
	}
	poll := url.Values{"grant_type": {deviceGrant}, "client_id": {"sigstore"}, "device_code": {begun["device_code"].(string)}, "code_verifier": {verifier}}
	if _, answer := w.post("/token", poll); answer["error"] != "authorization_pending" {
		t.Errorf("before anybody agreed: %v", answer)
	}
	user := begun["user_code"].(string)
	if _, page := w.do(w.client.Get(begun["verification_uri_complete"].(string))); !strings.Contains(page, user) {
		t.Errorf("the page does not show the code: %s", page)
	}
	if response, body := w.do(w.client.PostForm(w.url+"/device", url.Values{"user_code": {strings.ToLower(user)}, "email": {"dev@example.com"}})); response.StatusCode != http.StatusOK {
		t.Errorf("%d %s", response.StatusCode, body)
	}
	poll.Set("code_verifier", "another")
	if _, answer := w.post("/token", poll); answer["error"] != "invalid_grant" {
		t.Errorf("another verifier: %v", answer)
	}
	poll.Set("code_verifier", verifier)
	_, answer := w.post("/token", poll)
	if token, ok := answer["id_token"].(string); !ok || claimsOf(t, token)["email"] != "dev@example.com" {
		t.Errorf("%v", answer)
	}
	if _, answer := w.post("/token", poll); answer["error"] != "expired_token" {
		t.Errorf("a used code: %v", answer)
	}
}

func TestRunnerToken(t *testing.T) {
	w := newWorld(t)
	get := func(authorization, query string) (int, map[string]any) {
		request, err := http.NewRequest(http.MethodGet, w.url+"/github/token?api-version=2.0"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", authorization)
		response, body := w.do(w.client.Do(request))
		var parsed map[string]any
		if err := json.Unmarshal([]byte(body), &parsed); err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, parsed
	}
	status, answer := get("Bearer s3cret", "&audience=sigstore")
	if status != http.StatusOK {
		t.Fatalf("%d %v", status, answer)
	}
	claims := claimsOf(t, answer["value"].(string))
	if claims["iss"] != w.url+"/github" || claims["aud"] != "sigstore" || claims["repository"] != DefaultRepository {
		t.Errorf("claims %v", claims)
	}
	if _, answer = get("Bearer s3cret", "&repository=octo-org/app&ref=refs/tags/v2&workflow=x.yml"); claimsOf(t, answer["value"].(string))["workflow_ref"] != "octo-org/app/.github/workflows/x.yml@refs/tags/v2" {
		t.Errorf("%v", answer)
	}
	if status, _ := get("Bearer wrong", ""); status != http.StatusUnauthorized {
		t.Errorf("a wrong bearer: %d", status)
	}
	if status, _ := get("bearer s3cret", ""); status != http.StatusOK { // as cosign writes it; RFC 9110 section 11.1
		t.Errorf("the scheme in small letters: %d", status)
	}
	if status, _ := get("Bearer s3cret", "&ref=main"); status != http.StatusBadRequest {
		t.Errorf("a wrong ref: %d", status)
	}
}

func TestForgetsTheOldest(t *testing.T) {
	var p pending
	now := time.Now()
	first := p.addCode(grant{}, now)
	for i := range maxPending {
		p.addCode(grant{}, now.Add(time.Duration(i+1)*time.Millisecond))
	}
	if len(p.codes) != maxPending {
		t.Errorf("%d codes are remembered", len(p.codes))
	}
	if _, ok := p.takeCode(first, now); ok {
		t.Error("the oldest is still known")
	}
}
