package testkit

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// TUF is a TUF repository with consistent snapshots, served on loopback.
type TUF struct {
	URL  string
	Root []byte // the initial root of trust

	t       testing.TB
	key     ed25519.PrivateKey
	version int64
	mu      sync.Mutex
	files   map[string][]byte
	count   int
	status  int // answered instead of files, if not 0
}

// NewTUF starts a repository without targets.
func NewTUF(t testing.TB) *TUF {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	must(err)
	r := &TUF{t: t, key: key, files: map[string][]byte{}}
	root := metadata.Root(time.Now().Add(100 * 24 * time.Hour).UTC())
	root.Signed.ConsistentSnapshot = true
	public, err := metadata.KeyFromPublicKey(key.Public())
	must(err)
	for _, role := range []string{metadata.ROOT, metadata.TARGETS, metadata.SNAPSHOT, metadata.TIMESTAMP} {
		must(root.Signed.AddKey(public, role))
	}
	r.Root = signTUF(root, key)
	r.files["1.root.json"] = r.Root
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.URL = server.URL
	return r
}

func (r *TUF) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count++
	content, ok := r.files[strings.TrimPrefix(q.URL.Path, "/")]
	switch {
	case r.status != 0:
		w.WriteHeader(r.status)
	case !ok:
		http.NotFound(w, q)
	default:
		_, _ = w.Write(content) // the client may have left
	}
}

// Count is how many requests were made.
func (r *TUF) Count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count
}

// Fail makes the repository answer with a status only, or properly again with 0.
func (r *TUF) Fail(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

// Publish serves targets as the next version, valid until a time.
func (r *TUF) Publish(until time.Time, targets map[string][]byte) {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.version++
	r.publish(r.version, until, targets)
}

// RollBack serves targets as an earlier version than clients have seen.
func (r *TUF) RollBack(until time.Time, targets map[string][]byte) {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.publish(1, until, targets)
}

// Tamper serves other content for a target than was signed.
func (r *TUF) Tamper(target string, content []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name := range r.files {
		if strings.HasPrefix(name, "targets/") && strings.HasSuffix(name, "."+target) {
			r.files[name] = content
		}
	}
}

func (r *TUF) publish(version int64, until time.Time, targets map[string][]byte) {
	list := metadata.Targets(until.UTC())
	list.Signed.Version = version
	for name, content := range targets {
		file, err := metadata.TargetFile().FromBytes(name, content, "sha256")
		must(err)
		list.Signed.Targets[name] = file
		sum := sha256.Sum256(content)
		r.files["targets/"+hex.EncodeToString(sum[:])+"."+name] = content
	}
	snapshot := metadata.Snapshot(until.UTC())
	snapshot.Signed.Version = version
	snapshot.Signed.Meta["targets.json"] = metadata.MetaFile(version)
	timestamp := metadata.Timestamp(until.UTC())
	timestamp.Signed.Version = version
	timestamp.Signed.Meta["snapshot.json"] = metadata.MetaFile(version)
	r.files[fmt.Sprintf("%d.targets.json", version)] = signTUF(list, r.key)
	r.files[fmt.Sprintf("%d.snapshot.json", version)] = signTUF(snapshot, r.key)
	r.files["timestamp.json"] = signTUF(timestamp, r.key)
}

func signTUF[T metadata.Roles](m *metadata.Metadata[T], key ed25519.PrivateKey) []byte {
	signer, err := signature.LoadSigner(key, crypto.Hash(0))
	must(err)
	_, err = m.Sign(signer)
	must(err)
	raw, err := m.ToBytes(false)
	must(err)
	return raw
}
