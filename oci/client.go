package oci

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"
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
	// Cache keeps what was read from registries between runs; nil keeps nothing.
	Cache Cache
	// Fresh reads content from registries although the cache may have it. The cache is
	// filled all the same.
	Fresh bool
}

// Client talks to registries: it holds their connections, tokens and credentials,
// and what was found out about them. It is safe for concurrent use.
type Client struct {
	options Options
	auth    *auth.Client

	wrote  *Written
	clock  clock         // of the lost-update protocol and other waits
	settle time.Duration // SettleTime but for tests
	idle   time.Duration // idleTimeout but for tests
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
	c := &auth.Client{
		Client: &http.Client{
			Transport:     newPersistent(boundedUploads{base}, newRetryPolicy(o.Retries)),
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
	return &Client{options: o, auth: c, wrote: &Written{}, clock: wallClock{}, settle: SettleTime, idle: idleTimeout}, nil
}

// Open opens the store that a reference points into: a registry repository or an
// OCI layout. Other schemes are no stores; errors wrap [ErrReference].
func (c *Client) Open(ref Reference) (Store, error) {
	switch ref.Scheme {
	case SchemeRegistry:
		return c.repository(ref), nil
	case SchemeLayout:
		l, err := openLayout(ref.Path, c.wrote)
		if err != nil {
			return nil, err
		}
		return l, nil
	}
	return nil, fmt.Errorf("%w %q: a %s subject holds no attached evidence; a registry reference or oci: is wanted", ErrReference, ref, ref.Scheme)
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
