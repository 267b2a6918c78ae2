package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/sign"
)

// cosignNames lets fingers that know cosign type what they know.
func cosignNames(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	switch name {
	case "allow-http-registry":
		name = "plain-http"
	case "outfile":
		name = "output-file"
	case "certificate-github-workflow-ref":
		name = "certificate-source-ref"
	case "certificate-github-workflow-sha":
		name = "certificate-source-digest"
	case "certificate-github-workflow-trigger":
		name = "certificate-build-trigger"
	}
	return pflag.NormalizedName(name)
}

// keyFlags open the key that signs.
type keyFlags struct {
	key          string
	passwordFile string
}

func (k *keyFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&k.key, "key", "", "private key: a `path`, or a URI such as env://NAME")
	f.StringVar(&k.passwordFile, "password-file", "", "`file` that holds the key's password (else HALLMARK_PASSWORD, COSIGN_PASSWORD, or a prompt)")
}

func (a *App) signer(ctx context.Context, k keyFlags) (*sign.KeySigner, error) {
	if k.key == "" {
		return nil, usagef("--key is missing: name the private key to sign with")
	}
	s, err := sign.OpenSigner(ctx, k.key, func() ([]byte, error) {
		return a.password(k.passwordFile, "Password of "+k.key+": ")
	})
	if err != nil {
		return nil, keyError(err)
	}
	return s, nil
}

// keyError makes a key that cannot be read bad input, whatever the reason.
func keyError(err error) error {
	if classify(err).code == exitInternal {
		return usage(err)
	}
	return err
}

const maxPassword = 64 << 10

// password finds the password of a key. It never comes from the command line.
func (a *App) password(file, prompt string) ([]byte, error) {
	if file != "" {
		f, err := os.Open(file)
		if err != nil {
			return nil, usagef("password file: %w", err)
		}
		defer f.Close()
		secret, err := io.ReadAll(io.LimitReader(f, maxPassword))
		if err != nil {
			return nil, usagef("password file: %w", err)
		}
		return bytes.TrimRight(secret, "\r\n"), nil
	}
	for _, name := range []string{"HALLMARK_PASSWORD", "COSIGN_PASSWORD"} {
		if secret, ok := a.Env(name); ok {
			return []byte(secret), nil
		}
	}
	if a.Prompt == nil {
		return nil, usage(errors.New("a password is wanted, and there is no terminal to ask for it: set HALLMARK_PASSWORD or --password-file"))
	}
	return a.Prompt(prompt)
}

// newPassword asks for the password of a new key, twice on a terminal.
func (a *App) newPassword(file string) ([]byte, error) {
	asked := false
	prompt := a.Prompt
	defer func() { a.Prompt = prompt }()
	if prompt != nil {
		a.Prompt = func(text string) ([]byte, error) { asked = true; return prompt(text) }
	}
	secret, err := a.password(file, "Password for the new private key: ")
	if err != nil || !asked {
		return secret, err
	}
	again, err := prompt("The same again: ")
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(secret, again) {
		return nil, usagef("the two passwords are not the same")
	}
	return secret, nil
}

// outputFlag is -o text|json of commands that print one result.
type outputFlag struct{ format string }

func (o *outputFlag) add(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&o.format, "output", "o", "text", "`format` of the result: text or json")
}

func (o *outputFlag) json() (bool, error) {
	switch o.format {
	case "text":
		return false, nil
	case "json":
		return true, nil
	}
	return false, usagef("-o %q: want text or json", o.format)
}

// evidenceFlags say where evidence lives if not beside the image.
type evidenceFlags struct{ repository string }

func (e *evidenceFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&e.repository, "evidence-repository", "", "`repository` (or oci:DIR) that holds the evidence, if not the image's own (COSIGN_REPOSITORY)")
}

// session is what the commands of one run share towards stores: connections, tokens
// and what was found out about registries.
type session struct {
	client *oci.Client

	mu     sync.Mutex
	stores map[string]oci.Store
}

