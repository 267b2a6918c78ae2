package oidc_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-project/hallmark/internal/testkit/sigstore"
	"github.com/hallmark-project/hallmark/oidc"
)

// visit is a browser whose user agrees to everything.
func visit(t *testing.T, page string) (status int, text string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, page, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	return response.StatusCode, string(body)
}

func TestBrowser(t *testing.T) {
	b := newBench(t)
	var page, shown string
	b.person(func(at string) error {
		page = at
		_, shown = visit(t, at)
		return nil
	})
	token, err := b.token(t)
	if err != nil || token.Email != "dev@example.com" {
		t.Fatalf("%v, %v", token, err)
	}
	if !strings.Contains(shown, "You may close this window") || len(b.said) != 1 || !strings.Contains(b.said[0], page) {
		t.Errorf("shown %q, said %q", shown, b.said)
	}
	u, err := url.Parse(page)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	if q.Get("client_id") != "sigstore" || q.Get("scope") != "openid email" || q.Get("code_challenge_method") != "S256" ||
		len(q.Get("state")) < 20 || len(q.Get("nonce")) < 20 || q.Get("state") == q.Get("nonce") || b.Count("issuer-token") != 1 {
		t.Errorf("asked %v", q)
	}
	if status, text := visit(t, q.Get("redirect_uri")); status != 0 {
		t.Errorf("the server goes on: %d %s", status, text)
	}
}

// Nobody is sent anywhere before they consent.
func TestConsent(t *testing.T) {
	no := errors.New("no")
	for _, elsewhere := range []bool{false, true} {
		b := newBench(t)
		b.person(nil)
		b.o.Device = elsewhere
		b.o.Person.Consent = func() error {
			if b.Count("issuer") != 0 {
				t.Error("the issuer was asked already")
			}
			return no
		}
		if _, err := b.token(t); !errors.Is(err, no) || b.Count("issuer") != 0 || len(b.said) != 0 {
			t.Errorf("%v after %d requests, said %q", err, b.Count("issuer"), b.said)
		}
	}
}

// A page that knows no state gets nothing, and does not end the wait.
func TestBrowserStrangers(t *testing.T) {
	b := newBench(t)
	b.person(func(page string) error {
		u, _ := url.Parse(page)
		back := u.Query().Get("redirect_uri")
		for _, query := range []string{"", "?code=stolen", "?code=stolen&state=x", "?error=access_denied&state="} {
			if status, text := visit(t, back+query); status != http.StatusBadRequest || !strings.Contains(text, "still waiting") {
				t.Errorf("%q: %d %s", query, status, text)
			}
		}
		if status, _ := visit(t, strings.TrimSuffix(back, "/auth/callback")+"/other"); status != http.StatusNotFound {
			t.Errorf("another path: %d", status)
		}
		visit(t, page)
		return errors.New("no browser")
	})
	if token, err := b.token(t); err != nil || len(b.said) != 2 || !strings.Contains(b.said[1], "No browser") {
		t.Errorf("%v, %v, said %q", token, err, b.said)
	}
}

func TestBrowserFails(t *testing.T) {
	for name, c := range map[string]struct {
		arrange func(b *bench)
		fault   string
		token   bool // ErrToken; otherwise a ProviderError
	}{
		"refused":         {func(b *bench) { b.Issuer.Refuse = "access_denied" }, "was refused (access_denied)", false},
		"refused oddly":   {func(b *bench) { b.Issuer.Refuse = "odd\x1b[2J" }, "the error is odd?[2J", false},
		"other nonce":     {func(b *bench) { b.Issuer.WrongNonce = true }, "for another sign-in", true},
		"other issuer":    {func(b *bench) { b.Issuer.User = sigstore.Claims{"sub": "x", "iss": "https://other.example"} }, "it is by https://other.example", true},
		"other audience":  {func(b *bench) { b.Issuer.User = sigstore.Claims{"sub": "x", "aud": "other"} }, `wanted is "sigstore"`, true},
		"unverified":      {func(b *bench) { b.Issuer.User["email_verified"] = false }, "was not verified", true},
		"no discovery":    {func(b *bench) { b.Fault("issuer-discovery", sigstore.Fault{Status: 404}) }, "404 Not Found", false},
		"token refused":   {func(b *bench) { b.Fault("issuer-token", sigstore.Fault{Status: 500, Body: "eyJ"}) }, "500 Internal", false},
		"token cut off":   {func(b *bench) { b.Fault("issuer-token", sigstore.Fault{Cut: true}) }, "/token", false},
		"no token":        {func(b *bench) { b.Fault("issuer-token", answer(`{"access_token":"eyJ"}`)) }, "no token", false},
		"token too large": {func(b *bench) { b.Fault("issuer-token", answer(strings.Repeat(" ", 1<<17)+`{}`)) }, "cannot be used", false},
		"token moved": {func(b *bench) {
			b.Fault("issuer-token", sigstore.Fault{Status: 307, Header: http.Header{"Location": {b.urls.Issuer + "/token"}}})
		}, "307", false},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.person(func(page string) error { visit(t, page); return nil })
			c.arrange(b)
			_, err := b.token(t)
			says(t, err, c.fault)
			if errors.Is(err, oidc.ErrToken) != c.token {
				t.Error(err)
			}
			if !c.token {
				providerError(t, err)
			}
		})
	}
}

