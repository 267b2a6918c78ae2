package testkit

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// PushImage puts an image, or an index with its images, into a registry under a name
// such as "team/app:v1" and returns the reference that pins it,
// "127.0.0.1:40001/team/app@sha256:…". It goes past middleware and record: neither
// authentication nor faults nor round trips are met.
func PushImage(t testing.TB, s *Server, name string, image *Image) string {
	t.Helper()
	repository, tag, _ := strings.Cut(name, ":")
	pushAll(t, s, repository, image)
	if tag != "" {
		putManifest(t, s, repository, tag, image.MediaType, image.Manifest)
	}
	return s.Host + "/" + repository + "@" + image.Digest().String()
}

func pushAll(t testing.TB, s *Server, repository string, image *Image) {
	t.Helper()
	for _, content := range image.Blobs {
		PushBlob(t, s, repository, content)
	}
	for _, child := range image.Children {
		pushAll(t, s, repository, child)
	}
	putManifest(t, s, repository, image.Digest().String(), image.MediaType, image.Manifest)
}

// PushBlob puts a blob into a repository as [PushImage] does.
func PushBlob(t testing.TB, s *Server, repository string, content []byte) digest.Digest {
	t.Helper()
	d := digest.FromBytes(content)
	resp := s.Direct(httptest.NewRequest(http.MethodPost, "/v2/"+repository+"/blobs/uploads/", nil))
	location := resp.Header.Get("Location")
	if resp.StatusCode != http.StatusAccepted || location == "" {
		t.Fatalf("opening an upload to %s: %s", repository, resp.Status)
	}
	mark := "?"
	if strings.Contains(location, "?") {
		mark = "&"
	}
	put := httptest.NewRequest(http.MethodPut, location+mark+"digest="+d.String(), bytes.NewReader(content))
	put.Header.Set("Content-Type", "application/octet-stream")
	if resp := s.Direct(put); resp.StatusCode != http.StatusCreated {
		t.Fatalf("uploading %s to %s: %s", d, repository, resp.Status)
	}
	return d
}

// PushManifest puts any document under a tag or digest as [PushImage] does.
func PushManifest(t testing.TB, s *Server, repository, target, mediaType string, raw []byte) digest.Digest {
	t.Helper()
	putManifest(t, s, repository, target, mediaType, raw)
	return digest.FromBytes(raw)
}

func putManifest(t testing.TB, s *Server, repository, target, mediaType string, raw []byte) {
	t.Helper()
	put := httptest.NewRequest(http.MethodPut, "/v2/"+repository+"/manifests/"+target, bytes.NewReader(raw))
	put.Header.Set("Content-Type", mediaType)
	if resp := s.Direct(put); resp.StatusCode != http.StatusCreated {
		body, _ := io.ReadAll(resp.Body)
		t.Fatalf("putting %s to %s: %s: %s", target, repository, resp.Status, body)
	}
}

// GetManifest is what stands under a tag or digest, past middleware and record; nil
// where nothing does.
func GetManifest(t testing.TB, s *Server, repository, target string) []byte {
	t.Helper()
	resp := s.Direct(httptest.NewRequest(http.MethodGet, "/v2/"+repository+"/manifests/"+target, nil))
	if resp.StatusCode != http.StatusOK {
		return nil
	}
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// FallbackEntries are the digests in the fallback list of referrers of a subject.
func FallbackEntries(t testing.TB, s *Server, repository string, subject digest.Digest) []digest.Digest {
	t.Helper()
	raw := GetManifest(t, s, repository, strings.Replace(subject.String(), ":", "-", 1))
	if raw == nil {
		return nil
	}
	var index ocispec.Index
	if err := json.Unmarshal(raw, &index); err != nil {
		t.Fatal(err)
	}
	var out []digest.Digest
	for _, d := range index.Manifests {
		out = append(out, d.Digest)
	}
	return out
}

// PushReferrer attaches an artifact to a subject as [PushImage] does: its manifest,
// the empty config and one layer. It does not touch the fallback list.
func PushReferrer(t testing.TB, s *Server, repository string, subject ocispec.Descriptor, artifactType string, content []byte) ocispec.Descriptor {
	t.Helper()
	PushBlob(t, s, repository, []byte("{}"))
	PushBlob(t, s, repository, content)
	manifest := ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, ArtifactType: artifactType,
		Config: describe(ocispec.MediaTypeEmptyJSON, []byte("{}")), Layers: []ocispec.Descriptor{describe(artifactType, content)},
		Subject: &ocispec.Descriptor{MediaType: subject.MediaType, Digest: subject.Digest, Size: subject.Size},
	}
	raw := mustJSON(manifest)
	d := describe(ocispec.MediaTypeImageManifest, raw)
	d.ArtifactType = artifactType
	putManifest(t, s, repository, d.Digest.String(), d.MediaType, raw)
	return d
}

// PutFallback overwrites the fallback list of a subject, as a writer does that has not
// read it.
func PutFallback(t testing.TB, s *Server, repository string, subject digest.Digest, entries ...ocispec.Descriptor) {
	t.Helper()
	raw := mustJSON(ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex,
		Manifests: append([]ocispec.Descriptor{}, entries...),
	})
	putManifest(t, s, repository, strings.Replace(subject.String(), ":", "-", 1), ocispec.MediaTypeImageIndex, raw)
}
