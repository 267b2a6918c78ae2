package sbom

import (
	"context"
	"fmt"
	"os"
	"sync"

	"github.com/opencontainers/go-digest"
)

// Shared lets several calls of Generate have layers in common: a layer that several images have, such as the platforms
// of an index or two versions of an image, is fetched and read once. It is safe for concurrent use. The zero value is
// ready; Close it when the last call has returned. What it keeps is bounded: of very large images, layers are read as often
// as they are wanted.
type Shared struct {
	mu     sync.Mutex
	closed bool
	files  *contents
	layers map[layerKey]*sharedLayer
	held   layerCost
}

// Bounds on what is kept for other images.
const (
	sharedEntries = 500_000
	sharedBytes   = 16 << 30 // of disk
)

// layerKey is what makes two layers the same.
type layerKey struct {
	blob   digest.Digest
	diffID string
}

// sharedLayer is a layer that one call reads and others wait for.
type sharedLayer struct {
	done  chan struct{} // closed when it was read, well or not
	layer *layer        // nil: it could not be read
	files *contents     // where its files go
}

// Close removes what was kept. Documents that were made stay valid.
func (s *Shared) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.files == nil {
		return nil
	}
	folder := s.files.folder
	s.files.close()
	s.files, s.layers = nil, nil
	return os.RemoveAll(folder)
}

// claim gives a layer to whoever asks first. The others get what to wait for. It is nil where no more is kept.
func (s *Shared) claim(key layerKey) (mine bool, claimed *sharedLayer, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.layers[key]; known != nil {
		return false, known, nil
	}
	if s.closed || s.held.entries > sharedEntries || s.held.bytes > sharedBytes {
		return false, nil, nil
	}
	if s.files == nil {
		folder, err := os.MkdirTemp("", "hallmark-sbom-")
		if err != nil {
			return false, nil, fmt.Errorf("temporary folder for layers: %w", err)
		}
		s.files, s.layers = &contents{folder: folder}, map[layerKey]*sharedLayer{}
	}
	s.layers[key] = &sharedLayer{done: make(chan struct{}), files: s.files}
	return true, s.layers[key], nil
}

// settle says what became of a claimed layer. One that could not be read is free again: it may have been the other
// image's fault.
func (s *Shared) settle(key layerKey, claimed *sharedLayer, l *layer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if claimed.layer = l; l != nil {
		s.held.bytes += l.cost.bytes
		s.held.entries += l.cost.entries
	} else {
		delete(s.layers, key)
	}
	close(claimed.done)
}

// obtain reads a layer, unless another image that shares it has done so.
func (r *reading) obtain(l *layer, own *contents) error {
	s := r.job.shared
	if s == nil {
		return l.read(own)
	}
	key := layerKey{l.digest, l.diffID.String()}
	for {
		mine, claimed, err := s.claim(key)
		switch {
		case err != nil:
			return l.fail(err)
		case claimed == nil:
			return l.read(own)
		case mine:
			return s.read(key, claimed, l)
		}
		select {
		case <-claimed.done:
		case <-r.ctx.Done():
			return context.Cause(r.ctx)
		}
		if claimed.layer != nil {
			return r.take(l, claimed.layer)
		}
	}
}

// read reads a claimed layer for all who want it.
func (s *Shared) read(key layerKey, claimed *sharedLayer, l *layer) error {
	err := l.read(claimed.files)
	if err != nil {
		s.settle(key, claimed, nil)
		return err
	}
	s.settle(key, claimed, l)
	return nil
}

// take gives a layer the files of another one. It costs the image as much as if they had been read for it.
func (r *reading) take(l, from *layer) error {
	l.files, l.content, l.cost = from.files, from.content, from.cost
	err := r.addBytes(l.cost.bytes, l.cost.bytes)
	if err == nil {
		err = r.addEntries(l.index, l.cost.entries, l.cost.names)
	}
	if err != nil {
		return l.fail(err)
	}
	m := r.meter(l)
	m.add(int(max(l.size, 0)))
	m.flush()
	return nil
}
