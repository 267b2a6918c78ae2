package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/hallmark-project/hallmark/internal/settings"
)

// treeConfig is the file in the working folder that may say how things look. Whoever
// changes the tree, with a pull request say, must not choose more.
const treeConfig = "hallmark.yaml"

// looks are the flags that a file in the working tree may set: how results and messages
// look, and which SBOM formats are written.
var looks = []string{"details", "format", "log-format", "output", "quiet", "verbose"}

// whom are the flags that say who signs or who is believed. Of them, a file sets none
// where the command line sets one: together, they would trust more than it says.
var whom = []string{
	"key", "policy", "env", "pack", "certificate-identity", "certificate-identity-regexp", "certificate-oidc-issuer", "certificate-oidc-issuer-regexp",
	"github-repo", "gitlab-project", "certificate-source-repository", "certificate-source-ref", "certificate-source-digest", "certificate-build-signer-uri",
	"certificate-build-signer-digest", "certificate-runner-environment", "certificate-build-trigger", "provider", "identity-token", "device",
}

// neverConfigured are flags that no file can set: it was found by one of them.
var neverConfigured = []string{"config", "help", "version"}

// configure gives the flags of a command that are not on the command line the values of
// configuration files: the user's own (or the one that --config names) before the
// working tree's.
func (a *App) configure(cmd *cobra.Command) error {
	if strings.HasPrefix(cmd.Name(), "__") { // the shell asks what could stand here
		return nil
	}
	file, err := a.userConfig()
	if err != nil {
		return err
	}
	given := map[string]bool{}
	cmd.Flags().Visit(func(f *pflag.Flag) { given[f.Name] = true })
	if file != nil {
		if err := a.apply(cmd, file, given, nil); err != nil {
			return err
		}
	}
	tree, err := readIfThere(treeConfig, nil)
	if err != nil || tree == nil {
		return err
	}
	cmd.Flags().Visit(func(f *pflag.Flag) { given[f.Name] = true }) // what is the user's own stays
	return a.apply(cmd, tree, given, looks)
}

// userConfig is the file that --config or HALLMARK_CONFIG names, else the one in the user's
// configuration folder, nil if there is none.
func (a *App) userConfig() (*settings.File, error) {
	name := a.config
	if name == "" {
		name, _ = a.Env(envConfig)
	}
	if name != "" {
		return readConfig(name)
	}
	dir, err := a.configDir()
	if err != nil { // no home, no file
		return nil, nil
	}
	name = filepath.Join(dir, "config.yaml")
	return readIfThere(name, onlyMine)
}

// readIfThere reads a file that nobody named, nil if it is not there. What check says of it
// comes first.
func readIfThere(name string, check func(name string, info fs.FileInfo) error) (*settings.File, error) {
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, usage(err)
	case !info.Mode().IsRegular():
		return nil, usagef("%s is no regular file", name)
	}
	if check != nil {
		if err := check(name, info); err != nil {
			return nil, err
		}
	}
	return readConfig(name)
}

// configDir is the user's folder for configuration.
func (a *App) configDir() (string, error) {
	base, ok := a.Env("XDG_CONFIG_HOME")
	if !ok || base == "" {
		home, ok := a.Env("HOME")
		if !ok || home == "" {
			return "", errNoHome
		}
		base = filepath.Join(home, ".config")
	}
	return filepath.Join(base, "hallmark"), nil
}

var errNoHome = errors.New("there is no home folder")

func readConfig(name string) (*settings.File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := readBounded(f, name, settings.MaxFile)
	if err != nil {
		return nil, err
	}
	return settings.Parse(name, data)
}

// onlyMine refuses a file that says whom to trust and that everybody may write to.
func onlyMine(name string, info fs.FileInfo) error {
	if runtime.GOOS == "windows" { // modes say nothing there
		return nil
	}
	if info.Mode().Perm()&0o002 != 0 {
		return usagef("%s can be written by everybody, and it says whom to trust: protect it with 'chmod go-w'", name)
	}
	return nil
}

