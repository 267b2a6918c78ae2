package oci

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"

	"github.com/opencontainers/go-digest"
)

// listing is a list of referrers, perhaps still on its way.
type listing struct {
	done    chan struct{}
	cancel  context.CancelFunc
	entries []Descriptor
	err     error
}

// prefetchReferrers implements prefetcher. The list serves the next Referrers of
// the same digest, once.
func (r *repository) prefetchReferrers(ctx context.Context, subject digest.Digest) (drop func()) {
	ctx, cancel := context.WithCancel(ctx)
	l := &listing{done: make(chan struct{}), cancel: cancel}
	r.mu.Lock()
	old := r.prefetched[subject]
	r.prefetched[subject] = l
	r.mu.Unlock()
	if old != nil {
		old.cancel()
	}
	go func() {
		defer close(l.done)
		defer cancel()
		l.entries, l.err = r.listReferrers(ctx, subject)
	}()
	return func() { r.dropPrefetched(subject) }
}

// dropPrefetched ends a listing that nobody will ask for, or that is out of date.
func (r *repository) dropPrefetched(subject digest.Digest) {
	if l := r.takePrefetched(subject); l != nil {
		l.cancel()
	}
}

func (r *repository) takePrefetched(subject digest.Digest) *listing {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.prefetched[subject]
	delete(r.prefetched, subject)
	return l
}

// Referrers implements [Store].
func (r *repository) Referrers(ctx context.Context, subject digest.Digest) ([]Descriptor, error) {
	l := r.takePrefetched(subject)
	if l == nil {
		return r.listReferrers(ctx, subject)
	}
	select {
	case <-l.done:
	case <-ctx.Done():
		l.cancel()
		return nil, ctx.Err()
	}
	if errors.Is(l.err, context.Canceled) || errors.Is(l.err, context.DeadlineExceeded) { // of another context than ctx
		return r.listReferrers(ctx, subject)
	}
	return l.entries, l.err
}

func (r *repository) listReferrers(ctx context.Context, subject digest.Digest) ([]Descriptor, error) {
	if err := checkDigest(subject); err != nil {
		return nil, err
	}
	read := func() (fallback, error) { return r.fallbackIndex(ctx, subject) }
	if r.expectsNoAPI() {
		early, cancel := context.WithCancel(ctx)
		defer cancel()
		read = r.foreseeFallback(early, subject).wait
	}
	entries, supported, err := r.apiReferrers(ctx, subject)
	if supported || err != nil {
		return entries, err
	}
	index, err := read()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrListing, err)
	}
	return index.doc.entries, nil
}