func answer(body string) sigstore.Fault {
	return sigstore.Fault{Status: 200, Body: body, Header: http.Header{"Content-Type": {"application/json"}}}
}

func TestBrowserWithWrongState(t *testing.T) {
	b := newBench(t)
	b.Issuer.WrongState = true
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	b.person(func(page string) error {
		if status, _ := visit(t, page); status != http.StatusBadRequest {
			t.Errorf("another state: %d", status)
		}
		cancel()
		return nil
	})
	_, err := b.find(t).Token(ctx, oidc.Request{Audience: oidc.Audience, Issuer: b.urls.Issuer})
	if !errors.Is(err, context.Canceled) || b.Count("issuer-token") != 0 {
		t.Errorf("%v after %d requests for a token", err, b.Count("issuer-token"))
	}
}

// An issuer is who it says, and leads to no place where others can read along.
func TestDiscovery(t *testing.T) {
	var document string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, document) }))
	defer server.Close()
	for fault, text := range map[string]string{
		"it calls itself https://evil.example": `{"issuer":"https://evil.example"}`,
		"is no JSON":                           `<html>`,
		"http://evil.example/auth is neither":  `{"issuer":"URL","authorization_endpoint":"http://evil.example/auth","token_endpoint":"https://evil.example"}`,
		"http://evil.example/token is neither": `{"issuer":"URL/","authorization_endpoint":"https://evil.example","token_endpoint":"http://evil.example/token"}`,
		"no sign-in with a browser":            `{"issuer":"URL"}`,
	} {
		document = strings.ReplaceAll(text, "URL", server.URL)
		b := newBench(t)
		b.person(nil)
		b.e["HALLMARK_OIDC_ISSUER"] = server.URL // rather than that of the request
		_, err := b.token(t)
		says(t, err, fault)
		providerError(t, err)
	}
	document = `{"issuer":"` + server.URL + `"}`
	b := newBench(t)
	b.person(nil)
	b.e["HALLMARK_OIDC_ISSUER"], b.o.Device = server.URL, true
	_, err := b.token(t)
	says(t, err, "no sign-in on another device")
	b.e["HALLMARK_OIDC_ISSUER"] = "http://issuer.invalid"
	_, err = b.token(t)
	says(t, err, "neither https nor on this machine")
	delete(b.e, "HALLMARK_OIDC_ISSUER")
	_, err = b.find(t).Token(t.Context(), oidc.Request{Audience: oidc.Audience})
	if says(t, err, "HALLMARK_OIDC_ISSUER"); !errors.Is(err, oidc.ErrNoIdentity) {
		t.Error(err)
	}
}

func TestDevice(t *testing.T) {
	t.Parallel()
	for name, pending := range map[string]int{"at once": 0, "pending": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.Issuer.Interval, b.Issuer.Pending, b.o.Device = 1, pending, true
			b.person(func(string) error { return errors.New("a browser was opened") })
			token, err := b.token(t)
			if err != nil || token.Email != "dev@example.com" || b.Count("issuer-token") != pending+1 {
				t.Errorf("%v, %v after %d polls", token, err, b.Count("issuer-token"))
			}
			if len(b.said) != 1 || !strings.Contains(b.said[0], b.urls.Issuer+"/device ") || !strings.Contains(b.said[0], "WDJB-MJHT") {
				t.Errorf("said %q", b.said)
			}
		})
	}
}