func (a *App) session() (*session, error) {
	options := a.registry
	if store, err := a.openCache(); err == nil {
		options.Cache, options.Fresh = store, a.fresh
	}
	client, err := oci.NewClient(options)
	if err != nil {
		return nil, usage(err)
	}
	a.wrote = client.Written()
	return &session{client: client, stores: map[string]oci.Store{}}, nil
}

func (s *session) open(ref oci.Reference) (oci.Store, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if store, ok := s.stores[ref.Place()]; ok {
		return store, nil
	}
	store, err := s.client.Open(ref)
	if err != nil {
		return nil, err
	}
	s.stores[ref.Place()] = store
	return store, nil
}

// target is a subject on the command line with the stores around it.
type target struct {
	text     string
	ref      oci.Reference
	images   oci.Store // nil for a file or a digest
	evidence oci.Store // nil for a file or a digest
	subject  oci.Subject
	// elsewhere names the evidence's place if it is not the image's repository.
	elsewhere string
}

// place is the store that holds the evidence, as a reference that means the same in every
// working folder.
func (t *target) place() string {
	place := t.elsewhere
	if place == "" {
		place = t.ref.Place()
	}
	if dir, ok := strings.CutPrefix(place, string(oci.SchemeLayout)+":"); ok {
		if whole, err := filepath.Abs(dir); err == nil {
			return string(oci.SchemeLayout) + ":" + whole
		}
	}
	return place
}

// resolve pins a subject once; every later step uses its digest. listing says that
// its referrers will be listed next.
func (a *App) resolve(ctx context.Context, s *session, text string, e evidenceFlags, listing bool) (*target, error) {
	ref, err := oci.ParseReference(text)
	if err != nil {
		return nil, err
	}
	t := &target{text: text, ref: ref}
	if ref.Scheme == oci.SchemeFile {
		if t.subject, err = oci.FileSubject(ref.Path); err != nil {
			return nil, usagef("%s: %w", text, err)
		}
		return t, nil
	}
	if ref.Scheme == oci.SchemeDigest {
		t.subject, err = oci.DigestSubject(ref.Digest)
		return t, err
	}
	if t.images, err = s.open(ref); err != nil {
		return nil, err
	}
	if t.evidence, t.elsewhere, err = a.evidenceStore(s, e, t.images); err != nil {
		return nil, err
	}
	if listing {
		t.subject, err = oci.ResolveWithEvidence(ctx, t.images, t.evidence, ref.Target())
	} else {
		t.subject, err = t.images.Resolve(ctx, ref.Target())
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", text, err)
	}
	a.remember(text)
	return t, nil
}

// evidenceStore is where evidence lives, and its name if that is not the image's own
// repository.
func (a *App) evidenceStore(s *session, e evidenceFlags, images oci.Store) (store oci.Store, name string, err error) {
	place := e.repository
	if place == "" {
		place, _ = a.Env("COSIGN_REPOSITORY")
	}
	if place == "" {
		return images, "", nil
	}
	ref, err := oci.ParseReference(place)
	if err != nil {
		return nil, "", fmt.Errorf("--evidence-repository: %w", err)
	}
	if ref.Digest != "" || ref.Tag != "" && strings.HasSuffix(place, ":"+ref.Tag) {
		return nil, "", usagef("--evidence-repository %s: name a repository, without tag and digest", place)
	}
	store, err = s.open(ref)
	return store, ref.Place(), err
}

// created is the time to note beside what is made now: SOURCE_DATE_EPOCH, if set.
func (a *App) created() (time.Time, error) {
	t, err := a.sourceDate()
	if err != nil {
		return time.Time{}, err
	}
	if t != nil {
		return *t, nil
	}
	return a.Now(), nil
}

// sourceDate reads SOURCE_DATE_EPOCH (https://reproducible-builds.org/specs/source-date-epoch/).
func (a *App) sourceDate() (*time.Time, error) {
	text, ok := a.Env("SOURCE_DATE_EPOCH")
	if !ok || text == "" {
		return nil, nil
	}
	seconds, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil {
		return nil, usagef("SOURCE_DATE_EPOCH %q is no number of seconds", text)
	}
	t := time.Unix(seconds, 0).UTC()
	return &t, nil
}
