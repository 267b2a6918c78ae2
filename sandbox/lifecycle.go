package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-project/hallmark/sandbox/internal/stack"
)

// dirFlag adds --dir. What it returns gives the folder's absolute path, which every
// file that is written holds.
func dirFlag(cmd *cobra.Command) func() (stack.Dir, error) {
	dir := cmd.Flags().String("dir", "", "folder of the sandbox")
	return func() (stack.Dir, error) {
		if *dir == "" {
			return "", usagef("name the sandbox's folder with --dir")
		}
		absolute, err := filepath.Abs(*dir)
		return stack.Dir(absolute), err
	}
}

const notice = "hallmark-sandbox: for tests, demos and labs only: its issuers vouch for anybody, and its keys lie in a folder\n"

func newUp() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "up --dir DIR [--foreground]",
		Short: "Start the sandbox and wait until it is ready",
		Long: `Start the sandbox and wait until every service answers.

The folder is made if it is not there. Keys, certificates and ports are kept in it:
after 'down', 'up' uses the same ones, so that evidence stays verifiable. If another
program took a port in the meantime, the service moves, which is said. A sandbox that
is up is left alone.

Everything listens on 127.0.0.1, and everybody on this machine can reach it.

Without --foreground the services go on after the command has ended, until 'down'.`,
		Args: noArguments,

		DisableFlagsInUseLine: true,
	}
	dir := dirFlag(cmd)
	foreground := cmd.Flags().Bool("foreground", false, "stay until Ctrl-C, and end the sandbox then")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		d, err := dir()
		if err != nil {
			return err
		}
		program, err := os.Executable()
		if err != nil {
			return err
		}
		fmt.Fprint(cmd.ErrOrStderr(), notice)
		started := time.Now()
		if !*foreground {
			result, err := stack.Up(cmd.Context(), d, program)
			if err != nil {
				return err
			}
			return shownUp(cmd, d, result, started)
		}
		err = stack.Supervise(cmd.Context(), d, program, cmd.ErrOrStderr(), func(result stack.Result) {
			if err := shownUp(cmd, d, result, started); err != nil {
				fmt.Fprintf(cmd.ErrOrStderr(), "hallmark-sandbox: %v\n", err)
			}
		})
		if stack.IsRunning(err) {
			return fmt.Errorf("%w: %w; 'hallmark-sandbox down --dir %s' ends it", stack.ErrStart, err, d)
		}
		return err
	}
	return cmd
}

// shownUp tells what is up and how to go on.
func shownUp(cmd *cobra.Command, dir stack.Dir, result stack.Result, started time.Time) error {
	for _, service := range result.Moved {
		fmt.Fprintf(cmd.ErrOrStderr(), "hallmark-sandbox: the port of %s was taken, it has another one now\n", service)
	}
	status, err := stack.StatusOf(cmd.Context(), dir)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if result.Already {
		fmt.Fprintf(out, "already up in %s\n", dir)
	} else {
		fmt.Fprintf(out, "up in %s after %.1f s\n", dir, time.Since(started).Seconds())
	}
	table(out, status)
	fmt.Fprintf(out, "next: . '%s'\n", filepath.Join(string(dir), "env"))
	return nil
}

func table(out io.Writer, status *stack.Status) {
	for _, service := range status.Services {
		state := "ready"
		if !service.Ready {
			state = "not ready"
		}
		fmt.Fprintf(out, "  %-7s %-26s %s\n", service.Name, service.URL, state)
	}
}

func newStatus() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status --dir DIR [-o json]",
		Short: "Say whether the sandbox is up",
		Long:  "Say whether the sandbox is up, and where its services are. The exit code is 0 if every\nservice answers, 5 otherwise.",
		Args:  noArguments,

		DisableFlagsInUseLine: true,
	}
	dir := dirFlag(cmd)
	output := cmd.Flags().StringP("output", "o", "text", "text or json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *output != "text" && *output != "json" {
			return usagef("--output %s is not known; use text or json", *output)
		}
		d, err := dir()
		if err != nil {
			return err
		}
		status, err := stack.StatusOf(cmd.Context(), d)
		if err != nil {
			return withRemedy(err, d)
		}
		if err := show(cmd.OutOrStdout(), status, *output); err != nil {
			return err
		}
		if !status.Ready {
			return errShown
		}
		return nil
	}
	return cmd
}

func show(out io.Writer, status *stack.Status, form string) error {
	if form == "json" {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(status)
	}
	if !status.Up {
		fmt.Fprintf(out, "down: %s\n", status.Dir)
		return nil
	}
	fmt.Fprintf(out, "up: %s (process %d)\n", status.Dir, status.PID)
	table(out, status)
	return nil
}

func newDown() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "down --dir DIR",
		Short: "End the sandbox",
		Long:  "End the sandbox and wait until all of it has ended. Keys, the log and every file stay for\nthe next 'up'. A sandbox that is down is left alone.",
		Args:  noArguments,

		DisableFlagsInUseLine: true,
	}
	dir := dirFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		d, err := dir()
		if err != nil {
			return err
		}
		if _, err := d.Load(); err != nil {
			return withRemedy(err, d)
		}
		ended, err := stack.Down(cmd.Context(), d)
		if err != nil {
			return err
		}
		state := "down"
		if !ended {
			state = "already down"
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", state, d)
		return nil
	}
	return cmd
}

// newSupervise is what 'up' starts in the background.
func newSupervise() *cobra.Command {
	cmd := &cobra.Command{Use: "supervise", Hidden: true, Args: noArguments}
	dir := dirFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		d, err := dir()
		if err != nil {
			return err
		}
		program, err := os.Executable()
		if err != nil {
			return err
		}
		return stack.SuperviseAndReport(cmd.Context(), d, program, cmd.ErrOrStderr())
	}
	return cmd
}

// newServe is what a supervisor starts for a service that needs a process of its own.
func newServe(service stack.Service) *cobra.Command {
	cmd := &cobra.Command{Use: "serve-" + string(service), Hidden: true, Args: noArguments}
	dir := dirFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		d, err := dir()
		if err != nil {
			return err
		}
		return stack.Serve(cmd.Context(), d, service)
	}
	return cmd
}
