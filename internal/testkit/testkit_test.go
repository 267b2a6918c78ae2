package testkit_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-project/hallmark/internal/testkit"
)

func get(t *testing.T, url string) (*http.Response, []byte, error) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp, body, err
}

// The same options give the same bytes on every machine: a digest that changes here
// changes the meaning of other packages' goldens.
func TestImagesAreDeterministic(t *testing.T) {
	for _, test := range []struct {
		image *testkit.Image
		want  string
	}{
		{testkit.NewImage(), imageDigest},
		{testkit.NewIndex(testkit.Buildkit()), indexDigest},
		{testkit.NewIndex(testkit.Docker(), testkit.Buildkit()), listDigest},
	} {
		if got := test.image.Digest().String(); got != test.want {
			t.Errorf("%s: %s, want %s", test.image.MediaType, got, test.want)
		}
	}
	if testkit.NewImage().Digest() == testkit.NewImage(testkit.File("a", "b")).Digest() {
		t.Error("images with other files have one digest")
	}
}

// Depth counts chains, not requests.
func TestDepth(t *testing.T) {
	s := testkit.Registry(t, testkit.Delay(30*time.Millisecond))
	for range 2 {
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { get(t, s.URL+"/v2/") })
		}
		wg.Wait()
	}
	get(t, s.URL+"/v2/")
	if s.Count() != 7 || s.Depth() != 3 {
		t.Errorf("%d requests, depth %d; want 7 and 3", s.Count(), s.Depth())
	}
	s.Reset()
	if s.Count() != 0 || s.Depth() != 0 {
		t.Error("Reset left something")
	}
}

func TestRegistries(t *testing.T) {
	image := testkit.NewIndex(testkit.Buildkit())
	for name, test := range map[string]struct {
		options   []testkit.Option
		referrers int
		subject   bool
	}{
		"default":           {nil, 200, true},
		"without referrers": {[]testkit.Option{testkit.WithoutReferrers()}, 404, false},
		"quirky":            {[]testkit.Option{testkit.Quirky()}, 200, false},
		"ECR":               {[]testkit.Option{testkit.WithoutReferrers(), testkit.ECR()}, 405, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := testkit.Registry(t, test.options...)
			testkit.PushImage(t, s, "a/b:v1", image)
			attached := testkit.PushReferrer(t, s, "a/b", image.Descriptor(), "text/plain", []byte("x"))
			resp, body, err := get(t, s.URL+"/v2/a/b/referrers/"+image.Digest().String())
			if err != nil || resp.StatusCode != test.referrers || test.referrers == 200 && !bytes.Contains(body, []byte(attached.Digest)) {
				t.Errorf("referrers: %s %s %v", resp.Status, body, err)
			}
			_, manifest, _ := get(t, s.URL+"/v2/a/b/manifests/v1")
			if !bytes.Equal(manifest, image.Manifest) {
				t.Errorf("manifest: %s", manifest)
			}
			put, _ := http.NewRequest(http.MethodPut, s.URL+"/v2/a/b/manifests/"+attached.Digest.String(), bytes.NewReader(testkit.GetManifest(t, s, "a/b", attached.Digest.String())))
			put.Header.Set("Content-Type", attached.MediaType)
			answer, err := http.DefaultClient.Do(put)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			if (answer.Header.Get("OCI-Subject") != "") != test.subject {
				t.Errorf("OCI-Subject: %q", answer.Header.Get("OCI-Subject"))
			}
		})
	}
}

// Many PUTs at once are one after the other in every registry.
func TestConcurrentPuts(t *testing.T) {
	for name, options := range map[string][]testkit.Option{"default": nil, "ggcr": {testkit.WithoutReferrers()}} {
		t.Run(name, func(t *testing.T) {
			s := testkit.Registry(t, options...)
			var wg sync.WaitGroup
			for i := range 50 {
				wg.Go(func() {
					testkit.PushImage(t, s, "a/b:"+fmt.Sprint("v", i), testkit.NewImage(testkit.File("n", fmt.Sprint(i))))
				})
			}
			wg.Wait()
			for i := range 50 {
				if testkit.GetManifest(t, s, "a/b", fmt.Sprint("v", i)) == nil {
					t.Errorf("v%d is lost", i)
				}
			}
		})
	}
}

