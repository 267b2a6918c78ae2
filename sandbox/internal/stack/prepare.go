package stack

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/hallmark-project/hallmark/sandbox/internal/pki"
	"github.com/hallmark-project/hallmark/sandbox/internal/tufrepo"
)

// material is the keys and certificates of a sandbox.
type material struct {
	ctLog, ca, caRoot, tsa, tsaRoot *ecdsa.PrivateKey
	tufRoot, tufOnline              *ecdsa.PrivateKey
	issuer                          *rsa.PrivateKey
	rekor                           ed25519.PrivateKey
	caChain, tsaChain               []*x509.Certificate
	bearer                          string // of the stand-in of the runner's token endpoint
}

// prepare makes the folder ready to be served from: what was there is kept, what is
// missing is made. The caller holds the lock.
func (d Dir) prepare(now time.Time) (state *State, m *material, moved []Service, err error) {
	state, err = d.Load()
	if errors.Is(err, ErrNoSandbox) {
		state, err = &State{Created: now.UTC().Truncate(time.Second)}, nil
	}
	if err != nil {
		return nil, nil, nil, err
	}
	if state.Ports, moved, err = choosePorts(state.Ports); err != nil {
		return nil, nil, nil, err
	}
	if m, err = d.material(state.Created); err != nil {
		return nil, nil, nil, err
	}
	if err := d.save(state); err != nil {
		return nil, nil, nil, err
	}
	return state, m, moved, d.writeFiles(state, m, now)
}

func (d Dir) material(from time.Time) (*material, error) {
	m := &material{}
	var err error
	for name, key := range map[string]**ecdsa.PrivateKey{
		"ctlog":  &m.ctLog,
		"fulcio": &m.ca, "fulcio-root": &m.caRoot,
		"tsa": &m.tsa, "tsa-root": &m.tsaRoot,
		"tuf-root": &m.tufRoot, "tuf-online": &m.tufOnline,
	} {
		if *key, err = pki.ECDSAKey(d.key(name)); err != nil {
			return nil, err
		}
	}
	if m.issuer, err = pki.RSAKey(d.key("issuer")); err != nil {
		return nil, err
	}
	if m.rekor, err = pki.Ed25519Key(d.key("rekor")); err != nil {
		return nil, err
	}
	if m.caChain, err = pki.CodeSigningChain(d.chainFile("fulcio"), m.caRoot, m.ca, from); err != nil {
		return nil, err
	}
	if m.tsaChain, err = pki.TimestampChain(d.chainFile("tsa"), m.tsaRoot, m.tsa, from); err != nil {
		return nil, err
	}
	if err := pki.WritePublic(d.public("ctlog"), m.ctLog); err != nil {
		return nil, err
	}
	if err := pki.WritePublic(d.public("rekor"), m.rekor); err != nil {
		return nil, err
	}
	m.bearer, err = secret(d.path("keys", "runner-token"))
	return m, err
}

// secret reads a random text from a file, or writes one there.
func secret(path string) (string, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		data = []byte(rand.Text())
		err = pki.WriteFile(path, data, 0o600)
	}
	return string(data), err
}

// writeFiles writes what follows from the keys and the ports: the same bytes as long as
// these are the same.
func (d Dir) writeFiles(state *State, m *material, now time.Time) error {
	trusted, err := trustedRoot(state, m)
	if err != nil {
		return err
	}
	signing, err := signingConfig(state)
	if err != nil {
		return err
	}
	issuers, err := json.MarshalIndent(fulcioIssuers(state), "", "  ")
	if err != nil {
		return err
	}
	for path, data := range map[string][]byte{d.trustedRootFile(): trusted, d.signingConfigFile(): signing, d.issuersFile(): issuers} {
		if err := pki.WriteFile(path, data, 0o644); err != nil {
			return err
		}
	}
	for name, data := range map[string][]byte{"env": d.env(state), "github.env": gitHubEnv(state, m.bearer),
		"gitlab.env": gitLabEnv(), "buildkite.env": buildkiteEnv(state, m.bearer)} {
		if err := pki.WriteFile(d.path(name), data, 0o600); err != nil {
			return err
		}
	}
	return tufrepo.Publish(d.tufDir(), tufrepo.Keys{Root: m.tufRoot, Online: m.tufOnline},
		map[string][]byte{trustedRootTarget: trusted, signingConfigTarget: signing}, now)
}
