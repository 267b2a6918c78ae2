package oci

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"
	"oras.land/oras-go/v2/registry/remote/retry"
)

// Bounds on how long a registry may keep a request waiting.
const (
	dialTimeout   = 30 * time.Second
	headerTimeout = 2 * time.Minute
	// idleTimeout is how long a body may give nothing.
	idleTimeout  = time.Minute
	maxRedirects = 5
	maxWait      = 20 * time.Second // the longest Retry-After that is obeyed
	// DefaultRetries is how often a request is repeated that failed in a way that
	// may pass: connection errors, 408, 429 and 5xx.
	DefaultRetries = 4
)

// Options are settings of a [Client]. The zero value is right for most uses.
type Options struct {
	// PlainHTTP allows http to hosts other than loopback ones.
	PlainHTTP bool
	// CAFile is a PEM file of certificate authorities trusted besides the system's.
	// With it, loopback registries are asked over https too.
	CAFile string
	// UserAgent is sent with every request.
	UserAgent string
	// Retries is how often a failing request is repeated: 0 means [DefaultRetries],
	// a negative number not at all.
	Retries int
	// Transport sends the requests; nil means a transport of its own, which obeys
	// HTTPS_PROXY, HTTP_PROXY and NO_PROXY.
	Transport http.RoundTripper
	// Anonymous keeps credentials of the Docker configuration unused.
	Anonymous bool
}

// Client talks to registries: it holds their connections, tokens and credentials,
// and what was found out about them. It is safe for concurrent use.
type Client struct {
	options Options
	auth    *auth.Client
}

// NewClient makes a client. It reads the CA file, if there is one; credentials are
// read when a registry asks for them, from the Docker configuration (DOCKER_CONFIG),
// then the file that REGISTRY_AUTH_FILE names, and through credential helpers.
func NewClient(o Options) (*Client, error) {
	base := o.Transport
	if base == nil {
		t, err := newTransport(o)
		if err != nil {
			return nil, err
		}
		base = t
	}
	policy := retryPolicy(o.Retries)
	c := &auth.Client{
		Client: &http.Client{
			Transport:     &retry.Transport{Base: base, Policy: func() retry.Policy { return policy }},
			CheckRedirect: checkRedirect,
		},
		Cache: auth.NewCache(),
	}
	if o.UserAgent != "" {
		c.SetUserAgent(o.UserAgent)
	}
	if !o.Anonymous {
		store, err := credentialStore()
		if err != nil {
			return nil, err
		}
		c.Credential = credentials.Credential(store)
	}
	return &Client{options: o, auth: c}, nil
}

// Open opens the store that a reference points into: a registry repository or an
// OCI layout. Other schemes are no stores; errors wrap [ErrReference].
func (c *Client) Open(ref Reference) (Store, error) {
	switch ref.Scheme {
	case SchemeRegistry:
		return c.repository(ref), nil
	case SchemeLayout:
		return OpenLayout(ref.Path)
	}
	return nil, fmt.Errorf("%w %q: a %s subject holds no attached evidence; a registry reference or oci: is wanted", ErrReference, ref, ref.Scheme)
}

func newTransport(o Options) (*http.Transport, error) {
	t := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   32,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   dialTimeout,
		ResponseHeaderTimeout: headerTimeout,
		ExpectContinueTimeout: time.Second,
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

func credentialStore() (credentials.Store, error) {
	docker, err := credentials.NewStoreFromDocker(credentials.StoreOptions{DetectDefaultNativeStore: false})
	if err != nil {
		return nil, fmt.Errorf("docker configuration: %w", err)
	}
	path := os.Getenv("REGISTRY_AUTH_FILE")
	if path == "" {
		return docker, nil
	}
	podman, err := credentials.NewStore(path, credentials.StoreOptions{})
	if err != nil {
		return nil, fmt.Errorf("REGISTRY_AUTH_FILE: %w", err)
	}
	return credentials.NewStoreWithFallbacks(docker, podman), nil
}

func retryPolicy(retries int) retry.Policy {
	if retries == 0 {
		retries = DefaultRetries
	}
	return &retry.GenericPolicy{
		Retryable: mayPass,
		Backoff:   retry.ExponentialBackoff(250*time.Millisecond, 2, 0.2),
		MinWait:   100 * time.Millisecond,
		MaxWait:   maxWait,
		MaxRetry:  max(retries, 0),
	}
}

// mayPass reports whether a request may succeed when repeated.
func mayPass(resp *http.Response, err error) (bool, error) {
	if err == nil {
		s := resp.StatusCode
		return s == http.StatusRequestTimeout || s == http.StatusTooManyRequests || s >= 500 && s != http.StatusNotImplemented, nil
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false, err
	}
	return brokeOff(err), err
}

// brokeOff reports whether a connection failed in a way that another try may not.
func brokeOff(err error) bool {
	var timeout net.Error
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.ECONNREFUSED) ||
		errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) ||
		errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, errIdle)
}

// tryAgain reports whether content is worth asking for once more: its body broke
// off, or was not what its digest promises.
func tryAgain(err error) bool {
	var digestErr *DigestError
	return errors.As(err, &digestErr) || brokeOff(err)
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

var errIdle = errors.New("the registry sent nothing for a minute")

// idleBody ends a response whose body gives nothing for idleTimeout.
type idleBody struct {
	io.ReadCloser
	timer  *time.Timer
	cancel context.CancelCauseFunc
	ctx    context.Context
}

func watchBody(ctx context.Context, cancel context.CancelCauseFunc, body io.ReadCloser) io.ReadCloser {
	return &idleBody{body, time.AfterFunc(idleTimeout, func() { cancel(errIdle) }), cancel, ctx}
}

func (b *idleBody) Read(p []byte) (int, error) {
	b.timer.Reset(idleTimeout)
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF && context.Cause(b.ctx) == errIdle {
		err = errIdle
	}
	return n, err
}

func (b *idleBody) Close() error {
	b.timer.Stop()
	err := b.ReadCloser.Close()
	b.cancel(nil)
	return err
}

// isLoopback reports whether host, with or without a port, is this machine.
func isLoopback(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.Trim(name, "[]")
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	ip := net.ParseIP(name)
	return ip != nil && ip.IsLoopback()
}
