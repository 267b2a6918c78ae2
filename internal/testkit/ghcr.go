package testkit

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// GHCR is a registry without the referrers API whose fallback lists say what other
// writers put there: the entries of referrers that match are labelled with the media
// type of their config instead of their artifactType, and have no annotations, as
// go-containerregistry writes them. match nil means every entry.
//
// Who trusts the labels of a list takes such a referrer for something else.
func GHCR(match func(ocispec.Descriptor) bool) Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case Referrers(r):
				writeError(w, http.StatusNotFound, "UNSUPPORTED")
			case FallbackTags(r) && (r.Method == http.MethodGet || r.Method == http.MethodHead):
				mislabel(w, r, next, match)
			default:
				w = withoutSubject{w}
				next.ServeHTTP(w, r)
			}
		})
	}
}

// withoutSubject is an answer of a registry that says nothing of OCI-Subject.
type withoutSubject struct{ http.ResponseWriter }

func (w withoutSubject) WriteHeader(status int) {
	w.Header().Del("OCI-Subject")
	w.ResponseWriter.WriteHeader(status)
}

func (w withoutSubject) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// mislabel answers with a fallback list whose labels are wrong. A registry that stores
// such a list also has its digest.
func mislabel(w http.ResponseWriter, r *http.Request, next http.Handler, match func(ocispec.Descriptor) bool) {
	get := r.Clone(r.Context())
	get.Method = http.MethodGet
	answer := httptest.NewRecorder()
	next.ServeHTTP(answer, get)
	raw := answer.Body.Bytes()
	var list ocispec.Index
	if answer.Code == http.StatusOK && json.Unmarshal(raw, &list) == nil {
		for i, d := range list.Manifests {
			if match == nil || match(d) {
				list.Manifests[i].Annotations = nil
				list.Manifests[i].ArtifactType = configType(r, next, d.Digest)
			}
		}
		raw = mustJSON(list)
		answer.Header().Set("Docker-Content-Digest", digest.FromBytes(raw).String())
		answer.Header().Set("Content-Length", strconv.Itoa(len(raw)))
	}
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	if r.Method == http.MethodGet {
		w.Write(raw)
	}
}

// configType is the media type of the config of a manifest in the repository that a
// request is about.
func configType(r *http.Request, next http.Handler, d digest.Digest) string {
	repository, _ := wanted(r)
	answer := httptest.NewRecorder()
	get := httptest.NewRequestWithContext(context.WithoutCancel(r.Context()), http.MethodGet, "/v2/"+repository+"/manifests/"+d.String(), nil)
	next.ServeHTTP(answer, get)
	var manifest ocispec.Manifest
	if json.Unmarshal(answer.Body.Bytes(), &manifest) != nil {
		return ""
	}
	return manifest.Config.MediaType
}
