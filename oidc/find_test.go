package oidc_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hallmark-project/hallmark/internal/testkit/sigstore"
	"github.com/hallmark-project/hallmark/oidc"
)

// everything is an environment in which every provider is at hand.
func everything() env {
	return env{
		"HALLMARK_ID_TOKEN": "x", "SIGSTORE_ID_TOKEN": "x",
		"ACTIONS_ID_TOKEN_REQUEST_URL": "https://runner.example", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "x",
		"BUILDKITE_AGENT_ACCESS_TOKEN": "x", "BUILDKITE_JOB_ID": "x",
		"GCE_METADATA_HOST": "127.0.0.1:9", "SPIFFE_ENDPOINT_SOCKET": "/run/agent.sock",
	}
}

// What is nearest is taken first, and a name picks one.
func TestFindOrder(t *testing.T) {
	e := everything()
	o := oidc.Options{Env: e.get, Person: &oidc.Person{}}
	for _, step := range []struct{ provider, name, gone string }{
		{"env", "the variable HALLMARK_ID_TOKEN", "HALLMARK_ID_TOKEN"},
		{"gitlab", "the variable SIGSTORE_ID_TOKEN", "SIGSTORE_ID_TOKEN"},
		{"github", "GitHub Actions", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"},
		{"buildkite", "Buildkite", "BUILDKITE_JOB_ID"},
		{"google", "Google Cloud", "GCE_METADATA_HOST"},
		{"spiffe", "SPIFFE", "SPIFFE_ENDPOINT_SOCKET"},
		{"browser", "the sign-in with a browser", ""},
	} {
		source, err := oidc.Find(o)
		if err != nil || source.Name() != step.name {
			t.Fatalf("%s: found %v, %v", step.provider, source, err)
		}
		picked := oidc.Options{Env: everything().get, Person: o.Person, Provider: step.provider}
		if source, err := oidc.Find(picked); err != nil || source.Name() != step.name {
			t.Errorf("%s picked: found %v, %v", step.provider, source, err)
		}
		if !strings.Contains(", "+oidc.Names()+",", ", "+step.provider+",") {
			t.Errorf("%s is not among %s", step.provider, oidc.Names())
		}
		delete(e, step.gone)
	}
	o.Device = true
	if source, err := oidc.Find(o); err != nil || source.Name() != "the sign-in on another device" {
		t.Errorf("device: found %v, %v", source, err)
	}
}

func TestFindNobody(t *testing.T) {
	missing := map[string]string{
		"env": "HALLMARK_ID_TOKEN", "gitlab": "SIGSTORE_ID_TOKEN", "github": "id-token: write", "buildkite": "BUILDKITE_JOB_ID",
		"spiffe": "SPIFFE_ENDPOINT_SOCKET", "file": "--identity-token", "device": "somebody at a terminal", "browser": "somebody at a terminal",
	}
	for _, name := range strings.Split(oidc.Names(), ", ") {
		if name == "google" { // at hand for who says so
			continue
		}
		_, err := oidc.Find(oidc.Options{Provider: name})
		says(t, err, "the provider "+name, missing[name])
		if !errors.Is(err, oidc.ErrNoIdentity) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := oidc.Find(oidc.Options{Provider: "circle"})
	says(t, err, `"circle"`, oidc.Names())
	_, err = oidc.Find(oidc.Options{Provider: "github", TokenFile: "token"})
	says(t, err, "two identities")
	_, err = oidc.Find(oidc.Options{Env: env{"GITHUB_ACTIONS": "true"}.get})
	says(t, err, "permissions: id-token: write")
	_, err = oidc.Find(oidc.Options{Env: env{"GITLAB_CI": "true"}.get})
	says(t, err, "id_tokens", "aud: sigstore")
	if _, err = oidc.Find(oidc.Options{}); !errors.Is(err, oidc.ErrNoIdentity) {
		t.Errorf("nothing at hand: %v", err)
	}
}

func TestTokenFile(t *testing.T) {
	b := newBench(t)
	raw, folder := b.Token(nil), t.TempDir()
	file := filepath.Join(folder, "token")
	if err := os.WriteFile(file, []byte(raw+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.e["MINE"] = raw
	b.e["SPIFFE_JWT_SVID_FILE"] = file
	for _, o := range []oidc.Options{{TokenFile: file}, {TokenFile: "env://MINE"}, {TokenFile: "-", Stdin: strings.NewReader(raw)}, {Provider: "spiffe"}} {
		b.o.TokenFile, b.o.Stdin, b.o.Provider = o.TokenFile, o.Stdin, o.Provider
		if token, err := b.token(t); err != nil || token.Reveal() != raw || token.Email != "dev@example.com" {
			t.Errorf("%s: %v, %v", o.TokenFile, token, err)
		}
	}
	b.o.Provider = ""
	for text, fault := range map[string]string{
		raw:                           "others can read a command line",
		"Bearer " + raw:               "others can read a command line",
		raw[:40]:                      "others can read a command line",
		"env://NONE":                  `no variable "NONE"`,
		filepath.Join(folder, "none"): "no such file",
	} {
		b.o.TokenFile = text
		_, err := oidc.Find(b.o)
		says(t, err, fault)
		b.silent(t, err)
		if !errors.Is(err, oidc.ErrNoIdentity) {
			t.Error(err)
		}
	}
}

// A token at hand is checked before anybody gets it.
func TestTokenAtHandIsChecked(t *testing.T) {
	b := newBench(t)
	for fault, raw := range map[string]string{
		`audience "other"`:      b.Token(sigstore.Claims{"aud": "other"}),
		"ends at":               b.Token(sigstore.Claims{"exp": b.Now().Unix()}),
		"no JSON web token":     "hello",
		"more than 65536 bytes": b.Token(sigstore.Claims{"x": strings.Repeat("x", 64<<10)}),
	} {
		b.e["HALLMARK_ID_TOKEN"] = raw
		_, err := b.token(t)
		says(t, err, fault)
		if !errors.Is(err, oidc.ErrToken) {
			t.Error(err)
		}
		b.o.TokenFile, b.o.Stdin = "-", strings.NewReader(raw)
		_, err = b.token(t)
		says(t, err, fault)
		b.o.TokenFile = ""
	}
}
