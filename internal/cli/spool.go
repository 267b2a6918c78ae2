package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/hallmark-project/hallmark/attest"
	"github.com/hallmark-project/hallmark/bundle"
	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/policy"
	"github.com/hallmark-project/hallmark/sign"
	"github.com/hallmark-project/hallmark/trust"
)

// spool is the folder that remembers which signatures are not logged yet, one file for
// each.
type spool struct{ dir string }

// pendingEntry is a signature that is attached and not logged yet.
type pendingEntry struct {
	SchemaVersion string          `json:"schemaVersion"` // spoolSchema
	Place         string          `json:"place"`         // the store that holds the evidence
	Subject       digest.Digest   `json:"subject"`
	PredicateType string          `json:"predicateType"`
	Created       time.Time       `json:"created"` // of the artifact
	Logs          []trust.Service `json:"logs"`    // to be asked
	Bundle        json.RawMessage `json:"bundle"`

	file string
}

const (
	spoolSchema   = "hallmark.pending/v1"
	maxSpoolFile  = 1 << 30
	maxSpoolFiles = 10_000
	envSpool      = "HALLMARK_SPOOL"
)

// spool is the folder that a flag, the environment or the user's state folder names.
func (a *App) spool(flag string) (spool, error) {
	if flag != "" {
		return spool{flag}, nil
	}
	if dir, ok := a.Env(envSpool); ok && dir != "" {
		return spool{dir}, nil
	}
	base, err := a.stateDir()
	if err != nil {
		return spool{}, usagef("%w for what is to be logged later: set HALLMARK_SPOOL, or --spool", err)
	}
	return spool{filepath.Join(base, "spool")}, nil
}

// stateDir is the user's folder for what is remembered between runs.
func (a *App) stateDir() (string, error) {
	base, ok := a.Env("XDG_STATE_HOME")
	if !ok || base == "" {
		home, ok := a.Env("HOME")
		if !ok || home == "" {
			return "", errNoHome
		}
		base = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(base, "hallmark"), nil
}

// add records a signature before it is attached, so that none is forgotten.
func (s spool) add(e pendingEntry) error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return usagef("the spool folder: %w", err)
	}
	raw, err := json.Marshal(e)
	if err != nil {
		return err
	}
	name := digest.FromBytes(raw).Encoded() + ".json"
	if err := writeFile(filepath.Join(s.dir, name), raw, 0o600, true); err != nil {
		return usagef("the spool folder: %w", err)
	}
	return nil
}

// list reads what is to be logged, the oldest first. A file that cannot be read is an
// error that names it: what it stands for must not be forgotten.
func (s spool) list() ([]pendingEntry, error) {
	files, err := os.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, usagef("the spool folder: %w", err)
	}
	if len(files) > maxSpoolFiles {
		return nil, usagef("the spool folder %s has more than %d files", s.dir, maxSpoolFiles)
	}
	var out []pendingEntry
	for _, file := range files {
		if !strings.HasSuffix(file.Name(), ".json") {
			continue
		}
		e, err := readPending(filepath.Join(s.dir, file.Name()))
		if err != nil {
			return nil, usagef("the spool folder: %w", err)
		}
		out = append(out, e)
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].Created.Before(out[j].Created) })
	return out, nil
}

func readPending(file string) (e pendingEntry, err error) {
	info, err := os.Stat(file)
	if err != nil {
		return e, err
	}
	if info.Size() > maxSpoolFile {
		return e, fmt.Errorf("%s: larger than %d bytes", file, maxSpoolFile)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return e, err
	}
	if err := json.Unmarshal(raw, &e); err != nil {
		return e, fmt.Errorf("%s: %w", file, err)
	}
	if e.SchemaVersion != spoolSchema {
		return e, fmt.Errorf("%s: its schema is %q, wanted is %q", file, e.SchemaVersion, spoolSchema)
	}
	e.file = file
	return e, nil
}

// flushedRow is what became of a signature that was to be logged.
type flushedRow struct {
	Subject       string `json:"subject"`
	PredicateType string `json:"predicateType"`
	Evidence      string `json:"evidence,omitempty"` // digest of the completed bundle's manifest
	Status        string `json:"status"`
	Error         string `json:"error,omitempty"`
}

const (
	statusLogged  = "logged"
	statusPending = "pending"
)

// completion is a pending signature on its way to being complete.
type completion struct {
	pendingEntry
	store      oci.Store
	attachment oci.Attachment
	evidence   digest.Digest
	err        error
}

