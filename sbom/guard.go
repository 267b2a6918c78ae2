package sbom

import (
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/anchore/syft/syft/file"
	"github.com/anchore/syft/syft/source"
)

// guard stands between the cataloguers and the content: it counts what they read, and once the context has ended it
// answers all they ask with its error, so that they come to an end.
type guard struct {
	ctx     context.Context
	pending atomic.Int64 // bytes that the meter does not know yet
	mu      sync.Mutex
	meter   meter
}

// read counts n bytes. Many goroutines read a few bytes at a time, and most of them need not wait for each other.
func (g *guard) read(n int) {
	if g.pending.Add(int64(n)) < progressStep {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.meter.add(int(g.pending.Swap(0)))
}

// finish reports the last event, the one that knows the total.
func (g *guard) finish() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.meter.add(int(g.pending.Swap(0)))
	g.meter.event.Total = g.meter.event.Done
	g.meter.flush()
}

type guardedSource struct {
	source.Source
	guard *guard
}

func (s guardedSource) FileResolver(scope source.Scope) (file.Resolver, error) {
	if err := s.guard.ctx.Err(); err != nil {
		return nil, err
	}
	r, err := s.Source.FileResolver(scope)
	if err != nil {
		return nil, err
	}
	return guardedResolver{r, s.guard}, nil
}

type guardedResolver struct {
	file.Resolver
	guard *guard
}

func (r guardedResolver) FileContentsByLocation(l file.Location) (io.ReadCloser, error) {
	if err := r.guard.ctx.Err(); err != nil {
		return nil, err
	}
	rc, err := r.Resolver.FileContentsByLocation(l)
	if err != nil {
		return nil, err
	}
	return guardReader(rc, r.guard), nil
}

func (r guardedResolver) HasPath(p string) bool {
	return r.guard.ctx.Err() == nil && r.Resolver.HasPath(p)
}

func (r guardedResolver) FilesByPath(paths ...string) ([]file.Location, error) {
	if err := r.guard.ctx.Err(); err != nil {
		return nil, err
	}
	return r.Resolver.FilesByPath(paths...)
}

func (r guardedResolver) FilesByGlob(patterns ...string) ([]file.Location, error) {
	if err := r.guard.ctx.Err(); err != nil {
		return nil, err
	}
	return r.Resolver.FilesByGlob(patterns...)
}

func (r guardedResolver) FilesByMIMEType(types ...string) ([]file.Location, error) {
	if err := r.guard.ctx.Err(); err != nil {
		return nil, err
	}
	return r.Resolver.FilesByMIMEType(types...)
}

func (r guardedResolver) RelativeFileByPath(l file.Location, p string) *file.Location {
	if r.guard.ctx.Err() != nil {
		return nil
	}
	return r.Resolver.RelativeFileByPath(l, p)
}

func (r guardedResolver) FileMetadataByLocation(l file.Location) (file.Metadata, error) {
	if err := r.guard.ctx.Err(); err != nil {
		return file.Metadata{}, err
	}
	return r.Resolver.FileMetadataByLocation(l)
}

// AllLocations ends early when the guard's context does. The inner walk gets a context of its own, because the
// cataloguer's never ends.
func (r guardedResolver) AllLocations(ctx context.Context) <-chan file.Location {
	walk, stop := context.WithCancel(ctx)
	in, out := r.Resolver.AllLocations(walk), make(chan file.Location)
	go func() {
		defer close(out)
		defer stop()
		for l := range in {
			select {
			case out <- l:
			case <-ctx.Done():
				return
			case <-r.guard.ctx.Done():
				return
			}
		}
	}()
	return out
}

// seekable is what readers of image layers and of files have in common. Cataloguers of binaries ask for it and copy the
// whole file into memory where they do not find it.
type seekable interface {
	io.ReadCloser
	io.ReaderAt
	io.Seeker
}

func guardReader(rc io.ReadCloser, g *guard) io.ReadCloser {
	if s, ok := rc.(seekable); ok {
		return &guardedSeeker{guardedReader{rc, g}, s}
	}
	return &guardedReader{rc, g}
}

type guardedReader struct {
	io.ReadCloser
	guard *guard
}

func (r *guardedReader) Read(p []byte) (int, error) {
	if err := r.guard.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := r.ReadCloser.Read(p)
	r.guard.read(n)
	return n, err
}

type guardedSeeker struct {
	guardedReader
	at seekable
}

func (r *guardedSeeker) Seek(offset int64, whence int) (int64, error) {
	return r.at.Seek(offset, whence)
}

func (r *guardedSeeker) ReadAt(p []byte, off int64) (int, error) {
	if err := r.guard.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := r.at.ReadAt(p, off)
	r.guard.read(n)
	return n, err
}

// copyBuffers are what files are copied through: cataloguers hash each file of a package, and would take a new buffer
// for each.
var copyBuffers = sync.Pool{New: func() any { b := make([]byte, 128<<10); return &b }}

// WriteTo spares readers of whole files their own buffers.
func (r *guardedReader) WriteTo(w io.Writer) (int64, error) {
	buffer := copyBuffers.Get().(*[]byte)
	defer copyBuffers.Put(buffer)
	return io.CopyBuffer(w, readerFunc(r.Read), *buffer)
}

// readerFunc is a reader that is nothing else.
type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// plainInfo is a file's information without what differs between two copies of it.
type plainInfo struct{ fs.FileInfo }

func (i plainInfo) Mode() fs.FileMode {
	mode := i.FileInfo.Mode()
	if mode.IsDir() || mode.Perm()&0o100 != 0 {
		return mode.Type() | 0o755
	}
	return mode.Type() | 0o644
}

// tempName matches what os.MkdirTemp and os.CreateTemp make of the names that syft gives them.
var tempName = regexp.MustCompile(`(syft|rpmdb|nix-db|archive-contents|gomodule|hallmark-sbom)[\w-]*-\d+`)

// cleanRemarks makes remarks independent of the run that led to them.
func cleanRemarks(remarks []string, temp string) []string {
	root := regexp.QuoteMeta(filepath.Clean(os.TempDir()))
	anyTemp := regexp.MustCompile(regexp.QuoteMeta(temp) + `|` + root + `/` + tempName.String())
	cleaned := make([]string, 0, len(remarks))
	for _, remark := range remarks {
		remark = anyTemp.ReplaceAllString(remark, "TEMP")
		cleaned = append(cleaned, tempName.ReplaceAllString(remark, "TEMP"))
	}
	slices.Sort(cleaned)
	return slices.Compact(cleaned)
}
