package sign_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-project/hallmark/bundle"
	"github.com/hallmark-project/hallmark/internal/testkit/sigstore"
	"github.com/hallmark-project/hallmark/sign"
	"github.com/hallmark-project/hallmark/trust"
)

// services are those of a served Sigstore, with a client for them.
func services(t *testing.T, w *sigstore.World) (*sign.Client, trust.SigningConfig, []trust.Instance) {
	t.Helper()
	w.Serve(t)
	config, err := trust.ParseSigningConfig("world", w.SigningConfig())
	if err != nil {
		t.Fatal(err)
	}
	instances, err := trust.ParseInstances("world", w.TrustedRoot())
	if err != nil {
		t.Fatal(err)
	}
	client := &sign.Client{UserAgent: "test", Now: w.Now, Sleep: func(_ context.Context, d time.Duration) error { w.Advance(d); return nil }}
	return client, config, instances
}

func keyless(t *testing.T, w *sigstore.World) (*sign.Keyless, *sign.Client) {
	t.Helper()
	client, config, instances := services(t, w)
	notary := &sign.Notary{Client: client, Instances: instances}
	var err error
	if notary.Logs, err = config.UseLogs(w.Now()); err != nil {
		t.Fatal(err)
	}
	if notary.TSAs, err = config.UseTSAs(w.Now()); err != nil {
		t.Fatal(err)
	}
	k, err := sign.NewKeyless(client, config.CAs[0], func(context.Context) (string, error) { return w.Token(nil), nil }, notary)
	if err != nil {
		t.Fatal(err)
	}
	return k, client
}

