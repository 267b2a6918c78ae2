package oci

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"
)

// Detachment is a manifest that is to be taken away from the subject that it is attached
// to.
type Detachment struct {
	On       digest.Digest
	Manifest Descriptor
}

// Detached is what became of a [Detachment].
type Detached string

// What can become of a [Detachment].
const (
	// Removed: it is neither listed nor there.
	Removed Detached = "removed"
	// Unlisted: it is not listed any more, but the store does not let it be deleted.
	Unlisted Detached = "unlisted"
	// Untouched: the store lists it itself and does not let it be deleted.
	Untouched Detached = "not deleted"
)

// Detacher is a [Store] that evidence can be taken out of.
type Detacher interface {
	// Detach takes manifests out of the lists of their subjects, and then deletes them
	// where the store can. In this order, a run that is cut off leaves nothing behind that
	// a reader would miss. A manifest that is gone already counts as removed.
	Detach(ctx context.Context, list []Detachment) ([]Detached, error)
}

// Detach implements [Detacher].
func (r *repository) Detach(ctx context.Context, list []Detachment) ([]Detached, error) {
	out := make([]Detached, len(list))
	by := map[digest.Digest][]int{}
	for i, d := range list {
		if err := errors.Join(checkDigest(d.On), checkDigest(d.Manifest.Digest)); err != nil {
			return nil, err
		}
		by[d.On] = append(by[d.On], i)
		defer r.dropPrefetched(d.On)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(attachParallel)
	for on, which := range by {
		group.Go(func() error { return r.detachFrom(ctx, on, list, which, out) })
	}
	return out, group.Wait()
}

// detachFrom takes some of a list away from one subject.
func (r *repository) detachFrom(ctx context.Context, on digest.Digest, list []Detachment, which []int, out []Detached) error {
	_, native, err := r.apiReferrers(ctx, on)
	if err != nil {
		return err
	}
	m := newMerge(r, on, nil)
	for _, i := range which {
		m.gone[list[i].Manifest.Digest] = true
	}
	m.seen = slices.DeleteFunc(m.seen, m.isGone)
	if !native {
		if err := m.dropOnce(ctx); err != nil {
			return err
		}
	}
	kept := false
	for _, i := range which {
		deleted, err := r.deleteManifest(ctx, list[i].Manifest.Digest)
		switch {
		case err != nil:
			return err
		case deleted:
			out[i] = Removed
		case native:
			out[i] = Untouched
		default:
			out[i], kept = Unlisted, true
		}
	}
	if native {
		return nil
	}
	err = m.run(ctx) // who had read the list before may have put an entry back
	if kept && errors.Is(err, ErrContended) {
		for _, i := range which {
			if out[i] == Unlisted { // others list it again, because it is there
				out[i] = Untouched
			}
		}
		return nil
	}
	return err
}

// dropOnce takes entries out of the list without waiting whether they stay out. Other
// writers list what exists: it has to be deleted before that can be told. What is still
// listed must not be deleted.
func (m *merge) dropOnce(ctx context.Context) error {
	for range maxDrops {
		found, err := m.look(ctx)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrListing, err)
		}
		if !found.surplus {
			return nil
		}
		if _, _, err := m.put(ctx, found); err != nil {
			return err
		}
		if err := m.clock().Sleep(ctx, rand.N(m.settle()/8)); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w of %s, and what is listed is not deleted", ErrContended, m.subject)
}

// maxDrops is how often it is tried to take entries out before their manifests are deleted.
const maxDrops = 20

// deleteManifest deletes a manifest; deleted is false where the registry lets nobody.
func (r *repository) deleteManifest(ctx context.Context, d digest.Digest) (deleted bool, err error) {
	q := request{method: http.MethodDelete, url: r.base + "manifests/" + d.String(), push: true, remove: true}
	resp, err := r.want(ctx, q, http.StatusAccepted, http.StatusOK, http.StatusNoContent)
	switch {
	case err == nil:
		resp.Body.Close()
		r.client.wrote.removed.Add(1)
		return true, nil
	case errors.Is(err, ErrNotFound) && !speaksOfRoute(err):
		return true, nil
	case cannotDelete(err):
		return false, nil
	}
	return false, fmt.Errorf("deleting %s: %w", d, err)
}

// speaksOfRoute reports whether a 404 may mean that there is no such request at all: it
// names no error of the registry.
func speaksOfRoute(err error) bool {
	var status *StatusError
	return errors.As(err, &status) && status.Code == ""
}

// cannotDelete reports whether a registry answers that it deletes nothing, as opposed to
// nothing for this user.
func cannotDelete(err error) bool {
	var status *StatusError
	if !errors.As(err, &status) {
		return false
	}
	switch status.Status {
	case http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return true
	case http.StatusNotFound:
		return status.Code == ""
	}
	return status.Code == "UNSUPPORTED"
}
