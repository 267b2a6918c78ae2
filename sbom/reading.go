package sbom

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/opencontainers/go-digest"
)

// fetchers is how many layers are transferred at once. Registries answer this many connections without throttling.
const fetchers = 4

// reading is the state that the layers of one image share while they are read: budgets, and the first failure.
type reading struct {
	job  *job
	ctx  context.Context
	stop context.CancelCauseFunc // ends the reading of all layers; the first cause counts

	mu         sync.Mutex
	bytes      int64   // uncompressed, all layers
	names      int64   // bytes of names, all layers
	entries    []int64 // by layer
	layerNames []int64 // bytes of names, by layer
	total      int64   // of entries
}

// readImage fetches, unpacks and checks an image's layers and lays them over each other.
func readImage(ctx context.Context, img *image, j *job) (*content, error) {
	if err := img.parseConfig(); err != nil {
		return nil, err
	}
	folder := filepath.Join(j.temp, "layers")
	if err := os.Mkdir(folder, 0o700); err != nil {
		return nil, err
	}
	readCtx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	r := &reading{job: j, ctx: readCtx, stop: stop, entries: make([]int64, len(img.layers)), layerNames: make([]int64, len(img.layers))}
	j.progress.layers = len(img.layers)

	files := &contents{folder: folder}
	tree, err := r.tree(img.layers, files)
	if err != nil {
		files.close()
		return nil, err
	}
	src, err := newImageSource(img, tree, files)
	if err != nil {
		files.close()
		return nil, err
	}
	s := subject{kind: "image", name: img.identity.String(), digest: img.identity.String(), created: img.created()}
	return &content{subject: s, layers: len(img.layers), source: src}, nil
}

// tree reads the layers, several at once, and returns what is seen from above. The first failure is what it returns,
// after all have stopped.
func (r *reading) tree(layers []*layer, files *contents) (*node, error) {
	r.adopt(layers)
	var running sync.WaitGroup
	slots := make(chan struct{}, fetchers)
	for _, l := range layers {
		if l.twin != nil {
			continue
		}
		slots <- struct{}{}
		if r.ctx.Err() != nil {
			break
		}
		running.Go(func() {
			defer func() { <-slots }()
			_ = r.obtain(l, files) // the first error is the context's cause
		})
	}
	running.Wait()
	if err := context.Cause(r.ctx); err != nil {
		return nil, err
	}
	return r.squash(layers)
}

// adopt connects the layers with this reading, and those of equal content with each other.
func (r *reading) adopt(layers []*layer) {
	first := map[digest.Digest]*layer{}
	for _, l := range layers {
		l.reading = r
		if twin, repeated := first[l.digest]; repeated {
			l.twin = twin
			continue
		}
		first[l.digest] = l
	}
}

// squash lays the layers over each other. A repeated one costs as much as any other.
func (r *reading) squash(layers []*layer) (*node, error) {
	base := &node{}
	for _, l := range layers {
		if l.twin != nil {
			if err := r.repeat(l); err != nil {
				return nil, l.fail(err)
			}
		}
		if err := base.apply(r.ctx, l.files); err != nil {
			return nil, err
		}
	}
	return base, nil
}

// repeat gives a layer the files of its twin.
func (r *reading) repeat(l *layer) error {
	if l.diffID != l.twin.diffID {
		return fmt.Errorf("%w: its content is %s, as layer %d has shown; the configuration's diff_id says %s",
			ErrMismatch, l.twin.diffID, l.twin.index, l.diffID)
	}
	return r.take(l, l.twin)
}

// costOf is what a layer of so many bytes has taken of the limits.
func (r *reading) costOf(layer int, bytes int64) layerCost {
	r.mu.Lock()
	defer r.mu.Unlock()
	return layerCost{bytes, r.entries[layer], r.layerNames[layer]}
}

func (r *reading) meter(l *layer) *meter {
	e := Event{Stage: StageFetch, Layer: l.index, Layers: len(r.entries), Total: max(l.size, 0)}
	return &meter{to: r.job.progress, event: e}
}

// addBytes accounts for n more uncompressed bytes of a layer that now has length.
func (r *reading) addBytes(n, length int64) error {
	if err := exceeds("LayerBytes", length, r.job.limits.LayerBytes); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bytes += n
	return exceeds("TotalBytes", r.bytes, r.job.limits.TotalBytes)
}

func (r *reading) counter(layer int) *entryCounter {
	return newEntryCounter(r.job.limits, func(entries, nameBytes int64) error {
		return r.addEntries(layer, entries, nameBytes)
	})
}

// addEntries accounts for entries of a layer.
func (r *reading) addEntries(layer int, entries, nameBytes int64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.names += nameBytes
	r.layerNames[layer] += nameBytes
	r.entries[layer] += entries
	r.total += entries
	l := r.job.limits
	for _, err := range []error{
		exceeds("LayerEntries", r.entries[layer], l.LayerEntries),
		exceeds("TotalEntries", r.total, l.TotalEntries),
		exceeds("NameBytes", r.names, l.NameBytes),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}