// apiReferrers lists by the referrers API, if the registry has it.
func (r *repository) apiReferrers(ctx context.Context, subject digest.Digest) (entries []Descriptor, supported bool, err error) {
	if r.apiState() == apiAbsent {
		return nil, false, nil
	}
	entries, err = r.referrersPages(ctx, subject)
	switch {
	case err == nil:
		r.found(apiPresent)
		return entries, true, nil
	case !noSuchAPI(err):
		return nil, false, fmt.Errorf("%w: %w", ErrListing, err)
	case speaksOfContent(err): // not of the API: there is nothing by that name
		return nil, false, nil
	case r.apiState() == apiPresent: // it was there before
		return nil, false, fmt.Errorf("%w: %w", ErrListing, err)
	}
	r.found(apiAbsent)
	return nil, false, nil
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

// referrersPages lists by the referrers API, to the last page. Every answer that is no
// list is an error: a throttled registry must not look like one without evidence. Of
// the first page alone it may mean that there is no such API, see noSuchAPI.
func (r *repository) referrersPages(ctx context.Context, subject digest.Digest) (entries []Descriptor, err error) {
	next := r.base + "referrers/" + subject.String()
	seen := map[string]bool{}
	empty, left := 0, int64(MaxListing)
	for first := true; next != ""; first = false {
		if len(seen) == MaxReferrersPages || seen[next] || empty > maxEmptyPages {
			return nil, fmt.Errorf("referrers of %s: %s", subject, pagesDoNotEnd)
		}
		seen[next] = true
		var page referrersPage
		err := retryBody(ctx, func() (err error) {
			page, err = r.referrersPage(ctx, next, min(left, MaxReferrersPage))
			return err
		})
		if err != nil && !first {
			return nil, fmt.Errorf("a further page of referrers: %w", notMissing{err})
		} else if err != nil {
			return nil, err
		}
		entries, next, left = append(entries, page.entries...), page.next, left-page.size
		if len(entries) > MaxReferrers {
			return nil, &TooLargeError{What: "the number of referrers of " + subject.String(), Limit: MaxReferrers}
		}
		if empty++; len(page.entries) > 0 {
			empty = 0
		}
	}
	return entries, nil
}

const pagesDoNotEnd = "the pages do not end"

// notMissing hides from noSuchAPI that a page was answered 404: the pages before it
// were not.
type notMissing struct{ error }

// noSuchAPI reports whether an answer means that the registry has no referrers API:
// 404 by the specification, 405 as ECR answers.
func noSuchAPI(err error) bool {
	var status *StatusError
	if !errors.As(err, &status) {
		return false
	}
	switch status.Status {
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return true
	case http.StatusBadRequest:
		return status.Code == "UNSUPPORTED"
	}
	return false
}

// speaksOfContent reports whether an answer says that the repository or the digest is
// unknown, which tells nothing of the API.
func speaksOfContent(err error) bool {
	var status *StatusError
	if !errors.As(err, &status) || status.Status != http.StatusNotFound {
		return false
	}
	switch status.Code {
	case "NAME_UNKNOWN", "MANIFEST_UNKNOWN", "BLOB_UNKNOWN", "NOT_FOUND":
		return true
	}
	return false
}

type referrersPage struct {
	entries []Descriptor
	next    string
	size    int64
}

func (r *repository) referrersPage(ctx context.Context, page string, limit int64) (referrersPage, error) {
	resp, err := r.want(ctx, request{method: http.MethodGet, url: page, accept: MediaTypeIndex}, http.StatusOK)
	if err != nil {
		return referrersPage{}, err
	}
	defer resp.Body.Close()
	mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if !strings.HasSuffix(mediaType, "json") {
		return referrersPage{}, fmt.Errorf("%w: the registry answered %q instead of an image index of referrers", ErrManifest, printable(resp.Header.Get("Content-Type")))
	}
	raw, err := readAnswer(resp, limit, "a page of referrers")
	if err != nil {
		return referrersPage{}, err
	}
	doc, err := parseListDocument(raw)
	if err != nil {
		return referrersPage{}, err
	}
	next, err := r.nextPage(resp)
	return referrersPage{doc.entries, next, int64(len(raw))}, err
}

// maxLink is the length of a link to the next page.
const maxLink = 8 << 10

// nextPage is where the next page is, which must be of the same registry. A Link
// header that cannot be read might have named one, and is an error.
func (r *repository) nextPage(resp *http.Response) (string, error) {
	target, err := nextLink(resp.Header.Values("Link"))
	if err != nil || target == "" {
		return "", err
	}
	if len(target) > maxLink {
		return "", fmt.Errorf("%w: a link to the next page of %d bytes", ErrManifest, len(target))
	}
	u, err := resp.Request.URL.Parse(target)
	if err != nil {
		return "", fmt.Errorf("%w: the link to the next page: %w", ErrManifest, unwrapURL(err))
	}
	if !r.isHome(u) {
		return "", fmt.Errorf("%w: the next page of referrers is said to be elsewhere, at %s", ErrManifest, printable(redact(u)))
	}
	return u.String(), nil
}

// fallback is the list of referrers under the fallback tag.
type fallback struct {
	doc      listDocument
	etag     string
	digest   digest.Digest // of the list; empty: there is none
	shadowed bool          // the registry answers the tag with the subject itself
}

// fallbackIndex reads the list of referrers of a registry without the API. A tag
// that is not there is an empty list. GitLab answers the tag with the subject
// itself (https://github.com/oras-project/oras-go/issues/1396), which is no list
// either.
func (r *repository) fallbackIndex(ctx context.Context, subject digest.Digest) (fallback, error) {
	tag := FallbackTag(subject)
	d, raw, header, err := r.readManifest(ctx, tag, "", MaxReferrersPage)
	if errors.Is(err, ErrNotFound) {
		return fallback{}, nil
	}
	if err != nil {
		return fallback{}, err
	}
	if d.Digest == subject {
		return fallback{shadowed: true}, nil
	}
	if d.MediaType != "" && d.MediaType != MediaTypeIndex {
		return fallback{}, fmt.Errorf("%w: tag %s is no image index but %s", ErrManifest, tag, d.MediaType)
	}
	doc, err := parseListDocument(raw)
	if err != nil {
		return fallback{}, fmt.Errorf("tag %s: %w", tag, err)
	}
	if len(doc.entries) > MaxReferrers {
		return fallback{}, &TooLargeError{What: "the number of referrers of " + subject.String(), Limit: MaxReferrers}
	}
	r.mu.Lock()
	r.listed[subject] = doc.entries
	r.mu.Unlock()
	return fallback{doc: doc, etag: header.Get("ETag"), digest: d.Digest}, nil
}
