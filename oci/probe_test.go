package oci

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-project/hallmark/internal/testkit"
)

// The doctor names what each kind of registry lacks.
func TestProbe(t *testing.T) {
	for name, test := range map[string]struct {
		options []testkit.Option
		want    map[string]Answer
	}{
		"referrers API": {nil, map[string]Answer{ProbePush: Yes, ProbePull: Yes, ProbeReferrers: Yes, ProbeSubject: Yes, ProbeLabels: Yes, ProbeFilter: Yes,
			ProbePages: Yes, ProbeChunked: Yes, ProbeMonolithic: Yes, ProbeDelete: Yes, ProbeClock: Yes, ProbeLimits: No, ProbeRange: Yes}},
		"no referrers API": {[]testkit.Option{testkit.WithoutReferrers()}, map[string]Answer{ProbeReferrers: No, ProbeSubject: No, ProbeFallback: Yes, ProbeETag: No, ProbeLabels: Yes}},
		"quirky":           {[]testkit.Option{testkit.Quirky()}, map[string]Answer{ProbeReferrers: Yes, ProbeSubject: No, ProbeLabels: No, ProbeFilter: No}},
		"GitLab":           {[]testkit.Option{testkit.WithoutReferrers(), testkit.GitLab()}, map[string]Answer{ProbeReferrers: No, ProbeFallback: No}},
		"ECR":              {[]testkit.Option{testkit.ECR()}, map[string]Answer{ProbeReferrers: No, ProbeSubject: No, ProbeFallback: Yes}},
		"GHCR":             {[]testkit.Option{testkit.GHCR(nil)}, map[string]Answer{ProbeReferrers: No, ProbeSubject: No, ProbeFallback: Yes, ProbeLabels: No}},
		"looping pages":    {[]testkit.Option{testkit.LoopingPages()}, map[string]Answer{ProbeReferrers: No, ProbePages: No}},
		"pages of one":     {[]testkit.Option{testkit.PaginateReferrers(1)}, map[string]Answer{ProbeReferrers: Yes, ProbePages: Yes}},
		"no deletes":       {[]testkit.Option{testkit.NoDeletes()}, map[string]Answer{ProbeDelete: No, ProbePush: Yes}},
		"no mounts":        {[]testkit.Option{testkit.MountsNever()}, map[string]Answer{ProbeMount: No}},
		"mounts":           {[]testkit.Option{testkit.MountsAlways()}, map[string]Answer{ProbeMount: Yes}},
		"clock":            {[]testkit.Option{testkit.ClockSkew(-2 * time.Hour)}, map[string]Answer{ProbeClock: No}},
		"limits":           {[]testkit.Option{testkit.Fail(testkit.Blobs, 429, http.Header{"Retry-After": {"0"}}, 1)}, map[string]Answer{ProbeLimits: Yes}},
		"limits announced": {[]testkit.Option{testkit.RewriteHeader(testkit.Any, func(h http.Header) { h.Set("RateLimit-Remaining", "7;w=21600") }, testkit.Always)}, map[string]Answer{ProbeLimits: Yes}},
		"chunks refused":   {[]testkit.Option{testkit.FailCode(isPatch, 405, "UNSUPPORTED", nil, testkit.Always)}, map[string]Answer{ProbeChunked: No, ProbePush: Yes}},
		"password wanted":  {[]testkit.Option{testkit.BasicAuth("u", "p")}, map[string]Answer{ProbeAuth: Yes, ProbePull: No, ProbePush: No}},
		"token wanted":     {[]testkit.Option{testkit.BearerAuth("u", "p")}, map[string]Answer{ProbeAuth: Yes, ProbePull: No, ProbePush: No}},
		"read-only":        {[]testkit.Option{testkit.FailCode(func(r *http.Request) bool { return r.Method != http.MethodGet && r.Method != http.MethodHead }, 403, "DENIED", nil, testkit.Always)}, map[string]Answer{ProbePull: Yes, ProbePush: No}},
		"no ranges":        {[]testkit.Option{withoutRanges()}, map[string]Answer{ProbeRange: No}},
		"ETags":            {[]testkit.Option{testkit.WithoutReferrers(), testkit.ETags()}, map[string]Answer{ProbeETag: Yes}},
		"weak ETags":       {[]testkit.Option{testkit.WithoutReferrers(), testkit.ETagsWeak()}, map[string]Answer{ProbeETag: No}},
	} {
		t.Run(name, func(t *testing.T) {
			s := testkit.Registry(t, test.options...)
			testkit.PushImage(t, s, "team/app:v1", testkit.NewImage())
			ref, err := ParseReference(s.Host + "/team/app")
			if err != nil {
				t.Fatal(err)
			}
			probe, err := newClient(t).Probe(t.Context(), ref, true)
			if err != nil {
				t.Fatal(err)
			}
			for what, want := range test.want {
				if got := probe.Finding(what); got.Answer != want {
					t.Errorf("%s: %s, want %s (%s)", what, got.Answer, want, got.Detail)
				}
			}
			left := doctorsTags(t, s)
			if name == "no deletes" {
				if len(probe.Left) < 3 || len(left) == 0 {
					t.Errorf("said to be left: %v, tags %v", probe.Left, left)
				}
			} else if len(probe.Left) > 0 || len(left) > 0 {
				t.Errorf("said to be left: %v, tags %v", probe.Left, left)
			}
		})
	}
}

func withoutRanges() testkit.Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Header.Del("Range")
			next.ServeHTTP(w, r)
		})
	}
}

// doctorsTags are the tags that a probe left in the registry.
func doctorsTags(t *testing.T, s *testkit.Server) []string {
	t.Helper()
	resp := s.Direct(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v2/team/app/tags/list", nil))
	var list struct{ Tags []string }
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, tag := range list.Tags {
		if strings.HasPrefix(tag, "hallmark-doctor") {
			out = append(out, tag)
		}
	}
	return out
}

// Without the leave to write nothing is written.
func TestProbeReadOnly(t *testing.T) {
	s := testkit.Registry(t)
	ref, err := ParseReference(s.Host + "/team/app")
	if err != nil {
		t.Fatal(err)
	}
	probe, err := newClient(t).Probe(t.Context(), ref, false)
	if err != nil || probe.Finding(ProbePull).Answer != Yes || probe.Finding(ProbePush).Answer != Unknown {
		t.Errorf("%+v, %v", probe, err)
	}
	if n := s.CountOf(func(r *http.Request) bool { return r.Method != http.MethodGet && r.Method != http.MethodHead }); n > 0 {
		t.Errorf("%d requests that write", n)
	}
}

func TestProbeNobody(t *testing.T) {
	ref, err := ParseReference("127.0.0.1:1/team/app")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newClient(t).Probe(t.Context(), ref, true); err == nil {
		t.Error("a registry that is not there was probed")
	}
	ref.Scheme = SchemeLayout
	_, err = newClient(t).Probe(t.Context(), ref, true)
	wantErr(t, err, ErrReference)
}
