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

	"github.com/hallmark-project/hallmark/attest"
	"github.com/hallmark-project/hallmark/bundle"
	"github.com/hallmark-project/hallmark/oci"
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
	base, ok := a.Env("XDG_STATE_HOME")
	if !ok || base == "" {
		home, ok := a.Env("HOME")
		if !ok || home == "" {
			return spool{}, usagef("there is no home folder for what is to be logged later: set HALLMARK_SPOOL, or --spool")
		}
		base = filepath.Join(home, ".local", "state")
	}
	return spool{filepath.Join(base, "hallmark", "spool")}, nil
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

// flush logs what is to be logged and attaches the completed bundles. What fails stays
// in the folder, and the first failure is the error beside what succeeded.
func (a *App) flush(ctx context.Context, from spool, notary *sign.Notary) (rows []flushedRow, err error) {
	entries, err := from.list()
	if err != nil || len(entries) == 0 {
		return nil, err
	}
	s, err := a.session()
	if err != nil {
		return nil, err
	}
	p := a.progress(fmt.Sprintf("Logging %d signatures", len(entries)))
	defer p.end()
	var first error
	for _, e := range entries {
		row := flushedRow{Subject: e.Place + "@" + e.Subject.String(), PredicateType: e.PredicateType, Status: statusLogged}
		done, err := a.complete(ctx, s, e, notary)
		if ctx.Err() != nil {
			return rows, ctx.Err()
		}
		if err != nil {
			row.Status, row.Error = statusPending, err.Error()
			if first == nil {
				first = fmt.Errorf("%s: %w", row.Subject, err)
			}
		} else if row.Evidence = done.String(); os.Remove(e.file) != nil {
			a.message("Warning: %s could not be removed; it will be logged again, which does no harm", e.file)
		}
		rows = append(rows, row)
	}
	return rows, first
}

// complete logs one signature and attaches the bundle that has everything.
func (a *App) complete(ctx context.Context, s *session, e pendingEntry, notary *sign.Notary) (digest.Digest, error) {
	b, err := bundle.Parse(e.Bundle)
	if err != nil {
		return "", usage(err)
	}
	ref, err := oci.ParseReference(e.Place)
	if err != nil {
		return "", err
	}
	store, err := s.open(ref)
	if err != nil {
		return "", err
	}
	subject, err := store.Resolve(ctx, e.Subject.String())
	if err != nil {
		return "", err
	}
	here := *notary
	here.Logs = e.Logs
	if err := here.Log(ctx, b); err != nil {
		return "", err
	}
	artifact, err := attest.Artifact(b, attest.Predicate{Type: e.PredicateType}, e.Created)
	if err != nil {
		return "", err
	}
	descriptors, err := store.Attach(ctx, []oci.Attachment{{Subject: subject, Artifact: artifact}})
	if err != nil {
		return "", err
	}
	return descriptors[0].Digest, nil
}
