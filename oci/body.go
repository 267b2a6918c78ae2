package oci

import (
	"context"
	"errors"
	"io"
	"time"
)

const (
	// idleTimeout is how long minProgress bytes of a body, or its rest, may take.
	idleTimeout = time.Minute
	minProgress = 16 << 10
)

var errIdle = errors.New("the registry sent or took in next to nothing for too long")

// watchedBody ends a response whose body gives next to nothing. Only time that a
// reader waits for it counts.
type watchedBody struct {
	io.ReadCloser
	ctx    context.Context // of the request
	cancel context.CancelCauseFunc
	idle   time.Duration

	waited time.Duration // for the last got bytes
	got    int
}

func (b *watchedBody) Read(p []byte) (int, error) {
	start := time.Now()
	timer := time.AfterFunc(b.idle-b.waited, func() { b.cancel(errIdle) })
	n, err := b.ReadCloser.Read(p)
	timer.Stop()
	b.waited += time.Since(start)
	if b.got += n; b.got >= minProgress {
		b.got, b.waited = 0, 0
	}
	if err != nil && err != io.EOF && errors.Is(context.Cause(b.ctx), errIdle) {
		err = errIdle
	}
	return n, err
}

func (b *watchedBody) Close() error {
	err := b.ReadCloser.Close()
	b.cancel(nil)
	return err
}
