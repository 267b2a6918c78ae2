package oci

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/opencontainers/go-digest"
)

// listing is a list of referrers, perhaps still on its way.
type listing struct {
	done    chan struct{}
	entries []Descriptor
	err     error
}

// prefetchReferrers implements prefetcher. The list serves the next Referrers of
// the same digest, once.
func (r *repository) prefetchReferrers(ctx context.Context, subject digest.Digest) {
	l := &listing{done: make(chan struct{})}
	r.mu.Lock()
	r.prefetched[subject] = l
	r.mu.Unlock()
	go func() {
		defer close(l.done)
		l.entries, l.err = r.listReferrers(ctx, subject)
	}()
}

// Referrers implements [Store].
func (r *repository) Referrers(ctx context.Context, subject digest.Digest) ([]Descriptor, error) {
	r.mu.Lock()
	l := r.prefetched[subject]
	delete(r.prefetched, subject)
	r.mu.Unlock()
	if l == nil {
		return r.listReferrers(ctx, subject)
	}
	select {
	case <-l.done:
		return l.entries, l.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (r *repository) listReferrers(ctx context.Context, subject digest.Digest) ([]Descriptor, error) {
	if err := checkDigest(subject); err != nil {
		return nil, err
	}
	if r.apiState() != apiAbsent {
		entries, supported, err := r.apiReferrers(ctx, subject)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrListing, err)
		}
		if supported {
			r.setAPI(apiPresent)
			return entries, nil
		}
		r.setAPI(apiAbsent)
	}
	index, err := r.fallbackIndex(ctx, subject)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrListing, err)
	}
	return index.entries, nil
}

func (r *repository) apiState() apiState {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.api
}

func (r *repository) setAPI(s apiState) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.api != apiPresent { // one answer is proof; a 404 may speak of one repository
		r.api = s
	}
}

// apiReferrers lists by the referrers API, to the last page. Every answer but "there
// is no such API" that is no list is an error: a throttled registry must not look
// like one without evidence.
func (r *repository) apiReferrers(ctx context.Context, subject digest.Digest) (entries []Descriptor, supported bool, err error) {
	next := r.base + "referrers/" + subject.String()
	seen := map[string]bool{}
	for page := 0; next != ""; page++ {
		if page == MaxReferrersPages || seen[next] {
			return nil, false, fmt.Errorf("referrers of %s: the pages do not end", subject)
		}
		seen[next] = true
		var more []Descriptor
		var following string
		err := retryBody(ctx, func() (err error) {
			more, following, err = r.referrersPage(ctx, next)
			return err
		})
		if page == 0 && noSuchAPI(err) {
			return nil, false, nil
		}
		if err != nil {
			return nil, false, err
		}
		entries = append(entries, more...)
		if len(entries) > MaxReferrers {
			return nil, false, &TooLargeError{What: "the number of referrers of " + subject.String(), Limit: MaxReferrers}
		}
		next = following
	}
	return entries, true, nil
}

// noSuchAPI reports whether an answer means that the registry has no referrers API:
// 404 by the specification, 405 as ECR answers.
func noSuchAPI(err error) bool {
	var status *StatusError
	if !errors.As(err, &status) {
		return false
	}
	return status.Status == http.StatusNotFound || status.Status == http.StatusMethodNotAllowed ||
		status.Status == http.StatusNotImplemented || status.Code == "UNSUPPORTED"
}

func (r *repository) referrersPage(ctx context.Context, page string) (entries []Descriptor, next string, err error) {
	resp, err := r.want(ctx, request{method: http.MethodGet, url: page, accept: MediaTypeIndex}, http.StatusOK)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if !strings.HasSuffix(mediaType, "json") {
		return nil, "", fmt.Errorf("referrers: the registry answered %q instead of an image index", printable(resp.Header.Get("Content-Type")))
	}
	raw, err := readLimited(resp.Body, MaxReferrersPage, "a page of referrers")
	if err != nil {
		return nil, "", err
	}
	entries, err = parseListing(raw)
	if err != nil {
		return nil, "", err
	}
	next, err = r.nextPage(resp)
	return entries, next, err
}

// parseListing reads an image index of referrers.
func parseListing(raw []byte) ([]Descriptor, error) {
	var doc struct {
		SchemaVersion int             `json:"schemaVersion"`
		Manifests     *[]Descriptor   `json:"manifests"`
		Layers        json.RawMessage `json:"layers"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, fmt.Errorf("%w: list of referrers: %w", ErrManifest, err)
	}
	// Registries write "manifests": null for an empty list; without the member it is
	// no list.
	if doc.SchemaVersion != 2 || doc.Layers != nil || doc.Manifests == nil && !strings.Contains(string(raw), `"manifests"`) {
		return nil, fmt.Errorf("%w: list of referrers: not an image index", ErrManifest)
	}
	if doc.Manifests == nil {
		return nil, nil
	}
	for _, d := range *doc.Manifests {
		if err := checkDigest(d.Digest); err != nil || d.Size < 0 {
			return nil, fmt.Errorf("%w: list of referrers: bad entry %q", ErrManifest, clip(string(d.Digest)))
		}
	}
	return *doc.Manifests, nil
}

// nextPage is where the next page is, which must be a list of the same registry.
func (r *repository) nextPage(resp *http.Response) (string, error) {
	for _, header := range resp.Header.Values("Link") {
		for link := range strings.SplitSeq(header, ",") {
			target, params, ok := strings.Cut(strings.TrimSpace(link), ">")
			if !ok || !strings.HasPrefix(target, "<") || !strings.Contains(strings.ToLower(strings.ReplaceAll(params, `"`, "")), "rel=next") {
				continue
			}
			u, err := resp.Request.URL.Parse(target[1:])
			if err != nil {
				return "", fmt.Errorf("referrers: bad link to the next page: %w", unwrapURL(err))
			}
			if err := r.checkNext(u); err != nil {
				return "", err
			}
			return u.String(), nil
		}
	}
	return "", nil
}

func (r *repository) checkNext(u *url.URL) error {
	base, err := url.Parse(r.base)
	if err != nil {
		return err
	}
	if u.Scheme != base.Scheme || u.Host != base.Host {
		return fmt.Errorf("referrers: the next page is said to be elsewhere, at %s", redact(u))
	}
	return nil
}

// fallback is the list of referrers under the fallback tag.
type fallback struct {
	entries []Descriptor
	etag    string
}

// fallbackIndex reads the list of referrers of a registry without the API. A tag
// that is not there is an empty list. GitLab answers the tag with the subject
// itself (oras-go#1396), which is no list either.
func (r *repository) fallbackIndex(ctx context.Context, subject digest.Digest) (fallback, error) {
	tag := FallbackTag(subject)
	d, raw, header, err := r.readManifest(ctx, tag, "", MaxReferrersPage)
	if errors.Is(err, ErrNotFound) || err == nil && d.Digest == subject {
		return fallback{}, nil
	}
	if err != nil {
		return fallback{}, err
	}
	if d.MediaType != "" && d.MediaType != MediaTypeIndex {
		return fallback{}, fmt.Errorf("%w: tag %s is no image index but %s", ErrManifest, tag, d.MediaType)
	}
	entries, err := parseListing(raw)
	if err != nil {
		return fallback{}, fmt.Errorf("tag %s: %w", tag, err)
	}
	return fallback{entries, header.Get("ETag")}, nil
}