// apply sets flags that are not given. Only allowed ones, if allowed is not nil.
func (a *App) apply(cmd *cobra.Command, file *settings.File, given map[string]bool, allowed []string) error {
	if err := checkSettings(cmd.Root(), file, allowed); err != nil {
		return err
	}
	command := strings.TrimPrefix(strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()), " ")
	chosen := slices.ContainsFunc(whom, func(name string) bool { return given[name] })
	for _, s := range file.For(command) {
		f := cmd.Flags().Lookup(s.Flag)
		if f == nil || given[s.Flag] {
			continue
		}
		if chosen && slices.Contains(whom, s.Flag) {
			a.later = append(a.later, fmt.Sprintf("--%s of %s is left out: the command line says who", s.Flag, s.Place))
			continue
		}
		if name, ok := variableOf(s.Flag); ok { // which is asked only where the flag is not there
			a.overlay(name, strings.Join(s.Values, string(os.PathListSeparator)), s.Place)
			continue
		}
		if err := set(cmd, f, s, allowed != nil); err != nil {
			return err
		}
		a.later = append(a.later, fmt.Sprintf("--%s %s from %s", s.Flag, strings.Join(s.Values, ","), s.Place))
	}
	return nil
}

func set(cmd *cobra.Command, f *pflag.Flag, s settings.Setting, tree bool) error {
	if tree && f.Name == "output" && slices.ContainsFunc(s.Values, func(v string) bool { return strings.Contains(v, "=") }) {
		return s.Errorf("a file in the working tree does not choose where results are written: name the format only")
	}
	if _, list := f.Value.(pflag.SliceValue); !list && len(s.Values) > 1 {
		return s.Errorf("%q has one value", s.Flag)
	}
	for _, value := range s.Values {
		if err := cmd.Flags().Set(f.Name, value); err != nil {
			return s.Errorf("%w", err)
		}
	}
	return nil
}

// checkSettings looks at a whole file, for whatever command it is read.
func checkSettings(root *cobra.Command, file *settings.File, allowed []string) error {
	known := map[string]map[string]bool{}
	everywhere := map[string]bool{}
	walk(root, func(cmd *cobra.Command) {
		name := strings.TrimPrefix(strings.TrimPrefix(cmd.CommandPath(), root.Name()), " ")
		known[name] = map[string]bool{}
		note := func(f *pflag.Flag) { known[name][f.Name], everywhere[f.Name] = true, true }
		cmd.Flags().VisitAll(note)
		cmd.InheritedFlags().VisitAll(note)
	})
	for _, s := range file.All {
		if err := checkSetting(s, everywhere, allowed); err != nil {
			return err
		}
	}
	for command, list := range file.Commands {
		flags, ok := known[command]
		if !ok || command == "" {
			return usagef("%w: %s: there is no command %q", settings.ErrFile, file.PlaceOf(command), command)
		}
		for _, s := range list {
			if err := checkSetting(s, flags, allowed); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkSetting(s settings.Setting, flags map[string]bool, allowed []string) error {
	switch {
	case !flags[s.Flag]:
		return s.Errorf("there is no flag --%s", s.Flag)
	case slices.Contains(neverConfigured, s.Flag):
		return s.Errorf("--%s is for the command line only", s.Flag)
	case allowed != nil && !slices.Contains(allowed, s.Flag):
		return s.Errorf("a file in the working tree may only say how things look (%s), since whoever changes the tree must not choose more: put --%s into your own configuration, or name this file with --config",
			strings.Join(allowed, ", "), s.Flag)
	}
	return nil
}

func walk(cmd *cobra.Command, f func(*cobra.Command)) {
	f(cmd)
	for _, sub := range cmd.Commands() {
		walk(sub, f)
	}
}

// overlay makes a value stand in for a variable that is not set.
func (a *App) overlay(name, value, place string) {
	before := a.Env
	if set, ok := before(name); ok && set != "" {
		return
	}
	a.Env = func(asked string) (string, bool) {
		if asked == name {
			return value, true
		}
		return before(asked)
	}
	a.overlaid = append(a.overlaid, name)
	a.later = append(a.later, fmt.Sprintf("%s %s from %s", name, value, place))
}

// explain tells where settings come from, before anything is done.
func (a *App) explain(cmd *cobra.Command) {
	if !a.verbose {
		return
	}
	a.detail("hallmark %s, command %q", Version(), cmd.CommandPath())
	for _, text := range a.later {
		a.detail("%s", text)
	}
	for _, v := range Variables() {
		value, ok := a.Env(v.Name)
		switch {
		case !ok || value == "" || slices.Contains(a.overlaid, v.Name):
		case v.Secret:
			a.detail("%s is set in the environment", v.Name)
		default:
			a.detail("%s=%s from the environment", v.Name, value)
		}
	}
}
