package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hallmark-project/hallmark/bundle"
	"github.com/hallmark-project/hallmark/internal/cache"
	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/sbom"
)

// sbomInCache is the kind of SBOMs in the cache; maxCachedSBOM is how large they may be.
const (
	sbomInCache   = "sbom"
	maxCachedSBOM = 256 << 20
)

// sbomQuestion is all that an SBOM depends on. As JSON, it is the key in the cache.
type sbomQuestion struct {
	Manifest  string      `json:"manifest"`
	MediaType string      `json:"mediaType"`
	Format    sbom.Format `json:"format"`
	Created   *time.Time  `json:"created"` // of SOURCE_DATE_EPOCH; nil: the image's own
	Tool      string      `json:"tool"`
	Syft      string      `json:"syft"`
}

// sbomAnswer is the line before the document.
type sbomAnswer struct {
	Version  string `json:"version"`
	Packages int    `json:"packages"`
}

// sbomMemory remembers SBOMs of one image; nil remembers none.
type sbomMemory struct {
	app   *App
	store *cache.Store
	image oci.Subject
	tool  string
	when  *time.Time
}

// remembering is the memory of an image's SBOMs, nil where there is no cache, or where it is not known which program this is.
func (a *App) remembering(image oci.Subject) *sbomMemory {
	store, err := a.openCache()
	if err != nil {
		return nil
	}
	tool, ok := program()
	when, err := a.sourceDate()
	if !ok || err != nil {
		return nil
	}
	return &sbomMemory{app: a, store: store, image: image, tool: tool, when: when}
}

// program is which program this is: a release by its version, any other by its file, so that who works on it never sees
// what it made before a change.
func program() (string, bool) {
	v := Version()
	if v != "devel" && !strings.Contains(v, "dirty") {
		return v, true
	}
	path, err := os.Executable()
	if err != nil {
		return "", false
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", false
	}
	return fmt.Sprintf("%s %d %d", v, info.Size(), info.ModTime().UnixNano()), true
}

func (m *sbomMemory) key(format sbom.Format) string {
	q := sbomQuestion{Manifest: m.image.Digest().String(), MediaType: m.image.Descriptor().MediaType, Format: format,
		Created: m.when, Tool: m.tool, Syft: sbom.SyftVersion()}
	raw, err := json.Marshal(q)
	if err != nil {
		return "" // a time beyond the year 9999
	}
	return string(raw)
}

// recall is the SBOM in a format that was made before.
func (m *sbomMemory) recall(format sbom.Format) (sbom.Document, bool) {
	if m == nil {
		return sbom.Document{}, false
	}
	key := m.key(format)
	raw, ok := m.store.Get(sbomInCache, key, maxCachedSBOM)
	if !ok || key == "" {
		return sbom.Document{}, false
	}
	doc, err := m.read(format, raw)
	if err != nil {
		m.app.detail("%s of %s is in the cache, and not as it was made: %v", format, m.image.Digest(), err)
		m.store.Drop(sbomInCache, key)
		return sbom.Document{}, false
	}
	m.app.detail("%s of %s comes from the cache", format, m.image.Digest())
	return doc, true
}

// read reads an answer of the cache: whoever could write there may have made it.
func (m *sbomMemory) read(format sbom.Format, raw []byte) (sbom.Document, error) {
	line, text, _ := bytes.Cut(raw, []byte("\n"))
	var answer sbomAnswer
	if err := bundle.Decode(line, &answer); err != nil {
		return sbom.Document{}, err
	}
	doc := sbom.Document{Format: format, Version: answer.Version, Bytes: text, Packages: answer.Packages}
	check := checkRecalled
	if m.app.cache.signs {
		check = checkToSign
	}
	return doc, check(doc, m.image.Digest())
}

// keep remembers SBOMs that were just made.
func (m *sbomMemory) keep(docs []sbom.Document) {
	if m == nil {
		return
	}
	for _, doc := range docs {
		line, err := json.Marshal(sbomAnswer{doc.Version, doc.Packages})
		key := m.key(doc.Format)
		if err != nil || key == "" || len(doc.Bytes) > maxCachedSBOM-len(line)-1 {
			continue
		}
		m.store.PutParts(sbomInCache, key, 0, append(line, '\n'), doc.Bytes)
	}
}

// knownSBOM is imageSBOM, but that what was made before is not made again.
func (a *App) knownSBOM(ctx context.Context, store oci.Store, image oci.Platform, formats []sbom.Format) ([]sbom.Document, error) {
	loaded, err := oci.LoadManifest(ctx, store, image.Subject)
	if err != nil {
		return nil, err
	}
	memory := a.remembering(loaded)
	docs := make([]sbom.Document, len(formats))
	var missing []sbom.Format
	var places []int
	for i, format := range formats {
		var ok bool
		if docs[i], ok = memory.recall(format); !ok {
			missing, places = append(missing, format), append(places, i)
		}
	}
	if len(missing) == 0 {
		return docs, nil
	}
	image.Subject = loaded
	made, err := a.imageSBOM(ctx, store, image, missing)
	if err != nil {
		return nil, err
	}
	for i, doc := range made {
		docs[places[i]] = doc
	}
	return docs, nil
}

// checkFromCache refuses --sbom-from-cache where no cache is there that only this user can write to: what is signed must
// not be anybody else's. So it refuses a cache in the working folder too, whose content whoever made a source tree or an
// archive may have chosen.
func (a *App) checkFromCache(o releaseOptions) error {
	if !o.fromCache {
		return nil
	}
	if o.refresh {
		return usagef("--refresh generates the SBOMs anew, and --sbom-from-cache does not: choose")
	}
	store, err := a.openCache()
	if err != nil {
		return usagef("--sbom-from-cache: %w", err)
	}
	below, err := belowWorkingFolder(store.Dir())
	if err != nil {
		return fileError(err)
	}
	if below {
		return usagef("--sbom-from-cache: the cache %s is in the working folder, and may have come with what is there: name another one with --cache-dir", store.Dir())
	}
	a.cache.signs = true
	return nil
}

// belowWorkingFolder reports whether a folder is the working folder or in it, by its name or by where its name leads. In the
// root of the file system, where containers often run, all folders are, and it says nothing.
func belowWorkingFolder(dir string) (bool, error) {
	here, err := os.Getwd()
	if err != nil || here == filepath.Dir(here) {
		return false, err
	}
	realHere, err := filepath.EvalSymlinks(here)
	if err != nil {
		return false, err
	}
	realDir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return false, err
	}
	return within(here, dir) || within(realHere, realDir), nil
}

// within reports whether a path is a folder or below it. Both are absolute.
func within(folder, path string) bool {
	way, err := filepath.Rel(folder, path)
	return err == nil && filepath.IsLocal(way)
}