// TestCertificateIsReplaced: one certificate serves while it is valid, and no longer.
func TestCertificateIsReplaced(t *testing.T) {
	w := sigstore.New(t)
	k, _ := keyless(t, w)
	sign := func() *bundle.Bundle {
		t.Helper()
		b, err := k.Sign(context.Background(), bundle.PayloadType, []byte(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	first := sign()
	w.Advance(4 * time.Minute)
	if string(sign().Certificates[0]) != string(first.Certificates[0]) || w.Count("fulcio") != 1 {
		t.Error("a certificate that is valid was replaced")
	}
	w.Advance(150 * time.Second) // so late that an outage could take the rest
	if string(sign().Certificates[0]) == string(first.Certificates[0]) || w.Count("fulcio") != 2 {
		t.Error("a certificate at its end was used")
	}
}

// TestHangingService: a service that never answers costs one attempt's patience at a
// time, and the budget in all.
func TestHangingService(t *testing.T) {
	w := sigstore.New(t)
	k, client := keyless(t, w)
	client.Patience, client.Budget = 50*time.Millisecond, 10*time.Second
	w.Fault("tsa", sigstore.Fault{Hang: true, Times: sigstore.Always})
	start := w.Now()
	_, err := k.Sign(context.Background(), bundle.PayloadType, []byte(`{}`))
	var failed *sign.ServiceError
	if !errors.As(err, &failed) || failed.Service != "timestamp authority" || failed.Refused() || !strings.Contains(err.Error(), "no answer within") {
		t.Fatalf("got %v, want the timestamp authority to blame", err)
	}
	if waited := w.Now().Sub(start); waited > client.Budget || failed.Attempts < 3 {
		t.Errorf("tried %d times in %s, the budget is %s", failed.Attempts, waited, client.Budget)
	}
}

// TestCanceled: an interrupt ends waiting at once.
func TestCanceled(t *testing.T) {
	w := sigstore.New(t)
	k, client := keyless(t, w)
	client.Sleep = nil
	w.Fault("fulcio", sigstore.Fault{Status: 503, RetryAfter: "60", Times: sigstore.Always})
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := k.Sign(ctx, bundle.PayloadType, []byte(`{}`))
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 10*time.Second {
		t.Errorf("got %v after %s", err, time.Since(start))
	}
}

// TestPlainHTTP: nothing is sent without TLS, but to this machine.
func TestPlainHTTP(t *testing.T) {
	w := sigstore.New(t)
	client, _, instances := services(t, w)
	k, err := sign.NewKeyless(client, trust.Service{URL: "http://ca.example", APIVersion: 1},
		func(context.Context) (string, error) { return "secret", nil }, &sign.Notary{Client: client, Instances: instances})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = k.Certificate(context.Background()); err == nil || !strings.Contains(err.Error(), "not https") {
		t.Errorf("got %v, want a refusal", err)
	}
}

// TestRedirect: a token is sent to the host it is for, and to no other.
func TestRedirect(t *testing.T) {
	w := sigstore.New(t)
	k, _ := keyless(t, w)
	w.Fault("fulcio", sigstore.Fault{Status: 307, Header: map[string][]string{"Location": {"http://127.0.0.1:1/"}}, Times: sigstore.Always})
	_, err := k.Certificate(context.Background())
	var failed *sign.ServiceError
	if !errors.As(err, &failed) || failed.Status != 307 || failed.Attempts != 1 {
		t.Errorf("got %v, want the redirect to be the answer", err)
	}
}

// TestSecretIsNotEchoed: a service that repeats the token does not get it into a message.
func TestSecretIsNotEchoed(t *testing.T) {
	w := sigstore.New(t)
	k, _ := keyless(t, w)
	w.Fault("fulcio", sigstore.Fault{Status: 400, Body: "bad token " + w.Token(nil), Times: sigstore.Always})
	_, err := k.Certificate(context.Background())
	if err == nil || strings.Contains(err.Error(), w.Token(nil)) || !strings.Contains(err.Error(), "[token]") {
		t.Errorf("got %v", err)
	}
}

// TestRetryAfter: a service that asks for more time than there is ends the trying at once,
// however it writes that, and an attempt takes no longer than what is left.
func TestRetryAfter(t *testing.T) {
	for _, value := range []string{"9223372037", "99999999999999999999", "3600", "Fri, 31 Dec 9999 23:59:59 GMT"} {
		w := sigstore.New(t)
		k, client := keyless(t, w)
		client.Budget = 5 * time.Second
		client.Sleep = func(_ context.Context, d time.Duration) error {
			t.Errorf("%s: sleeps %s", value, d)
			return errors.New("enough")
		}
		w.Fault("tsa", sigstore.Fault{Status: 503, RetryAfter: value, Times: sigstore.Always})
		var failed *sign.ServiceError
		if _, err := k.Sign(context.Background(), bundle.PayloadType, []byte(`{}`)); !errors.As(err, &failed) || failed.Status != 503 {
			t.Errorf("%s: got %v", value, err)
		}
	}
	w := sigstore.New(t)
	k, client := keyless(t, w)
	client.Budget, client.Now, client.Sleep = time.Second, nil, nil
	w.Fault("fulcio", sigstore.Fault{Hang: true, Times: sigstore.Always})
	start := time.Now()
	if _, err := k.Certificate(context.Background()); err == nil || time.Since(start) > 20*time.Second {
		t.Errorf("got %v after %s, the budget is a second", err, time.Since(start))
	}
}

// TestMalformedAnswer: the transport quotes what it cannot read, and the token is not to be
// in it.
func TestMalformedAnswer(t *testing.T) {
	w := sigstore.New(t)
	client, _, instances := services(t, w)
	token := w.Token(nil)
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		conn, _, err := rw.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprintf(conn, "HTTP/1.1 %s x\r\n\r\n", token)
	}))
	defer server.Close()
	client.Budget = time.Second
	k, err := sign.NewKeyless(client, trust.Service{URL: server.URL, APIVersion: 1},
		func(context.Context) (string, error) { return token, nil }, &sign.Notary{Client: client, Instances: instances})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = k.Certificate(context.Background()); err == nil || strings.Contains(err.Error(), token) {
		t.Errorf("got %v", err)
	}
}
