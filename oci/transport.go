package oci

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// Bounds on how long a registry may keep a request waiting.
const (
	dialTimeout   = 30 * time.Second
	headerTimeout = 2 * time.Minute
	// minUploadRate is what a registry must take in of an upload, in bytes per second.
	minUploadRate = 16 << 10
	maxRedirects  = 5
)

func newTransport(o Options) (*http.Transport, error) {
	t := &http.Transport{
		MaxResponseHeaderBytes: 1 << 20,
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    32,
		IdleConnTimeout:        90 * time.Second,
		TLSHandshakeTimeout:    dialTimeout,
		ResponseHeaderTimeout:  headerTimeout,
		ExpectContinueTimeout:  time.Second,
	}
	if o.CAFile != "" {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		pem, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, fmt.Errorf("certificate authorities: %w", err)
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("certificate authorities: %s holds no PEM certificate", o.CAFile)
		}
		t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return t, nil
}

// boundedUploads gives a request up whose body the registry does not take in.
type boundedUploads struct{ base http.RoundTripper }

func (t boundedUploads) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.ContentLength <= 0 {
		return t.base.RoundTrip(req)
	}
	// The context ends with the request's own, once its answer was read.
	ctx, cancel := context.WithCancelCause(req.Context())
	limit := headerTimeout + time.Duration(req.ContentLength/minUploadRate)*time.Second
	timer := time.AfterFunc(limit, func() { cancel(errIdle) })
	defer timer.Stop()
	resp, err := t.base.RoundTrip(req.WithContext(ctx))
	if err != nil && errors.Is(context.Cause(ctx), errIdle) {
		err = errIdle
	}
	return resp, err
}

// checkRedirect follows a registry elsewhere for reading only, and never from https
// to http. Credentials stay behind: the auth client drops them once the origin is
// left.
func checkRedirect(req *http.Request, via []*http.Request) error {
	from := via[0]
	if len(via) > maxRedirects {
		return fmt.Errorf("stopped after %d redirects", maxRedirects)
	}
	if via[len(via)-1].URL.Scheme == "https" && req.URL.Scheme != "https" {
		return fmt.Errorf("refusing a redirect from https to %s", redact(req.URL))
	}
	if from.Method != http.MethodGet && from.Method != http.MethodHead && req.URL.Host != from.URL.Host {
		return fmt.Errorf("refusing to send %s %s on to another host, %s", from.Method, redact(from.URL), req.URL.Host)
	}
	return nil
}

// redact is u without what may be secret: user, query and fragment.
func redact(u *url.URL) string {
	return u.Scheme + "://" + u.Host + u.EscapedPath()
}

// sameOrigin reports whether two URLs are of one scheme, host and port.
func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && hostPort(a) == hostPort(b)
}

func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	return net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}
