package cli

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/hallmark-project/hallmark/internal/render"
	"github.com/hallmark-project/hallmark/pack"
	"github.com/hallmark-project/hallmark/policy"
	"github.com/hallmark-project/hallmark/sign"
	"github.com/hallmark-project/hallmark/trust"
)

// policyFlags name a policy and what of it applies.
type policyFlags struct {
	files       []string
	environment string
	as          string
	material    map[string]string // files in place of those that the policy names, by signer
}

func (p *policyFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVar(&p.files, "policy", nil, "policy `file`, or a folder of them; may be repeated")
	f.StringVar(&p.environment, "env", "", "`environment` of the policy, such as production")
	f.StringVar(&p.as, "as", "", "`repository` that an image from a layout is judged as")
}

// loadedPolicy is a policy with everything that it refers to.
type loadedPolicy struct {
	set         *policy.Set
	environment string
	root        trust.Root
	material    map[string]string // fingerprints of what it refers to, by signer
	content     map[string][]byte // keys and certificates themselves, by signer
	digest      string
}

// loadPolicy reads a policy with everything that it takes to judge by it.
func (a *App) loadPolicy(ctx context.Context, p policyFlags, t trustFlags) (*loadedPolicy, error) {
	l, err := a.loadPolicyFiles(ctx, p)
	if err != nil {
		return nil, err
	}
	if l.set.Keyless() || l.set.NeedsTime() || t.explicit() {
		public, err := a.instances(ctx, t)
		if err != nil {
			return nil, err
		}
		l.root.Instances = append(l.root.Instances, public...)
	}
	return l, nil
}

func parsePolicies(names []string) (*policy.Set, error) {
	files, err := readPolicies(names)
	if err != nil {
		return nil, err
	}
	return policy.Parse(files)
}

// loadPolicyFiles reads a policy, and the keys and certificates that it refers to.
func (a *App) loadPolicyFiles(ctx context.Context, p policyFlags) (*loadedPolicy, error) {
	set, err := parsePolicies(p.files)
	if err != nil {
		return nil, err
	}
	if environments := set.Environments(); p.environment != "" && !slices.Contains(environments, p.environment) {
		return nil, usagef("--env %s: the policy has the environments %q", p.environment, environments)
	}
	l := &loadedPolicy{set: set, environment: p.environment, material: map[string]string{}, content: map[string][]byte{}}
	for _, trusted := range set.Trusts() {
		if p.material != nil { // the policy is in a pack, and what it refers to beside it
			if trusted.Location = p.material[trusted.Name]; trusted.Location == "" {
				return nil, fmt.Errorf("%w: what %q signs with is missing", pack.ErrPack, trusted.Name)
			}
		}
		if l.material[trusted.Name], err = l.trust(ctx, trusted); err != nil {
			return nil, err
		}
	}
	if err := l.rolesApart(); err != nil {
		return nil, err
	}
	l.digest = set.Digest(p.environment, l.material)
	return l, nil
}

// twins are warnings about keys that have several names.
func (l *loadedPolicy) twins() (out []string) {
	for i, one := range l.root.Keys {
		for _, other := range l.root.Keys[:i] {
			if one.Fingerprint() == other.Fingerprint() {
				out = append(out, fmt.Sprintf("%q and %q are the same key, and count as one signer", other.Name, one.Name))
			}
		}
	}
	return out
}

// maxPolicyFiles caps the files of a folder.
const maxPolicyFiles = 256

// readPolicies reads files, and the YAML files of folders.
func readPolicies(names []string) (out []policy.File, err error) {
	for _, name := range names {
		if name == "" {
			return nil, usagef("--policy is empty: is a variable not set?")
		}
		list := []string{name}
		if info, err := os.Stat(name); err == nil && info.IsDir() {
			if list, err = policiesIn(name); err != nil {
				return nil, err
			}
		}
		for _, file := range list {
			raw, err := os.ReadFile(file)
			if err != nil {
				return nil, usagef("policy: %w", err)
			}
			out = append(out, policy.File{Name: file, Data: raw})
		}
	}
	return out, nil
}

