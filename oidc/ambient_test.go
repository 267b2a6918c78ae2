package oidc_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-project/hallmark/internal/testkit/sigstore"
	"github.com/hallmark-project/hallmark/oidc"
)

// ambient sets up one service that gives tokens to jobs.
type ambient struct {
	name    string // of the provider
	service string // of the world
	who     string
	enter   func(b *bench)
}

func ambients() []ambient {
	return []ambient{
		{"github", "github", "repo:octo/app", func(b *bench) {
			b.e["ACTIONS_ID_TOKEN_REQUEST_URL"], b.e["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] = b.urls.GitHubRequestURL, b.urls.GitHubRequestToken
		}},
		{"buildkite", "buildkite", "organization:octo", func(b *bench) {
			b.e["BUILDKITE_AGENT_ACCESS_TOKEN"], b.e["BUILDKITE_JOB_ID"] = b.urls.BuildkiteToken, b.urls.BuildkiteJob
			b.e["BUILDKITE_AGENT_ENDPOINT"] = b.urls.BuildkiteEndpoint + "/"
		}},
		{"google", "gcp", "robot@project.iam.gserviceaccount.com", func(b *bench) {
			b.e["GCE_METADATA_HOST"] = b.urls.MetadataHost
		}},
	}
}

func forAmbients(t *testing.T, test func(t *testing.T, b *bench, a ambient)) {
	for _, a := range ambients() {
		t.Run(a.name, func(t *testing.T) {
			b := newBench(t)
			a.enter(b)
			test(t, b, a)
		})
	}
}

func TestAmbient(t *testing.T) {
	forAmbients(t, func(t *testing.T, b *bench, a ambient) {
		token, err := b.token(t)
		if err != nil || !strings.Contains(token.Describe(), a.who) || b.Count(a.service) != 1 {
			t.Errorf("%v, %v after %d requests", token, err, b.Count(a.service))
		}
	})
}

func TestAmbientComesBack(t *testing.T) {
	forAmbients(t, func(t *testing.T, b *bench, a ambient) {
		b.Fault(a.service, sigstore.Fault{Status: 500})
		b.Fault(a.service, sigstore.Fault{Status: 429, RetryAfter: "7"})
		if token, err := b.token(t); err != nil || b.Count(a.service) != 3 {
			t.Errorf("%v, %v after %d requests", token, err, b.Count(a.service))
		}
		if len(b.waits) != 2 || b.waits[0] > time.Second || b.waits[1] != 7*time.Second {
			t.Errorf("waited %v", b.waits)
		}
	})
}

func TestAmbientStaysDown(t *testing.T) {
	forAmbients(t, func(t *testing.T, b *bench, a ambient) {
		b.Fault(a.service, sigstore.Fault{Status: 503, Times: sigstore.Always})
		_, err := b.token(t)
		if failure := providerError(t, err); failure.Status != 503 || strings.Contains(failure.URL, "?") || b.Count(a.service) != 3 {
			t.Errorf("%+v after %d requests", failure, b.Count(a.service))
		}
	})
}

// Who says no, or to wait for long, is not asked again.
func TestAmbientRefuses(t *testing.T) {
	for _, fault := range []sigstore.Fault{{Status: 403, Body: "eyJ"}, {Status: 404}, {Status: 503, RetryAfter: "3600"},
		{Status: 503, RetryAfter: "Fri, 31 Dec 2100 23:59:59 GMT"}} {
		forAmbients(t, func(t *testing.T, b *bench, a ambient) {
			b.Fault(a.service, fault)
			_, err := b.token(t)
			if failure := providerError(t, err); failure.Status != fault.Status || b.Count(a.service) != 1 {
				t.Errorf("%v after %d requests", failure, b.Count(a.service))
			}
		})
	}
}

func TestAmbientIsCutOff(t *testing.T) {
	forAmbients(t, func(t *testing.T, b *bench, a ambient) {
		b.Fault(a.service, sigstore.Fault{Cut: true, Times: sigstore.Always})
		_, err := b.token(t)
		if failure := providerError(t, err); failure.Status != 0 || failure.Cause == nil {
			t.Errorf("%+v", failure)
		}
	})
}

func TestAmbientHangs(t *testing.T) {
	forAmbients(t, func(t *testing.T, b *bench, a ambient) {
		b.Fault(a.service, sigstore.Fault{Hang: true, Times: sigstore.Always})
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		_, err := b.find(t).Token(ctx, oidc.Request{Audience: oidc.Audience})
		if !errors.Is(err, context.DeadlineExceeded) || b.Count(a.service) != 1 {
			t.Errorf("%v after %d requests", err, b.Count(a.service))
		}
	})
}

// The system's clock is waited for, no longer than the caller wants.
func TestAmbientWaits(t *testing.T) {
	forAmbients(t, func(t *testing.T, b *bench, a ambient) {
		b.o.Sleep = nil
		b.Fault(a.service, sigstore.Fault{Status: 500, RetryAfter: "0"})
		if token, err := b.token(t); err != nil {
			t.Errorf("%v, %v", token, err)
		}
		b.Fault(a.service, sigstore.Fault{Status: 500, RetryAfter: "9", Times: 2})
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(50*time.Millisecond, cancel)
		if _, err := b.find(t).Token(ctx, oidc.Request{Audience: oidc.Audience}); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		within, end := context.WithTimeout(context.Background(), 5*time.Second) // which the wait would outlast
		defer end()
		begun := time.Now()
		_, err := b.find(t).Token(within, oidc.Request{Audience: oidc.Audience})
		if failure := providerError(t, err); failure.Status != 500 || time.Since(begun) > 4*time.Second {
			t.Errorf("%v after %s", failure, time.Since(begun))
		}
	})
}

// A source that is printed by mistake says nothing of what it asks with.
func TestSourceIsNotPrinted(t *testing.T) {
	forAmbients(t, func(t *testing.T, b *bench, _ ambient) {
		source := b.find(t)
		if text := fmt.Sprintf("%v %+v %#v %s", source, source, source, source); text != strings.Join([]string{source.Name(), source.Name(), source.Name(), source.Name()}, " ") {
			t.Error(text)
		}
	})
}

// What was sent with a secret is not sent on to somebody else.
func TestAmbientDoesNotFollow(t *testing.T) {
	forAmbients(t, func(t *testing.T, b *bench, a ambient) {
		visits := 0
		other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { visits++ }))
		defer other.Close()
		b.Fault(a.service, sigstore.Fault{Status: 307, Header: http.Header{"Location": {other.URL}}})
		_, err := b.token(t)
		if failure := providerError(t, err); failure.Status != 307 || visits != 0 {
			t.Errorf("%v, followed %d times", failure, visits)
		}
	})
}

