package verify

import (
	"context"
	"errors"
	"io"
	"runtime/debug"

	"golang.org/x/sync/semaphore"

	"github.com/hallmark-project/hallmark/oci"
)

// memory bounds the bytes of evidence that this process holds at once, whatever the
// number of subjects and sources.
var memory = semaphore.NewWeighted(memoryBudget)

const (
	// memoryBudget is how many bytes of evidence are held at once, unless a single piece
	// is larger.
	memoryBudget = 8 << 20
	// largePiece is the size from which memory is looked after.
	largePiece = 32 << 20
	// largeGC is by how many percent the heap grows before the collector runs while a large
	// piece is held.
	largeGC = 20
)

// withinMemory reads a piece of size bytes when there is memory for it.
//
// Left to itself, the collector lets the heap grow by a share of what is in use before it
// looks for garbage: beside a large piece that would be another half of it, and the next
// large piece would be read into new memory beside the old. So while one is held, of which
// there is only one at a time, the collector runs sooner, and what it needed is given back at
// once when it is done with.
func withinMemory(ctx context.Context, size int64, read func() error) error {
	weight := min(max(size, 0), memoryBudget)
	if err := memory.Acquire(ctx, weight); err != nil {
		return err
	}
	defer memory.Release(weight)
	if size < largePiece {
		return read()
	}
	defer debug.FreeOSMemory()
	defer debug.SetGCPercent(debug.SetGCPercent(largeGC))
	return read()
}

// fetchTries is how often content is asked for that does not match its digest. What broke off
// is resumed below.
const fetchTries = 3

// readChecked gives content to read, which must read it to the end before it believes
// anything: the end is where the digest is found not to match. Then read is called again.
func readChecked(ctx context.Context, f oci.Fetcher, d oci.Descriptor, limit int64, read func(io.Reader) error) error {
	if d.Size > limit {
		return &oci.TooLargeError{What: d.Digest.String(), Limit: limit}
	}
	var err error
	for range fetchTries {
		var mismatch *oci.DigestError
		if err = readOnce(ctx, f, d, read); !errors.As(err, &mismatch) || ctx.Err() != nil {
			break
		}
	}
	return err
}

func readOnce(ctx context.Context, f oci.Fetcher, d oci.Descriptor, read func(io.Reader) error) error {
	body, err := f.Fetch(ctx, d)
	if err != nil {
		return err
	}
	defer body.Close()
	return read(body)
}

// mostReserved is how much memory is taken on the word of whoever names a size.
const mostReserved = 512 << 20

// fetchWhole reads content into memory, once: what a size promises is taken at once, and
// costs nothing where it is not written to.
func fetchWhole(ctx context.Context, f oci.Fetcher, d oci.Descriptor, limit int64) (content []byte, err error) {
	err = readChecked(ctx, f, d, limit, func(in io.Reader) error {
		content = make([]byte, 0, min(max(d.Size, 0), mostReserved)+1)
		for {
			if len(content) == cap(content) {
				content = append(content, 0)[:len(content)]
			}
			n, err := in.Read(content[len(content):cap(content)])
			content = content[:len(content)+n]
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
		}
	})
	if err != nil {
		return nil, err
	}
	return content, nil
}
