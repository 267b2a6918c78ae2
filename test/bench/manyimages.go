package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/hallmark-project/hallmark/attest"
	"github.com/hallmark-project/hallmark/bundle"
	"github.com/hallmark-project/hallmark/internal/peer"
	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/sign"
)

// How many images are verified in one run, in how many repositories, and of how many of
// them the loop of the peer is measured.
const (
	manyCount        = 1000
	manyRepositories = 20
	manySample       = 50
)

// manyImages are small signed images in one registry.
type manyImages struct {
	registry *registry
	client   *oci.Client
	signer   *sign.KeySigner
	refs     []string // through the proxy
}

// manyOperation verifies all of them in one run, and some of them in a loop of runs.
func (b *bench) manyOperation() operation {
	r := newRegistry("ocimem")
	count, sample := manyCount, manySample
	if b.quick {
		count, sample = manyCount/10, manySample/10
	}
	b.many = &manyImages{registry: r}
	return operation{name: fmt.Sprintf("verify of %d images, for each", count), peer: byCosign, at: r, latency: 20 * ms, runs: heavyRuns, oursOf: count, theirsOf: sample,
		needs: []need{{fmt.Sprintf("%d signed images", count), func() error { return b.many.make(b, count) }}},
		ours: func(string) script {
			return commands([]string{b.hallmark, "verify", "-q", "--key", "k.pub", "--list", "many.txt", "-o", "jsonl"})
		},
		theirs: func(string) script {
			var loop [][]string
			for i := range sample {
				loop = append(loop, b.cosignReads(b.many.refs[i*count/sample], "verify"))
			}
			return commands(loop...)
		}}
}

// make pushes and signs images, and writes the list of them.
func (m *manyImages) make(b *bench, count int) error {
	host, stop, err := peer.Memory()
	if err != nil {
		return err
	}
	b.stops = append(b.stops, stop)
	if err := m.registry.behindProxy(b, host); err != nil {
		return err
	}
	if m.client, err = oci.NewClient(oci.Options{Anonymous: true}); err != nil {
		return err
	}
	if m.signer, err = sign.OpenSigner(b.ctx, b.path("k.key"), func() ([]byte, error) { return []byte(password), nil }); err != nil {
		return err
	}
	m.refs = make([]string, count)
	group, ctx := errgroup.WithContext(b.ctx)
	group.SetLimit(4)
	for i := range count {
		group.Go(func() error { return m.one(ctx, i) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return os.WriteFile(b.path("many.txt"), []byte(strings.Join(m.refs, "\n")+"\n"), 0o600)
}

// one pushes and signs one image.
func (m *manyImages) one(ctx context.Context, i int) error {
	repository := fmt.Sprintf("many/app-%d", i%manyRepositories)
	tag := fmt.Sprintf("v%d", i/manyRepositories)
	if err := m.push(repository, tag, i); err != nil {
		return err
	}
	m.refs[i] = m.registry.host + "/" + repository + ":" + tag
	ref, err := oci.ParseReference(m.registry.backend + "/" + repository + ":" + tag)
	if err != nil {
		return err
	}
	store, err := m.client.Open(ref)
	if err != nil {
		return err
	}
	subject, err := store.Resolve(ctx, tag)
	if err != nil {
		return err
	}
	predicate := attest.Signature()
	statement, err := attest.Statement(subject, predicate)
	if err != nil {
		return err
	}
	signed, err := m.signer.Sign(ctx, bundle.PayloadType, statement)
	if err != nil {
		return err
	}
	artifact, err := attest.Artifact(signed, predicate, time.Now())
	if err != nil {
		return err
	}
	_, err = store.Attach(ctx, []oci.Attachment{{Subject: subject, Artifact: artifact}})
	return err
}

// push pushes a manifest with a configuration and no layers.
func (m *manyImages) push(repository, tag string, n int) error {
	config, err := json.Marshal(ocispec.Image{Platform: ocispec.Platform{OS: "linux", Architecture: "amd64"}, Author: fmt.Sprint(n)})
	if err != nil {
		return err
	}
	d := digest.FromBytes(config)
	if _, err := m.registry.do(http.MethodPost, repository+"/blobs/uploads/?digest="+d.String(), "application/octet-stream", config, http.StatusCreated); err != nil {
		return err
	}
	image := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Config: ocispec.Descriptor{MediaType: ocispec.MediaTypeImageConfig, Digest: d, Size: int64(len(config))},
		Layers: []ocispec.Descriptor{}}
	image.SchemaVersion = 2
	raw, err := json.Marshal(image)
	if err != nil {
		return err
	}
	_, err = m.registry.do(http.MethodPut, repository+"/manifests/"+tag, ocispec.MediaTypeImageManifest, raw, http.StatusCreated)
	return err
}
