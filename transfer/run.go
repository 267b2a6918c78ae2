package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/hallmark-project/hallmark/oci"
)

const (
	// copiedAtOnce is how many blobs are on their way at once.
	copiedAtOnce = 6
	// askedAtOnce is how many questions and manifests are.
	askedAtOnce = 16
)

// ErrConflict says that the destination has other content under a tag that holds evidence,
// which copying would destroy.
var ErrConflict = errors.New("the destination has other evidence under this tag")

// ErrDigest says that a destination that is named by digest is not the source's.
var ErrDigest = errors.New("the destination names another digest than the source")

// Status is what became of a piece.
type Status string

// What can become of a piece or blob.
const (
	StatusCopied  Status = "copied"
	StatusPresent Status = "present"
	StatusToCopy  Status = "to copy" // in a dry run
)

// Row is what became of one piece.
type Row struct {
	Piece  *Piece
	Status Status
}

// Result is what copying did, or would do.
type Result struct {
	Rows []Row
	// Bytes of manifests and blobs: all together, of which moved through this process,
	// mounted by the registry, and there before. A blob that several name counts once.
	Total, Moved, Mounted, Present int64
	// Listed is how many pieces of evidence were listed anew, Tags which tags were set.
	Listed int
	Tags   []string
}

// Options change how a plan is run.
type Options struct {
	// Tag names the subject at the destination; empty: it goes there by digest alone.
	Tag string
	// DryRun writes nothing.
	DryRun bool
	// Progress is told how many of how many bytes are dealt with. It is called from
	// several goroutines.
	Progress func(done, total int64)
}

// Run copies what the destination lacks of a plan. It may be run again after an error:
// what is there is left as it is.
func (p *Plan) Run(ctx context.Context, to oci.Import, o Options) (*Result, error) {
	r := &run{plan: p, to: to, options: o, status: make([]Status, len(p.Pieces)), result: &Result{}}
	for _, b := range p.blobs() {
		r.result.Total += b.Size
	}
	for _, piece := range p.Pieces {
		r.result.Total += piece.Descriptor.Size
	}
	if err := r.blobs(ctx); err != nil {
		return nil, err
	}
	if err := r.manifests(ctx); err != nil {
		return nil, err
	}
	commit, err := r.commit(ctx)
	if err != nil {
		return nil, err
	}
	if !o.DryRun {
		err := to.Commit(ctx, commit)
		if errors.Is(err, oci.ErrTagTaken) {
			err = fmt.Errorf("%w: %w", ErrConflict, err)
		}
		if err != nil {
			return nil, err
		}
	}
	for i, piece := range p.Pieces {
		r.result.Rows = append(r.result.Rows, Row{piece, r.status[i]})
	}
	r.result.Moved, r.result.Mounted, r.result.Present = r.moved.Load(), r.mounted.Load(), r.present.Load()
	return r.result, nil
}

// source is a blob, and where it is read.
type source struct {
	oci.Descriptor
	store oci.Store
}

// blobs are what the pieces name, each once.
func (p *Plan) blobs() []source {
	seen := map[digest.Digest]bool{}
	var out []source
	for _, piece := range p.Pieces {
		for _, d := range piece.Blobs {
			if !seen[d.Digest] {
				seen[d.Digest] = true
				out = append(out, source{d, piece.store})
			}
		}
	}
	return out
}

type run struct {
	plan    *Plan
	to      oci.Import
	options Options
	status  []Status
	result  *Result

	done, moved, mounted, present atomic.Int64
}

// advance tells how far it is.
func (r *run) advance(n int64) {
	done := r.done.Add(n)
	if r.options.Progress != nil {
		r.options.Progress(done, r.result.Total)
	}
}

func (r *run) blobs(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(copiedAtOnce)
	for _, b := range r.plan.blobs() {
		group.Go(func() error { return r.blob(ctx, b) })
	}
	return group.Wait()
}

func (r *run) blob(ctx context.Context, b source) error {
	has, err := r.to.Has(ctx, b.Descriptor)
	switch {
	case err != nil:
		return fmt.Errorf("%s: is %s there: %w", r.to.Place(), b.Digest, err)
	case has:
		r.present.Add(b.Size)
		r.advance(b.Size)
		return nil
	case r.options.DryRun:
		r.moved.Add(b.Size)
		return nil
	}
	counted := &counter{run: r}
	moved, err := r.to.Push(ctx, counted.watch(oci.BlobOf(ctx, b.store, b.Descriptor)), b.store)
	if err != nil {
		return fmt.Errorf("copying %s to %s: %w", b.Digest, r.to.Place(), err)
	}
	if moved {
		r.moved.Add(b.Size)
	} else {
		r.mounted.Add(b.Size)
	}
	r.advance(b.Size - counted.told())
	return nil
}

// counter tells of a blob's bytes as they go by. One that begins anew takes back what it
// told before.
type counter struct {
	run *run
	n   atomic.Int64
}

func (c *counter) told() int64 { return c.n.Load() }

func (c *counter) watch(b oci.Blob) oci.Blob {
	open, openAt := b.Open, b.OpenAt
	b.Open = func() (io.ReadCloser, error) {
		body, err := open()
		c.run.advance(-c.n.Swap(0))
		return &countedBody{body, c}, err
	}
	if openAt != nil {
		b.OpenAt = func(offset int64) (io.ReadCloser, error) {
			body, err := openAt(offset)
			c.run.advance(offset - c.n.Swap(offset))
			return &countedBody{body, c}, err
		}
	}
	return b
}

type countedBody struct {
	io.ReadCloser
	counter *counter
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		b.counter.n.Add(int64(n))
		b.counter.run.advance(int64(n))
	}
	return n, err
}