// flush logs what is to be logged, several at once, and attaches the completed bundles, in
// one call for each store. What fails stays in the folder, and the first failure is the
// error beside what succeeded.
func (a *App) flush(ctx context.Context, from spool, notary *sign.Notary) ([]flushedRow, error) {
	entries, err := from.list()
	if err != nil || len(entries) == 0 {
		return nil, err
	}
	p := a.progress(fmt.Sprintf("Logging %d signatures", len(entries)))
	defer p.end()
	list, err := a.pendingSubjects(ctx, entries)
	if err != nil {
		return nil, err
	}
	a.logAll(ctx, list, notary)
	attachCompleted(ctx, list)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return a.flushed(list)
}

// pendingSubjects finds what each signature is about, once for each digest.
func (a *App) pendingSubjects(ctx context.Context, entries []pendingEntry) ([]*completion, error) {
	s, err := a.session()
	if err != nil {
		return nil, err
	}
	type found struct {
		store   oci.Store
		subject oci.Subject
		err     error
	}
	seen := map[string]found{}
	var list []*completion
	for _, e := range entries {
		at := e.Place + "@" + e.Subject.String()
		f, ok := seen[at]
		if !ok {
			f.store, f.subject, f.err = s.find(ctx, e)
			seen[at] = f
		}
		list = append(list, &completion{pendingEntry: e, store: f.store, attachment: oci.Attachment{Subject: f.subject}, err: f.err})
	}
	return list, ctx.Err()
}

func (s *session) find(ctx context.Context, e pendingEntry) (oci.Store, oci.Subject, error) {
	ref, err := oci.ParseReference(e.Place)
	if err != nil {
		return nil, oci.Subject{}, err
	}
	store, err := s.open(ref)
	if err != nil {
		return nil, oci.Subject{}, err
	}
	subject, err := store.Resolve(ctx, e.Subject.String())
	return store, subject, err
}

// logAll has the signatures logged. When a log turns out to be down, the others are not
// tried: each would wait as long for nothing.
func (a *App) logAll(ctx context.Context, list []*completion, notary *sign.Notary) {
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(signedAtOnce)
	for _, c := range list {
		group.Go(func() error {
			if c.err != nil {
				return nil
			}
			c.err = c.log(gctx, a, notary)
			var down *sign.ServiceError
			if errors.As(c.err, &down) && !down.Refused() {
				return c.err
			}
			return nil
		})
	}
	down := group.Wait()
	for _, c := range list {
		if down != nil && errors.Is(c.err, context.Canceled) {
			c.err = down
		}
	}
}

// log has the signature logged and makes the artifact that has everything.
func (c *completion) log(ctx context.Context, a *App, notary *sign.Notary) error {
	b, err := bundle.Parse(c.Bundle)
	if err != nil {
		return usage(err)
	}
	here := *notary
	here.Logs = c.Logs
	if err := here.Log(ctx, b); err != nil {
		return err
	}
	cert, err := bundle.ParseCertificate(b.Certificates[0])
	if err != nil {
		return usage(err)
	}
	who := &author{notary: notary, root: trust.Root{Instances: notary.Instances},
		policy: policy.Policy{Identities: []policy.Identity{{Subject: cert.Identity, Issuer: cert.Issuer}}}}
	if err := a.prove(ctx, who, c.attachment.Subject, c.PredicateType, b, nil); err != nil {
		return err
	}
	c.attachment.Artifact, err = attest.Artifact(b, attest.Predicate{Type: c.PredicateType}, c.Created)
	return err
}

// attachCompleted attaches what is complete, store by store.
func attachCompleted(ctx context.Context, list []*completion) {
	stores := map[oci.Store][]*completion{}
	for _, c := range list {
		if c.err == nil {
			stores[c.store] = append(stores[c.store], c)
		}
	}
	for store, ready := range stores {
		attachments := make([]oci.Attachment, len(ready))
		for i, c := range ready {
			attachments[i] = c.attachment
		}
		descriptors, err := store.Attach(ctx, attachments)
		for i, c := range ready {
			if c.err = err; err == nil {
				c.evidence = descriptors[i].Digest
			}
		}
	}
}

// flushed tells what became of each signature, and forgets those that are complete.
func (a *App) flushed(list []*completion) (rows []flushedRow, first error) {
	for _, c := range list {
		row := flushedRow{Subject: c.Place + "@" + c.Subject.String(), PredicateType: c.PredicateType, Status: statusLogged, Evidence: c.evidence.String()}
		if c.err != nil {
			row.Status, row.Error = statusPending, c.err.Error()
			if first == nil {
				first = fmt.Errorf("%s: %w", row.Subject, c.err)
			}
		} else if err := os.Remove(c.file); err != nil {
			a.message("Warning: %v; it will be logged again, which does no harm", err)
		}
		rows = append(rows, row)
	}
	return rows, first
}
