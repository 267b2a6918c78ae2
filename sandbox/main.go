// Command hallmark-sandbox is a private Sigstore in one command, for tests, demos and
// labs without a network: certificate authority, transparency logs, timestamp authority,
// identity issuers and a TUF repository on loopback.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/hallmark-project/hallmark/sandbox/internal/oidc"
	"github.com/hallmark-project/hallmark/sandbox/internal/stack"
)

// Exit codes, as those of hallmark.
const (
	exitDone         = 0
	exitInternal     = 1
	exitUsage        = 2
	exitInconclusive = 5
)

// What is linked in registers flags of its own for every command of a program (the
// timestamp authority's server does). They would be flags of this one.
func init() { pflag.CommandLine = pflag.NewFlagSet("hallmark-sandbox", pflag.ContinueOnError) }

func main() {
	ctx, _ := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM) // to the end of the process
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	cmd := newCommand()
	cmd.SetArgs(args)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	err := cmd.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	if !errors.Is(err, errShown) {
		fmt.Fprintf(stderr, "hallmark-sandbox: %v\n", err)
	}
	return exitCode(err)
}

var (
	// errShown was reported by the command itself, as its result.
	errShown = errors.New("not ready")
	// errUsage is a command line that makes no sense.
	errUsage = errors.New("usage")
)

// usageError is [errUsage] with the text of another error.
type usageError struct{ error }

func (e usageError) Unwrap() []error { return []error{e.error, errUsage} }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func exitCode(err error) int {
	for _, input := range []error{errUsage, oidc.ErrClaims, stack.ErrNoSandbox, stack.ErrFolder} {
		if errors.Is(err, input) {
			return exitUsage
		}
	}
	for _, state := range []error{errShown, stack.ErrStart, stack.ErrEnded, context.DeadlineExceeded, context.Canceled} {
		if errors.Is(err, state) {
			return exitInconclusive
		}
	}
	return exitInternal
}

const about = `A private Sigstore in one command: Fulcio, Rekor v2, a timestamp authority, a
certificate transparency log, OpenID Connect issuers and a TUF repository, all
on 127.0.0.1.

It is for tests, demos and labs without a network. Its issuers believe whatever
they are told and its keys lie in a folder: trust nothing that it signed outside
of that.

  hallmark-sandbox up --dir ./lab
  . ./lab/env
  hallmark-sandbox token --dir ./lab --email dev@example.com
  hallmark-sandbox down --dir ./lab

Exit codes: 0 done, 1 internal error, 2 wrong usage or input, 5 something could
not be started or reached.`

func newCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:           "hallmark-sandbox",
		Short:         "A private Sigstore for tests, demos and labs",
		Long:          about,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noArguments,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.CompletionOptions.DisableDefaultCmd = true
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%w; see '%s --help'", err, cmd.CommandPath())
	})
	cmd.AddCommand(newUp(), newToken(), newStatus(), newDown(), newSupervise())
	for _, service := range []stack.Service{stack.Fulcio, stack.Rekor, stack.TSA} {
		cmd.AddCommand(newServe(service))
	}
	return cmd
}

func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%q is not expected here; see '%s --help'", args[0], cmd.CommandPath())
	}
	return nil
}
