package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-project/hallmark/trust"
)

// Variables of the environment that say whom to trust.
const (
	envTrustedRoot   = "HALLMARK_TRUSTED_ROOT"
	envSigningConfig = "HALLMARK_SIGNING_CONFIG"
	envTrustDir      = "HALLMARK_TRUST_DIR"
)

// rootAge is how old trust material may be before it is asked for anew.
const rootAge = 24 * time.Hour

// updatePatience is how long a command that only wants fresh trust material waits for
// it, before it goes on with what it has.
const updatePatience = 20 * time.Second

// trustFlags say where trusted roots come from.
type trustFlags struct {
	roots   []string
	offline bool
	maxAge  time.Duration
}

func (t *trustFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVar(&t.roots, "trusted-root", nil, "`file` with the trusted root of a Sigstore deployment (HALLMARK_TRUSTED_ROOT; else that of 'trust init', else the public-good instance's); several are alternatives")
	f.BoolVar(&t.offline, "offline", false, "ask nobody but the registry: use the trust material that is at hand")
	f.DurationVar(&t.maxAge, "max-root-age", 0, "refuse trust material that was fetched longer `ago`; 0 is any age")
}

// explicit reports whether the command line itself names trusted roots.
func (t *trustFlags) explicit() bool { return len(t.roots) > 0 }

// errStale is about trust material that is older than --max-root-age.
var errStale = errors.New("the trust material is too old")

// errNoServices is about signing where nobody says which services to ask.
var errNoServices = errors.New("it is not known which services to ask for a signature")

// trustDir is the folder that `trust init` sets up.
func (a *App) trustDir() (string, error) {
	if dir, ok := a.Env(envTrustDir); ok && dir != "" {
		return dir, nil
	}
	base, err := a.configDir()
	if err != nil {
		return "", usagef("%w for trust material: set HALLMARK_TRUST_DIR", err)
	}
	return filepath.Join(base, "trust"), nil
}

func (a *App) trustFolder() (trust.Folder, error) {
	dir, err := a.trustDir()
	return trust.Folder{Dir: dir, Now: a.Now}, err
}

// instances reads the trusted roots that flags, the environment or the trust folder
// name.
func (a *App) instances(ctx context.Context, t trustFlags) ([]trust.Instance, error) {
	files := t.roots
	if len(files) == 0 {
		if list, ok := a.Env(envTrustedRoot); ok && list != "" {
			files = filepath.SplitList(list)
		}
	}
	var all []trust.Instance
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			return nil, usagef("trusted root: %w", err)
		}
		instances, err := trust.ParseInstances(file, raw)
		if err != nil {
			return nil, err
		}
		all = append(all, instances...)
	}
	if len(all) > 0 {
		return all, nil
	}
	m, err := a.material(ctx, t)
	if err != nil {
		return nil, err
	}
	return m.Instances()
}

// material is the trust material of the folder that `trust init` set up, refreshed if
// it may be; without one, the public-good instance's. Whatever is older than was hoped
// for is used with a warning that says so.
func (a *App) material(ctx context.Context, t trustFlags) (trust.Material, error) {
	if a.trusted != nil {
		return *a.trusted, nil
	}
	folder, err := a.trustFolder()
	if err != nil {
		return trust.Material{}, err
	}
	m, err := folder.Load()
	switch {
	case err == nil && !t.offline:
		m, err = a.refreshed(ctx, folder, m)
	case errors.Is(err, trust.ErrUninitialized):
		m, err = a.publicGood(ctx, folder, t.offline)
	}
	if err != nil {
		return trust.Material{}, err
	}
	age := a.Now().Sub(m.Fetched)
	if t.maxAge > 0 && age > t.maxAge {
		return trust.Material{}, fmt.Errorf("%w: %s is of %s, %s ago, and --max-root-age is %s", errStale, m.Origin, m.Fetched.Format(time.DateOnly), days(age), t.maxAge)
	}
	a.trusted = &m
	return m, nil
}

func (a *App) refreshed(ctx context.Context, folder trust.Folder, have trust.Material) (trust.Material, error) {
	wait, cancel := context.WithTimeout(ctx, updatePatience)
	defer cancel()
	m, err := folder.Fresh(wait, rootAge)
	if ctx.Err() != nil {
		return m, ctx.Err()
	}
	if err != nil {
		a.message("Warning: %v\nUsing the %s, fetched %s ago.", err, have.Origin, days(a.Now().Sub(have.Fetched)))
		return have, nil
	}
	return m, nil
}

// publicGood is the public-good instance's material where nothing was set up: fetched
// if possible, else the snapshot in this program.
func (a *App) publicGood(ctx context.Context, folder trust.Folder, offline bool) (trust.Material, error) {
	if !offline {
		wait, cancel := context.WithTimeout(ctx, updatePatience)
		defer cancel()
		m, err := a.initPublicGood(wait, folder)
		if err == nil {
			return m, nil
		}
		if ctx.Err() != nil {
			return m, ctx.Err()
		}
		a.message("Warning: %v (--offline leaves the attempt out)", err)
	}
	m, date := trust.Snapshot()
	a.message("Warning: using the trusted root of Sigstore's public-good instance that is inside this program. Its newest authority is of %s, %s ago; what newer ones vouch for is rejected.",
		date.Format(time.DateOnly), days(a.Now().Sub(date)))
	return m, nil
}

// initPublicGood sets the folder up. Where it cannot be written, as in a container that
// is read-only, the material serves this run alone.
func (a *App) initPublicGood(ctx context.Context, folder trust.Folder) (trust.Material, error) {
	m, err := folder.Ensure(ctx, trust.PublicGoodMirror, nil)
	var unwritable *os.PathError
	if !errors.As(err, &unwritable) {
		return m, err
	}
	dir, failed := os.MkdirTemp("", "hallmark-trust-")
	if failed != nil {
		return m, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	return trust.Folder{Dir: dir, Now: a.Now}.Init(ctx, trust.PublicGoodMirror, nil)
}

// days is an age for people.
func days(d time.Duration) string {
	const day = 24 * time.Hour
	if d < 2*day {
		return d.Round(time.Minute).String()
	}
	return fmt.Sprintf("%d days", int(d/day))
}

// services reads the signing configuration that goes with the trusted root.
func (a *App) services(ctx context.Context, t trustFlags, file string) (trust.SigningConfig, error) {
	if file == "" {
		file, _ = a.Env(envSigningConfig)
	}
	if file != "" {
		raw, err := os.ReadFile(file)
		if err != nil {
			return trust.SigningConfig{}, usagef("signing configuration: %w", err)
		}
		return trust.ParseSigningConfig(file, raw)
	}
	if given, _ := a.Env(envTrustedRoot); t.explicit() || given != "" {
		return trust.SigningConfig{}, usagef("--signing-config is missing: it names the services that go with the trusted root given")
	}
	m, err := a.material(ctx, t)
	if err != nil {
		return trust.SigningConfig{}, err
	}
	if len(m.SigningConfig) == 0 {
		return trust.SigningConfig{}, fmt.Errorf("%w: %s names none", errNoServices, m.Origin)
	}
	return m.Services()
}
