// Package tufrepo writes a small TUF repository as static files: one root, two targets
// or so, consistent snapshots (The Update Framework specification 1.0.31, section 6.2).
package tufrepo

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/hallmark-project/hallmark/sandbox/internal/pki"
)

const (
	rootLifetime = 10 * 365 * 24 * time.Hour
	lifetime     = 365 * 24 * time.Hour
	renewBefore  = lifetime / 2
)

// Keys sign a repository: the first its root, the second everything else.
type Keys struct{ Root, Online *ecdsa.PrivateKey }

// RootFile is the name of the initial root in a repository's folder, which clients are
// given out of band.
const RootFile = "root.json"

// Publish makes a repository in dir, or brings it up to date. Its root is made once and
// stays. Targets get a new version if their content changed or if their signatures
// would expire soon; the timestamp, which makes the rest visible, is written last.
func Publish(dir string, keys Keys, targets map[string][]byte, now time.Time) error {
	if err := os.MkdirAll(filepath.Join(dir, "targets"), 0o755); err != nil {
		return err
	}
	root, err := rootOf(dir, keys, now)
	if err != nil {
		return err
	}
	latest, err := latestOf(dir, root)
	if err != nil {
		return err
	}
	if latest.serves(targets, now) {
		return nil
	}
	return write(dir, root, keys.Online, targets, latest.version+1, now)
}

func rootOf(dir string, keys Keys, now time.Time) (*metadata.Metadata[metadata.RootType], error) {
	path := filepath.Join(dir, RootFile)
	data, err := os.ReadFile(path)
	if err == nil {
		return metadata.Root().FromBytes(data)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	root := metadata.Root(now.Add(rootLifetime).UTC().Truncate(time.Second))
	for role, key := range map[string]*ecdsa.PrivateKey{
		metadata.ROOT: keys.Root, metadata.TARGETS: keys.Online,
		metadata.SNAPSHOT: keys.Online, metadata.TIMESTAMP: keys.Online,
	} {
		public, err := metadata.KeyFromPublicKey(key.Public())
		if err != nil {
			return nil, err
		}
		if err := root.Signed.AddKey(public, role); err != nil {
			return nil, err
		}
	}
	if data, err = sign(root, keys.Root); err != nil {
		return nil, err
	}
	if err := pki.WriteFile(filepath.Join(dir, "1.root.json"), data, 0o644); err != nil {
		return nil, err
	}
	return root, pki.WriteFile(path, data, 0o644)
}

// published is what a repository serves now.
type published struct {
	version int64
	expires time.Time
	targets map[string]*metadata.TargetFiles
}

func latestOf(dir string, root *metadata.Metadata[metadata.RootType]) (published, error) {
	timestamp, err := metadata.Timestamp().FromFile(filepath.Join(dir, "timestamp.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return published{}, nil
	}
	if err != nil {
		return published{}, err
	}
	if err := root.VerifyDelegate(metadata.TIMESTAMP, timestamp); err != nil {
		return published{}, fmt.Errorf("%s is not signed as its root wants; remove the folder for a new repository: %w", dir, err)
	}
	version := timestamp.Signed.Version
	targets, err := metadata.Targets().FromFile(filepath.Join(dir, fmt.Sprintf("%d.targets.json", version)))
	if err != nil {
		return published{}, err
	}
	return published{version, timestamp.Signed.Expires, targets.Signed.Targets}, nil
}

func (p published) serves(targets map[string][]byte, now time.Time) bool {
	if p.expires.Sub(now) < renewBefore || len(p.targets) != len(targets) {
		return false
	}
	for name, data := range targets {
		sum := sha256.Sum256(data)
		file, ok := p.targets[name]
		if !ok || !bytes.Equal(file.Hashes["sha256"], sum[:]) {
			return false
		}
	}
	return true
}

func write(dir string, root *metadata.Metadata[metadata.RootType], key *ecdsa.PrivateKey, files map[string][]byte, version int64, now time.Time) error {
	expires := now.Add(lifetime).UTC().Truncate(time.Second)
	targets := metadata.Targets(expires)
	targets.Signed.Version = version
	for name, data := range files {
		info, err := metadata.TargetFile().FromBytes(name, data, "sha256")
		if err != nil {
			return err
		}
		targets.Signed.Targets[name] = info
		sum := sha256.Sum256(data)
		if err := pki.WriteFile(filepath.Join(dir, "targets", hex.EncodeToString(sum[:])+"."+name), data, 0o644); err != nil {
			return err
		}
	}
	snapshot := metadata.Snapshot(expires)
	snapshot.Signed.Version = version
	snapshot.Signed.Meta["targets.json"] = metadata.MetaFile(version)
	timestamp := metadata.Timestamp(expires)
	timestamp.Signed.Version = version
	timestamp.Signed.Meta["snapshot.json"] = metadata.MetaFile(version)

	if err := publish(dir, fmt.Sprintf("%d.targets.json", version), targets, root, key); err != nil {
		return err
	}
	if err := publish(dir, fmt.Sprintf("%d.snapshot.json", version), snapshot, root, key); err != nil {
		return err
	}
	return publish(dir, "timestamp.json", timestamp, root, key)
}

// publish signs a role's metadata, and writes it if the root agrees with the key.
func publish[T metadata.Roles](dir, name string, role *metadata.Metadata[T], root *metadata.Metadata[metadata.RootType], key *ecdsa.PrivateKey) error {
	data, err := sign(role, key)
	if err != nil {
		return err
	}
	if err := root.VerifyDelegate(typeOf(role), role); err != nil {
		return fmt.Errorf("the sandbox's keys are not those of %s; remove the folder for a new repository: %w", filepath.Join(dir, RootFile), err)
	}
	return pki.WriteFile(filepath.Join(dir, name), data, 0o644)
}

func typeOf(role any) string {
	switch role.(type) {
	case *metadata.Metadata[metadata.TargetsType]:
		return metadata.TARGETS
	case *metadata.Metadata[metadata.SnapshotType]:
		return metadata.SNAPSHOT
	}
	return metadata.TIMESTAMP
}

func sign[T metadata.Roles](role *metadata.Metadata[T], key *ecdsa.PrivateKey) ([]byte, error) {
	signer, err := signature.LoadSigner(key, crypto.SHA256)
	if err != nil {
		return nil, err
	}
	if _, err := role.Sign(signer); err != nil {
		return nil, err
	}
	return role.ToBytes(true)
}
