package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// measureArgument makes this program run commands and tell what they took. What the
// kernel says of a process includes the memory of the one that started it, and this one
// holds registries.
const measureArgument = "measure-commands"

// order is what is to be measured: commands, one after the other.
type order struct {
	Commands [][]string `json:"commands"`
	Dir      string     `json:"dir"`
	Env      []string   `json:"env"`
	Codes    []int      `json:"codes"` // with which they may end; none: 0
}

// usage is what commands took together.
type usage struct {
	Wall time.Duration `json:"wall"`
	CPU  time.Duration `json:"cpu"`  // of user and system, on all processors
	Peak int64         `json:"peak"` // bytes that were resident, of the command with the most
}

// measureMain reads an order from standard input and writes a usage to standard output.
func measureMain() int {
	var o order
	err := json.NewDecoder(os.Stdin).Decode(&o)
	var u usage
	if err == nil {
		u, err = o.run()
	}
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(u)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func (o order) run() (sum usage, err error) {
	stderr, err := os.CreateTemp(o.Dir, "stderr-")
	if err != nil {
		return sum, err
	}
	defer func() { _ = stderr.Close(); _ = os.Remove(stderr.Name()) }()
	began := time.Now()
	for _, c := range o.Commands {
		one, code, err := o.command(c, stderr)
		if err != nil {
			return sum, err
		}
		if !o.accepts(code) {
			said, _ := os.ReadFile(stderr.Name())
			return sum, fmt.Errorf("%s %q ended with %d\n%s", filepath.Base(c[0]), c[1:], code, said[max(0, len(said)-4000):])
		}
		sum.CPU += one.CPU
		sum.Peak = max(sum.Peak, one.Peak)
	}
	sum.Wall = time.Since(began)
	return sum, nil
}

func (o order) accepts(code int) bool {
	for _, c := range o.Codes {
		if c == code {
			return true
		}
	}
	return code == 0 && len(o.Codes) == 0
}

func (o order) command(args []string, stderr *os.File) (u usage, code int, err error) {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir, cmd.Env, cmd.Stderr = o.Dir, o.Env, stderr
	if err := cmd.Run(); cmd.ProcessState == nil {
		return u, 0, err
	}
	used, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return u, 0, errors.New("this system does not say what a process used")
	}
	u.CPU = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	u.Peak = used.Maxrss << 10
	return u, cmd.ProcessState.ExitCode(), nil
}

// measured runs commands through the copy of this program that measures.
func (b *bench) measured(s script) (u usage, err error) {
	input, err := json.Marshal(order{Commands: s.commands, Dir: b.dir, Env: append(b.environment(), s.env...), Codes: s.codes})
	if err != nil {
		return u, err
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(b.ctx, b.self, measureArgument)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return u, fmt.Errorf("%w: %s", err, stderr.String())
	}
	return u, json.Unmarshal(stdout.Bytes(), &u)
}

// copyProgram makes a copy of a program, which is what is measured. How much of a
// program's file the kernel maps in at once, and counts as memory of the process, depends
// on how the file was written: of one that the linker has just written it is tens of
// megabytes more than of one that was unpacked or downloaded.
func (b *bench) copyProgram(path string) (string, error) {
	from, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer from.Close()
	name := b.path(filepath.Join("programs", filepath.Base(path)))
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return "", err
	}
	to, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o700)
	if err != nil {
		return "", err
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{to}, struct{ io.Reader }{from}, make([]byte, 32<<10))
	return name, errors.Join(err, to.Close())
}
