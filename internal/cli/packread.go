package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/pack"
	"github.com/hallmark-project/hallmark/verify"
)

// runVerifyPack repeats the decision that a pack holds. Anybody can make a pack that
// agrees with itself: the policy and the trusted root come from outside, or somebody whom
// the command line names answers for those in the pack.
func (a *App) runVerifyPack(ctx context.Context, o verifyOptions) error {
	if err := o.besidePack(); err != nil {
		return err
	}
	outside, named := len(o.policy.files) > 0, len(o.keys) > 0
	identities, err := o.identity.identities()
	if err != nil {
		return err
	}
	if named = named || len(identities) > 0; !named && !outside {
		return usagef("--pack: a pack vouches for itself only: give --policy, and --trusted-root if it needs one, or say who signed the pack (--key, --certificate-identity)")
	}
	p, copied, err := readPack(o.pack)
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(copied) }()
	var when time.Time
	if named {
		if when, err = a.verifySeal(ctx, p, o); err != nil {
			return err
		}
	}
	b, err := a.packBench(ctx, p, o, outside, named)
	if err != nil {
		return err
	}
	if b.o.pack = copied; b.at.IsZero() {
		b.at = when
	}
	shown := "oci:" + o.pack + "@" + p.Subject.Digest
	if named {
		shown = p.Subject.Reference
	}
	return a.repeat(ctx, b, p, shown)
}

// besidePack refuses flags that a pack has no use for.
func (o *verifyOptions) besidePack() error {
	built, err := o.build.requirement()
	switch {
	case err != nil:
		return err
	case built != nil:
		return usagef("--pack repeats what a policy decided: leave --source-repo, --source-ref, --builder and their like out")
	case len(o.named.files) > 0 || o.named.pin || len(o.named.args) > 0:
		return usagef("--pack says what is verified: leave -f, --pin and --build-arg out")
	case len(o.bundles) > 0 || o.evidence.repository != "":
		return usagef("--pack holds the evidence: leave --bundle and --evidence-repository out")
	case o.verdict.on || len(o.require) > 0 || o.gate.policy != "" || o.gate.maxAge != 0 || o.rederive:
		return usagef("--pack repeats what a policy decided: leave --verdict, --require, --verdict-policy, --max-verdict-age and --rederive out")
	case o.checkRepository || o.acceptIndexSBOM || o.trustDigest || o.noLegacy:
		return usagef("--pack: the policy says what evidence has to be like: leave the flags that say so out")
	}
	return nil
}

// readPack checks a pack while it copies it: what is judged later is what was checked.
func readPack(name string) (p *pack.Pack, copied string, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, "", usagef("--pack: %w", err)
	}
	defer f.Close()
	to, err := os.CreateTemp("", "hallmark-pack-*.tar")
	if err != nil {
		return nil, "", err
	}
	p, err = pack.Read(io.TeeReader(f, to))
	if closed := to.Close(); err == nil {
		err = closed
	}
	if err != nil {
		_ = os.Remove(to.Name())
		return nil, "", fmt.Errorf("%s: %w", name, err)
	}
	return p, to.Name(), nil
}

// verifySeal verifies the signature over a pack's manifest, and gives its trusted time.
func (a *App) verifySeal(ctx context.Context, p *pack.Pack, o verifyOptions) (when time.Time, err error) {
	if p.Signature == nil {
		return when, fmt.Errorf("%w: %w: nobody has signed the pack", verify.ErrRejected, pack.ErrPack)
	}
	asked := o
	asked.policy, asked.require = policyFlags{}, nil
	asked.ignoreLog = len(o.keys) > 0 // a timestamp is what the seal of a key needs
	wanted, err := asked.policyOfFlags()
	if err != nil {
		return when, err
	}
	root, err := a.verifyRoot(ctx, asked, len(wanted.Identities) > 0)
	if err != nil {
		return when, err
	}
	subject, err := oci.DigestSubject(digest.FromBytes(p.Raw))
	if err != nil {
		return when, err
	}
	result, _, err := verify.Verify(ctx, subject, []verify.Source{verify.Bundles([]string{pack.SignaturePath}, [][]byte{p.Signature})}, root, wanted,
		verify.Options{Now: a.Now(), Artifact: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(p.Raw)), nil }})
	if err != nil {
		return when, fmt.Errorf("the pack's signature: %w", err)
	}
	signer := result.Verified()[0].Signer
	if when = signer.When(); when.IsZero() {
		a.message("The pack is signed by %s; nobody says when.", signer.Name())
		return when, nil
	}
	a.message("The pack is signed by %s at %s.", signer.Name(), when.UTC().Format(time.RFC3339))
	return when, nil
}

