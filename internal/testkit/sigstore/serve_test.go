package sigstore

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/digitorus/timestamp"
	rekorpb "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	trustpb "github.com/sigstore/protobuf-specs/gen/pb-go/trustroot/v1"
	"google.golang.org/protobuf/encoding/protojson"
)

func do(t *testing.T, r *http.Request) (*http.Response, string) {
	t.Helper()
	response, err := http.DefaultTransport.RoundTrip(r) // follows no redirect
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

func request(method, url string, body []byte, header ...string) *http.Request {
	r := must(http.NewRequest(method, url, bytes.NewReader(body)))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

func post(t *testing.T, url string, v any) (*http.Response, string) {
	t.Helper()
	return do(t, request("POST", url, must(json.Marshal(v)), "Content-Type", "application/json"))
}

// order is a request for a certificate, with a proof over subject.
func order(token, subject string) map[string]any {
	key := NewKey()
	return map[string]any{
		"credentials": map[string]any{"oidcIdentityToken": token},
		"publicKeyRequest": map[string]any{
			"publicKey":         map[string]any{"algorithm": "ECDSA", "content": string(PublicPEM(key.Public()))},
			"proofOfPossession": sign(key, []byte(subject)),
		},
	}
}

func TestFulcio(t *testing.T) {
	w := New(t)
	u := w.Serve(t)
	for name, c := range map[string]struct {
		token   string
		subject string
		status  int
		san     string
	}{
		"email":          {w.Token(nil), "dev@example.com", 200, "dev@example.com"},
		"workflow":       {w.Token(GitHubClaims("octo/app")), "repo:octo/app:ref:refs/heads/main", 200, "https://github.com/octo/app/.github/workflows/release.yml@refs/heads/main"},
		"job":            {w.Token(GitLabClaims("g/app")), "project_path:g/app:ref_type:branch:ref:main", 200, "https://gitlab.com/g/app//.gitlab-ci.yml@refs/heads/main"},
		"other audience": {w.Token(Claims{"aud": "other"}), "dev@example.com", 401, ""},
		"other issuer":   {w.Token(Claims{"iss": "https://x.test"}), "dev@example.com", 401, ""},
		"expired":        {w.Token(Claims{"exp": Epoch.Unix()}), "dev@example.com", 401, ""},
		"forged":         {w.Issuer.ForgedToken(nil), "dev@example.com", 401, ""},
		"no token":       {"", "dev@example.com", 401, ""},
		"unverified":     {w.Token(Claims{"email_verified": false}), "dev@example.com", 400, ""},
		"other proof":    {w.Token(nil), "eve@example.com", 400, ""},
	} {
		t.Run(name, func(t *testing.T) {
			response, body := post(t, u.Fulcio+"/api/v2/signingCert", order(c.token, c.subject))
			if response.StatusCode != c.status {
				t.Fatalf("%d %s", response.StatusCode, body)
			}
			if c.status != 200 {
				return
			}
			cert := firstCertificate(t, body)
			if err := verifyChain(cert, w.CA.Chain(), x509.ExtKeyUsageCodeSigning, Epoch); err != nil {
				t.Error(err)
			}
			if got := strings.Join(cert.EmailAddresses, ""); c.san != got && (len(cert.URIs) == 0 || cert.URIs[0].String() != c.san) {
				t.Errorf("for %s %v, wanted %s", got, cert.URIs, c.san)
			}
			if !embeddedSCT(t, cert, w.CA.Intermediate, w.CTLogs[0]) {
				t.Error("the SCT does not verify")
			}
		})
	}
}

func firstCertificate(t *testing.T, body string) *x509.Certificate {
	t.Helper()
	var answer struct {
		Embedded struct {
			Chain struct {
				Certificates []string `json:"certificates"`
			} `json:"chain"`
		} `json:"signedCertificateEmbeddedSct"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || len(answer.Embedded.Chain.Certificates) != 3 {
		t.Fatalf("answer %s", body)
	}
	block, _ := pem.Decode([]byte(answer.Embedded.Chain.Certificates[0]))
	return must(x509.ParseCertificate(block.Bytes))
}

func TestRekorV1(t *testing.T) {
	w := New(t, WithRekorV1())
	u := w.Serve(t)
	key, sum := NewKey(), sha256.Sum256([]byte("artifact"))
	proposed := func(signed string) object {
		return object{"apiVersion": "0.0.1", "kind": HashedRekord, "spec": object{
			"data":      object{"hash": object{"algorithm": "sha256", "value": hex.EncodeToString(sum[:])}},
			"signature": object{"content": sign(key, []byte(signed)), "publicKey": object{"content": PublicPEM(key.Public())}},
		}}
	}
	entry := proposed("artifact")
	response, body := post(t, u.Logs[0]+entriesPath, entry)
	if response.StatusCode != http.StatusCreated || !strings.Contains(body, `"signedEntryTimestamp"`) || !strings.Contains(body, response.Header.Get("ETag")) {
		t.Fatalf("%d %s", response.StatusCode, body)
	}
	response, _ = post(t, u.Logs[0]+entriesPath, entry)
	location := response.Header.Get("Location")
	if response.StatusCode != http.StatusConflict || location == "" {
		t.Fatalf("the duplicate: %d, Location %q", response.StatusCode, location)
	}
	if response, again := do(t, request("GET", u.Logs[0]+location, nil)); response.StatusCode != http.StatusOK || again != body {
		t.Errorf("fetched %d %s, wanted %s", response.StatusCode, again, body)
	}
	if response, _ := post(t, u.Logs[0]+entriesPath, proposed("another")); response.StatusCode != http.StatusBadRequest {
		t.Errorf("an entry with a bad signature: %d", response.StatusCode)
	}
	env := string(must(json.Marshal(object{"payload": []byte("p"), "payloadType": "t", "signatures": []object{{"sig": sign(key, PAE("t", []byte("p")))}}})))
	response, body = post(t, u.Logs[0]+entriesPath, object{"apiVersion": "0.0.1", "kind": DSSE, "spec": object{
		"proposedContent": object{"envelope": env, "verifiers": [][]byte{PublicPEM(key.Public())}},
	}})
	if response.StatusCode != http.StatusCreated {
		t.Errorf("%d %s", response.StatusCode, body)
	}
	if w.Count("rekor") != 5 || w.Count("rekor", entriesPath) != 4 {
		t.Errorf("%d requests, %d of entries", w.Count("rekor"), w.Count("rekor", entriesPath))
	}
}

func TestRekorV2(t *testing.T) {
	w := New(t)
	u := w.Serve(t)
	key, sum := NewKey(), sha256.Sum256([]byte("artifact"))
	proposed := func(signed, details string) object {
		return object{"hashedRekordRequestV002": object{"digest": sum[:], "signature": object{
			"content":  sign(key, []byte(signed)),
			"verifier": object{"publicKey": object{"rawBytes": publicDER(key.Public())}, "keyDetails": details},
		}}}
	}
	const address, details = "/api/v2/log/entries", "PKIX_ECDSA_P256_SHA_256"
	entry := proposed("artifact", details)
	response, body := post(t, u.Logs[0]+address, entry)
	got := &rekorpb.TransparencyLogEntry{}
	if err := protojson.Unmarshal([]byte(body), got); err != nil || response.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s", response.StatusCode, body)
	}
	if err := included(got); err != nil || !strings.HasPrefix(got.InclusionProof.Checkpoint.Envelope, "127.0.0.1\n") {
		t.Errorf("%v, checkpoint %s", err, got.InclusionProof.Checkpoint.Envelope)
	}
	for status, request := range map[int]object{409: entry, 400: proposed("another", details), 0: proposed("artifact", "PKIX_ED25519")} {
		if response, body := post(t, u.Logs[0]+address, request); response.StatusCode != max(status, 400) {
			t.Errorf("%d %s, wanted %d", response.StatusCode, body, status)
		}
	}
}

func TestTimestampServer(t *testing.T) {
	w := New(t)
	u := w.Serve(t)
	query := timestamp.Request{
		HashAlgorithm: crypto.SHA256, HashedMessage: digest(crypto.SHA256, []byte("m")), Nonce: big.NewInt(77), Certificates: true,
	}
	response, body := do(t, request("POST", u.TSAs[0], must(query.Marshal()), "Content-Type", "application/timestamp-query"))
	if response.StatusCode != http.StatusCreated || response.Header.Get("Content-Type") != "application/timestamp-reply" {
		t.Fatalf("%d %s", response.StatusCode, body)
	}
	stamp, err := timestamp.ParseResponse([]byte(body))
	if err != nil || stamp.Nonce.Cmp(query.Nonce) != 0 || !stamp.Time.Equal(Epoch) || len(stamp.Certificates) != 1 {
		t.Errorf("%+v, %v", stamp, err)
	}
	if response, _ := do(t, request("POST", u.TSAs[0], []byte("x"), "Content-Type", "application/timestamp-query")); response.StatusCode != http.StatusBadRequest {
		t.Errorf("nonsense: %d", response.StatusCode)
	}
}

func TestSigningConfigNamesServers(t *testing.T) {
	w := New(t, WithRekorV2(), WithRekorV1())
	u := w.Serve(t)
	config := &trustpb.SigningConfig{}
	if err := protojson.Unmarshal(w.SigningConfig(), config); err != nil {
		t.Fatal(err)
	}
	if len(config.RekorTlogUrls) != 2 || config.RekorTlogUrls[0].MajorApiVersion != 2 || config.RekorTlogUrls[1].Url != u.Logs[1] {
		t.Errorf("logs %v", config.RekorTlogUrls)
	}
	if config.CaUrls[0].Url != u.Fulcio || config.OidcUrls[0].Url != u.Issuer || config.TsaUrls[0].Url != u.TSAs[0] {
		t.Errorf("config %v, served %+v", config, u)
	}
}

func TestFaults(t *testing.T) {
	w := New(t)
	u := w.Serve(t)
	w.Fault("rekor", Fault{Status: 502, Times: 2, Skip: 1, RetryAfter: "1", Body: "down"})
	var seen []int
	for range 4 {
		response, _ := do(t, request("GET", u.Logs[0]+"/api/v2/checkpoint", nil))
		seen = append(seen, response.StatusCode)
		if response.StatusCode == http.StatusBadGateway && response.Header.Get("Retry-After") != "1" {
			t.Error("no Retry-After")
		}
	}
	if want := []int{200, 502, 502, 200}; !slices.Equal(seen, want) {
		t.Errorf("statuses %v, wanted %v", seen, want)
	}
	w.Fault("tsa", Fault{Cut: true})
	if _, err := http.DefaultTransport.RoundTrip(request("GET", u.TSAs[0]+"/certchain", nil)); err == nil {
		t.Error("a cut connection answers")
	}
	w.Fault("fulcio", Fault{Hang: true, Times: Always})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := http.DefaultTransport.RoundTrip(request("POST", u.Fulcio+"/", []byte("{}")).WithContext(ctx)); err == nil {
		t.Error("a hanging service answers")
	}
	w.Heal("fulcio")
	if response, _ := do(t, request("GET", u.Fulcio+"/api/v2/trustBundle", nil)); response.StatusCode != http.StatusOK {
		t.Errorf("after healing: %d", response.StatusCode)
	}
	before := w.Logs[0].Size()
	w.Fault("rekor", Fault{Lost: true, Status: 504})
	key, sum := NewKey(), sha256.Sum256([]byte("a"))
	response, _ := post(t, u.Logs[0]+"/api/v2/log/entries", object{"hashedRekordRequestV002": object{"digest": sum[:], "signature": object{
		"content":  sign(key, []byte("a")),
		"verifier": object{"publicKey": object{"rawBytes": publicDER(key.Public())}, "keyDetails": "PKIX_ECDSA_P256_SHA_256"},
	}}})
	if response.StatusCode != http.StatusGatewayTimeout || w.Logs[0].Size() != before+1 {
		t.Errorf("lost answer: %d, %d entries more", response.StatusCode, w.Logs[0].Size()-before)
	}
}
