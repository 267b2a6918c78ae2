package sbom

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/anchore/stereoscope/pkg/filetree"
	stereoscope "github.com/anchore/stereoscope/pkg/image"
	"github.com/anchore/syft/syft/source/stereoscopesource"
	"github.com/opencontainers/go-digest"
)

// fetchers is how many layers are transferred at once. Registries answer this many connections without throttling.
const fetchers = 4

// reading is the state that the layers of one image share while they are read: budgets, and the first failure.
type reading struct {
	job  *job
	ctx  context.Context
	stop context.CancelCauseFunc // ends the reading of all layers; the first cause counts

	mu      sync.Mutex
	bytes   int64   // uncompressed, all layers
	names   int64   // bytes of names, all layers
	entries []int64 // by layer
	total   int64   // of entries
}

// readImage unpacks, checks and indexes an image's layers.
func readImage(ctx context.Context, img *image, j *job) (*content, error) {
	if err := img.parseConfig(); err != nil {
		return nil, err
	}
	readCtx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	r := &reading{job: j, ctx: readCtx, stop: stop, entries: make([]int64, len(img.layers))}
	r.adopt(img.layers)
	j.progress.layers = len(img.layers)

	read, err := r.index(img)
	if err != nil {
		return nil, err
	}
	src := stereoscopesource.New(read, stereoscopesource.ImageConfig{Reference: img.identity.String()})
	s := subject{kind: "image", name: img.identity.String(), digest: img.identity.String(), created: img.created()}
	return &content{subject: s, layers: len(img.layers), source: described{src, describeImage(src, img)}}, nil
}

// adopt connects the layers with this reading, and those of equal content with each other.
func (r *reading) adopt(layers []*layer) {
	first := map[digest.Digest]*layer{}
	for _, l := range layers {
		l.reading = r
		twin, repeated := first[l.digest]
		if !repeated {
			first[l.digest] = l
			continue
		}
		if twin.shared == nil {
			twin.shared = &spool{}
		}
		l.shared = twin.shared
	}
}

// index has stereoscope write the layers to disk, build a file tree of each, and one of them all.
//
// This is stereoscope's Image.Read with one difference that matters: Read also keeps the stacked tree of every layer in
// between, which no one asks for here. In an image of 40 layers and 100 000 files that was six sevenths of the time and
// three quarters of the memory, and it grows with the product of the two numbers, which a hostile image chooses.
func (r *reading) index(img *image) (*stereoscope.Image, error) {
	folder := filepath.Join(r.job.temp, "layers")
	if err := os.Mkdir(folder, 0o700); err != nil {
		return nil, err
	}
	// building a tree cannot be interrupted, but finding its archive cut off ends it
	defer context.AfterFunc(r.ctx, func() { truncateAll(folder) })()

	files := stereoscope.NewFileCatalog()
	read := stereoscope.New(img, nil, folder)
	read.FileCatalog = files
	for _, l := range img.layers {
		read.Layers = append(read.Layers, stereoscope.NewLayer(l))
	}
	err := r.readLayers(img, read.Layers, files, folder)
	if err == nil {
		err = r.stack(read, files)
	}
	if err != nil {
		_ = read.Cleanup() // closes the layers; the folder is Generate's
		return nil, err
	}
	read.Metadata, err = img.metadata(read.Layers)
	return read, err
}

// readLayers reads several layers at once. The first failure is what it returns, after all have stopped.
func (r *reading) readLayers(img *image, layers []*stereoscope.Layer, files *stereoscope.FileCatalog, folder string) error {
	var running sync.WaitGroup
	slots := make(chan struct{}, fetchers)
	for i, l := range layers {
		slots <- struct{}{}
		if r.ctx.Err() != nil {
			break
		}
		running.Go(func() {
			defer func() { <-slots }()
			if err := readLayer(l, i, files, folder); err != nil {
				_ = img.layers[i].fail(err)
			}
		})
	}
	running.Wait()
	return context.Cause(r.ctx)
}

// readLayer has stereoscope read one layer and turns panics over its content into errors.
func readLayer(l *stereoscope.Layer, index int, files *stereoscope.FileCatalog, folder string) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %w: %v", ErrMalformed, errPanic, p)
		}
	}()
	err = l.Read(files, index, folder)
	var named *LayerError // from our own reader
	var local *fs.PathError
	if err == nil || errors.As(err, &named) || errors.As(err, &local) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrMalformed, err)
}

// stack lays the layers' trees over each other, which applies whiteouts, and makes the result the image's.
func (r *reading) stack(read *stereoscope.Image, files *stereoscope.FileCatalog) error {
	base := filetree.NewUnionFileTree()
	if len(read.Layers) == 0 {
		read.SquashedSearchContext = filetree.NewSearchContext(read.SquashedTree(), files.Index)
		return nil
	}
	base.PushTree(read.Layers[0].Tree.(filetree.ReadWriter))
	tree, err := base.Squash() // a copy without whiteouts
	if err != nil {
		return fmt.Errorf("%w: layer 0: %w", ErrMalformed, err)
	}
	for i, l := range read.Layers[1:] {
		if err := context.Cause(r.ctx); err != nil {
			return err
		}
		if err := tree.Merge(l.Tree); err != nil {
			return fmt.Errorf("%w: layer %d: %w", ErrMalformed, i+1, err)
		}
	}
	top := read.Layers[len(read.Layers)-1] // where stereoscope looks for the image's tree
	top.SquashedTree = tree
	top.SquashedSearchContext = filetree.NewSearchContext(tree, files.Index)
	read.SquashedSearchContext = top.SquashedSearchContext
	return nil
}

// truncateAll empties the files of a folder. They are about to be removed.
func truncateAll(folder string) {
	files, _ := os.ReadDir(folder)
	for _, f := range files {
		_ = os.Truncate(filepath.Join(folder, f.Name()), 0)
	}
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

func (r *reading) checkTar(layer int) *tarCheck {
	return startTarCheck(r.counter(layer))
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

// repeat accounts for a further occurrence of a layer whose content is in f, and rewinds f. The first occurrence was
// accounted for while it was read, and is recognised by its entries.
func (r *reading) repeat(layer int, f *os.File) error {
	r.mu.Lock()
	counted := r.entries[layer] > 0
	r.mu.Unlock()
	if counted {
		return nil
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := r.addBytes(info.Size(), info.Size()); err != nil {
		return err
	}
	if err := r.counter(layer).archive(f); err != nil {
		return err
	}
	_, err = f.Seek(0, io.SeekStart)
	return err
}
