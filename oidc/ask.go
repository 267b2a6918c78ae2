package oidc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
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
	errNotHTTPS = errors.New("its address is neither https nor on this machine, and a secret would be sent there")
)

// Bounds on asking a provider.
const (
	maxAttempts = 3
	askTime     = 10 * time.Second
	maxWait     = 10 * time.Second
)

// question is a request that may be repeated.
type question struct {
	provider, method, url string
	header                http.Header
	body                  []byte
	plainHTTP             bool // carries no secret: any address will do
}

// ask asks a provider, a few times if it is down.
func (o Options) ask(ctx context.Context, q question) ([]byte, error) {
	u, err := url.Parse(q.url)
	if err != nil || u.Host == "" {
		return nil, &ProviderError{Provider: q.provider, Cause: errNoURL}
	}
	if !q.plainHTTP && !private(u) {
		return nil, &ProviderError{Provider: q.provider, URL: plain(u), Cause: errNotHTTPS}
	}
	delay := time.Second
	for attempt := 1; ; attempt++ {
		status, wait, body, err := o.once(ctx, q)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err == nil && status == http.StatusOK {
			return body, nil
		}
		failure := &ProviderError{Provider: q.provider, URL: plain(u), Status: status, Cause: err}
		again := err != nil || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout || status >= 500
		if !again || attempt == maxAttempts {
			return nil, failure
		}
		if wait == 0 {
			wait = delay/2 + rand.N(delay/2)
			delay *= 2
		}
		if wait > maxWait {
			return nil, failure
		}
		if err := o.sleep(ctx, wait); err != nil {
			return nil, err
		}
	}
}

func (o Options) once(ctx context.Context, q question) (status int, wait time.Duration, body []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, q.method, q.url, bytes.NewReader(q.body))
	if err != nil {
		return 0, 0, nil, errNoURL
	}
	r.Header = q.header.Clone()
	client := *o.Client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	response, err := client.Do(r)
	if err != nil {
		return 0, 0, nil, withoutURL(err)
	}
	defer response.Body.Close()
	body, err = io.ReadAll(io.LimitReader(response.Body, maxToken+1024))
	if err != nil {
		return 0, 0, nil, withoutURL(err)
	}
	if n, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && n >= 0 {
		wait = time.Duration(n) * time.Second
	}
	return response.StatusCode, wait, body, nil
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
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
