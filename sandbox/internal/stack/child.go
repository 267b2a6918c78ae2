package stack

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// killAfter is how long a process that was asked to end may take.
const killAfter = 10 * time.Second

// child is a service in a process of its own.
type child struct {
	service Service
	cmd     *exec.Cmd
	log     string
	ended   chan struct{} // closed when the process ended
	err     error         // why, once it did
}

// startChild runs this program as the given service. The goroutine should be locked to
// its thread for as long as the child is to live: where the system allows, a child is
// killed when that thread ends.
func (d Dir) startChild(program string, service Service) (*child, error) {
	c := &child{service: service, log: d.logFile(string(service)), ended: make(chan struct{})}
	out, err := os.OpenFile(c.log, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close() // the child has its own copy
	c.cmd = exec.Command(program, "serve-"+string(service), "--dir", string(d))
	c.cmd.Stdout, c.cmd.Stderr = out, out
	c.cmd.Env = environment()
	c.cmd.SysProcAttr = childAttributes()
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", service, err)
	}
	go func() {
		c.err = c.cmd.Wait()
		close(c.ended)
	}()
	return c, nil
}

// stop asks the process to end, and ends it if it does not.
func (c *child) stop() {
	_ = c.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-c.ended:
	case <-time.After(killAfter):
		_ = c.cmd.Process.Kill()
		<-c.ended
	}
}

// failure describes an end that was not asked for.
func (c *child) failure() error {
	how := "ended"
	if c.err != nil {
		how = c.err.Error()
	}
	return fmt.Errorf("%s: %s. The end of %s:\n%s", c.service, how, c.log, tail(c.log))
}

// environment is what long-lived processes get: no secret of the shell that started them.
func environment() []string {
	var kept []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "TZ", "LANG", "GOMAXPROCS", "GOCOVERDIR"} {
		if value, ok := os.LookupEnv(name); ok {
			kept = append(kept, name+"="+value)
		}
	}
	return kept
}

const (
	tailBytes = 8 << 10
	tailLines = 12
)

// tail is the last lines of a file, indented.
func tail(path string) string {
	data, err := readEnd(path)
	if err != nil {
		return "    (" + err.Error() + ")"
	}
	lines := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
	lines = lines[max(0, len(lines)-tailLines):]
	return "    " + strings.Join(lines, "\n    ")
}

func readEnd(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	data := make([]byte, min(info.Size(), tailBytes))
	if _, err := f.ReadAt(data, info.Size()-int64(len(data))); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return bytes.ToValidUTF8(data, []byte("?")), nil
}
