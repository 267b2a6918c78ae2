package sbom

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

type dirFetcher string

func (d dirFetcher) Fetch(_ context.Context, desc ocispec.Descriptor) (io.ReadCloser, error) {
	return os.Open(string(d) + "/blobs/sha256/" + desc.Digest.Encoded())
}

func TestZZ(t *testing.T) {
	dir := os.Getenv("ZZ")
	if dir == "" {
		t.Skip()
	}
	raw, _ := os.ReadFile(dir + "/index.json")
	var ix ocispec.Index
	json.Unmarshal(raw, &ix)
	d := ix.Manifests[0]
	raw, _ = os.ReadFile(dir + "/blobs/sha256/" + d.Digest.Encoded())
	d.Digest = digest.FromBytes(raw)
	for range 1 {
		began := time.Now()
		docs, err := Generate(context.Background(), Image(dirFetcher(dir), d, raw), Options{Formats: []Format{SPDXJSON}})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println(time.Since(began), docs[0].Packages)
	}
}
