package cli

import (
	"errors"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/spf13/cobra"

	"github.com/hallmark-project/hallmark/internal/cache"
)

// Variables that say where the cache is, and whether there is one.
const (
	envCacheDir  = "HALLMARK_CACHE_DIR"
	envNoCache   = "HALLMARK_NO_CACHE"
	envCacheSize = "HALLMARK_CACHE_SIZE"
)

// cacheSettings are the flags of the cache, and the cache once it was asked for.
type cacheSettings struct {
	dir    string
	off    bool
	offSet bool // --no-cache is on the command line, one way or the other
	signs  bool // SBOMs that it holds are about to be signed

	once  sync.Once
	store *cache.Store // nil: there is none
	why   error        // there is none
	lost  atomic.Pointer[error]
}

func newCacheSettings(root *cobra.Command) *cacheSettings {
	c := &cacheSettings{}
	f := root.PersistentFlags()
	f.StringVar(&c.dir, "cache-dir", "", "`folder` that keeps what was read and made ("+envCacheDir+"; else hallmark in the user's cache folder)")
	f.BoolVar(&c.off, "no-cache", false, "neither use nor fill the cache ("+envNoCache+")")
	return c
}

// prepare reads what the environment says of the cache. What it says wrongly is bad input, also where nothing is cached.
func (c *cacheSettings) prepare(a *App, cmd *cobra.Command) error {
	c.offSet = cmd.Flags().Changed("no-cache")
	_, err := a.cacheOff()
	if err == nil {
		_, err = a.cacheSize()
	}
	if err == nil {
		_, err = a.envCacheDir()
	}
	return err
}

// signsVerdict reports whether a command that judges signs what it decided: what is signed rests on what the registry itself
// holds, as with the commands that write.
func signsVerdict(cmd *cobra.Command) bool {
	f := cmd.Flags().Lookup("verdict")
	return f != nil && f.Value.String() == "true"
}

var (
	errCacheOff    = errors.New("--no-cache or " + envNoCache + " says that there is no cache")
	errNoCacheHome = errors.New("there is no home folder to keep a cache in: name one with --cache-dir")
)

// openCache is the cache of this run. Where there is none, it is nil, and the error says why.
func (a *App) openCache() (*cache.Store, error) {
	c := a.cache
	c.once.Do(func() {
		if c.store, c.why = a.newCache(); errors.Is(c.why, cache.ErrUnsafe) {
			a.message("Warning: working without a cache: %s", printableLines(c.why.Error()))
		} else if c.why != nil {
			a.detail("working without a cache: %v", c.why)
		}
	})
	return c.store, c.why
}

func (a *App) newCache() (*cache.Store, error) {
	off, err := a.cacheOff()
	if err != nil {
		return nil, err
	}
	if off {
		return nil, errCacheOff
	}
	size, err := a.cacheSize()
	if err != nil {
		return nil, err
	}
	dir, err := a.cacheDir()
	if err != nil {
		return nil, err
	}
	return cache.Open(dir, size, func(err error) { a.cache.lost.Store(&err) })
}

// endCache tells what could not be kept.
func (a *App) endCache() {
	if lost := a.cache.lost.Load(); lost != nil {
		a.detail("not everything could be kept in the cache: %v", *lost)
	}
	_ = a.cache.store.Close() // what was read has been read
}

func (a *App) cacheOff() (bool, error) {
	text, ok := a.Env(envNoCache)
	if a.cache.off || a.cache.offSet || !ok || text == "" {
		return a.cache.off, nil
	}
	off, err := strconv.ParseBool(text)
	if err != nil {
		return false, usagef("%s=%q: want true or false", envNoCache, text)
	}
	return off, nil
}

// cacheDir is the folder that a flag or the environment names, else the user's.
func (a *App) cacheDir() (string, error) {
	if a.cache.dir != "" {
		return a.cache.dir, nil
	}
	if dir, err := a.envCacheDir(); dir != "" || err != nil {
		return dir, err
	}
	// The working folder is no place for a cache: whoever made its files would choose what is in there.
	if base, ok := a.Env("XDG_CACHE_HOME"); ok && filepath.IsAbs(base) {
		return filepath.Join(base, "hallmark"), nil
	}
	home, ok := a.Env("HOME")
	if !ok || !filepath.IsAbs(home) {
		return "", errNoCacheHome
	}
	return filepath.Join(home, ".cache", "hallmark"), nil
}

// envCacheDir is the folder that the environment or the configuration names, if they do. It is set once and holds in every
// folder: a relative one would lead into whatever source tree the command is run in.
func (a *App) envCacheDir() (string, error) {
	dir, ok := a.Env(envCacheDir)
	if !ok || dir == "" || filepath.IsAbs(dir) {
		return dir, nil
	}
	place := envCacheDir
	if slices.Contains(a.overlaid, envCacheDir) {
		place = "cache-dir in the configuration"
	}
	return "", usagef("%s is %q: want an absolute path; --cache-dir takes a relative one", place, dir)
}

// cacheSize is how many bytes the cache may hold.
func (a *App) cacheSize() (int64, error) {
	text, ok := a.Env(envCacheSize)
	if !ok || text == "" {
		return cache.DefaultSize, nil
	}
	size, ok := parseSize(text)
	if !ok || size < cache.MinSize {
		return 0, usagef("%s=%q: want a number of bytes such as 500MB or 2GiB, and no less than 1MiB", envCacheSize, text)
	}
	return size, nil
}

// parseSize reads a number of bytes with a unit or without one.
func parseSize(text string) (int64, bool) {
	unit := int64(1)
	for _, u := range []struct {
		name  string
		bytes int64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}} {
		if number, ok := strings.CutSuffix(text, u.name); ok {
			text, unit = number, u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || n < 0 || n > (1<<62)/unit {
		return 0, false
	}
	return n * unit, true
}
