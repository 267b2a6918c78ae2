package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// measureArgument makes this program run another one and tell its peak memory. What the
// kernel says of a process includes the memory of the one that started it, and this one
// may hold a registry.
const measureArgument = "measure-peak-memory"

type measurement struct {
	ExitCode int   `json:"exitCode"`
	Peak     int64 `json:"peak"` // bytes
}

func measureMain(args []string) int {
	cmd := exec.Command(args[0], args[1:]...) //nolint:gosec // what to measure is named by this program itself
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); cmd.ProcessState == nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok || json.NewEncoder(os.Stdout).Encode(measurement{cmd.ProcessState.ExitCode(), usage.Maxrss << 10}) != nil {
		return 1
	}
	return 0
}

// measure runs hallmark, which has to succeed, and notes its peak memory.
func (b *bench) measure(name string, limit int64, args ...string) error {
	fmt.Fprintf(os.Stderr, "sizes: %s\n", name)
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := b.command(args...)
	cmd.Path, cmd.Args = self, append([]string{self, measureArgument}, cmd.Args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	began := time.Now()
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, stderr.String())
	}
	var m measurement
	if err := json.Unmarshal(stdout.Bytes(), &m); err != nil {
		return err
	}
	if m.ExitCode != 0 {
		return fmt.Errorf("%s: hallmark %q ended with %d\n%s", name, args, m.ExitCode, stderr.String())
	}
	b.rows = append(b.rows, row{name, limit, m.Peak, time.Since(began).Seconds()})
	return nil
}

// prepare runs hallmark, which has to succeed.
func (b *bench) prepare(args ...string) error {
	if out, err := b.command(args...).CombinedOutput(); err != nil {
		return fmt.Errorf("hallmark %q: %w\n%s", args, err, out)
	}
	return nil
}

// command is hallmark, which sees nothing of this machine but the bench's own folder,
// and reaches nothing but loopback.
func (b *bench) command(args ...string) *exec.Cmd {
	const nowhere = "http://127.0.0.1:1"
	cmd := exec.CommandContext(b.ctx, b.hallmark, args...)
	cmd.Dir = b.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + b.dir, "DOCKER_CONFIG=" + b.dir, "TMPDIR=" + b.dir, "HALLMARK_PASSWORD=bench",
		"HTTP_PROXY=" + nowhere, "HTTPS_PROXY=" + nowhere, "NO_PROXY=127.0.0.1"}
	return cmd
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }
