package transfer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/hallmark-project/hallmark/internal/testkit"
	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/transfer"
)

var made sync.Map // manifests by their digest, until they are fetched

// endless is a store where everything has evidence, which has evidence.
type endless struct {
	oci.Store
	size   int // of each manifest
	spread int // how much is attached to each
	root   digest.Digest
}

func (e endless) manifest(on digest.Digest, n int) []byte {
	return fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"application/vnd.example","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[],"subject":{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":%q,"size":1},"annotations":{"n":"%d %s"}}`,
		on, n, strings.Repeat("x", e.size))
}

func (e endless) Referrers(_ context.Context, on digest.Digest) (out []oci.Descriptor, err error) {
	if e.spread > 1 && on != e.root {
		return nil, nil
	}
	for n := range e.spread {
		raw := e.manifest(on, n)
		out = append(out, oci.Descriptor{MediaType: oci.MediaTypeManifest, Digest: digest.FromBytes(raw), Size: int64(len(raw)), Annotations: map[string]string{"on": on.String(), "n": fmt.Sprint(n)}})
		made.Store(digest.FromBytes(raw), func() []byte { return e.manifest(on, n) })
	}
	return out, nil
}

func (e endless) Fetch(ctx context.Context, d oci.Descriptor) (io.ReadCloser, error) {
	if raw, ok := made.Load(d.Digest); ok {
		return io.NopCloser(bytes.NewReader(raw.(func() []byte)())), nil
	}
	return e.Store.Fetch(ctx, d)
}

func (e endless) Resolve(_ context.Context, target string) (oci.Subject, error) {
	return oci.Subject{}, oci.ErrNotFound
}

// A hostile source can waste neither memory nor time without end.
func TestEndlessSource(t *testing.T) {
	s := testkit.Registry(t)
	store, subject := open(t, client(t), testkit.PushImage(t, s, "team/app:v1", testkit.NewImage()))
	for name, e := range map[string]endless{"deep": {store, 10, 1, subject.Digest()}, "large": {store, 2 << 20, 150, subject.Digest()}} {
		t.Run(name, func(t *testing.T) {
			_, err := transfer.New(t.Context(), transfer.Source{Images: store, Evidence: e}, subject, nil)
			if !errors.Is(err, transfer.ErrTooMuch) {
				t.Errorf("got %v", err)
			}
		})
	}
}
