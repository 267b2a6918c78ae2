package sbom

import (
	"archive/tar"
	"hash/maphash"
	"path"
	"strings"
)

// entryCounter counts what one layer's entries will cost as nodes of a file tree, before they become any.
type entryCounter struct {
	limits  Limits
	add     func(entries, nameBytes int64) error
	seed    maphash.Seed
	folders map[uint64]struct{} // known folders, by hash: a collision makes the count one too low
}

func newEntryCounter(l Limits, add func(entries, nameBytes int64) error) *entryCounter {
	return &entryCounter{limits: l, add: add, seed: maphash.MakeSeed(), folders: map[uint64]struct{}{}}
}

func (c *entryCounter) entry(h *tar.Header) error {
	name := path.Clean("/" + h.Name)
	if err := exceeds("PathBytes", int64(len(name)), c.limits.PathBytes); err != nil {
		return err
	}
	if err := exceeds("PathDepth", strings.Count(name, "/"), c.limits.PathDepth); err != nil {
		return err
	}
	entries, bytes := int64(1), int64(len(name)+len(h.Linkname))
	for k, v := range h.PAXRecords {
		bytes += int64(len(k) + len(v))
	}
	for dir := path.Dir(name); c.isNew(dir); dir = path.Dir(dir) {
		entries++
		bytes += int64(len(dir))
	}
	if h.Typeflag == tar.TypeDir {
		c.isNew(name)
	}
	return c.add(entries, bytes)
}

// isNew tells whether a folder was not seen before, and remembers it.
func (c *entryCounter) isNew(dir string) bool {
	if dir == "/" {
		return false
	}
	key := maphash.String(c.seed, dir)
	if _, known := c.folders[key]; known {
		return false
	}
	c.folders[key] = struct{}{}
	return true
}