// manifests puts what is not there, one rank after the other: what a manifest names is
// there before it.
func (r *run) manifests(ctx context.Context) error {
	for from := 0; from < len(r.plan.Pieces); {
		to := from
		for to < len(r.plan.Pieces) && r.plan.Pieces[to].depth == r.plan.Pieces[from].depth && isImage(r.plan.Pieces[to]) == isImage(r.plan.Pieces[from]) {
			to++
		}
		group, gctx := errgroup.WithContext(ctx)
		group.SetLimit(askedAtOnce)
		for i := from; i < to; i++ {
			group.Go(func() (err error) {
				r.status[i], err = r.manifest(gctx, r.plan.Pieces[i])
				return err
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
		from = to
	}
	return nil
}

func isImage(p *Piece) bool { return p.Kind == KindImage || p.Kind == KindIndex }

func (r *run) manifest(ctx context.Context, p *Piece) (Status, error) {
	defer r.advance(p.Descriptor.Size)
	has, err := r.to.Has(ctx, p.Descriptor)
	switch {
	case err != nil:
		return "", fmt.Errorf("%s: is %s there: %w", r.to.Place(), p.Descriptor.Digest, err)
	case has:
		r.present.Add(p.Descriptor.Size)
		return StatusPresent, nil
	case r.options.DryRun:
		r.moved.Add(p.Descriptor.Size)
		return StatusToCopy, nil
	}
	r.moved.Add(p.Descriptor.Size)
	return StatusCopied, r.put(ctx, p)
}

func (r *run) put(ctx context.Context, p *Piece) error {
	raw, err := p.content(ctx)
	if err == nil {
		err = r.to.Put(ctx, p.Descriptor, raw)
	}
	if err != nil {
		return fmt.Errorf("copying %s to %s: %w", p.Descriptor.Digest, r.to.Place(), err)
	}
	return nil
}

// content is the manifest's bytes, read again where they were too many to keep.
func (p *Piece) content(ctx context.Context) ([]byte, error) {
	if p.raw != nil {
		return p.raw, nil
	}
	return oci.FetchAll(ctx, p.store, oci.Descriptor{MediaType: p.Descriptor.MediaType, Digest: p.Descriptor.Digest, Size: p.Descriptor.Size}, oci.MaxManifest)
}

// commit finds out what has to be listed and tagged.
func (r *run) commit(ctx context.Context) (oci.Commit, error) {
	c := oci.Commit{Referrers: map[digest.Digest][]oci.Descriptor{}}
	on := map[digest.Digest][]*Piece{}
	for _, p := range r.plan.Pieces {
		if p.Kind == KindEvidence {
			on[p.On] = append(on[p.On], p)
		}
	}
	if r.options.Tag == "" {
		c.Roots = []oci.Descriptor{r.plan.Subject.Descriptor()}
	}
	if err := r.unlisted(ctx, on, &c); err != nil {
		return c, err
	}
	for _, p := range r.plan.Pieces {
		if p.Kind != KindTagged {
			continue
		}
		if err := r.tag(ctx, p.Tag, p, &c); err != nil {
			return c, err
		}
	}
	if r.options.Tag == "" {
		return c, nil
	}
	root := r.plan.Pieces[slices.IndexFunc(r.plan.Pieces, func(p *Piece) bool { return p.Descriptor.Digest == r.plan.Subject.Digest() && isImage(p) })]
	return c, r.tag(ctx, r.options.Tag, root, &c)
}

// unlisted finds the evidence that the destination does not list yet.
func (r *run) unlisted(ctx context.Context, on map[digest.Digest][]*Piece, c *oci.Commit) error {
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(askedAtOnce)
	for subject, pieces := range on {
		group.Go(func() error {
			listed, err := r.to.Listed(ctx, subject)
			if err != nil {
				return fmt.Errorf("%s: evidence of %s: %w", r.to.Place(), subject, err)
			}
			for _, p := range pieces {
				if slices.ContainsFunc(listed, func(d oci.Descriptor) bool { return d.Digest == p.Descriptor.Digest }) {
					continue
				}
				if r.status[p.at] == StatusPresent && !r.options.DryRun { // it is there and not listed: put again, so that it is
					if err := r.put(ctx, p); err != nil {
						return err
					}
				}
				mu.Lock()
				c.Referrers[subject] = append(c.Referrers[subject], p.Descriptor)
				r.result.Listed++
				mu.Unlock()
			}
			return nil
		})
	}
	return group.Wait()
}

// tag notes a tag that is not set yet. One that holds other evidence is not taken away.
func (r *run) tag(ctx context.Context, tag string, p *Piece, c *oci.Commit) error {
	now, err := r.to.Tagged(ctx, tag)
	if err != nil && !errors.Is(err, oci.ErrNotFound) {
		return fmt.Errorf("%s: tag %s: %w", r.to.Place(), tag, err)
	}
	if now == p.Descriptor.Digest {
		return nil
	}
	if p.Kind == KindTagged && err == nil {
		return fmt.Errorf("%w: %s: tag %s is %s there and %s here", ErrConflict, r.to.Place(), tag, now, p.Descriptor.Digest)
	}
	raw, err := p.content(ctx)
	if err != nil {
		return err
	}
	c.Tags = append(c.Tags, oci.Tag{Name: tag, Evidence: p.Kind == KindTagged, Manifest: oci.Descriptor{MediaType: p.Descriptor.MediaType, Digest: p.Descriptor.Digest, Size: p.Descriptor.Size}, Raw: raw})
	r.result.Tags = append(r.result.Tags, tag)
	return nil
}
