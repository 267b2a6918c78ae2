package sigstore

import (
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// form posts to the issuer and returns the members of the answer.
func form(t *testing.T, address string, values url.Values) map[string]any {
	t.Helper()
	_, body := do(t, request("POST", address, []byte(values.Encode()), "Content-Type", "application/x-www-form-urlencoded"))
	var answer map[string]any
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return answer
}

func TestBrowserFlow(t *testing.T) {
	w := New(t)
	u := w.Serve(t)
	const verifier, redirect = "a-verifier-of-some-length-that-nobody-guesses", "http://127.0.0.1:9/callback"
	sum := sha256.Sum256([]byte(verifier))
	start := func() string {
		q := url.Values{
			"client_id": {"sigstore"}, "response_type": {"code"}, "redirect_uri": {redirect}, "state": {"s"}, "nonce": {"n"},
			"code_challenge": {raw64.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
		}
		response, body := do(t, request("GET", u.Issuer+"/auth?"+q.Encode(), nil))
		location, err := url.Parse(response.Header.Get("Location"))
		if err != nil || response.StatusCode != http.StatusFound || location.Query().Get("state") != "s" {
			t.Fatalf("%d %s", response.StatusCode, body)
		}
		return location.Query().Get("code")
	}
	redeem := func(code, verifier string) map[string]any {
		return form(t, u.Issuer+"/token", url.Values{
			"grant_type": {"authorization_code"}, "client_id": {"sigstore"}, "code": {code}, "redirect_uri": {redirect}, "code_verifier": {verifier},
		})
	}
	code := start()
	token, _ := redeem(code, verifier)["id_token"].(string)
	claims, err := w.Issuer.verifyToken(token)
	if err != nil || claims.text("email") != "dev@example.com" || claims.text("nonce") != "n" {
		t.Errorf("claims %v, %v", claims, err)
	}
	if got := redeem(code, verifier)["error"]; got != "invalid_grant" {
		t.Errorf("a code used twice: %v", got)
	}
	if got := redeem(start(), "another")["error"]; got != "invalid_grant" {
		t.Errorf("another verifier: %v", got)
	}
	if w.Count("issuer-token") != 3 || w.Count("issuer-auth") != 2 {
		t.Errorf("counted %d and %d", w.Count("issuer-token"), w.Count("issuer-auth"))
	}
}

func TestDeviceFlow(t *testing.T) {
	w := New(t)
	w.Issuer.SlowDown, w.Issuer.Pending = 1, 2
	u := w.Serve(t)
	code := form(t, u.Issuer+"/device/code", url.Values{"client_id": {"sigstore"}})["device_code"].(string)
	var errors []string
	for range 4 {
		answer := form(t, u.Issuer+"/token", url.Values{
			"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "client_id": {"sigstore"}, "device_code": {code},
		})
		if token, ok := answer["id_token"].(string); ok {
			if _, err := w.Issuer.verifyToken(token); err != nil {
				t.Error(err)
			}
			continue
		}
		errors = append(errors, answer["error"].(string))
	}
	if got := strings.Join(errors, " "); got != "slow_down"+strings.Repeat(" authorization_pending", 2) {
		t.Errorf("answers %s", got)
	}
}

func TestDiscovery(t *testing.T) {
	u := New(t).Serve(t)
	_, body := do(t, request("GET", u.Issuer+"/.well-known/openid-configuration", nil))
	var answer map[string]any
	if err := json.Unmarshal([]byte(body), &answer); err != nil || answer["issuer"] != u.Issuer {
		t.Fatalf("%s, %v", body, err)
	}
	if _, keys := do(t, request("GET", answer["jwks_uri"].(string), nil)); !strings.Contains(keys, `"crv":"P-256"`) {
		t.Errorf("keys %s", keys)
	}
}

func TestRunners(t *testing.T) {
	w := New(t)
	u := w.Serve(t)
	metadata := "http://" + u.MetadataHost + metadataPath + "?audience=sigstore"
	job := u.BuildkiteEndpoint + "/jobs/" + u.BuildkiteJob + "/oidc/tokens"
	for name, c := range map[string]struct {
		request *http.Request
		member  string
		status  int
	}{
		"github":           {request("GET", u.GitHubRequestURL+"&audience=sigstore", nil, "Authorization", "bearer "+u.GitHubRequestToken), "value", 200},
		"github stranger":  {request("GET", u.GitHubRequestURL+"&audience=sigstore", nil), "", 401},
		"buildkite":        {request("POST", job, []byte(`{"audience":"sigstore"}`), "Authorization", "Token "+u.BuildkiteToken), "token", 200},
		"buildkite denied": {request("POST", job, nil, "Authorization", "Token x"), "", 401},
		"gcp":              {request("GET", metadata, nil, "Metadata-Flavor", "Google"), "", 200},
		"gcp bare":         {request("GET", metadata, nil), "", 403},
	} {
		response, body := do(t, c.request)
		if response.StatusCode != c.status {
			t.Errorf("%s: %d %s", name, response.StatusCode, body)
		}
		if c.status != 200 {
			continue
		}
		var answer map[string]string
		if c.member != "" {
			if err := json.Unmarshal([]byte(body), &answer); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			body = answer[c.member]
		}
		if _, err := w.Issuer.verifyToken(body); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