func TestFaults(t *testing.T) {
	s := testkit.Registry(t, testkit.WithoutReferrers())
	image := testkit.NewImage()
	testkit.PushImage(t, s, "a:v1", image)
	url := s.URL + "/v2/a/manifests/v1"
	s.Use(testkit.Fail(testkit.Manifests, 429, http.Header{"Retry-After": {"7"}}, 1))
	if resp, _, err := get(t, url); err != nil || resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") != "7" {
		t.Error(resp, err)
	}
	if resp, _, err := get(t, url); err != nil || resp.StatusCode != http.StatusOK {
		t.Error("Fail goes on:", resp, err)
	}
	s.Use(testkit.CutBody(testkit.Manifests, 10, 1))
	if _, body, err := get(t, url); !errors.Is(err, io.ErrUnexpectedEOF) || len(body) != 10 {
		t.Errorf("cut: %d bytes, %v", len(body), err)
	}
	s.Use(testkit.RewriteBody(testkit.Manifests, testkit.FlipBit, 1))
	if _, body, err := get(t, url); err != nil || len(body) != len(image.Manifest) || bytes.Equal(body, image.Manifest) {
		t.Errorf("flip: %s, %v", body, err)
	}
	if got := s.Downloads()["/v2/a/manifests/v1"]; got != 3 {
		t.Errorf("%d downloads, want 3", got)
	}
	s.Use(testkit.Lost(testkit.Manifests, testkit.Always))
	if _, _, err := get(t, url); err == nil {
		t.Error("an answer came that was to be lost")
	}
}

// A late PUT takes effect late, also when its sender has gone.
func TestLatePut(t *testing.T) {
	s := testkit.Registry(t, testkit.LatePut(testkit.Manifests, 200*time.Millisecond, 1))
	image := testkit.NewImage()
	testkit.PushImage(t, s, "a", image)
	put, _ := http.NewRequest(http.MethodPut, s.URL+"/v2/a/manifests/late", bytes.NewReader(image.Manifest))
	put.Header.Set("Content-Type", image.MediaType)
	client := &http.Client{Timeout: 50 * time.Millisecond}
	if _, err := client.Do(put); err == nil {
		t.Fatal("it was answered in time")
	}
	if testkit.GetManifest(t, s, "a", "late") != nil {
		t.Error("it had its effect at once")
	}
	time.Sleep(400 * time.Millisecond)
	if testkit.GetManifest(t, s, "a", "late") == nil {
		t.Error("it had no effect")
	}
}

func TestBearerScopes(t *testing.T) {
	s := testkit.Registry(t, testkit.BearerAuth("user", "secret"))
	testkit.PushImage(t, s, "a/b:v1", testkit.NewImage())
	token := func(scope string) string {
		r, _ := http.NewRequest(http.MethodGet, s.URL+"/token?scope="+scope, nil)
		r.SetBasicAuth("user", "secret")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		_, rest, _ := strings.Cut(string(body), `"token":"`)
		value, _, _ := strings.Cut(rest, `"`)
		return value
	}
	for _, test := range []struct {
		scope, method string
		ok            bool
	}{
		{"repository:a/b:pull", http.MethodGet, true},
		{"repository:a/b:pull,push", http.MethodGet, true},
		{"repository:a/b:push", http.MethodGet, false},
		{"repository:a/c:pull", http.MethodGet, false},
		{"repository:a/b:pull", http.MethodDelete, false},
	} {
		r, _ := http.NewRequest(test.method, s.URL+"/v2/a/b/manifests/v1", nil)
		r.Header.Set("Authorization", "Bearer "+token(test.scope))
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if got := resp.StatusCode != http.StatusUnauthorized; got != test.ok {
			t.Errorf("%s with %s: %s", test.method, test.scope, resp.Status)
		}
	}
}

func TestLayouts(t *testing.T) {
	dir, archive := t.TempDir(), filepath.Join(t.TempDir(), "x.tar")
	index := testkit.NewIndex(testkit.Buildkit())
	testkit.WriteLayout(t, dir, "v1", index)
	for _, child := range index.Children {
		if got, err := os.ReadFile(testkit.BlobFile(dir, child.Digest())); err != nil || !bytes.Equal(got, child.Manifest) {
			t.Error(err)
		}
	}
	testkit.TarLayout(t, dir, archive, "./")
	if info, err := os.Stat(archive); err != nil || info.Size() < 1000 {
		t.Error(info, err)
	}
}
