package interop

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// The accounts of registries that want to know who asks. The reader may pull, the writer
// push as well.
const (
	writer = "assayer"
	reader = "visitor"
	// secret is the password of both, and htpasswd its bcrypt hash in the form of
	// Apache's file, for the writer.
	secret   = "assay office"
	htpasswd = writer + ":$2a$05$AkFpGtfNNaR5dlIfrpXV1eYV579u5DQrbdF8y1qMIoLf85P4bAFHa\n"
	service  = "assay-office.test"
	issuer   = "tokens.assay-office.test"
)

// authority is a certificate for loopback that vouches for itself, with its key.
type authority struct {
	key               *ecdsa.PrivateKey
	der               []byte
	certFile, keyFile string
}

func newAuthority(t *testing.T, dir string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "assay office"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writeUnder(t, dir, "certs/ca.crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	writeUnder(t, dir, "tls.key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
	return &authority{key, der, filepath.Join(dir, "certs", "ca.crt"), filepath.Join(dir, "tls.key")}
}

// serve starts an https server that ends with the test.
func (a *authority) serve(t *testing.T, h http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // strangers are met here
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{a.der}, PrivateKey: a.key}}, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// tokenServer gives tokens out as the distribution project specifies: a JSON Web Token
// that names what may be done to which repository, signed by the authority.
type tokenServer struct {
	*authority
	url string

	mu     sync.Mutex
	issued map[string][]grant
	denied int
}

// grant is what a token allows.
type grant struct {
	Type    string   `json:"type"`
	Name    string   `json:"name"`
	Actions []string `json:"actions"`
}

func newTokenServer(t *testing.T, a *authority) *tokenServer {
	t.Helper()
	s := &tokenServer{authority: a, issued: map[string][]grant{}}
	s.url = a.serve(t, s).URL + "/token"
	return s
}

// ServeHTTP answers a request for a token: GET with a user and password.
func (s *tokenServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user, password, _ := r.BasicAuth()
	if password != secret || user != writer && user != reader || r.URL.Query().Get("service") != service {
		s.mu.Lock()
		s.denied++
		s.mu.Unlock()
		http.Error(w, `{"errors":[{"code":"UNAUTHORIZED","message":"who are you?"}]}`, http.StatusUnauthorized)
		return
	}
	grants := []grant{}
	for _, scopes := range r.URL.Query()["scope"] {
		for _, scope := range strings.Fields(scopes) {
			if g, ok := granted(user, scope); ok {
				grants = append(grants, g)
			}
		}
	}
	token, err := s.sign(user, grants)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	s.mu.Lock()
	s.issued[token] = grants
	s.mu.Unlock()
	json.NewEncoder(w).Encode(map[string]any{"token": token, "expires_in": 300})
}

// granted is what a user gets of a scope such as "repository:team/app:pull,push".
func granted(user, scope string) (grant, bool) {
	parts := strings.Split(scope, ":")
	if len(parts) != 3 || parts[0] != "repository" {
		return grant{}, false
	}
	actions := strings.Split(parts[2], ",")
	if user == reader {
		actions = slices.DeleteFunc(actions, func(action string) bool { return action != "pull" })
	}
	return grant{Type: parts[0], Name: parts[1], Actions: actions}, true
}

// sign makes a token (RFC 7519, ES256 of RFC 7518 section 3.4), with the authority's
// certificate in it.
func (s *tokenServer) sign(user string, grants []grant) (string, error) {
	now := time.Now()
	header := map[string]any{"typ": "JWT", "alg": "ES256", "x5c": []string{base64.StdEncoding.EncodeToString(s.der)}}
	claims := map[string]any{
		"iss": issuer, "sub": user, "aud": service, "jti": rand.Text(), "access": grants,
		"iat": now.Unix(), "nbf": now.Add(-10 * time.Second).Unix(), "exp": now.Add(5 * time.Minute).Unix(),
	}
	var parts []string
	for _, part := range []any{header, claims} {
		raw, err := json.Marshal(part)
		if err != nil {
			return "", err
		}
		parts = append(parts, base64.RawURLEncoding.EncodeToString(raw))
	}
	text := strings.Join(parts, ".")
	sum := sha256.Sum256([]byte(text))
	r, sv, err := ecdsa.Sign(rand.Reader, s.key, sum[:])
	if err != nil {
		return "", err
	}
	signature := append(r.FillBytes(make([]byte, 32)), sv.FillBytes(make([]byte, 32))...)
	return text + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// guard lets requests pass whose token allows them.
func (s *tokenServer) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, action := asked(r)
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		s.mu.Lock()
		grants := s.issued[token]
		s.mu.Unlock()
		if !slices.ContainsFunc(grants, func(g grant) bool { return g.Name == name && slices.Contains(g.Actions, action) }) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="`+s.url+`",service="`+service+`",scope="repository:`+name+":"+action+`"`)
			http.Error(w, `{"errors":[{"code":"UNAUTHORIZED","message":"a token is wanted"}]}`, http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// asked is the repository that a request is about, and what it needs.
func asked(r *http.Request) (name, action string) {
	name = strings.TrimPrefix(r.URL.Path, "/v2/")
	for _, part := range []string{"/manifests/", "/blobs/", "/referrers/", "/tags/"} {
		if before, _, ok := strings.Cut(name, part); ok {
			name = before
			break
		}
	}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return name, "pull"
	}
	return name, "push"
}

// basic lets requests of the writer pass.
func basic(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != writer || password != secret {
			w.Header().Set("WWW-Authenticate", `Basic realm="assay office"`)
			http.Error(w, `{"errors":[{"code":"UNAUTHORIZED","message":"who are you?"}]}`, http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}
