package testkit_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/hallmark-project/hallmark/internal/testkit"
)

// ask sends a request and returns the answer with its body.
func ask(t *testing.T, method, url string, header http.Header, body []byte) (*http.Response, []byte) {
	t.Helper()
	r, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		r.Header[name] = values
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, raw
}

// upload begins an upload and returns where it goes on, with the digest that ends it.
func upload(t *testing.T, s *testkit.Server, query string, d digest.Digest) string {
	t.Helper()
	resp, raw := ask(t, http.MethodPost, s.URL+"/v2/team/app/blobs/uploads/"+query, nil, nil)
	if resp.StatusCode != http.StatusAccepted {
		t.Fatalf("POST%s: %s: %s", query, resp.Status, raw)
	}
	at, err := resp.Location()
	if err != nil {
		t.Fatal(err)
	}
	values := at.Query()
	values.Set("digest", d.String())
	at.RawQuery = values.Encode()
	return at.String()
}

func TestECR(t *testing.T) {
	s := testkit.Registry(t, testkit.ECR())
	subject := testkit.NewImage()
	testkit.PushImage(t, s, "team/app:v1", subject)
	if resp, _ := ask(t, http.MethodGet, s.URL+"/v2/team/app/referrers/"+subject.Digest().String(), nil, nil); resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("the referrers API answers %s", resp.Status)
	}
	d := testkit.PushReferrer(t, s, "team/app", subject.Descriptor(), "application/x", []byte("x"))
	raw := testkit.GetManifest(t, s, "team/app", d.Digest.String())
	resp, _ := ask(t, http.MethodPut, s.URL+"/v2/team/app/manifests/"+d.Digest.String(), http.Header{"Content-Type": {d.MediaType}}, raw)
	if resp.StatusCode != http.StatusCreated || resp.Header.Get("OCI-Subject") != "" {
		t.Errorf("putting a referrer: %s, OCI-Subject %q", resp.Status, resp.Header.Get("OCI-Subject"))
	}
}

func TestLoopingPages(t *testing.T) {
	s := testkit.Registry(t, testkit.LoopingPages())
	image := testkit.NewImage()
	testkit.PushImage(t, s, "team/app:v1", image)
	seen := map[string]int{}
	for url := s.URL + "/v2/team/app/referrers/" + image.Digest().String(); len(seen) < 3; {
		resp, _ := ask(t, http.MethodGet, url, nil, nil)
		target, _, ok := strings.Cut(strings.TrimPrefix(resp.Header.Get("Link"), "<"), ">")
		if !ok {
			t.Fatalf("no next page after %s", url)
		}
		url = s.URL + target
		if seen[url]++; seen[url] == 2 {
			return
		}
	}
	t.Errorf("the pages do not repeat: %v", seen)
}

// TestGHCR: the labels of the fallback list are wrong where they should be, and its
// digest is that of what is answered.
func TestGHCR(t *testing.T) {
	others := func(d ocispec.Descriptor) bool { return d.ArtifactType == "application/others" }
	s := testkit.Registry(t, testkit.GHCR(others))
	image := testkit.NewImage()
	testkit.PushImage(t, s, "team/app:v1", image)
	label := map[string]string{"a": "b"}
	ours := testkit.PushReferrer(t, s, "team/app", image.Descriptor(), "application/ours", []byte("1"))
	theirs := testkit.PushReferrer(t, s, "team/app", image.Descriptor(), "application/others", []byte("2"))
	ours.Annotations, theirs.Annotations = label, label
	testkit.PutFallback(t, s, "team/app", image.Digest(), ours, theirs)

	tag := s.URL + "/v2/team/app/manifests/" + strings.Replace(image.Digest().String(), ":", "-", 1)
	resp, raw := ask(t, http.MethodGet, tag, nil, nil)
	if got := resp.Header.Get("Docker-Content-Digest"); got != digest.FromBytes(raw).String() {
		t.Errorf("the digest of the list is said to be %s", got)
	}
	var list ocispec.Index
	if err := json.Unmarshal(raw, &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Manifests) != 2 || list.Manifests[0].ArtifactType != "application/ours" || list.Manifests[0].Annotations == nil ||
		list.Manifests[1].ArtifactType != ocispec.MediaTypeEmptyJSON || list.Manifests[1].Annotations != nil {
		t.Errorf("listed: %+v", list.Manifests)
	}
	if resp, _ := ask(t, http.MethodGet, s.URL+"/v2/team/app/referrers/"+image.Digest().String(), nil, nil); resp.StatusCode != http.StatusNotFound {
		t.Errorf("the referrers API answers %s", resp.Status)
	}
}

func TestRefusals(t *testing.T) {
	s := testkit.Registry(t, testkit.NoDeletes(), testkit.ClockSkew(-48*time.Hour))
	image := testkit.NewImage()
	testkit.PushImage(t, s, "team/app:v1", image)
	url := s.URL + "/v2/team/app/manifests/" + image.Digest().String()
	resp, _ := ask(t, http.MethodDelete, url, nil, nil)
	if resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("DELETE: %s", resp.Status)
	}
	resp, raw := ask(t, http.MethodGet, url, nil, nil)
	if resp.StatusCode != http.StatusOK || !bytes.Equal(raw, image.Manifest) {
		t.Errorf("after it, GET: %s", resp.Status)
	}
	date, err := http.ParseTime(resp.Header.Get("Date"))
	if away := time.Since(date); err != nil || away < 47*time.Hour || away > 49*time.Hour {
		t.Errorf("Date %q", resp.Header.Get("Date"))
	}
}

