package cli

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/workload"
)

// Bounds on what -f names.
const (
	maxManifest  = 8 << 20
	maxManifests = 1_000
	maxNamed     = 10_000 // different images
)

// manifest is a file that names images, as it was read once: what is verified, and
// what is pinned, is the same.
type manifest struct {
	name   string // "-" is standard input
	data   []byte
	images []workload.Image
}

// namedImage is an image with all places that name it.
type namedImage struct {
	reference string
	places    []string // "file:line (what)"
	images    []workload.Image
}

// readManifests reads files and finds the images that they name.
func (a *App) readManifests(files []string, args map[string]string) ([]manifest, error) {
	if len(files) > maxManifests {
		return nil, usagef("%d files are more than %d: verify them in several runs", len(files), maxManifests)
	}
	var out []manifest
	seen := map[string]bool{}
	for _, name := range files {
		if seen[realName(name)] {
			continue
		}
		seen[realName(name)] = true
		data, err := a.readInput(name, maxManifest)
		if err != nil {
			return nil, err
		}
		images, err := workload.Find(name, data, args)
		if err != nil {
			return nil, usage(err)
		}
		out = append(out, manifest{name, data, images})
	}
	return out, nil
}

// realName is one name for a file that is named in several ways.
func realName(name string) string {
	if name == "-" {
		return name
	}
	if real, err := filepath.EvalSymlinks(name); err == nil {
		name = real
	}
	if whole, err := filepath.Abs(name); err == nil {
		name = whole
	}
	return name
}

// namedImages groups the images of files by their references, in the order in which
// they are named first. What a command line would take for a file is refused: a manifest does
// not choose what is read here. That there is none at all is an error: nothing would be
// verified.
func namedImages(manifests []manifest) ([]namedImage, error) {
	var out []namedImage
	index := map[string]int{}
	for _, m := range manifests {
		for _, image := range m.images {
			if ref, err := oci.ParseReference(image.Reference); err == nil && ref.Scheme != oci.SchemeRegistry {
				return nil, usagef("%s:%d: %s: %s would be taken for a file here, not for an image in a registry: write the registry in front of it",
					image.File, image.Line, image.What, image.Reference)
			}
			n, known := index[image.Reference]
			if !known {
				n = len(out)
				index[image.Reference] = n
				out = append(out, namedImage{reference: image.Reference})
			}
			out[n].places = append(out[n].places, fmt.Sprintf("%s:%d (%s)", image.File, image.Line, image.What))
			out[n].images = append(out[n].images, image)
		}
	}
	if len(out) == 0 {
		return nil, usagef("the files name no image: nothing would be verified")
	}
	if len(out) > maxNamed {
		return nil, usagef("the files name %d images, more than %d: verify them in several runs", len(out), maxNamed)
	}
	return out, nil
}

// pinFiles writes digests behind the images of files: digests has the pinned reference
// for each as it is written. All files are worked out before the first is written. Files
// that need no change are left alone; the text of standard input goes to standard
// output. It gives the number of files that were changed.
func (a *App) pinFiles(manifests []manifest, digests map[string]string) (changed int, err error) {
	pinned := make([][]byte, len(manifests))
	for i, m := range manifests {
		pinned[i], err = workload.Pin(m.data, digests, m.images)
		if err != nil {
			return 0, usage(err)
		}
	}
	for i, m := range manifests {
		same := bytes.Equal(m.data, pinned[i])
		switch {
		case m.name == "-":
			_, err = a.Out.Write(pinned[i])
		case !same:
			err = a.replaceManifest(m, pinned[i])
		}
		if err != nil {
			return changed, err
		}
		if !same {
			changed++
		}
	}
	return changed, nil
}

var errManifestChanged = errors.New("it was changed while its images were verified")

// replaceManifest writes a file anew, where a link leads to, unless somebody else has
// written it since it was read.
func (a *App) replaceManifest(m manifest, content []byte) error {
	name, err := filepath.EvalSymlinks(m.name)
	if err != nil {
		return usage(err)
	}
	info, err := os.Stat(name)
	if err != nil {
		return usage(err)
	}
	now, err := a.readInput(name, maxManifest)
	if err != nil {
		return err
	}
	if !bytes.Equal(now, m.data) {
		return usagef("%s: %w: nothing was written to it; run the command again", m.name, errManifestChanged)
	}
	return writeFile(name, content, info.Mode().Perm(), true)
}
