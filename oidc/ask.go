package oidc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/hallmark-project/hallmark/internal/retry"
)

// ProviderError says that a provider gave no token. Nothing was signed.
type ProviderError struct {
	Provider string
	URL      string // without its query
	Status   int    // 0: there was no answer
	Cause    error
}

func (e *ProviderError) Error() string {
	text := "no identity token from " + e.Provider
	if e.URL != "" {
		text += " at " + e.URL
	}
	if e.Status != 0 {
		text += fmt.Sprintf(": it answered %d %s", e.Status, http.StatusText(e.Status))
	}
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	return text
}

func (e *ProviderError) Unwrap() error { return e.Cause }

var (
	errNoURL    = errors.New("its address is no URL")
	errNoToken  = errors.New("its answer holds no token")
	errAnswer   = errors.New("its answer cannot be used")
	errNotHTTPS = errors.New("its address is neither https nor on this machine, and a secret would be sent there")
)

// Bounds on asking a provider.
const (
	maxAttempts = 3
	askTime     = 10 * time.Second // for one attempt
	totalTime   = 30 * time.Second // for all of them
	maxWait     = 10 * time.Second
	maxAnswer   = maxToken + 1024
)

// question is a request that may be repeated.
type question struct {
	provider, method, url string
	header                http.Header
	body                  []byte
	plainHTTP             bool        // carries no secret: any address will do
	wants                 http.Header // the answer must have these
}

// reply is what came back.
type reply struct {
	status int
	wait   time.Duration // that the provider wants to be left alone; -1: it does not say
	body   []byte
}

// ask asks a provider, a few times if it is down. It does not follow redirects: what it
// sends is for one address.
func (o Options) ask(ctx context.Context, q question) ([]byte, error) {
	u, err := url.Parse(q.url)
	if err != nil || u.Host == "" {
		return nil, &ProviderError{Provider: q.provider, Cause: errNoURL}
	}
	if !q.plainHTTP && !private(u) {
		return nil, &ProviderError{Provider: q.provider, URL: plain(u), Cause: errNotHTTPS}
	}
	within, cancel := context.WithTimeout(ctx, totalTime)
	defer cancel()
	for attempt := 1; ; attempt++ {
		got, err := o.once(within, q)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err == nil && (got.status == http.StatusOK || got.status == http.StatusCreated) {
			return got.body, nil
		}
		failure := &ProviderError{Provider: q.provider, URL: plain(u), Status: got.status, Cause: err}
		if attempt == maxAttempts || !mayPass(got.status, err) || within.Err() != nil {
			return nil, failure
		}
		wait := got.wait
		if wait < 0 {
			wait = retry.Backoff(attempt, time.Second, maxWait)
		}
		if end, _ := within.Deadline(); wait > maxWait || time.Until(end) < wait {
			return nil, failure
		}
		if err := o.sleep(within, wait); err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			return nil, failure
		}
	}
}

// mayPass reports whether a request may succeed when repeated.
func mayPass(status int, err error) bool {
	return err != nil && !errors.Is(err, errAnswer) || retry.MayPass(status)
}

func (o Options) once(ctx context.Context, q question) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, q.method, q.url, bytes.NewReader(q.body))
	if err != nil {
		return reply{}, errNoURL
	}
	r.Header = q.header.Clone()
	response, err := o.client().Do(r)
	if err != nil {
		return reply{}, withoutURL(err)
	}
	defer response.Body.Close()
	got := reply{status: response.StatusCode, wait: -1}
	if wait, told := retry.After(response.Header, o.Now()); told {
		got.wait = wait
	}
	if got.status != http.StatusOK && got.status != http.StatusCreated {
		return got, nil
	}
	for name, values := range q.wants {
		if response.Header.Get(name) != values[0] {
			return got, fmt.Errorf("%w: the header %s: %s is missing; something else answers there", errAnswer, name, values[0])
		}
	}
	got.body, err = io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case err != nil:
		return got, withoutURL(err)
	case len(got.body) > maxAnswer:
		return got, fmt.Errorf("%w: it is larger than %d bytes", errAnswer, maxAnswer)
	}
	return got, nil
}

// client is the options' client, which follows no redirect.
func (o Options) client() *http.Client {
	client := *o.Client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client
}

// withoutURL takes the address out of an error of net/http, whose query may be secret.
func withoutURL(err error) error {
	var at *url.Error
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

// plain is an address without what may be secret in it.
func plain(u *url.URL) string { return u.Scheme + "://" + u.Host + u.Path }

// private reports whether nobody else can read what is sent to an address.
func private(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback())
}

func (o Options) sleep(ctx context.Context, d time.Duration) error {
	if o.Sleep != nil {
		return o.Sleep(ctx, d)
	}
	return retry.Sleep(ctx, d)
}
