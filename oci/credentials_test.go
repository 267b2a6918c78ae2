package oci

import (
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/hallmark-project/hallmark/internal/testkit"
)

// withCredentials is a client that reads the Docker configuration in use.
func withCredentials(t testing.TB) *Client {
	return newClient(t, func(_ *Client, o *Options) { o.Anonymous = false })
}

// noSecrets wants a server never to have seen credentials.
func noSecrets(t *testing.T, s *testkit.Server) {
	t.Helper()
	for _, r := range s.Requests() {
		for _, name := range []string{"Authorization", "Cookie", "Proxy-Authorization"} {
			if r.Header.Get(name) != "" {
				t.Errorf("%s %s came with %s", r.Method, r.Path, name)
			}
		}
		if strings.Contains(r.Query, "secret") {
			t.Errorf("%s %s has a secret in its query", r.Method, r.Path)
		}
	}
}

func roundTrip(t *testing.T, s *testkit.Server) {
	t.Helper()
	store, subject := pinned(t, withCredentials(t), s)
	if _, err := store.Resolve(t.Context(), "v1"); err != nil {
		t.Fatal(err)
	}
	attach(t, store, evidence(subject, "one"))
	listed, err := store.Referrers(t.Context(), subject.Digest())
	if err != nil || len(listed) != 1 {
		t.Fatal(listed, err)
	}
	manifest, _, err := FetchManifest(t.Context(), store, listed[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := FetchAll(t.Context(), store, manifest.Layers[0], 1<<20); err != nil {
		t.Fatal(err)
	}
}

func TestBasicAuth(t *testing.T) {
	s := testkit.Registry(t, testkit.BasicAuth("user", "secret"))
	testkit.DockerLogin(t, s.Host, "user", "secret")
	roundTrip(t, s)
}

func TestBearerAuth(t *testing.T) {
	for name, options := range map[string][]testkit.Option{"API": nil, "fallback": {testkit.WithoutReferrers()}} {
		t.Run(name, func(t *testing.T) {
			s := testkit.Registry(t, append(options, testkit.BearerAuth("user", "secret"))...)
			testkit.DockerLogin(t, s.Host, "user", "secret")
			roundTrip(t, s)
			for _, r := range s.Requests() {
				if r.Path != "/token" && strings.HasPrefix(r.Header.Get("Authorization"), "Basic") {
					t.Errorf("the password itself went to %s", r.Path)
				}
			}
		})
	}
}

func TestCredentialHelper(t *testing.T) {
	s := testkit.Registry(t, testkit.BasicAuth("user", "secret"))
	other := testkit.Registry(t, testkit.BasicAuth("user", "secret"))
	asked := testkit.DockerHelper(t, s.Host, "user", "secret")
	roundTrip(t, s)
	if got, err := os.ReadFile(asked); err != nil || strings.Trim(string(got), "\n") != s.Host {
		t.Errorf("the helper was asked for %q, %v", got, err)
	}
	store, _ := open(t, withCredentials(t), other.Host+"/team/app:v1")
	_, err := store.Resolve(t.Context(), "v1")
	wantStatus(t, err, http.StatusUnauthorized)
	noSecrets(t, other)
}

func TestPodmanAuthFile(t *testing.T) {
	s := testkit.Registry(t, testkit.BasicAuth("user", "secret"))
	testkit.DockerLogin(t, s.Host, "user", "secret")
	file := os.Getenv("DOCKER_CONFIG") + "/config.json"
	testkit.DockerConfig(t)
	t.Setenv("REGISTRY_AUTH_FILE", file)
	roundTrip(t, s)
}

func wantStatus(t *testing.T, err error, status int) {
	t.Helper()
	var e *StatusError
	if !errors.As(err, &e) || e.Status != status {
		t.Fatalf("got error %v, want status %d", err, status)
	}
}

// Whatever way a registry says that it wants other credentials, it is a StatusError
// that says so and no secret is in it.
func TestRefusedCredentials(t *testing.T) {
	for name, test := range map[string]struct {
		middleware testkit.Middleware
		login      bool
	}{
		"basic, none":   {testkit.BasicAuth("user", "right"), false},
		"basic, wrong":  {testkit.BasicAuth("user", "right"), true},
		"bearer, none":  {testkit.BearerAuth("user", "right"), false},
		"bearer, wrong": {testkit.BearerAuth("user", "right"), true},
		"forbidden":     {testkit.Fail(testkit.Any, http.StatusForbidden, nil, testkit.Always), true},
	} {
		t.Run(name, func(t *testing.T) {
			s := testkit.Registry(t, test.middleware)
			testkit.DockerConfig(t)
			if test.login {
				testkit.DockerLogin(t, s.Host, "user", "secret")
			}
			store, subject := pinned(t, withCredentials(t), s)
			_, err := store.Referrers(t.Context(), subject.Digest())
			wantErr(t, err, ErrListing)
			var status *StatusError
			if !errors.As(err, &status) || !status.Unauthorized() {
				t.Errorf("got error %v", err)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the password is in %q", err)
			}
		})
	}
}

// Another registry, another port, a redirect: none sees what is for this host
// (CVE-2026-48978, CVE-2026-50151 of oras-go).
func TestCredentialsStayHome(t *testing.T) {
	for name, auth := range map[string]testkit.Middleware{
		"basic": testkit.BasicAuth("user", "secret"), "bearer": testkit.BearerAuth("user", "secret"),
	} {
		t.Run(name, func(t *testing.T) {
			image := testkit.NewImage()
			elsewhere := testkit.Registry(t)
			testkit.PushImage(t, elsewhere, "team/app:v1", image)
			s := testkit.Registry(t, auth, testkit.Redirect(testkit.Gets(testkit.Blobs), elsewhere.URL))
			testkit.PushImage(t, s, "team/app:v1", image)
			testkit.DockerLogin(t, s.Host, "user", "secret")
			store, subject := resolve(t, withCredentials(t), s.Host+"/team/app:v1")
			for range 2 { // the second time with a token or cookie at hand
				if _, err := FetchAll(t.Context(), store, subject.Manifest().Config, 1<<20); err != nil {
					t.Fatal(err)
				}
			}
			if elsewhere.Count() != 2 {
				t.Errorf("%d requests elsewhere, want 2", elsewhere.Count())
			}
			noSecrets(t, elsewhere)
		})
	}
}

// A host that wants credentials of its own after a redirect does not get ours.
func TestChallengeAfterRedirect(t *testing.T) {
	elsewhere := testkit.Registry(t, testkit.BasicAuth("user", "secret"))
	s := testkit.Registry(t, testkit.BasicAuth("user", "secret"), testkit.Redirect(testkit.Gets(testkit.Blobs), elsewhere.URL))
	testkit.PushImage(t, s, "team/app:v1", testkit.NewImage())
	testkit.DockerLogin(t, s.Host, "user", "secret")
	store, subject := resolve(t, withCredentials(t), s.Host+"/team/app:v1")
	_, err := FetchAll(t.Context(), store, subject.Manifest().Config, 1<<20)
	wantStatus(t, err, http.StatusUnauthorized)
	noSecrets(t, elsewhere)
}

func TestTLS(t *testing.T) {
	s := testkit.Registry(t, testkit.TLS(), testkit.BearerAuth("user", "secret"))
	testkit.DockerLogin(t, s.Host, "user", "secret")
	trusting := newClient(t, func(_ *Client, o *Options) { o.Anonymous, o.CAFile = false, s.CAFile })
	testkit.PushImage(t, s, "team/app:v1", testkit.NewImage())
	resolve(t, trusting, s.Host+"/team/app:v1")

	// Without the CA the loopback host is asked in the clear, and TLS answers that it
	// is none; with another CA the certificate is refused.
	other := testkit.Registry(t, testkit.TLS())
	wrong := newClient(t, func(_ *Client, o *Options) { o.CAFile = other.CAFile })
	for _, c := range []*Client{newClient(t), wrong} {
		store, _ := open(t, c, s.Host+"/team/app:v1")
		if _, err := store.Resolve(t.Context(), "v1"); err == nil {
			t.Error("an untrusted certificate was accepted")
		}
	}
	if _, err := NewClient(Options{CAFile: os.DevNull}); err == nil {
		t.Error("a CA file without certificates was accepted")
	}
}

// http is for loopback hosts, or where it is asked for.
func TestScheme(t *testing.T) {
	for _, test := range []struct {
		host    string
		options Options
		want    string
	}{
		{"registry.example.com", Options{}, "https://registry.example.com/v2/app/"},
		{"registry.example.com:80", Options{}, "https://registry.example.com:80/v2/app/"},
		{"registry.example.com", Options{PlainHTTP: true}, "http://registry.example.com/v2/app/"},
		{"localhost:5000", Options{}, "http://localhost:5000/v2/app/"},
		{"127.0.0.1:5000", Options{}, "http://127.0.0.1:5000/v2/app/"},
		{"[::1]:5000", Options{}, "http://[::1]:5000/v2/app/"},
		{"127.0.0.1.example.com", Options{}, "https://127.0.0.1.example.com/v2/app/"},
		{"10.0.0.1:5000", Options{}, "https://10.0.0.1:5000/v2/app/"},
		{"docker.io", Options{}, "https://registry-1.docker.io/v2/app/"},
	} {
		c := &Client{options: test.options}
		if got := c.repository(Reference{Scheme: SchemeRegistry, Registry: test.host, Repository: "app"}).base; got != test.want {
			t.Errorf("%s: %s, want %s", test.host, got, test.want)
		}
	}
}
