package sbom

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/opencontainers/go-digest"
)

// Shared lets several calls of Generate have layers in common: a layer that several images have, such as the platforms
// of an index or two versions of an image, is fetched and read once. It is safe for concurrent use. The zero value is
// ready; Close it when the last call has returned.
type Shared struct {
	mu     sync.Mutex
	files  *contents
	layers map[layerKey]*sharedLayer
}

// layerKey is what makes two layers the same.
type layerKey struct {
	blob   digest.Digest
	diffID string
}

// sharedLayer is a layer that one call reads and others wait for.
type sharedLayer struct {
	done    chan struct{} // closed when it was read, well or not
	layer   *layer        // nil: it could not be read
	entries int64
}

// Close removes what was kept. Documents that were made stay valid.
func (s *Shared) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.files == nil {
		return nil
	}
	folder := s.files.folder
	err := s.files.close()
	s.files, s.layers = nil, nil
	return errors.Join(err, os.RemoveAll(folder))
}

// claim gives a layer to whoever asks first. The others get what to wait for.
func (s *Shared) claim(key layerKey) (mine bool, theirs *sharedLayer, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.files == nil {
		folder, err := os.MkdirTemp("", "hallmark-sbom-")
		if err != nil {
			return false, nil, fmt.Errorf("temporary folder for layers: %w", err)
		}
		s.files, s.layers = &contents{folder: folder}, map[layerKey]*sharedLayer{}
	}
	if known := s.layers[key]; known != nil {
		return false, known, nil
	}
	s.layers[key] = &sharedLayer{done: make(chan struct{})}
	return true, s.layers[key], nil
}

// settle says what became of a claimed layer. One that could not be read is free again: it may have been the other
// image's fault.
func (s *Shared) settle(key layerKey, l *layer, entries int64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	claimed := s.layers[key]
	if ok {
		claimed.layer, claimed.entries = l, entries
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
		if err != nil {
			return l.fail(err)
		}
		if mine {
			err := l.read(s.files)
			s.settle(key, l, r.entriesOf(l.index), err == nil)
			return err
		}
		select {
		case <-claimed.done:
		case <-r.ctx.Done():
			return context.Cause(r.ctx)
		}
		if claimed.layer != nil {
			return r.take(l, claimed.layer, claimed.entries)
		}
	}
}

// take gives a layer the files of another one. It costs the image as much as if they had been read for it.
func (r *reading) take(l, from *layer, entries int64) error {
	l.tree, l.content = from.tree, from.content
	err := r.addBytes(l.content, l.content)
	if err == nil {
		err = r.addEntries(l.index, entries, 0)
	}
	if err != nil {
		return l.fail(err)
	}
	m := r.meter(l)
	m.add(int(max(l.size, 0)))
	m.flush()
	return nil
}
