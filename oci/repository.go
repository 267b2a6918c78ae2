package oci

import (
	"context"
	"fmt"
	"mime"
	"net/http"
	"regexp"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
)

// acceptManifests is what may be answered for a manifest.
var acceptManifests = strings.Join([]string{
	MediaTypeManifest, MediaTypeIndex, MediaTypeDockerManifest, MediaTypeDockerList,
}, ", ")

// repository is a [Store] over a repository of a registry.
type repository struct {
	client *Client
	name   string // as people write it: host/path
	host   string // where requests go
	base   string // https://host/v2/path/
	path   string

	mu         sync.Mutex
	prefetched map[digest.Digest]*listing
	listed     map[digest.Digest][]Descriptor // what a fallback list held when last read
	api        apiState

	single singleUploads
}

// apiState is what this run knows about the referrers API of a registry.
type apiState int

const (
	apiUnknown apiState = iota
	apiPresent
	apiAbsent
)

func (c *Client) repository(ref Reference) *repository {
	host := ref.Registry
	if host == "docker.io" {
		host = "registry-1.docker.io"
	}
	scheme := "https"
	if c.options.PlainHTTP || isLoopback(host) && c.options.CAFile == "" {
		scheme = "http"
	}
	return &repository{
		client: c, name: ref.Place(), host: host, path: ref.Repository,
		base:       scheme + "://" + host + "/v2/" + ref.Repository + "/",
		prefetched: map[digest.Digest]*listing{}, listed: map[digest.Digest][]Descriptor{},
	}
}

// tagGrammar is that of the distribution specification.
var tagGrammar = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`) })

// Resolve implements [Store].
func (r *repository) Resolve(ctx context.Context, target string) (Subject, error) {
	want := digest.Digest(target)
	if tagGrammar().MatchString(target) {
		want = ""
	} else if err := checkDigest(want); err != nil {
		return Subject{}, fmt.Errorf("%w: %q is neither a tag nor a digest: %w", ErrReference, clip(target), err)
	}
	d, raw, _, err := r.readManifest(ctx, target, want, MaxManifest)
	if err != nil {
		return Subject{}, err
	}
	return newSubject(r.name, d, raw)
}

// readManifest reads the manifest under a tag or digest. want, if set, is the
// digest it must have.
func (r *repository) readManifest(ctx context.Context, target string, want digest.Digest, limit int64) (d Descriptor, raw []byte, header http.Header, err error) {
	err = retryBody(ctx, func() (err error) {
		d, raw, header, err = r.readManifestOnce(ctx, target, want, limit)
		return err
	})
	return d, raw, header, err
}

func (r *repository) readManifestOnce(ctx context.Context, target string, want digest.Digest, limit int64) (Descriptor, []byte, http.Header, error) {
	resp, err := r.want(ctx, request{method: http.MethodGet, url: r.base + "manifests/" + target, accept: acceptManifests}, http.StatusOK)
	if err != nil {
		return Descriptor{}, nil, nil, err
	}
	defer resp.Body.Close()
	raw, err := readAnswer(resp, limit, "manifest "+r.name+" "+target)
	if err != nil {
		return Descriptor{}, nil, nil, err
	}
	got := digest.FromBytes(raw)
	if claimed := digest.Digest(resp.Header.Get("Docker-Content-Digest")); want == "" && claimed.Validate() == nil && claimed.Algorithm() == digest.SHA256 {
		want = claimed
	}
	if want != "" && got != want {
		return Descriptor{}, nil, nil, &DigestError{Want: want, Got: got, WantSize: -1, GotSize: int64(len(raw))}
	}
	return Descriptor{MediaType: manifestType(resp), Digest: got, Size: int64(len(raw))}, raw, resp.Header, nil
}

// manifestType is the media type that an answer declares, if it declares one of a
// manifest: some registries answer with a general one.
func manifestType(resp *http.Response) string {
	mediaType, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil || !IsManifest(mediaType) && !IsIndex(mediaType) {
		return ""
	}
	return mediaType
}