func TestLimit(t *testing.T) {
	atOnce := &testkit.Limit{AtOnce: 2}
	s := testkit.Registry(t, atOnce.Middleware(), testkit.Delay(200*time.Millisecond))
	var group sync.WaitGroup
	for range 5 {
		group.Go(func() { ask(t, http.MethodGet, s.URL+"/v2/", nil, nil) })
	}
	group.Wait()
	if atOnce.Violations() != 3 || atOnce.Most() != 2 {
		t.Errorf("%d above the limit, %d at once at most", atOnce.Violations(), atOnce.Most())
	}

	rate := &testkit.Limit{PerSecond: 3}
	s = testkit.Registry(t, rate.Middleware())
	for n := range 4 {
		resp, _ := ask(t, http.MethodGet, s.URL+"/v2/", nil, nil)
		if refused := resp.StatusCode == http.StatusTooManyRequests; refused != (n == 3) || refused && resp.Header.Get("Retry-After") == "" {
			t.Errorf("request %d within a second: %s", n+1, resp.Status)
		}
	}
	if rate.Violations() != 1 {
		t.Errorf("%d above the limit", rate.Violations())
	}
}

func TestMounts(t *testing.T) {
	content := []byte("mounted")
	for _, test := range []struct {
		name    string
		habit   testkit.Middleware
		from    string
		status  int
		isThere bool
	}{
		{"never", testkit.MountsNever(), "base", http.StatusAccepted, false},
		{"always", testkit.MountsAlways(), "base", http.StatusCreated, true},
		{"always, without the blob", testkit.MountsAlways(), "elsewhere", http.StatusAccepted, false},
		{"falsely", testkit.MountsFalsely(), "base", http.StatusCreated, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := testkit.Registry(t, test.habit)
			d := testkit.PushBlob(t, s, "base", content)
			testkit.PushBlob(t, s, "team/app", []byte("{}"))
			resp, raw := ask(t, http.MethodPost, s.URL+"/v2/team/app/blobs/uploads/?mount="+d.String()+"&from="+test.from, nil, nil)
			if resp.StatusCode != test.status {
				t.Errorf("%s: %s", resp.Status, raw)
			}
			if resp.Header.Get("Location") == "" {
				t.Error("no location")
			}
			got, _ := ask(t, http.MethodGet, s.URL+"/v2/team/app/blobs/"+d.String(), nil, nil)
			if isThere := got.StatusCode == http.StatusOK; isThere != test.isThere {
				t.Errorf("the blob after it: %s", got.Status)
			}
		})
	}
}

func TestUploadHabits(t *testing.T) {
	content := []byte("twelve bytes")
	d := digest.FromBytes(content)
	octets := http.Header{"Content-Type": {"application/octet-stream"}}

	s := testkit.Registry(t, testkit.NoMonolithicPOST())
	resp, raw := ask(t, http.MethodPost, s.URL+"/v2/team/app/blobs/uploads/?digest="+d.String(), octets, content)
	if resp.StatusCode != http.StatusAccepted || resp.Header.Get("Location") == "" {
		t.Errorf("a whole blob in a POST: %s: %s", resp.Status, raw)
	}
	if resp, raw := ask(t, http.MethodPut, upload(t, s, "", d), octets, content); resp.StatusCode != http.StatusCreated {
		t.Errorf("the upload after it: %s: %s", resp.Status, raw)
	}

	s = testkit.Registry(t, testkit.ChunkedOnly(8))
	if resp, _ := ask(t, http.MethodPut, upload(t, s, "", d), octets, content); resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("content in a PUT: %s", resp.Status)
	}
	at := upload(t, s, "", d)
	if resp, _ := ask(t, http.MethodPatch, at, octets, content); resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("a long PATCH: %s", resp.Status)
	}
	for _, chunk := range []struct{ content, rang string }{{"twelve", "0-5"}, {" bytes", "6-11"}} {
		header := http.Header{"Content-Type": octets["Content-Type"], "Content-Range": {chunk.rang}}
		resp, raw := ask(t, http.MethodPatch, at, header, []byte(chunk.content))
		if resp.StatusCode != http.StatusAccepted {
			t.Fatalf("PATCH %s: %s: %s", chunk.rang, resp.Status, raw)
		}
		next, err := resp.Location()
		if err != nil {
			t.Fatal(err)
		}
		values := next.Query()
		values.Set("digest", d.String())
		next.RawQuery = values.Encode()
		at = next.String()
	}
	if resp, raw := ask(t, http.MethodPut, at, octets, nil); resp.StatusCode != http.StatusCreated {
		t.Errorf("the end of the upload: %s: %s", resp.Status, raw)
	}
	if _, raw := ask(t, http.MethodGet, s.URL+"/v2/team/app/blobs/"+d.String(), nil, nil); !bytes.Equal(raw, content) {
		t.Errorf("the blob holds %q", raw)
	}
}
