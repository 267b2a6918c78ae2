// Package cli is the command line of hallmark: flags, wiring of the libraries,
// text and JSON output, exit codes and remedies. It is the only package that prints.
package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/hallmark-project/hallmark/oci"
	"github.com/hallmark-project/hallmark/sbom"
	"github.com/hallmark-project/hallmark/trust"
)

// App is a run of the program: its streams, environment and settings. Tests make
// their own.
type App struct {
	In       io.Reader
	Out, Err io.Writer
	Env      func(name string) (string, bool)
	// Terminal reports whether messages go to a terminal; Prompt asks for a password
	// there, and is nil where nobody can be asked.
	Terminal bool
	Prompt   func(text string) ([]byte, error)
	// Confirm asks a person yes or no, and is nil where nobody can be asked.
	Confirm func(text string) bool
	Now     func() time.Time
	// Sleep waits between attempts; nil is the system's clock.
	Sleep func(context.Context, time.Duration) error

	quiet     bool
	verbose   bool
	logFormat string
	config    string
	later     []string // what --verbose tells of the settings
	overlaid  []string // variables that a file stands in for
	timeout   time.Duration
	registry  oci.Options
	cache     *cacheSettings
	trusted   *trust.Material // of this run, once it was asked for
	end       func()          // of the time that --timeout gives
	writes    bool            // this command changes stores
	fresh     bool            // this command reads content from registries, not from the cache
	wrote     *oci.Written    // what it has changed; nil before a store was opened
	layers    *sbom.Shared    // that images of this command have in common; nil: none are kept
	bars      *sharedBars     // on the terminal
}

// Main runs the program as its own process and returns the exit code.
func Main() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() {
		<-ctx.Done()
		stop() // a second interrupt ends the process at once
	}()
	app := &App{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Env: os.LookupEnv, Now: time.Now,
		Terminal: term.IsTerminal(int(os.Stderr.Fd())),
	}
	if term.IsTerminal(int(os.Stdin.Fd())) {
		app.Prompt, app.Confirm = app.askTerminal, app.confirmTerminal
	}
	return app.Run(ctx, os.Args[1:])
}

// Run runs one command line and returns its exit code. A panic is reported as an
// internal error, never as one of the codes that mean something else.
func (a *App) Run(ctx context.Context, args []string) (code int) {
	defer func() {
		if r := recover(); r != nil {
			a.failed(fmt.Sprintf("internal error: %v", r), "This is a bug. Please report it with the command line.", exitInternal)
			code = exitInternal
		}
	}()
	a.bars = &sharedBars{}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	err := root.ExecuteContext(ctx)
	if a.end != nil {
		a.end()
	}
	a.endCache()
	if ctx.Err() != nil && err != nil {
		a.failed("interrupted", "", exitInterrupted)
		return exitInterrupted
	}
	return a.finish(err)
}

// Command is the tree of commands, for who writes documents about it.
func Command() *cobra.Command {
	root := (&App{Env: os.LookupEnv}).root()
	root.DisableAutoGenTag = true
	root.InitDefaultCompletionCmd()
	return root
}

