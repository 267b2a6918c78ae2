package testkit

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
)

// PaginateReferrers lists referrers in pages of n with relative Link headers.
func PaginateReferrers(n int) Middleware { return PaginateReferrersAt("", n) }

// PaginateReferrersAt is [PaginateReferrers] with links to the pages at a base URL.
func PaginateReferrersAt(base string, n int) Middleware {
	return onAnswer(Gets(Referrers), Always, func(w http.ResponseWriter, r *http.Request, answer *httptest.ResponseRecorder) {
		var list map[string]json.RawMessage
		var entries []json.RawMessage
		if answer.Code != http.StatusOK || json.Unmarshal(answer.Body.Bytes(), &list) != nil || json.Unmarshal(list["manifests"], &entries) != nil {
			w.WriteHeader(answer.Code)
			w.Write(answer.Body.Bytes())
			return
		}
		from, _ := strconv.Atoi(r.URL.Query().Get("from"))
		from = min(from, len(entries))
		to := min(from+n, len(entries))
		list["manifests"], _ = json.Marshal(append([]json.RawMessage{}, entries[from:to]...))
		page, _ := json.Marshal(list)
		if to < len(entries) {
			w.Header().Set("Link", fmt.Sprintf(`<%s%s?from=%d>; rel="next"`, base, r.URL.Path, to))
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(page)))
		w.Write(page)
	})
}

// NextPage says after every list of referrers that the next page is at link.
func NextPage(link string) Middleware {
	return RewriteHeader(Gets(Referrers), func(h http.Header) { h.Set("Link", "<"+link+`>; rel="next"`) }, Always)
}

// LoopingPages says after every list of referrers that there is one more page: the one
// that was just read, or the one before it.
func LoopingPages() Middleware {
	return onAnswer(Gets(Referrers), Always, func(w http.ResponseWriter, r *http.Request, answer *httptest.ResponseRecorder) {
		page, _ := strconv.Atoi(r.URL.Query().Get("page"))
		w.Header().Set("Link", fmt.Sprintf(`<%s?page=%d>; rel="next"`, r.URL.Path, 1+page%2))
		w.WriteHeader(answer.Code)
		w.Write(answer.Body.Bytes())
	})
}

// GitLab answers a fallback tag with the image itself, as registry.gitlab.com does:
// it reads "sha256-<hex>" as the digest (https://github.com/oras-project/oras-go/issues/1396).
func GitLab() Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet && FallbackTags(r) {
				image := r.Clone(r.Context())
				image.URL.Path = strings.Replace(r.URL.Path, "/manifests/sha256-", "/manifests/sha256:", 1)
				answer := httptest.NewRecorder()
				next.ServeHTTP(answer, image)
				if answer.Code == http.StatusOK {
					r = image
				}
			}
			next.ServeHTTP(w, r)
		})
	}
}

// ECR answers 405 on the referrers API
// (https://github.com/aws/containers-roadmap/issues/2783), and names no OCI-Subject,
// whatever stands behind it.
func ECR() Middleware {
	return func(next http.Handler) http.Handler {
		refuse := FailCode(Referrers, http.StatusMethodNotAllowed, "UNSUPPORTED", nil, Always)
		silent := RewriteHeader(Puts(Manifests), func(h http.Header) { h.Del("OCI-Subject") }, Always)
		return refuse(silent(next))
	}
}

// ETags gives every manifest an ETag and honours If-Match when one is put.
func ETags() Middleware { return etags("%q", true) }

// ETagsIgnored gives every manifest an ETag and does not look at If-Match.
func ETagsIgnored() Middleware { return etags("%q", false) }

// ETagsWeak gives every manifest a weak ETag, which by RFC 9110 section 13.1.1 never
// satisfies If-Match, as proxies that compress do.
func ETagsWeak() Middleware { return etags("W/%q", true) }

func etags(format string, honoured bool) Middleware {
	var lock sync.Mutex
	return func(next http.Handler) http.Handler {
		tag := func(r *http.Request) string {
			get := r.Clone(r.Context())
			get.Method, get.Body = http.MethodGet, http.NoBody
			answer := httptest.NewRecorder()
			next.ServeHTTP(answer, get)
			if answer.Code != http.StatusOK {
				return ""
			}
			return fmt.Sprintf(format, fmt.Sprintf("%x", sha256.Sum256(answer.Body.Bytes())))
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !Manifests(r) {
				next.ServeHTTP(w, r)
				return
			}
			lock.Lock() // look and put are one step
			defer lock.Unlock()
			now := tag(r)
			asked := r.Header.Get("If-Match")
			if honoured && r.Method == http.MethodPut && asked != "" && (asked != now || strings.HasPrefix(now, "W/")) {
				writeError(w, http.StatusPreconditionFailed, "PRECONDITION_FAILED")
				return
			}
			if now != "" && r.Method == http.MethodGet {
				w.Header().Set("ETag", now)
			}
			next.ServeHTTP(w, r)
		})
	}
}
