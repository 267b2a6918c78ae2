package sbom

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// Document is one SBOM.
type Document struct {
	Format   Format
	Version  string // of the format: "2.3" for SPDX, "1.6" for CycloneDX, the schema's for syft
	Bytes    []byte // the JSON text, one line that ends in a newline
	Packages int    // packages found, without the root that the document describes
}

// Options says how to describe a source. The zero value asks for no document at all.
type Options struct {
	// Formats of the documents, in the order of the result. A format may not be named twice.
	Formats []Format
	// Created is the moment the documents claim, to the second. Nil takes the image configuration's, and for what has
	// none 1970-01-01, because the clock would make two runs differ.
	Created *time.Time
	// ToolVersion is the version of Hallmark to name as the creator; "" reads as "devel".
	ToolVersion string
	// Progress is told what happens. It is called from several goroutines but never twice at once, and must be quick.
	Progress func(Event)
	// Limits caps the cost of a hostile image.
	Limits Limits
	// Shared has the layers that this image has in common with others; nil shares none.
	Shared *Shared
}

// cancelGrace is how long a cancelled Generate waits for cataloguers that are in the middle of something which cannot be
// interrupted. Almost always they stop within milliseconds, because all their reads begin to fail.
const cancelGrace = 5 * time.Second

// Generate catalogues a source once and returns a document for each of o.Formats, in that order.
//
// Errors: *LayerError where one layer is at fault, wrapping ErrForeignLayer, ErrLayerType, ErrMalformed, ErrMismatch,
// a *LimitError (ErrLimit) or the Fetcher's error; ErrNotImage; ErrFormat; ErrCatalog; the context's error when it ends,
// at the latest five seconds after. There are never documents beside an error.
//
// The larger files of layers and the archives within them are kept in os.TempDir until Generate returns. Only if it was
// cancelled and a cataloguer does not stop in time are they removed later, as soon as that one does.
func Generate(ctx context.Context, src Source, o Options) ([]Document, error) {
	if err := checkFormats(o.Formats); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	type outcome struct {
		docs []Document
		err  error
	}
	done := make(chan outcome, 1)
	go func() {
		docs, err := generate(ctx, src, o)
		done <- outcome{docs, err}
	}()
	select {
	case r := <-done:
		return r.docs, r.err
	case <-ctx.Done():
	}
	select {
	case r := <-done:
		return r.docs, r.err
	case <-time.After(cancelGrace):
		return nil, ctx.Err()
	}
}

func checkFormats(formats []Format) error {
	seen := map[Format]bool{}
	for _, f := range formats {
		if _, err := ParseFormat(string(f)); err != nil {
			return err
		}
		if seen[f] {
			return fmt.Errorf("%w: %s is asked for twice", ErrFormat, f)
		}
		seen[f] = true
	}
	if len(formats) == 0 {
		return fmt.Errorf("%w: none asked for", ErrFormat)
	}
	return nil
}

// generate does the work of Generate and removes its temporary folder whatever happens. Panics of the libraries, which
// parse hostile content, become errors.
func generate(ctx context.Context, src Source, o Options) (docs []Document, err error) {
	defer func() {
		if p := recover(); p != nil {
			docs, err = nil, fmt.Errorf("%w: %w: %v", ErrCatalog, errPanic, p)
		}
		if cause := ctx.Err(); cause != nil {
			docs, err = nil, cause // whatever failed did so because of this
		}
	}()
	temp, err := os.MkdirTemp("", "hallmark-sbom-")
	if err != nil {
		return nil, fmt.Errorf("temporary folder for layers: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	j := &job{limits: o.Limits.withDefaults(), progress: &reporter{fn: o.Progress}, temp: temp, shared: o.Shared}
	return j.run(ctx, src, o)
}

func (j *job) run(ctx context.Context, src Source, o Options) (docs []Document, err error) {
	Warm() // beside the fetching, which waits for the network
	c, err := src.open(ctx, j)
	if err != nil {
		return nil, err
	}
	defer func() {
		if closeErr := c.close(); err == nil && closeErr != nil {
			docs, err = nil, closeErr
		}
	}()
	found, err := catalog(ctx, c, j, o.ToolVersion)
	if err != nil {
		return nil, err
	}
	return encodeAll(found, newIdentity(c.subject, found, o), o.Formats)
}