func (a *App) root() *cobra.Command {
	root := &cobra.Command{
		Use:     "hallmark",
		Version: Version(),
		Short:   "Sign what you ship, verify what you run",
		Long: `hallmark generates SBOMs of container images, signs them as attestations, attaches
them to the image as OCI referrers, and verifies all of it.

A SUBJECT is one of
  registry.example.com/team/app:v1   an image or index in a registry (or @sha256:…)
  oci:DIR[:TAG|@DIGEST]              an OCI image layout, a folder or a .tar of one
  docker-archive:FILE, dir:DIR       sources of an SBOM
  file:FILE                          any file
  sha256:DIGEST                      a file by its digest, to verify bundles about it

Exit codes: 0 done or verified, 1 internal error, 2 usage or bad input,
3 evidence was found and rejected, 4 no evidence of the kind asked for,
5 inconclusive (something could not be read), 130 interrupted.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          wants(cobra.NoArgs),
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return a.prepare(cmd)
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		if args := cmd.Flags().Args(); cmd.HasSubCommands() && len(args) > 0 { // the command is misspelt, not the flag
			return wants(cobra.NoArgs)(cmd, args)
		}
		return usage(fmt.Errorf("%w\nSee '%s --help'", err, cmd.CommandPath()))
	})
	f := root.PersistentFlags()
	f.SortFlags = false
	f.BoolVarP(&a.quiet, "quiet", "q", false, "no progress and no messages, only results and errors")
	f.BoolVarP(&a.verbose, "verbose", "v", false, "tell where settings come from")
	f.StringVar(&a.logFormat, "log-format", logText, "`format` of messages and progress: text, or json with an object on each line")
	f.StringVar(&a.config, "config", "", "configuration `file` instead of the user's own (HALLMARK_CONFIG; else hallmark/config.yaml in the user's configuration folder)")
	f.BoolVar(&a.registry.PlainHTTP, "plain-http", false, "use http for registries (loopback ones get it without asking)")
	f.StringVar(&a.registry.CAFile, "registry-cacert", "", "PEM `file` of certificate authorities to trust for registries, besides the system's")
	f.IntVar(&a.registry.Retries, "retries", oci.DefaultRetries, "how `often` a failed request is repeated")
	a.cache = newCacheSettings(root)
	f.DurationVar(&a.timeout, "timeout", 30*time.Minute, "give up after this `long`")
	root.SetGlobalNormalizationFunc(cosignNames)
	root.AddCommand(a.keysCommand(), a.sbomCommand(), a.diffCommand(), a.signCommand(), a.attestCommand(), a.releaseCommand(),
		a.verifyCommand(), a.policyCommand(), a.reportCommand(), a.treeCommand(), a.showCommand(), a.copyCommand(), a.pruneCommand(), a.doctorCommand(), a.trustCommand(), a.sandboxCommand(), a.cacheCommand(), a.versionCommand())
	a.completions(root)
	return root
}

// prepare readies what every command shares.
func (a *App) prepare(cmd *cobra.Command) error {
	if err := a.configure(cmd); err != nil {
		return err
	}
	if err := noEmptyFlags(cmd); err != nil { // of the command line or of a file
		return err
	}
	if a.logFormat != logText && a.logFormat != logJSON {
		return usagef("--log-format %q: want text or json", a.logFormat)
	}
	a.explain(cmd)
	if a.registry.Retries == 0 {
		a.registry.Retries = -1
	}
	if err := a.cache.prepare(a, cmd); err != nil {
		return err
	}
	if a.timeout <= 0 {
		return usage(errors.New("--timeout must be longer than nothing"))
	}
	a.writes = slices.Contains([]string{"sign", "attest", "release", "copy", "prune", "doctor"}, cmd.Name())
	a.fresh = a.writes || signsVerdict(cmd)
	a.registry.UserAgent = "hallmark/" + Version()
	ctx, cancel := context.WithTimeoutCause(cmd.Context(), a.timeout, errTimeout)
	a.end = cancel
	cmd.SetContext(ctx)
	return nil
}

// noEmptyFlags refuses flags that are given with nothing, as by a variable that is not
// set: an empty list of requirements would be a weaker policy than was meant.
func noEmptyFlags(cmd *cobra.Command) (err error) {
	cmd.Flags().Visit(func(f *pflag.Flag) {
		empty := f.Value.Type() == "string" && f.Value.String() == ""
		if list, ok := f.Value.(pflag.SliceValue); ok {
			values := list.GetSlice()
			empty = len(values) == 0 || slices.Contains(values, "")
		}
		if empty && err == nil {
			err = usagef("--%s is empty: is a variable not set?", f.Name)
		}
	})
	return err
}

// endOnInterrupt ends the process at an interrupt while a terminal is read, which
// nothing else can end, and gives the terminal back as it was. The function returned
// ends that.
func endOnInterrupt(fd int) (stop func()) {
	state, err := term.GetState(fd)
	if err != nil {
		return func() {}
	}
	interrupts, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(interrupts, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case <-interrupts:
			_ = term.Restore(fd, state) // the process ends in any case
			fmt.Fprintln(os.Stderr, "\nhallmark: interrupted")
			os.Exit(exitInterrupted)
		case <-done:
		}
	}()
	return func() { signal.Stop(interrupts); close(done) }
}

func (a *App) askTerminal(text string) ([]byte, error) {
	fmt.Fprint(os.Stderr, text)
	defer endOnInterrupt(int(os.Stdin.Fd()))()
	secret, err := term.ReadPassword(int(os.Stdin.Fd()))
	fmt.Fprintln(os.Stderr)
	return secret, err
}

// confirmTerminal asks yes or no; anything but yes is no.
func (a *App) confirmTerminal(text string) bool {
	fmt.Fprint(os.Stderr, text)
	defer endOnInterrupt(int(os.Stdin.Fd()))()
	line, _ := bufio.NewReader(os.Stdin).ReadString('\n')
	answer := strings.ToLower(strings.TrimSpace(line))
	return answer == "y" || answer == "yes"
}

// wants makes a wrong number of arguments bad input.
func wants(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			hint := ""
			if cmd.SuggestionsMinimumDistance = 2; cmd.HasSubCommands() && len(args) > 0 {
				for _, name := range cmd.SuggestionsFor(args[0]) {
					hint += fmt.Sprintf("\nDid you mean '%s %s'?", cmd.CommandPath(), name)
				}
			}
			return usage(fmt.Errorf("%w%s\nSee '%s --help'", err, hint, cmd.CommandPath()))
		}
		return nil
	}
}
