package sbom

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"

	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/opencontainers/go-digest"
)

// DockerArchive is a tar file as `docker save` writes it, holding one image. Such a file has no manifest whose digest a
// registry would know, so that the document names the digest of the image configuration: what Docker calls the image ID.
// A compressed archive must be unpacked first.
func DockerArchive(path string) Source { return dockerArchive(path) }

type dockerArchive string

func (a dockerArchive) open(ctx context.Context, j *job) (*content, error) {
	f, err := os.Open(string(a))
	if err != nil {
		return nil, fmt.Errorf("docker archive: %w", err)
	}
	defer f.Close() // the layers are copied before this function returns
	img, err := a.image(f, j.limits)
	if err != nil {
		return nil, fmt.Errorf("docker archive: %w", err)
	}
	return readImage(ctx, img, j)
}

func (a dockerArchive) image(f *os.File, l Limits) (*image, error) {
	files, err := indexArchive(f, l)
	if err != nil {
		return nil, err
	}
	m, err := files.manifest(l)
	if err != nil {
		return nil, err
	}
	config, err := files.read(m.Config, "ConfigBytes", l.ConfigBytes)
	if err != nil {
		return nil, err
	}
	img := &image{identity: digest.FromBytes(config), mediaType: types.DockerManifestSchema2, rawConfig: config}
	for i, name := range m.Layers {
		section, err := files.open(name)
		if err != nil {
			return nil, err
		}
		img.layers = append(img.layers, &layer{
			index: i, size: section.Size(), mediaType: types.DockerUncompressedLayer,
			open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(section), nil },
		})
	}
	return img, img.nameLayers()
}

// nameLayers calls the layers of an archive by their diff_ids, the only digests known of them.
func (i *image) nameLayers() error {
	if err := i.parseConfig(); err != nil {
		return err
	}
	for _, l := range i.layers {
		l.digest = digest.Digest(l.diffID.String())
	}
	return nil
}

// archiveManifest is one entry of manifest.json, the table of contents of `docker save`.
type archiveManifest struct {
	Config string
	Layers []string
}

// archiveFiles is where each file of an archive begins. Nothing is ever unpacked.
type archiveFiles struct {
	at    io.ReaderAt
	files map[string]archiveFile
}

type archiveFile struct {
	offset, size int64
	link         string // the name of another file in the archive, or ""
}

// maxArchiveEntries bounds the index of an archive; `docker save` writes about three files for each layer.
const maxArchiveEntries = 100_000

func indexArchive(f *os.File, l Limits) (*archiveFiles, error) {
	index := &archiveFiles{at: f, files: map[string]archiveFile{}}
	tr := tar.NewReader(f)
	for n := 1; ; n++ {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return index, nil
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return nil, malformed("tar", err)
		}
		if err := errors.Join(exceeds("archive entries", n, maxArchiveEntries), exceeds("PathBytes", int64(len(h.Name)), l.PathBytes)); err != nil {
			return nil, err
		}
		offset, err := f.Seek(0, io.SeekCurrent) // the reader does not read ahead
		if err != nil {
			return nil, err
		}
		index.add(h, offset)
	}
}

func (a *archiveFiles) add(h *tar.Header, offset int64) {
	name := path.Clean("/" + h.Name)
	switch h.Typeflag {
	case tar.TypeReg:
		a.files[name] = archiveFile{offset: offset, size: h.Size}
	case tar.TypeSymlink: // equal layers, in archives of older Dockers
		a.files[name] = archiveFile{link: path.Join(path.Dir(name), h.Linkname)} //nolint:gosec // a key of the index, never a path on disk
	case tar.TypeLink:
		a.files[name] = archiveFile{link: path.Clean("/" + h.Linkname)}
	}
}

// open finds a file by name, through links within the archive.
func (a *archiveFiles) open(name string) (*io.SectionReader, error) {
	target := path.Clean("/" + name)
	for range 8 { // more than any writer makes; fewer than a loop
		f, ok := a.files[target]
		if !ok {
			break
		}
		if f.link == "" {
			return io.NewSectionReader(a.at, f.offset, f.size), nil
		}
		target = path.Clean("/" + f.link)
	}
	return nil, fmt.Errorf("%w: it has no file %q", ErrNotImage, name)
}

func (a *archiveFiles) read(name, limit string, most int64) ([]byte, error) {
	section, err := a.open(name)
	if err != nil {
		return nil, err
	}
	if err := exceeds(limit, section.Size(), most); err != nil {
		return nil, err
	}
	raw := make([]byte, section.Size())
	if _, err := io.ReadFull(section, raw); err != nil {
		return nil, malformed(name, err)
	}
	return raw, nil
}

func (a *archiveFiles) manifest(l Limits) (*archiveManifest, error) {
	raw, err := a.read("manifest.json", "ManifestBytes", l.ManifestBytes)
	if err != nil {
		return nil, err
	}
	var all []archiveManifest
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, fmt.Errorf("%w: manifest.json: %w", ErrNotImage, err)
	}
	if len(all) != 1 {
		return nil, fmt.Errorf("%w: the archive holds %d images", ErrNotImage, len(all))
	}
	return &all[0], exceeds("Layers", len(all[0].Layers), l.Layers)
}
