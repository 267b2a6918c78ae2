package oci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/opencontainers/go-digest"
)

// repositoryImport is an [Import] into a repository of a registry.
type repositoryImport struct {
	*repository

	lock sync.Mutex
	put  map[digest.Digest]bool // manifests put by this run that the registry said it lists
}

func (i *repositoryImport) Place() string { return i.name }

// Has implements [Import].
func (i *repositoryImport) Has(ctx context.Context, d Descriptor) (bool, error) {
	if IsManifest(d.MediaType) || IsIndex(d.MediaType) {
		return i.exists(ctx, d.Digest)
	}
	there, err := i.Stat(ctx, d.Digest)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err == nil && there.Size != d.Size {
		return false, &DigestError{Want: d.Digest, WantSize: d.Size, GotSize: there.Size}
	}
	return err == nil, err
}

// Push implements [Import].
func (i *repositoryImport) Push(ctx context.Context, b Blob, origin Store) (moved bool, err error) {
	from := ""
	if o, ok := origin.(*repository); ok && o.host == i.host && o.path != i.path {
		from = o.path
	}
	opened := false
	counted := b
	counted.Open = func() (io.ReadCloser, error) {
		opened = true
		return b.Open()
	}
	err = i.pushBlob(ctx, counted, from)
	return opened || b.Descriptor.Size == 0, err
}

// Put implements [Import].
func (i *repositoryImport) Put(ctx context.Context, d Descriptor, raw []byte) error {
	listed, err := i.putManifest(ctx, d.Digest.String(), plain(d), raw, nil)
	if err == nil && listed {
		i.setAPI(apiPresent)
		i.lock.Lock()
		defer i.lock.Unlock()
		i.put[d.Digest] = true
	}
	return err
}

// Listed implements [Import].
func (i *repositoryImport) Listed(ctx context.Context, subject digest.Digest) ([]Descriptor, error) {
	return i.Referrers(ctx, subject)
}

// Tagged implements [Import].
func (i *repositoryImport) Tagged(ctx context.Context, tag string) (digest.Digest, error) {
	resp, err := i.want(ctx, request{method: http.MethodHead, url: i.base + "manifests/" + tag, accept: acceptManifests}, http.StatusOK)
	if err != nil {
		return "", err
	}
	resp.Body.Close()
	if d := digest.Digest(resp.Header.Get("Docker-Content-Digest")); checkDigest(d) == nil {
		return d, nil
	}
	subject, err := i.Resolve(ctx, tag)
	return subject.Digest(), err
}

// Commit implements [Import].
func (i *repositoryImport) Commit(ctx context.Context, c Commit) error {
	unlisted := map[digest.Digest][]Descriptor{}
	for subject, entries := range c.Referrers {
		for _, d := range entries {
			if !i.put[d.Digest] {
				unlisted[subject] = append(unlisted[subject], d)
			}
		}
	}
	if err := i.list(ctx, unlisted); err != nil {
		return err
	}
	for _, t := range c.Tags {
		if t.Evidence { // somebody may have been faster
			now, err := i.Tagged(ctx, t.Name)
			if err == nil && now != t.Manifest.Digest {
				return fmt.Errorf("%w: %s: %s", ErrTagTaken, t.Name, now)
			}
			if err != nil && !errors.Is(err, ErrNotFound) {
				return err
			}
		}
		if _, err := i.putManifest(ctx, t.Name, plain(t.Manifest), t.Raw, nil); err != nil {
			return err
		}
	}
	return nil
}

// Close implements [Import].
func (i *repositoryImport) Close() error { return nil }
