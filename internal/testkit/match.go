package testkit

import (
	"net/http"
	"net/url"
	"strings"
)

// Matcher chooses requests.
type Matcher func(*http.Request) bool

// Any chooses every request.
func Any(*http.Request) bool { return true }

// Manifests chooses requests of manifests, Blobs those of blobs (uploads not),
// Uploads those of an upload and Referrers those of the referrers API.
func Manifests(r *http.Request) bool { return strings.Contains(r.URL.Path, "/manifests/") }

// Blobs is described with [Manifests].
func Blobs(r *http.Request) bool { return strings.Contains(r.URL.Path, "/blobs/sha256:") }

// Uploads is described with [Manifests].
func Uploads(r *http.Request) bool { return strings.Contains(r.URL.Path, "/blobs/uploads/") }

// Referrers is described with [Manifests].
func Referrers(r *http.Request) bool { return strings.Contains(r.URL.Path, "/referrers/") }

// FallbackTags chooses requests of the tags that list referrers without the API.
func FallbackTags(r *http.Request) bool { return strings.Contains(r.URL.Path, "/manifests/sha256-") }

// Gets narrows a matcher to GET, Puts to PUT.
func Gets(m Matcher) Matcher { return method(http.MethodGet, m) }

// Puts is described with [Gets].
func Puts(m Matcher) Matcher { return method(http.MethodPut, m) }

// PathHas chooses requests whose path contains part.
func PathHas(part string) Matcher {
	return func(r *http.Request) bool { return strings.Contains(r.URL.Path, part) }
}

func method(name string, m Matcher) Matcher {
	return func(r *http.Request) bool { return r.Method == name && m(r) }
}

func newURL(path, query string) *url.URL { return &url.URL{Path: path, RawQuery: query} }
