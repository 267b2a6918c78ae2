package interop

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// smallLayout writes an OCI layout with an index of two small platforms under the tag
// app, and returns the digest of the index. Its layers hold what tells a Debian system.
func smallLayout(t *testing.T, dir string) (index string) {
	t.Helper()
	put := func(content []byte) descriptor {
		t.Helper()
		digest := digestOf(content)
		writeUnder(t, dir, filepath.Join("blobs", "sha256", digest[len("sha256:"):]), content)
		return descriptor{Digest: digest, Size: len(content)}
	}
	list := manifest{SchemaVersion: 2, MediaType: indexType}
	for _, architecture := range []string{"amd64", "arm64"} {
		layer := tarWith(t, "etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n# "+architecture+"\n")
		config := put(fmt.Appendf(nil, `{"os":"linux","architecture":%q,"rootfs":{"type":"layers","diff_ids":[%q]}}`, architecture, digestOf(layer)))
		config.MediaType = "application/vnd.oci.image.config.v1+json"
		content := put(layer)
		content.MediaType = "application/vnd.oci.image.layer.v1.tar"
		child := put(encode(t, manifest{SchemaVersion: 2, MediaType: manifestType, Config: &config, Layers: []descriptor{content}}))
		child.MediaType = manifestType
		raw := fmt.Appendf(nil, `{"os":"linux","architecture":%q}`, architecture)
		if err := json.Unmarshal(raw, &child.Platform); err != nil {
			t.Fatal(err)
		}
		list.Manifests = append(list.Manifests, child)
	}
	root := put(encode(t, list))
	root.MediaType, root.Annotations = indexType, map[string]string{"org.opencontainers.image.ref.name": "app"}
	writeUnder(t, dir, "index.json", encode(t, manifest{SchemaVersion: 2, MediaType: indexType, Manifests: []descriptor{root}}))
	writeUnder(t, dir, "oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
	return root.Digest
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func tarWith(t *testing.T, name, content string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))})
	if err == nil {
		_, err = w.Write([]byte(content))
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func writeUnder(t *testing.T, dir, name string, content []byte) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
}
