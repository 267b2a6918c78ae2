package oci

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"

	"github.com/opencontainers/go-digest"
)

// maxTags caps the tags of a repository that are listed.
const maxTags = 1_000_000

// evidenceTag is a tag that lists or holds evidence of a digest.
var evidenceTag = regexp.MustCompile(`^sha256-([0-9a-f]{64})(\.[a-z]+)?$`)

// Enumerator is a [Store] that can say which digests there is evidence of.
type Enumerator interface {
	// EvidenceSubjects are the digests that evidence in the store is about, as far as it
	// can be told: a registry names them by tags, and says nothing of what is listed by the
	// referrers API alone.
	EvidenceSubjects(ctx context.Context) ([]digest.Digest, error)
}

// EvidenceSubjects implements [Enumerator].
func (r *repository) EvidenceSubjects(ctx context.Context) ([]digest.Digest, error) {
	found := map[digest.Digest]bool{}
	tags, left := 0, int64(MaxListing)
	next := r.base + "tags/list"
	seen := map[string]bool{}
	for next != "" {
		if seen[next] || len(seen) == MaxReferrersPages || tags > maxTags {
			return nil, fmt.Errorf("%w: tags of %s: the pages do not end", ErrListing, r.name)
		}
		seen[next] = true
		page, size, following, err := r.tagsPage(ctx, next, min(left, MaxReferrersPage))
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrListing, err)
		}
		for _, tag := range page {
			if parts := evidenceTag.FindStringSubmatch(tag); parts != nil {
				found[digest.NewDigestFromEncoded(digest.SHA256, parts[1])] = true
			}
		}
		tags, left = tags+len(page), left-size
		next = following
	}
	return slices.Sorted(maps.Keys(found)), nil
}

func (r *repository) tagsPage(ctx context.Context, url string, limit int64) (tags []string, size int64, next string, err error) {
	err = retryBody(ctx, func() error {
		resp, err := r.want(ctx, request{method: http.MethodGet, url: url}, http.StatusOK)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		raw, err := readAnswer(resp, limit, "the tags of "+r.name)
		if err != nil {
			return err
		}
		var doc struct{ Tags []string }
		if err := json.Unmarshal(raw, &doc); err != nil {
			return fmt.Errorf("%w: tags of %s: %w", ErrManifest, r.name, err)
		}
		tags, size = doc.Tags, int64(len(raw))
		next, err = r.nextPage(resp)
		return err
	})
	return tags, size, next, err
}

// EvidenceSubjects implements [Enumerator].
func (l *layout) EvidenceSubjects(ctx context.Context) ([]digest.Digest, error) {
	index, err := l.index()
	if err != nil {
		return nil, err
	}
	found := map[digest.Digest]bool{}
	for _, d := range index.entries {
		if parts := evidenceTag.FindStringSubmatch(d.Annotations["org.opencontainers.image.ref.name"]); parts != nil {
			found[digest.NewDigestFromEncoded(digest.SHA256, parts[1])] = true
		}
		m, err := l.manifest(ctx, d)
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrListing, l.path, err)
		}
		if m.Subject != nil {
			found[m.Subject.Digest] = true
		}
	}
	return slices.Sorted(maps.Keys(found)), nil
}

// IsGone reports whether a store answers that it has no manifest of a digest. It is false
// for every answer that may mean that this user cannot see it: a registry must say that
// the manifest is unknown, and not that the repository is, or nothing.
func IsGone(err error) bool {
	var status *StatusError
	if errors.As(err, &status) {
		return status.Status == http.StatusNotFound && status.Code == "MANIFEST_UNKNOWN"
	}
	return errors.Is(err, ErrNotFound)
}
