package testkit

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// BasicAuth wants a user and password for every request.
func BasicAuth(user, password string) Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !hasBasic(r, user, password) {
				w.Header().Set("WWW-Authenticate", `Basic realm="testkit"`)
				writeError(w, http.StatusUnauthorized, "UNAUTHORIZED")
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

func hasBasic(r *http.Request, user, password string) bool {
	u, p, ok := r.BasicAuth()
	return ok && u == user && p == password
}

// BearerAuth wants a token, which its own endpoint /token gives to a user and
// password. A token is good for the repository and actions that it was asked for:
// reading wants pull, everything else push.
func BearerAuth(user, password string) Middleware { return BearerAuthAt("", user, password) }

// BearerAuthAt is [BearerAuth] with the token endpoint said to be at realm; empty
// means /token of the server itself.
func BearerAuthAt(realm, user, password string) Middleware {
	a := &tokens{realm: realm, user: user, password: password, scopes: map[string][]string{}}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.URL.Path == "/token":
				a.issue(w, r)
			case !a.accepts(r):
				a.challenge(w, r)
			default:
				next.ServeHTTP(w, r)
			}
		})
	}
}

type tokens struct {
	realm, user, password string

	mu     sync.Mutex
	scopes map[string][]string // by token
}

func (a *tokens) issue(w http.ResponseWriter, r *http.Request) {
	if !hasBasic(r, a.user, a.password) {
		writeError(w, http.StatusUnauthorized, "UNAUTHORIZED")
		return
	}
	token := rand.Text()
	a.mu.Lock()
	for _, scope := range r.URL.Query()["scope"] {
		a.scopes[token] = append(a.scopes[token], strings.Fields(scope)...)
	}
	a.mu.Unlock()
	json.NewEncoder(w).Encode(map[string]any{"token": token, "expires_in": 300})
}

func (a *tokens) accepts(r *http.Request) bool {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return false
	}
	repository, action := wanted(r)
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.ContainsFunc(a.scopes[token], func(scope string) bool {
		actions, ok := strings.CutPrefix(scope, "repository:"+repository+":")
		return ok && slices.Contains(strings.Split(actions, ","), action)
	})
}

func (a *tokens) challenge(w http.ResponseWriter, r *http.Request) {
	realm := a.realm
	if realm == "" {
		scheme := "http"
		if r.TLS != nil {
			scheme = "https"
		}
		realm = scheme + "://" + r.Host + "/token"
	}
	repository, action := wanted(r)
	w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm=%q,service="testkit",scope="repository:%s:%s"`, realm, repository, action))
	writeError(w, http.StatusUnauthorized, "UNAUTHORIZED")
}

// wanted is the repository of a request and what a token must allow for it.
func wanted(r *http.Request) (repository, action string) {
	repository = strings.TrimPrefix(r.URL.Path, "/v2/")
	for _, part := range []string{"/manifests/", "/blobs/", "/referrers/", "/tags/"} {
		if name, _, ok := strings.Cut(repository, part); ok {
			repository = name
			break
		}
	}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return repository, "pull"
	}
	return repository, "push"
}
