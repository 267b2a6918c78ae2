package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-project/hallmark/internal/layoutpack"
)

// built is the creation time of the images: fixed, so that the same binaries give
// the same digests.
var built = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// pack writes an OCI layout with an index, tagged "app", of one image per binary.
func pack(dir string, binaries []string) error {
	var images []layoutpack.Image
	for _, arg := range binaries {
		platform, file, ok := strings.Cut(arg, "=")
		goos, arch, ok2 := strings.Cut(platform, "/")
		if !ok || !ok2 {
			return fmt.Errorf("%q: want os/architecture=FILE", arg)
		}
		image, err := imageOf(v1.Platform{OS: goos, Architecture: arch}, file)
		if err != nil {
			return err
		}
		images = append(images, image)
	}
	index, err := layoutpack.Index(images, nil)
	if err != nil {
		return err
	}
	return layoutpack.Write(dir, "app", index)
}

// imageOf is an image whose only file is the binary, at /hallmark.
func imageOf(platform v1.Platform, file string) (layoutpack.Image, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return layoutpack.Image{}, err
	}
	archive, err := layoutpack.Tar([]layoutpack.File{{Name: "hallmark", Mode: 0o755, Content: content}}, built)
	if err != nil {
		return layoutpack.Image{}, err
	}
	return layoutpack.Image{Platform: platform, Created: built, Config: v1.Config{Entrypoint: []string{"/hallmark"}},
		Layers: []v1.Layer{layoutpack.Plain(archive)}}, nil
}
