package trust

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	"github.com/sigstore/sigstore-go/pkg/tuf"
)

// PublicGoodMirror is the TUF repository of Sigstore's public-good instance.
const PublicGoodMirror = tuf.DefaultMirror

var (
	// ErrUninitialized says that a trust folder was not set up. `trust init` does it.
	ErrUninitialized = errors.New("trust was not set up here")
	// ErrFolder says that a trust folder was set up and lacks what it has to hold, or
	// cannot be read. `trust update` or `trust init` brings it back.
	ErrFolder = errors.New("the trust folder is damaged")
	// ErrUpdate says that trust material could not be fetched: what is there already
	// stays as it is. Try again.
	ErrUpdate = errors.New("the trust material could not be updated")
	// ErrTampered says that a TUF repository's metadata does not verify: another root
	// signed it, or it is older than what was seen before. Do not trust the mirror.
	ErrTampered = errors.New("the TUF repository's metadata is not what it has to be")
)

// Material is what a TUF repository gives: a trusted root, and a signing configuration
// where it has one.
type Material struct {
	Mirror        string          `json:"mirror"`
	Fetched       time.Time       `json:"fetched"`
	TrustedRoot   json.RawMessage `json:"trustedRoot"`
	SigningConfig json.RawMessage `json:"signingConfig,omitempty"`

	Origin string `json:"-"` // for people
}

// Instances reads the trusted root.
func (m Material) Instances() ([]Instance, error) {
	instances, err := ParseInstances(m.Origin, m.TrustedRoot)
	for i := range instances {
		instances[i].Name = m.Origin
	}
	return instances, err
}

// Services reads the signing configuration.
func (m Material) Services() (SigningConfig, error) {
	if len(m.SigningConfig) == 0 {
		return SigningConfig{}, fmt.Errorf("%w: %s has none", ErrSigningConfig, m.Origin)
	}
	return ParseSigningConfig(m.Origin, m.SigningConfig)
}

// Folder is a folder that holds the trust material of one TUF repository. Any number of
// processes may use it at once: one of them updates at a time, and material is replaced
// as a whole.
type Folder struct {
	Dir    string
	Client *http.Client // nil: the default
	Now    func() time.Time
}

// Files in the folder.
const (
	fileRepository = "repository.json"
	fileMaterial   = "material.json"
	fileLock       = "lock"
	dirMetadata    = "tuf"
)

// repository is how the folder was set up.
type repository struct {
	Mirror string          `json:"mirror"`
	Root   json.RawMessage `json:"root,omitempty"` // of TUF; none: the public good's
}

// Init sets the folder up for a mirror with a TUF root, and fetches its material.
// Without a root, the mirror has to serve the public-good instance's metadata. What the
// folder held before goes only if the new material could be fetched.
func (f Folder) Init(ctx context.Context, mirror string, root []byte) (Material, error) {
	unlock, err := f.lock(ctx)
	if err != nil {
		return Material{}, err
	}
	defer unlock()
	return f.init(ctx, mirror, root)
}

// Ensure is Init of a folder that was not set up. One that another process has set up in
// the meantime is left as it is.
func (f Folder) Ensure(ctx context.Context, mirror string, root []byte) (Material, error) {
	unlock, err := f.lock(ctx)
	if err != nil {
		return Material{}, err
	}
	defer unlock()
	if m, err := f.Load(); !errors.Is(err, ErrUninitialized) {
		return m, err
	}
	return f.init(ctx, mirror, root)
}

func (f Folder) init(ctx context.Context, mirror string, root []byte) (Material, error) {
	fresh, err := os.MkdirTemp(f.Dir, "init-")
	if err != nil {
		return Material{}, err
	}
	defer func() { _ = os.RemoveAll(fresh) }()
	if root != nil && !json.Valid(root) {
		return Material{}, fmt.Errorf("%w: the TUF root is no JSON document", ErrTrustedRoot)
	}
	r := repository{mirror, root}
	m, err := f.fetch(ctx, r, fresh)
	if err != nil {
		return Material{}, err
	}
	metadata := filepath.Join(f.Dir, dirMetadata)
	if err := os.RemoveAll(metadata); err != nil {
		return Material{}, err
	}
	if err := os.Rename(fresh, metadata); err != nil {
		return Material{}, err
	}
	// The material first: readers take no lock, and one that finds the folder set up
	// wants to find it.
	if err := f.write(fileMaterial, m); err != nil {
		return Material{}, err
	}
	return m, f.write(fileRepository, r)
}

// Update fetches the material anew.
func (f Folder) Update(ctx context.Context) (Material, error) {
	if _, err := os.Stat(filepath.Join(f.Dir, fileRepository)); errors.Is(err, fs.ErrNotExist) {
		return Material{}, ErrUninitialized
	}
	unlock, err := f.lock(ctx)
	if err != nil {
		return Material{}, err
	}
	defer unlock()
	return f.update(ctx)
}

func (f Folder) update(ctx context.Context) (Material, error) {
	var r repository
	if err := f.read(fileRepository, &r); err != nil {
		return Material{}, err
	}
	m, err := f.fetch(ctx, r, filepath.Join(f.Dir, dirMetadata))
	if err != nil {
		return Material{}, err
	}
	return m, f.write(fileMaterial, m)
}

// Load gives the material that the folder holds, however old.
func (f Folder) Load() (Material, error) {
	var m Material
	err := f.read(fileMaterial, &m)
	if _, there := os.Stat(filepath.Join(f.Dir, fileRepository)); errors.Is(err, ErrUninitialized) && there == nil {
		// It was set up: another deployment's material must not take its place.
		err = fmt.Errorf("%w: %s is missing", ErrFolder, filepath.Join(f.Dir, fileMaterial))
	}
	m.Origin = "trusted root of " + m.Mirror
	return m, err
}

// Fresh gives material that is not older than maxAge, and updates what is older. Where
// that fails, it gives the old material beside the error.
func (f Folder) Fresh(ctx context.Context, maxAge time.Duration) (Material, error) {
	m, err := f.Load()
	if err != nil || f.Now().Sub(m.Fetched) < maxAge {
		return m, err
	}
	unlock, err := f.lock(ctx)
	if err != nil {
		return m, err
	}
	defer unlock()
	if other, err := f.Load(); err == nil && f.Now().Sub(other.Fetched) < maxAge {
		return other, nil // another process was faster
	}
	updated, err := f.update(ctx)
	if err != nil {
		return m, err
	}
	return updated, nil
}

// lock waits for its turn to change the folder.
func (f Folder) lock(ctx context.Context) (unlock func(), err error) {
	if err := os.MkdirAll(f.Dir, 0o700); err != nil {
		return nil, err
	}
	l := flock.New(filepath.Join(f.Dir, fileLock))
	const again = 50 * time.Millisecond
	if _, err := l.TryLockContext(ctx, again); err != nil {
		return nil, fmt.Errorf("waiting for the lock of %s: %w", f.Dir, err)
	}
	return func() { _ = l.Unlock() }, nil
}

func (f Folder) read(name string, v any) error {
	raw, err := os.ReadFile(filepath.Join(f.Dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s", ErrUninitialized, f.Dir)
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrFolder, filepath.Join(f.Dir, name), err)
	}
	return nil
}

// write replaces a file as a whole.
func (f Folder) write(name string, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	temp, err := os.CreateTemp(f.Dir, name+".*")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	if _, err := temp.Write(raw); err != nil {
		temp.Close()
		return err
	}
	if err := temp.Close(); err != nil {
		return err
	}
	return os.Rename(temp.Name(), filepath.Join(f.Dir, name))
}