// A service that answers with something else is not believed.
func TestAmbientAnswers(t *testing.T) {
	google := http.Header{"Metadata-Flavor": {"Google"}}
	for name, c := range map[string]struct {
		body   func(b *bench) string
		header http.Header
		fault  string
	}{
		"empty":          {func(*bench) string { return "" }, google, "token"},
		"large":          {func(*bench) string { return strings.Repeat(" ", 70<<10) }, google, "larger than"},
		"other audience": {func(b *bench) string { return wrapped(b.Token(sigstore.Claims{"aud": "other"})) }, google, ""},
	} {
		forAmbients(t, func(t *testing.T, b *bench, a ambient) {
			body := c.body(b)
			b.Fault(a.service, sigstore.Fault{Status: 200, Body: body, Header: c.header})
			_, err := b.token(t)
			says(t, err, c.fault)
			if b.Count(a.service) != 1 {
				t.Errorf("%s: %d requests", name, b.Count(a.service))
			}
		})
	}
	b := newBench(t)
	ambients()[2].enter(b)
	b.Fault("gcp", sigstore.Fault{Status: 200, Body: b.Token(nil)})
	_, err := b.token(t)
	says(t, err, "Metadata-Flavor", "something else answers there")
}

// wrapped is a token as GitHub and Buildkite send it.
func wrapped(token string) string { return `{"value":"` + token + `","token":"` + token + `"}` }

// A secret goes over https, or stays on the machine.
func TestAmbientInTheClear(t *testing.T) {
	b := newBench(t)
	for name, e := range map[string]env{
		"github":    {"ACTIONS_ID_TOKEN_REQUEST_URL": "http://runner.invalid/token?api=2", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": b.urls.GitHubRequestToken},
		"buildkite": {"BUILDKITE_AGENT_ENDPOINT": "http://agent.invalid", "BUILDKITE_JOB_ID": "j", "BUILDKITE_AGENT_ACCESS_TOKEN": b.urls.BuildkiteToken},
		"no URL":    {"ACTIONS_ID_TOKEN_REQUEST_URL": ":", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": b.urls.GitHubRequestToken},
	} {
		b.o.Env = e.get
		_, err := b.token(t)
		if failure := providerError(t, err); failure.Cause == nil || strings.Contains(failure.URL, "?") {
			t.Errorf("%s: %v", name, failure)
		}
	}
}
