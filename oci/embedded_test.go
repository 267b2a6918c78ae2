package oci

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/hallmark-project/hallmark/internal/testkit"
)

// Small content is in the manifest and in a blob, larger content in a blob alone; either
// way it is read with its digest checked.
func TestEmbedded(t *testing.T) {
	for _, test := range []struct {
		name     string
		size     int
		embedded bool
	}{{"small", 100, true}, {"as large as it may be", maxEmbedded, true}, {"larger", maxEmbedded + 1, false}} {
		t.Run(test.name, func(t *testing.T) {
			s := testkit.Registry(t)
			store, subject := pinned(t, newClient(t), s)
			text := strings.Repeat("x", test.size)
			listed := attach(t, store, evidence(subject, text))
			m, _, err := FetchManifest(t.Context(), store, listed[0])
			if err != nil {
				t.Fatal(err)
			}
			if got := m.Layers[0].Data != nil; got != test.embedded {
				t.Errorf("embedded: %v", got)
			}
			if raw := blobIn(t, s, m.Layers[0].Digest); string(raw) != text {
				t.Errorf("the blob has %d bytes", len(raw))
			}
			raw, err := FetchAll(t.Context(), store, m.Layers[0], 1<<20)
			if err != nil || string(raw) != text {
				t.Errorf("%d bytes, %v", len(raw), err)
			}
		})
	}
}

// blobIn is a blob as the registry has it.
func blobIn(t *testing.T, s *testkit.Server, d digest.Digest) []byte {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/v2/team/app/blobs/"+d.String(), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp := s.Direct(r)
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("blob %s: status %d, %v", d, resp.StatusCode, err)
	}
	return raw
}

// A descriptor can carry anything. What is not the content that it names is not read.
func TestEmbeddedLies(t *testing.T) {
	s := testkit.Registry(t)
	store, subject := pinned(t, newClient(t), s)
	m, _, err := FetchManifest(t.Context(), store, attach(t, store, evidence(subject, "truth"))[0])
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]string{"other content": "wrong", "shorter": "trut", "longer": "truth!"} {
		d := m.Layers[0]
		d.Data = []byte(data)
		s.Reset()
		raw, err := FetchAll(t.Context(), store, d, 1<<20)
		if err != nil || string(raw) != "truth" {
			t.Errorf("%s: read %q, %v", name, raw, err)
		}
		if s.Count() != 1 {
			t.Errorf("%s: %d requests", name, s.Count())
		}
	}
	lie := evidence(subject, "truth")
	lie.Artifact.Layer.Descriptor.Digest = describe("", []byte("wrong")).Digest
	_, err = store.Attach(t.Context(), []Attachment{lie})
	if err == nil {
		t.Error("content of another digest was attached")
	}
}

// A registry that does not take a blob in one request gets it in the usual way, whatever it answers, and is not asked again.
func TestSinglePost(t *testing.T) {
	posts := func(r *http.Request) bool { return r.Method == http.MethodPost && testkit.Uploads(r) }
	holding := func(r *http.Request) bool { return posts(r) && r.URL.Query().Get("digest") != "" }
	fail := func(status int) testkit.Option {
		return testkit.FailCode(holding, status, "", nil, testkit.Always)
	}
	elsewhere := func(status int, to string) testkit.Option {
		return testkit.FailCode(holding, status, "", http.Header{"Location": {to}}, testkit.Always)
	}
	for name, test := range map[string]struct {
		option testkit.Option
		posts  int // for three small blobs and the empty one, one after the other
	}{
		"taken":               {testkit.Delay(0), 4},
		"passed over":         {testkit.NoMonolithicPOST(), 4},
		"not allowed":         {testkit.FailCode(holding, http.StatusMethodNotAllowed, "UNSUPPORTED", nil, testkit.Always), 5},
		"bad request":         {testkit.FailCode(holding, http.StatusBadRequest, "DIGEST_INVALID", nil, testkit.Always), 5},
		"no body here":        {fail(http.StatusRequestEntityTooLarge), 5},
		"forbidden":           {fail(http.StatusForbidden), 5},
		"failed":              {fail(http.StatusInternalServerError), 5},
		"not implemented":     {fail(http.StatusNotImplemented), 5},
		"bad gateway":         {fail(http.StatusBadGateway), 5},
		"overloaded":          {fail(http.StatusServiceUnavailable), 5},
		"no answer":           {hangingUp(holding), 5},
		"no location":         {fail(http.StatusAccepted), 5},
		"just fine":           {fail(http.StatusOK), 5},
		"no content":          {fail(http.StatusNoContent), 5},
		"elsewhere, unsaid":   {fail(http.StatusTemporaryRedirect), 5},
		"elsewhere":           {elsewhere(http.StatusTemporaryRedirect, "http://127.0.0.1:1/"), 5},
		"elsewhere for good":  {elsewhere(http.StatusPermanentRedirect, "http://127.0.0.1:1/"), 5},
		"found elsewhere":     {elsewhere(http.StatusFound, "http://127.0.0.1:1/"), 5},
		"in circles":          {elsewhere(http.StatusTemporaryRedirect, "/v2/team/app/blobs/uploads/?digest=x"), 5 + maxRedirects},
		"another digest":      {testkit.RewriteHeader(holding, otherDigest, testkit.Always), 5},
		"too many requests":   {testkit.FailCode(holding, http.StatusTooManyRequests, "", http.Header{"Retry-After": {"0"}}, 1), 5},
		"forgetful, but once": {testkit.FailCode(holding, http.StatusServiceUnavailable, "", nil, 1), 5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := testkit.Registry(t, test.option)
			store, _ := pinned(t, newClient(t), s)
			s.Reset()
			for _, text := range []string{"{}", "a", "b", "c"} {
				b := BytesBlob("text/plain", []byte(text))
				if err := store.(*repository).pushBlob(t.Context(), b, ""); err != nil {
					t.Fatal(err)
				}
				if raw := blobIn(t, s, b.Descriptor.Digest); !bytes.Equal(raw, []byte(text)) {
					t.Errorf("stored %q", raw)
				}
			}
			n := 0
			for _, r := range s.Requests() {
				if r.Method == http.MethodPost {
					n++
				}
			}
			if n != test.posts {
				t.Errorf("%d POSTs, want %d", n, test.posts)
			}
		})
	}
}

// otherDigest is the answer of a registry that took in something else.
func otherDigest(h http.Header) {
	h.Set("Docker-Content-Digest", digest.FromString("something else").String())
}

// hangingUp closes the connection in place of an answer.
func hangingUp(match testkit.Matcher) testkit.Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if match(r) {
				panic(http.ErrAbortHandler)
			}
			next.ServeHTTP(w, r)
		})
	}
}

// Where the registry wants other credentials, another form of the upload does not help.
func TestSinglePostUnauthorized(t *testing.T) {
	uploads := func(r *http.Request) bool { return r.Method == http.MethodPost && testkit.Uploads(r) }
	s := testkit.Registry(t, testkit.Fail(uploads, http.StatusUnauthorized, nil, testkit.Always))
	store, _ := open(t, newClient(t), s.Host+"/team/app:v1")
	err := store.(*repository).pushBlob(t.Context(), BytesBlob("text/plain", []byte("a")), "")
	if !refused(err) || s.CountOf(uploads) != 1 {
		t.Errorf("%d POSTs, %v", s.CountOf(uploads), err)
	}
}
