package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-project/hallmark/internal/layoutpack"
)

// place makes dir hold the index and nothing else, unless it holds it already: then what
// is attached to it stays. Only a layout is ever replaced.
func place(dir, tag string, digest v1.Hash, index v1.ImageIndex) error {
	held, err := holds(dir, tag, digest)
	if err != nil || held {
		return err
	}
	next := dir + ".new"
	if err := os.RemoveAll(next); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(next), 0o755); err != nil {
		return err
	}
	if err := layoutpack.Write(next, tag, index); err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return os.Rename(next, dir)
}

// holds tells whether dir is a layout with this image under this tag. A folder of
// something else is an error.
func holds(dir, tag string, digest v1.Hash) (bool, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if _, err := os.Stat(filepath.Join(dir, "oci-layout")); err != nil {
		return false, fmt.Errorf("%s holds something else than an OCI layout: name another folder", dir)
	}
	data, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		return false, err
	}
	var index v1.IndexManifest
	if err := json.Unmarshal(data, &index); err != nil {
		return false, fmt.Errorf("%s: %w", dir, err)
	}
	for _, m := range index.Manifests {
		if m.Annotations[layoutpack.RefName] == tag && m.Digest == digest {
			return true, nil
		}
	}
	return false, nil
}