// packBench readies judging what is in a pack: by a policy from outside, or by that in
// the pack, for which whoever signed it answers.
//
// What the image is judged as, and in which environment, is whoever's word counts for the
// policy: the command line's, or the sealer's.
func (a *App) packBench(ctx context.Context, p *pack.Pack, o verifyOptions, outside, sealed bool) (*bench, error) {
	b := &bench{app: a, o: o, now: a.Now(), full: true}
	var err error
	if sealed {
		if o.policy.as != "" || o.policy.environment != "" || len(o.platforms) > 0 {
			return nil, usagef("--pack: whoever signed it says what the image was judged as: leave --as, --env and --platform out")
		}
		b.o.policy.as, b.o.policy.environment, b.o.platforms = p.Subject.Name, p.Environment, p.Subject.Platforms
	}
	if b.at, err = parseAt(o.at); err != nil {
		return nil, err
	}
	if b.session, err = a.session(); err != nil {
		return nil, err
	}
	if names := slices.DeleteFunc(slices.Sorted(maps.Keys(p.Small)), func(name string) bool { return !strings.HasPrefix(name, packBundles) }); len(names) > 0 {
		var contents [][]byte
		for _, name := range names {
			contents = append(contents, p.Small[name])
		}
		b.files = verify.Bundles(names, contents)
	}
	if outside {
		b.loaded, err = a.loadPolicy(ctx, b.o.policy, o.trust)
	} else {
		b.loaded, err = a.policyInPack(ctx, p)
	}
	if err == nil {
		b.root = b.loaded.root
	}
	return b, err
}

// policyInPack loads the policy of a pack, with what it refers to, from a folder of its
// own that is gone afterwards.
func (a *App) policyInPack(ctx context.Context, p *pack.Pack) (*loadedPolicy, error) {
	dir, err := os.MkdirTemp("", "hallmark-pack-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	var flags policyFlags
	for _, name := range p.Policy {
		content, there := p.Small[name]
		if !there {
			return nil, fmt.Errorf("%w: the policy %q is missing", pack.ErrPack, name)
		}
		file := filepath.Join(dir, filepath.Base(name))
		if err := os.WriteFile(file, content, 0o600); err != nil {
			return nil, err
		}
		flags.files = append(flags.files, file)
	}
	var t trustFlags
	if p.TrustedRoot != "" {
		file := filepath.Join(dir, packRoot)
		if err := os.WriteFile(file, p.Small[p.TrustedRoot], 0o600); err != nil {
			return nil, err
		}
		t.roots = []string{file}
	}
	flags.environment, flags.material = p.Environment, map[string]string{}
	for signer, name := range p.Material {
		file := filepath.Join(dir, filepath.Base(name))
		if err := os.WriteFile(file, p.Small[name], 0o600); err != nil {
			return nil, err
		}
		flags.material[signer] = file
	}
	return a.loadPolicy(ctx, flags, t)
}

// repeat judges what is in a pack as of then, and says what is different now.
func (a *App) repeat(ctx context.Context, b *bench, p *pack.Pack, shown string) error {
	subject := "oci:" + b.o.pack + "@" + p.Subject.Digest
	result, judged, err := b.judgeAll(ctx, []string{subject})
	if err != nil {
		return err
	}
	verdict := judged[0].err
	judged[0].Subject.Subject = shown
	if err := a.writeResult(b.o.output, result, judged, b.o.details); err != nil {
		return err
	}
	if result.Policy != nil {
		a.message("Pack of %s, made %s by %s; judged by the policy %s.", p.Subject.Digest, p.Created.UTC().Format(time.RFC3339), printableLines(p.Tool), result.Policy.Digest)
	}
	if !b.at.IsZero() {
		if err := a.sinceThen(ctx, b, subject, judged[0]); err != nil {
			return err
		}
	}
	if verdict != nil {
		return shownError{verdict}
	}
	return nil
}

// sinceThen judges the same as of now. It changes nothing about what was decided then.
func (a *App) sinceThen(ctx context.Context, b *bench, subject string, then *judgement) error {
	now := *b
	now.at = time.Time{}
	_, judged, err := now.judgeAll(ctx, []string{subject})
	if err != nil {
		return err
	}
	present := judged[0]
	if present.Verdict == then.Verdict {
		a.message("Since then nothing has changed: as of now it is %s as well.", present.Verdict)
		return nil
	}
	a.message("Since then something has changed: as of now it is %s.", present.Verdict)
	for _, f := range present.Failures {
		a.message("  %s: %s %s: %s", f.Verdict, f.Type, place(f.Platform, f.On), f.Cause)
	}
	return nil
}
