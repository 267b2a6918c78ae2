package oci

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"
)

// attachParallel is how many uploads run at once.
const attachParallel = 8

// Attach implements [Store]. Blobs go up first, then the manifests that name them,
// by digest; a registry that does not keep the list of referrers itself gets the
// fallback index.
func (r *repository) Attach(ctx context.Context, attachments []Attachment) ([]Descriptor, error) {
	if len(attachments) == 0 {
		return nil, nil
	}
	for _, a := range attachments {
		if err := a.check(); err != nil {
			return nil, err
		}
		defer r.dropPrefetched(a.Subject.Digest()) // it lacks what is attached now
	}
	if err := r.pushContent(ctx, attachments); err != nil {
		return nil, err
	}
	out := make([]Descriptor, len(attachments))
	var mu sync.Mutex
	unlisted := map[digest.Digest][]Descriptor{}
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(attachParallel)
	for i, a := range attachments {
		group.Go(func() error {
			d, raw, err := a.Artifact.pack(a.Subject.Descriptor())
			if err != nil {
				return err
			}
			listed, err := r.putManifest(gctx, d.Digest.String(), plain(d), raw, nil)
			if err != nil {
				return fmt.Errorf("attaching to %s: %w", a.Subject.Digest(), err)
			}
			out[i] = d
			if listed { // by the specification such a registry has the API
				r.setAPI(apiPresent)
			} else {
				mu.Lock()
				unlisted[a.Subject.Digest()] = append(unlisted[a.Subject.Digest()], d)
				mu.Unlock()
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return out, r.list(ctx, unlisted)
}

// pushContent uploads what the manifests will name, each blob once.
func (r *repository) pushContent(ctx context.Context, attachments []Attachment) error {
	blobs := map[digest.Digest]Blob{}
	for _, b := range contentOf(attachments) {
		blobs[b.Descriptor.Digest] = b
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(attachParallel)
	for _, b := range blobs {
		group.Go(func() error { return r.pushBlob(ctx, b, "") })
	}
	return group.Wait()
}

// contentOf is what the manifests of attachments will name.
func contentOf(attachments []Attachment) []Blob {
	blobs := []Blob{BytesBlob(mediaTypeEmpty, emptyJSON)}
	for _, a := range attachments {
		blobs = append(blobs, a.Artifact.Layer)
	}
	return blobs
}

// list sees to it that manifests are listed which the registry did not
// acknowledge as referrers.
func (r *repository) list(ctx context.Context, unlisted map[digest.Digest][]Descriptor) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(attachParallel)
	for _, subject := range slices.Sorted(maps.Keys(unlisted)) {
		group.Go(func() error {
			return r.listOne(ctx, subject, unlisted[subject])
		})
	}
	return group.Wait()
}

// listOne uses the fallback index unless the registry has the API after all: some
// list referrers but do not say so when one is put.
func (r *repository) listOne(ctx context.Context, subject digest.Digest, entries []Descriptor) error {
	listed, supported, err := r.apiReferrers(ctx, subject)
	if err != nil {
		return err
	}
	if !supported {
		return newMerge(r, subject, entries).run(ctx)
	}
	for pause := r.client.settle / 8; len(without(entries, listed)) > 0; pause *= 2 {
		if pause > r.client.settle {
			return fmt.Errorf("%w: the registry accepted %s but does not list it as a referrer of %s", ErrListing, without(entries, listed)[0].Digest, subject)
		}
		if err := r.client.clock.Sleep(ctx, pause); err != nil {
			return err
		}
		if listed, err = r.referrersPages(ctx, subject); err != nil {
			return fmt.Errorf("%w: %w", ErrListing, err)
		}
	}
	return nil
}

// without is list less the entries whose digest is among have, each once.
func without(list, have []Descriptor) []Descriptor {
	digests := make(map[digest.Digest]bool, len(have))
	for _, d := range have {
		digests[d.Digest] = true
	}
	var out []Descriptor
	for _, d := range list {
		if !digests[d.Digest] {
			digests[d.Digest] = true
			out = append(out, d)
		}
	}
	return out
}

// plain is d as an HTTP client names it: without what a listing adds.
func plain(d Descriptor) Descriptor {
	return Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}
}

// exists reports whether the registry has a manifest.
func (r *repository) exists(ctx context.Context, d digest.Digest) (bool, error) {
	q := request{method: http.MethodHead, url: r.base + "manifests/" + d.String(), accept: acceptManifests}
	resp, err := r.want(ctx, q, http.StatusOK)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	resp.Body.Close()
	return true, nil
}
