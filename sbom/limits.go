package sbom

// Defaults of Limits. They leave room for GPU and data science images, the largest in common use, and keep what a hostile
// one can claim within what a build machine has: about 1.5 GB of memory in the worst case, which is a million entries.
const (
	DefaultMaxLayers        = 512
	DefaultMaxManifestBytes = 4 << 20
	DefaultMaxConfigBytes   = 4 << 20
	DefaultMaxLayerBytes    = 16 << 30
	DefaultMaxTotalBytes    = 32 << 30
	DefaultMaxLayerEntries  = 1_000_000
	DefaultMaxTotalEntries  = 1_000_000
	DefaultMaxNameBytes     = 512 << 20
	DefaultMaxPathBytes     = 4096
	DefaultMaxPathDepth     = 256
)

// Limits caps what an image may cost. A zero field takes the default constant of that name. Each is checked while
// reading, before what it caps is stored; passing one is a *LimitError.
//
// The entries of a tar archive are counted with the folders that their paths imply, because each costs the same memory
// (about 1.2 KiB until Generate returns) whether the archive spells it out or not.
type Limits struct {
	Layers        int   // layers of the image
	ManifestBytes int64 // the manifest, and a docker archive's manifest.json
	ConfigBytes   int64 // the image configuration
	LayerBytes    int64 // uncompressed bytes of one layer, and bytes of its files; this much disk
	TotalBytes    int64 // uncompressed bytes of all layers, repeated ones included
	LayerEntries  int64 // tar entries and implied folders of one layer
	TotalEntries  int64 // the same over all layers
	NameBytes     int64 // paths, link targets and extended headers of all layers' entries
	PathBytes     int64 // one entry's path; Linux cannot open a longer one than 4096
	PathDepth     int   // components of one entry's path
}

// withDefaults fills in what the caller left out.
func (l Limits) withDefaults() Limits {
	return Limits{
		Layers:        or(l.Layers, DefaultMaxLayers),
		ManifestBytes: or(l.ManifestBytes, DefaultMaxManifestBytes),
		ConfigBytes:   or(l.ConfigBytes, DefaultMaxConfigBytes),
		LayerBytes:    or(l.LayerBytes, DefaultMaxLayerBytes),
		TotalBytes:    or(l.TotalBytes, DefaultMaxTotalBytes),
		LayerEntries:  or(l.LayerEntries, DefaultMaxLayerEntries),
		TotalEntries:  or(l.TotalEntries, DefaultMaxTotalEntries),
		NameBytes:     or(l.NameBytes, DefaultMaxNameBytes),
		PathBytes:     or(l.PathBytes, DefaultMaxPathBytes),
		PathDepth:     or(l.PathDepth, DefaultMaxPathDepth),
	}
}

func or[T int | int64](v, fallback T) T {
	if v > 0 {
		return v
	}
	return fallback
}

// exceeds is the error when n is over the limit, nil otherwise.
func exceeds[T int | int64](name string, n, limit T) error {
	if n <= limit {
		return nil
	}
	return &LimitError{Limit: name, Max: int64(limit)}
}