// An issuer that wants to be asked less often is (RFC 8628 section 3.5: by five seconds).
func TestDeviceSlowsDown(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seven seconds")
	}
	t.Parallel()
	b := newBench(t)
	b.Issuer.Interval, b.Issuer.SlowDown, b.o.Device = 1, 1, true
	b.person(nil)
	begun := time.Now()
	if token, err := b.token(t); err != nil || time.Since(begun) < 6*time.Second {
		t.Errorf("%v, %v after %s", token, err, time.Since(begun))
	}
}

func TestDeviceFails(t *testing.T) {
	t.Parallel()
	device := func(members string) sigstore.Fault { return answer(`{"device_code":"d",` + members + `}`) }
	for name, c := range map[string]struct {
		arrange func(b *bench)
		fault   string
		token   bool
	}{
		"denied":   {func(b *bench) { b.Issuer.Denied = "access_denied" }, "was refused (access_denied)", false},
		"too late": {func(b *bench) { b.Issuer.Denied = "expired_token" }, "sign in again", false},
		"own clock": {func(b *bench) {
			b.Fault("issuer-device", device(`"user_code":"U","verification_uri":"https://x.example","expires_in":1,"interval":9`))
		}, "sign in again", false},
		"other issuer": {func(b *bench) { b.Issuer.User = sigstore.Claims{"sub": "x", "iss": "https://other.example"} }, "it is by https://other.example", true},
		"down":         {func(b *bench) { b.Fault("issuer-device", sigstore.Fault{Status: 500, Body: "eyJ"}) }, "/device/code", false},
		"poll fails":   {func(b *bench) { b.Fault("issuer-token", sigstore.Fault{Status: 500, Body: "eyJ"}) }, "500", false},
		"no code":      {func(b *bench) { b.Fault("issuer-device", device(`"verification_uri":"https://x.example"`)) }, "no code", false},
		"no page":      {func(b *bench) { b.Fault("issuer-device", device(`"user_code":"U","verification_uri":"file:///x"`)) }, "file:///x", false},
		"odd interval": {func(b *bench) {
			b.Fault("issuer-device", device(`"user_code":"U","verification_uri":"https://x.example","interval":-1`))
		}, "-1 seconds", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.Issuer.Interval, b.o.Device = 1, true
			b.person(nil)
			c.arrange(b)
			_, err := b.token(t)
			says(t, err, c.fault)
			if errors.Is(err, oidc.ErrToken) != c.token {
				t.Error(err)
			}
			if !c.token {
				providerError(t, err)
			}
		})
	}
}

func TestDeviceIsCanceled(t *testing.T) {
	b := newBench(t)
	b.Issuer.Pending, b.o.Device = 100, true
	b.person(nil)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := b.find(t).Token(ctx, oidc.Request{Audience: oidc.Audience, Issuer: b.urls.Issuer})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestOpenBrowser(t *testing.T) {
	for _, page := range []string{"", "file:///etc/passwd", "--help", "javascript:alert(1)", "https:"} {
		if oidc.OpenBrowser(page) == nil {
			t.Errorf("%q was opened", page)
		}
	}
	folder := t.TempDir()
	t.Setenv("PATH", folder)
	if oidc.OpenBrowser("https://issuer.example/auth") == nil {
		t.Error("a browser was found where there is none")
	}
	if runtime.GOOS != "linux" {
		return
	}
	const page = "https://issuer.example/auth?a=$(id)&b='c'"
	script := "#!/bin/sh\nprintf %s \"$1\" >" + folder + "/new && exec /bin/mv " + folder + "/new " + folder + "/page\n"
	if err := os.WriteFile(filepath.Join(folder, "xdg-open"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := oidc.OpenBrowser(page); err != nil {
		t.Fatal(err)
	}
	var got []byte
	for end := time.Now().Add(10 * time.Second); got == nil && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		got, _ = os.ReadFile(filepath.Join(folder, "page"))
	}
	if string(got) != page {
		t.Errorf("opened %q, want %q", got, page)
	}
}
