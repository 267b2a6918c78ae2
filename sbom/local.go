package sbom

import (
	"context"
	"crypto"
	"fmt"
	"path/filepath"

	"github.com/anchore/syft/syft/source"
	"github.com/anchore/syft/syft/source/directorysource"
	"github.com/anchore/syft/syft/source/filesource"
	"github.com/opencontainers/go-digest"
)

// Directory is a folder with everything below it, read as source code: what its lock files and manifests declare and its
// binaries contain, not what is installed in it as in an image. Links that lead out of it are not followed. The document
// calls it by its base name; it has no digest. It is the caller's own, so that Limits do not apply.
func Directory(path string) Source { return directory(path) }

// File is a single file, such as a binary or a Java archive. The document calls it by its base name and digest. Archives of
// other sorts are described as one file, not unpacked. Limits do not apply.
func File(path string) Source { return regularFile(path) }

type directory string

func (d directory) open(_ context.Context, j *job) (*content, error) {
	path, err := resolved(string(d))
	if err != nil {
		return nil, err
	}
	name := filepath.Base(path)
	src, err := directorysource.New(directorysource.Config{
		Path: path, Base: path, Alias: source.Alias{Name: name},
	})
	if err != nil {
		return nil, fmt.Errorf("folder %s: %w", d, err)
	}
	desc := src.Describe()
	desc.Metadata = source.DirectoryMetadata{Path: name}
	return &content{subject: subject{kind: "directory", name: name}, source: described{src, desc}, local: true}, nil
}

type regularFile string

func (f regularFile) open(_ context.Context, j *job) (*content, error) {
	path, err := resolved(string(f))
	if err != nil {
		return nil, err
	}
	name := filepath.Base(path)
	src, err := filesource.New(filesource.Config{
		Path: path, Alias: source.Alias{Name: name},
		DigestAlgorithms: []crypto.Hash{crypto.SHA256},
		// unpacking has no limits there, and cannot be cancelled
		SkipExtractArchive: true,
	})
	if err != nil {
		return nil, fmt.Errorf("file %s: %w", f, err)
	}
	desc := src.Describe()
	m := desc.Metadata.(source.FileMetadata)
	m.Path = name
	desc.Metadata = m
	sum := fileDigest(m)
	desc.Version = sum
	return &content{subject: subject{kind: "file", name: name, digest: sum}, source: described{src, desc}, local: true}, nil
}

func fileDigest(m source.FileMetadata) string {
	for _, d := range m.Digests {
		if d.Algorithm == "sha256" {
			return digest.NewDigestFromEncoded(digest.SHA256, d.Value).String()
		}
	}
	return ""
}

// resolved is a path without links and dots, so that the base name is that of the thing itself.
func resolved(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(abs)
}
