package oidc

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
)

var testKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// claimsOf verifies a token with nothing of the package.
func claimsOf(t *testing.T, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is no token", token)
	}
	var header map[string]string
	decode(t, parts[0], &header)
	if header["alg"] != "RS256" || header["kid"] == "" {
		t.Errorf("header %v", header)
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err := rsa.VerifyPKCS1v15(&testKey().PublicKey, crypto.SHA256, digest[:], signature); err != nil {
		t.Error(err)
	}
	var claims map[string]any
	decode(t, parts[1], &claims)
	return claims
}

func decode(t *testing.T, part string, into any) {
	t.Helper()
	data, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}

func TestEmailToken(t *testing.T) {
	claims, err := EmailClaims("dev@example.com")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1_800_000_000, 0)
	token, err := Sign(testKey(), "http://127.0.0.1:1", DefaultAudience, claims, now, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	got := claimsOf(t, token)
	for name, want := range map[string]any{"iss": "http://127.0.0.1:1", "aud": "sigstore", "email": "dev@example.com",
		"sub": "dev@example.com", "email_verified": true, "iat": 1.8e9, "exp": 1.8e9 + 60} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
}

func TestWorkflowClaims(t *testing.T) {
	claims, err := Workflow{Repository: "octo-org/app", Ref: "refs/tags/v1", File: "build.yaml"}.Claims()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{
		"sub":                "repo:octo-org/app:ref:refs/tags/v1",
		"job_workflow_ref":   "octo-org/app/.github/workflows/build.yaml@refs/tags/v1",
		"ref_type":           "tag",
		"repository_owner":   "octo-org",
		"runner_environment": "github-hosted",
		"event_name":         "push",
	} {
		if claims[name] != want {
			t.Errorf("%s is %v, want %v", name, claims[name], want)
		}
	}
}

func TestBadInputIsRefused(t *testing.T) {
	good := Workflow{Repository: "o/r"}
	with := func(change func(*Workflow)) Workflow {
		w := good
		change(&w)
		return w
	}
	for name, workflow := range map[string]Workflow{
		"repository":  {Repository: "no-owner"},
		"ref":         with(func(w *Workflow) { w.Ref = "main" }),
		"template":    with(func(w *Workflow) { w.Ref = "refs/heads/{{.sha}}" }),
		"file":        with(func(w *Workflow) { w.File = "../x.yml" }),
		"sha":         with(func(w *Workflow) { w.SHA = "abc" }),
		"environment": with(func(w *Workflow) { w.Environment = "mine" }),
		"event":       with(func(w *Workflow) { w.Event = "Push!" }),
	} {
		if _, err := workflow.Claims(); !errors.Is(err, ErrClaims) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, email := range []string{"", "dev", "Dev <dev@example.com>", "a@b@c"} {
		if _, err := EmailClaims(email); !errors.Is(err, ErrClaims) {
			t.Errorf("%q: %v", email, err)
		}
	}
	for _, lifetime := range []time.Duration{0, -time.Second, MaxLifetime + 1} {
		if _, err := Sign(testKey(), "i", "a", nil, time.Now(), lifetime); !errors.Is(err, ErrClaims) {
			t.Errorf("%s: %v", lifetime, err)
		}
	}
	if _, err := Sign(testKey(), "i", "", nil, time.Now(), time.Minute); !errors.Is(err, ErrClaims) {
		t.Errorf("no audience: %v", err)
	}
}

// TestVariables: a job's environment says what its token says.
func TestVariables(t *testing.T) {
	w := Workflow{Repository: "octo-org/app", Ref: "refs/tags/v1", RunID: "77", Reusable: "octo-org/tools/.github/workflows/sign.yml@refs/heads/main"}
	claims, err := w.Claims()
	if err != nil {
		t.Fatal(err)
	}
	if claims["job_workflow_ref"] != w.Reusable {
		t.Errorf("job_workflow_ref is %v", claims["job_workflow_ref"])
	}
	names := map[string]string{"GITHUB_WORKFLOW_REF": "workflow_ref", "GITHUB_EVENT_NAME": "event_name", "RUNNER_ENVIRONMENT": "runner_environment"}
	for _, v := range w.Variables() {
		claim, ok := names[v[0]]
		if !ok {
			claim = strings.ToLower(strings.TrimPrefix(v[0], "GITHUB_"))
		}
		if said, ok := claims[claim]; ok && said != v[1] {
			t.Errorf("%s is %q, and the token says %v", v[0], v[1], said)
		} else if !ok && claim != "actions" && claim != "server_url" {
			t.Errorf("no claim for %s", v[0])
		}
	}
	if _, err := (Workflow{Repository: "o/r", Reusable: "elsewhere"}).Claims(); !errors.Is(err, ErrClaims) {
		t.Errorf("a reusable workflow that is none: %v", err)
	}
}
