package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

const sandboxBinary = "hallmark-sandbox"

// sandboxCommand hands over to the program that runs a private Sigstore: it links a
// certificate authority, a log and a timestamp authority, which nobody else should pay
// for.
func (a *App) sandboxCommand() *cobra.Command {
	return &cobra.Command{
		Use: "sandbox up|token|status|down", Short: "Run a private Sigstore on this machine, for tests and demos",
		Long: `Run a whole Sigstore on loopback: identity provider, certificate authority, transparency
log, certificate log, timestamp authority and TUF repository, from the real projects'
code. It is for tests, demos and labs without a network: its keys lie in a folder.

  hallmark sandbox up --dir DIR
  . DIR/env
  hallmark sandbox token --dir DIR --email you@example.com > token
  hallmark sign --identity-token token registry.example.com/app:v1
  hallmark sandbox down --dir DIR

The work is done by the program hallmark-sandbox, which has to be beside this one, in the
PATH, or named by HALLMARK_SANDBOX_PROGRAM. 'hallmark sandbox up --help' is its own help.`,
		DisableFlagParsing: true,
		Args:               cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 || args[0] == "--help" || args[0] == "-h" {
				return cmd.Help()
			}
			return a.runSandbox(cmd.Context(), args)
		},
	}
}

func (a *App) runSandbox(ctx context.Context, args []string) error {
	program, err := a.sandboxProgram()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = a.In, a.Out, a.Err
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	const grace = 20 * time.Second
	cmd.WaitDelay = grace
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() > 0 {
		return sandboxError(exit.ExitCode())
	}
	if err != nil {
		return fmt.Errorf("%s: %w", program, err)
	}
	return nil
}

// sandboxError is the exit code of a program that has said what is wrong itself.
type sandboxError int

func (e sandboxError) Error() string { return fmt.Sprintf("%s ended with %d", sandboxBinary, int(e)) }

// sandboxProgram finds the program: named, beside this one, or in the PATH.
func (a *App) sandboxProgram() (string, error) {
	if program, ok := a.Env("HALLMARK_SANDBOX_PROGRAM"); ok && program != "" {
		return program, nil
	}
	if self, err := os.Executable(); err == nil {
		if real, err := filepath.EvalSymlinks(self); err == nil {
			self = real
		}
		beside := filepath.Join(filepath.Dir(self), sandboxBinary)
		if info, err := os.Stat(beside); err == nil && info.Mode().IsRegular() {
			return beside, nil
		}
	}
	program, err := exec.LookPath(sandboxBinary)
	if err != nil || strings.HasPrefix(program, ".") {
		return "", usagef("%s is not installed: build it with 'make sandbox', and put it beside hallmark or into the PATH", sandboxBinary)
	}
	return program, nil
}
