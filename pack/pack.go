// Package pack is the form of an evidence pack: everything that a decision about an image
// was reached by, in one tar archive that is an OCI image layout besides. The archive ends
// with a manifest of its files and, if somebody answers for it, a signature over that.
//
// A pack has one form to the byte: the same files give the same archive, and Read turns
// down every other. Whether what is in it may be trusted, it does not say.
package pack

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Version names the form of a pack's manifest.
const Version = "hallmark.pack/v1"

// Paths of the files at the end of a pack.
const (
	ManifestPath  = "manifest.json"
	SignaturePath = "manifest.sigstore.json"
	// SumPath holds the SHA-256 of manifest and signature, one behind the other, so that
	// damage to them is seen although nobody signed.
	SumPath = "manifest.sha256"
)

// Bounds on a pack.
const (
	maxFiles = 100_000
	maxSmall = 256 << 20 // bytes of all files that are kept in memory
	// MaxFile is the size of one file, what a tar header without extensions can say.
	MaxFile = 8<<30 - 1
	maxPath = 100
)

// ErrPack says that an archive is not a pack as it was made: a file is missing, was added
// or changed, or it is no pack at all. It must not be used.
var ErrPack = errors.New("not an evidence pack as it was made")

// Manifest says what is in a pack.
type Manifest struct {
	SchemaVersion string    `json:"schemaVersion"`
	Tool          string    `json:"tool"`
	Created       time.Time `json:"created"` // by the clock of whoever made it; the signature's timestamp proves more
	Subject       Subject   `json:"subject"`
	Environment   string    `json:"environment,omitempty"` // of the policy
	// Policy are the paths of the policy's files, in order, and Material the paths of
	// the keys and certificates that it refers to, by signer.
	Policy      []string          `json:"policy"`
	Material    map[string]string `json:"material,omitempty"`
	TrustedRoot string            `json:"trustedRoot,omitempty"` // path; empty: none was needed
	Files       []Entry           `json:"files"`
}

// Subject is what the pack is about.
type Subject struct {
	Reference string   `json:"reference"` // as it was asked for
	Name      string   `json:"name"`      // of the repository that it was judged as
	Digest    string   `json:"digest"`
	Platforms []string `json:"platforms,omitempty"` // if not all of them
}

