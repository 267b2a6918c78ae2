package testkit

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"

	"github.com/opencontainers/go-digest"
)

// mounts chooses requests to mount a blob of another repository.
func mounts(r *http.Request) bool {
	return r.Method == http.MethodPost && Uploads(r) && r.URL.Query().Get("mount") != ""
}

// MountsNever takes a request to mount a blob for the beginning of an upload, which the
// specification allows.
func MountsNever() Middleware {
	return when(mounts, Always, func(next http.Handler) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			r = r.Clone(r.Context())
			r.URL.RawQuery = ""
			next.ServeHTTP(w, r)
		}
	})
}

// MountsAlways mounts blobs whether or not the registry behind it can, if the
// repository that is named as their origin has them.
func MountsAlways() Middleware {
	return when(mounts, Always, func(next http.Handler) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			repository, _ := wanted(r)
			query := r.URL.Query()
			d := digest.Digest(query.Get("mount"))
			if d.Validate() != nil || !carry(r.Context(), next, query.Get("from"), repository, d) {
				r = r.Clone(r.Context())
				r.URL.RawQuery = ""
				next.ServeHTTP(w, r)
				return
			}
			w.Header().Set("Docker-Content-Digest", d.String())
			w.Header().Set("Location", "/v2/"+repository+"/blobs/"+d.String())
			w.WriteHeader(http.StatusCreated)
		}
	})
}

// MountsFalsely says of every blob that it was mounted, and does nothing.
func MountsFalsely() Middleware {
	return when(mounts, Always, func(http.Handler) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			repository, _ := wanted(r)
			d := r.URL.Query().Get("mount")
			w.Header().Set("Docker-Content-Digest", d)
			w.Header().Set("Location", "/v2/"+repository+"/blobs/"+d)
			w.WriteHeader(http.StatusCreated)
		}
	})
}

// carry brings a blob from one repository into another.
func carry(ctx context.Context, registry http.Handler, from, to string, d digest.Digest) bool {
	ask := func(method, target string, body io.Reader) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(context.WithoutCancel(ctx), method, target, body)
		r.Header.Set("Content-Type", "application/octet-stream")
		w := httptest.NewRecorder()
		registry.ServeHTTP(w, r)
		return w
	}
	blob := ask(http.MethodGet, "/v2/"+from+"/blobs/"+d.String(), nil)
	if blob.Code != http.StatusOK {
		return false
	}
	opened := ask(http.MethodPost, "/v2/"+to+"/blobs/uploads/", nil)
	location, err := url.Parse(opened.Header().Get("Location"))
	if opened.Code != http.StatusAccepted || err != nil {
		return false
	}
	query := location.Query()
	query.Set("digest", d.String())
	location.RawQuery = query.Encode()
	return ask(http.MethodPut, location.String(), blob.Body).Code == http.StatusCreated
}

// NoMonolithicPOST takes a POST that holds a whole blob for the beginning of an upload,
// which the specification allows.
func NoMonolithicPOST() Middleware {
	match := func(r *http.Request) bool {
		return r.Method == http.MethodPost && Uploads(r) && r.URL.Query().Get("digest") != ""
	}
	return when(match, Always, func(next http.Handler) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			r = r.Clone(r.Context())
			r.URL.RawQuery, r.Body, r.ContentLength = "", http.NoBody, 0
			next.ServeHTTP(w, r)
		}
	})
}

// ChunkedOnly takes blobs in by PATCH alone, up to most bytes in one request. A POST or
// PUT that holds content is refused with 413, and so is a longer PATCH, as proxies with
// a limit on bodies do.
func ChunkedOnly(most int64) Middleware {
	tooLong := func(r *http.Request) bool {
		limit := int64(0)
		if r.Method == http.MethodPatch {
			limit = most
		}
		return Uploads(r) && (r.ContentLength > limit || r.ContentLength < 0)
	}
	return FailCode(tooLong, http.StatusRequestEntityTooLarge, "SIZE_INVALID", nil, Always)
}
