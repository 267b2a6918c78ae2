package main

import (
	"encoding/json"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// smallImage puts an image without content into a repository.
func smallImage(host, repository string) (ocispec.Descriptor, error) {
	config := []byte(`{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[]}}`)
	d, err := putBlob(host, repository, config)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	return putImage(host, repository, ocispec.Manifest{
		Config: ocispec.Descriptor{MediaType: ocispec.MediaTypeImageConfig, Digest: d, Size: int64(len(config))},
		Layers: []ocispec.Descriptor{},
	})
}

// putImage puts an image manifest into a repository by its digest.
func putImage(host, repository string, manifest ocispec.Manifest) (ocispec.Descriptor, error) {
	manifest.Versioned, manifest.MediaType = specs.Versioned{SchemaVersion: 2}, ocispec.MediaTypeImageManifest
	raw, err := json.Marshal(manifest)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	d := ocispec.Descriptor{MediaType: manifest.MediaType, Digest: digest.FromBytes(raw), Size: int64(len(raw))}
	return d, putManifest(host, repository, d.Digest.String(), d.MediaType, raw)
}