func policiesIn(dir string) (out []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, usagef("policy: %w", err)
	}
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); (ext == ".yaml" || ext == ".yml") && !strings.HasSuffix(strings.TrimSuffix(e.Name(), ext), testSuffix) && e.Type()&fs.ModeType == 0 {
			out = append(out, filepath.Join(dir, e.Name()))
		}
	}
	if len(out) == 0 || len(out) > maxPolicyFiles {
		return nil, usagef("policy: the folder %s holds %d files that end in .yaml; 1 to %d are wanted", dir, len(out), maxPolicyFiles)
	}
	return out, nil
}

// trust reads what a policy refers to, and gives its fingerprint. Paths are relative to
// the policy file.
func (l *loadedPolicy) trust(ctx context.Context, t policy.Trusted) (string, error) {
	at := t.Location
	if !strings.Contains(at, "://") && !filepath.IsAbs(at) {
		at = filepath.Join(filepath.Dir(t.File), at)
	}
	if t.Authority {
		return l.trustAuthority(t.Name, at)
	}
	key, err := sign.OpenPublic(ctx, at)
	if err != nil {
		return "", fmt.Errorf("signer %q of %s: %w", t.Name, t.File, keyError(err))
	}
	l.content[t.Name] = key.PEM()
	key.Name, key.Validity = t.Name, trust.Window{From: t.From, Until: t.Until}
	l.root.Keys = append(l.root.Keys, key)
	return key.Fingerprint(), nil
}

// trustAuthority reads a certificate chain, the root last, or a trusted root: either
// vouches for this one signer only.
func (l *loadedPolicy) trustAuthority(name, file string) (string, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return "", usagef("authority of %q: %w", name, err)
	}
	l.content[name] = raw
	var list []trust.Instance
	if block, _ := pem.Decode(raw); block != nil {
		chain, err := serviceSpec{url: name, chain: file}.readChain()
		if err != nil {
			return "", usagef("authority of %q: %w", name, err)
		}
		list = []trust.Instance{{CAs: []trust.CertificateAuthority{{Chain: chain}}}}
	} else if list, err = trust.ParseInstances(file, raw); err != nil {
		return "", err
	}
	for _, i := range list {
		i.Name, i.Private = name, true
		l.root.Instances = append(l.root.Instances, i)
	}
	return digest.FromBytes(raw).String(), nil
}

// rolesApart refuses a key that signs and verifies: its verdicts would vouch for itself.
func (l *loadedPolicy) rolesApart() error {
	verifier := map[string]bool{}
	for _, t := range l.set.Trusts() {
		verifier[t.Name] = t.Verifier
	}
	for i, one := range l.root.Keys {
		for _, other := range l.root.Keys[:i] {
			if one.Fingerprint() == other.Fingerprint() && verifier[one.Name] != verifier[other.Name] {
				return usage(fmt.Errorf("%w: %q and %q are the same key, and one is a signer and the other a verifier: the roles are apart", policy.ErrFile, other.Name, one.Name))
			}
		}
	}
	return nil
}

func (l *loadedPolicy) described() *render.Policy {
	p := &render.Policy{Name: l.set.Name(), Digest: l.digest, Environment: l.environment}
	for _, f := range l.set.Files {
		p.Files = append(p.Files, render.PolicyFile{Name: f.Name, Digest: digest.FromBytes(f.Data).String()})
	}
	return p
}

// errUncovered says that no rule of a policy speaks about a subject.
var errUncovered = errors.New("no rule of the policy speaks about it")

// subjectName is how a policy calls a subject: by its repository, or as a file.
func (t *target) subjectName(as string) (string, error) {
	switch {
	case t.images == nil && as != "":
		return "", usagef("%s: --as is for images: a file is a file", t.text)
	case t.images == nil:
		return "file:" + t.subject.Name(), nil
	case as == "":
		return plainHost(t.subject.Name()), nil
	case t.subject.Name() != "" && t.subject.Name() != as:
		return "", usagef("%s: --as is for images from layouts: this one is from the repository %s", t.text, t.subject.Name())
	}
	return plainHost(as), nil
}

// plainHost writes a repository with its host in the one form that rules are about, so
// that no other spelling of it gets around them.
func plainHost(name string) string {
	host, path, ok := strings.Cut(name, "/")
	if !ok {
		return name
	}
	host = strings.TrimSuffix(strings.ToLower(host), ":443")
	if bare, port, hasPort := strings.Cut(host, ":"); hasPort {
		host = strings.TrimSuffix(bare, ".") + ":" + port
	}
	return strings.TrimSuffix(host, ".") + "/" + path
}