// Entry is a file of a pack.
type Entry struct {
	Path   string `json:"path"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// File is a file to be put into a pack.
type File struct {
	Path string
	Size int64
	Open func() (io.ReadCloser, error)
}

// Content is a file whose bytes are at hand.
func Content(name string, content []byte) File {
	return File{name, int64(len(content)), func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }}
}

var pathForm = regexp.MustCompile(`\A[A-Za-z0-9._+-]+(/[A-Za-z0-9._+-]+)*\z`)

// checkPath refuses names that could lead out of a folder, or that a tar header cannot
// hold as they are.
func checkPath(name string) error {
	if len(name) > maxPath || !pathForm.MatchString(name) || path.Clean(name) != name || strings.HasPrefix(name, "..") || strings.Contains(name, "/..") {
		return fmt.Errorf("%w: it holds a file called %.100q", ErrPack, name)
	}
	return nil
}

// header is the one header that a file has.
func header(name string, size int64) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644, ModTime: time.Unix(0, 0).UTC(), Format: tar.FormatUSTAR}
}

// Write writes a pack: the files in the order of their names, the manifest, and the
// signature that sign makes over the manifest's bytes; a nil sign is none.
func Write(w io.Writer, m Manifest, files []File, sign func(manifest []byte) ([]byte, error)) error {
	files = slices.Clone(files)
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	m.SchemaVersion, m.Files = Version, []Entry{}
	out := tar.NewWriter(w)
	small := int64(0)
	for i, f := range files {
		if kept(f.Path) {
			small += f.Size
		}
		if small > maxSmall {
			return errSmall
		}
		if err := checkPath(f.Path); err != nil {
			return err
		}
		if i > 0 && files[i-1].Path == f.Path || slices.Contains(lastPaths, f.Path) {
			return fmt.Errorf("%w: two files are called %s", ErrPack, f.Path)
		}
		sum, err := add(out, f)
		if err != nil {
			return fmt.Errorf("%s: %w", f.Path, err)
		}
		m.Files = append(m.Files, Entry{f.Path, f.Size, sum})
	}
	raw, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	if _, err := add(out, Content(ManifestPath, raw)); err != nil {
		return err
	}
	var signature []byte
	if sign != nil {
		if signature, err = sign(raw); err != nil {
			return err
		}
		if _, err := add(out, Content(SignaturePath, signature)); err != nil {
			return err
		}
	}
	if _, err := add(out, Content(SumPath, sumOf(raw, signature))); err != nil {
		return err
	}
	return out.Close()
}

// kept reports whether whoever reads a pack keeps a file in memory: blobs and SBOMs may be
// large, and are not asked for by name.
func kept(name string) bool {
	return !strings.HasPrefix(name, "blobs/") && !strings.HasPrefix(name, "sboms/")
}

var errSmall = fmt.Errorf("%w: more than %d bytes beside its blobs and SBOMs", ErrPack, maxSmall)

var lastPaths = []string{ManifestPath, SignaturePath, SumPath}

func sumOf(manifest, signature []byte) []byte {
	sum := sha256.Sum256(slices.Concat(manifest, signature))
	return []byte(hex.EncodeToString(sum[:]) + "\n")
}

func add(out *tar.Writer, f File) (sum string, err error) {
	body, err := f.Open()
	if err != nil {
		return "", err
	}
	defer body.Close()
	if err := out.WriteHeader(header(f.Path, f.Size)); err != nil {
		return "", err
	}
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(out, h), body)
	if err == nil && n != f.Size {
		err = fmt.Errorf("it has %d bytes, and should have %d", n, f.Size)
	}
	return hex.EncodeToString(h.Sum(nil)), err
}

// Pack is a pack whose files are those that its manifest names, to the byte.
type Pack struct {
	Manifest
	Raw       []byte            // the manifest as it was signed
	Signature []byte            // a Sigstore bundle; nil: nobody answers for it
	Small     map[string][]byte // all files but those under blobs/ and sboms/
}

// Read reads a pack and checks every byte of it. Errors wrap [ErrPack].
func Read(r io.Reader) (*Pack, error) {
	given, canonical := sha256.New(), sha256.New()
	source := io.TeeReader(r, given)
	c := checker{in: tar.NewReader(source), out: tar.NewWriter(canonical), found: map[string]Entry{}, pack: &Pack{Small: map[string][]byte{}}}
	if err := c.all(); err != nil {
		return nil, err
	}
	if err := c.out.Close(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPack, err)
	}
	if _, err := io.Copy(io.Discard, source); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPack, err)
	}
	if !bytes.Equal(given.Sum(nil), canonical.Sum(nil)) {
		return nil, fmt.Errorf("%w: the archive has bytes around its files that a pack does not have", ErrPack)
	}
	return c.pack, c.compare()
}

// checker reads an archive and writes the one that its files would make.
type checker struct {
	in    *tar.Reader
	out   *tar.Writer
	found map[string]Entry
	small int64
	sum   []byte
	pack  *Pack
}

func (c *checker) all() error {
	for {
		h, err := c.in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrPack, err)
		}
		if err := c.one(h); err != nil {
			return err
		}
	}
}

func (c *checker) one(h *tar.Header) error {
	if h.Typeflag != tar.TypeReg {
		return fmt.Errorf("%w: %.100q is no plain file", ErrPack, h.Name)
	}
	if err := checkPath(h.Name); err != nil {
		return err
	}
	if _, twice := c.found[h.Name]; twice || len(c.found) == maxFiles {
		return fmt.Errorf("%w: %s stands in it twice, or it holds more than %d files", ErrPack, h.Name, maxFiles)
	}
	if err := c.out.WriteHeader(header(h.Name, h.Size)); err != nil {
		return fmt.Errorf("%w: %w", ErrPack, err)
	}
	sum := sha256.New()
	into := io.MultiWriter(sum, c.out)
	var content *bytes.Buffer
	if kept(h.Name) {
		if c.small += h.Size; c.small > maxSmall {
			return errSmall
		}
		content = &bytes.Buffer{}
		into = io.MultiWriter(into, content)
	}
	if _, err := io.Copy(into, c.in); err != nil {
		return fmt.Errorf("%w: %w", ErrPack, err)
	}
	c.keep(h, sum, content)
	return nil
}

func (c *checker) keep(h *tar.Header, sum hash.Hash, content *bytes.Buffer) {
	c.found[h.Name] = Entry{h.Name, h.Size, hex.EncodeToString(sum.Sum(nil))}
	switch {
	case content == nil:
	case h.Name == ManifestPath:
		c.pack.Raw = content.Bytes()
	case h.Name == SignaturePath:
		c.pack.Signature = content.Bytes()
	case h.Name == SumPath:
		c.sum = content.Bytes()
	default:
		c.pack.Small[h.Name] = content.Bytes()
	}
}

// compare holds the files against the manifest.
func (c *checker) compare() error {
	p := c.pack
	if p.Raw == nil {
		return fmt.Errorf("%w: it has no %s", ErrPack, ManifestPath)
	}
	if !bytes.Equal(c.sum, sumOf(p.Raw, p.Signature)) {
		return fmt.Errorf("%w: %s or its signature was changed", ErrPack, ManifestPath)
	}
	if err := json.Unmarshal(p.Raw, &p.Manifest); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrPack, ManifestPath, err)
	}
	if p.SchemaVersion != Version {
		return fmt.Errorf("%w: its form is %q, and this program reads %s", ErrPack, p.SchemaVersion, Version)
	}
	for _, name := range lastPaths {
		delete(c.found, name)
	}
	for _, want := range p.Files {
		have, there := c.found[want.Path]
		if !there {
			return fmt.Errorf("%w: %s is missing", ErrPack, want.Path)
		}
		if have != want {
			return fmt.Errorf("%w: %s was changed", ErrPack, want.Path)
		}
		delete(c.found, want.Path)
	}
	for name := range c.found {
		return fmt.Errorf("%w: %s was added", ErrPack, name)
	}
	return nil
}
