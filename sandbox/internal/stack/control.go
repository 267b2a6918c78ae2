package stack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

const (
	// reportFile is the descriptor on which a supervisor in the background reports.
	reportFile = 3
	// startWithin is a little more than the supervisor itself allows.
	startWithin = readyWithin + 10*time.Second
	// stopWithin is what the services may take to end, one after the other.
	stopWithin = 3*killAfter + 5*time.Second
)

// Up starts the sandbox in dir in the background: a supervisor in a session of its own,
// which outlives this process. It returns when every service answers. A sandbox that is
// up is left as it is.
func Up(ctx context.Context, dir Dir, program string) (Result, error) {
	if pid, err := dir.supervisor(); err != nil {
		return Result{}, err
	} else if pid != 0 {
		return dir.awaitOther(ctx)
	}
	if err := dir.make(); err != nil {
		return Result{}, err
	}
	result, err := dir.spawn(ctx, program)
	if errors.Is(err, errRunning) { // another one came first
		return dir.awaitOther(ctx)
	}
	return result, err
}

func (d Dir) awaitOther(ctx context.Context) (Result, error) {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	err := poll(ctx, 50*time.Millisecond, func() bool {
		_, err := os.Stat(d.readyFile())
		return err == nil
	})
	if err != nil {
		return Result{}, fmt.Errorf("%w: another process is at it, and is not ready; see %s", ErrStart, d.logFile("supervisor"))
	}
	return Result{Already: true}, nil
}

// spawn starts a supervisor and waits for its report.
func (d Dir) spawn(ctx context.Context, program string) (Result, error) {
	out, err := os.OpenFile(d.logFile("supervisor"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return Result{}, err
	}
	defer out.Close()
	reader, writer, err := os.Pipe()
	if err != nil {
		return Result{}, err
	}
	defer reader.Close()
	cmd := exec.Command(program, "supervise", "--dir", string(d))
	cmd.Stdout, cmd.Stderr = out, out
	cmd.ExtraFiles = []*os.File{writer}
	cmd.Env = environment()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	_ = writer.Close() // the supervisor has its own copy
	if err != nil {
		return Result{}, err
	}
	return d.report(ctx, cmd.Process, reader)
}

func (d Dir) report(ctx context.Context, process *os.Process, reader *os.File) (Result, error) {
	if err := reader.SetReadDeadline(time.Now().Add(startWithin)); err != nil {
		return Result{}, err
	}
	forget := context.AfterFunc(ctx, func() { _ = process.Signal(syscall.SIGTERM) }) // it reports its end
	defer forget()
	var result Result
	err := json.NewDecoder(reader).Decode(&result)
	switch {
	case err != nil:
		_ = process.Kill()
		_, _ = process.Wait()
		return Result{}, fmt.Errorf("%w: the supervisor did not report. The end of %s:\n%s", ErrStart, d.logFile("supervisor"), tail(d.logFile("supervisor")))
	case result.Already:
		_, err := process.Wait() // it ends, having said this
		return Result{}, errors.Join(errRunning, err)
	case result.Error != "":
		_, _ = process.Wait()
		return Result{}, fmt.Errorf("%w: %s", ErrStart, strings.TrimPrefix(result.Error, ErrStart.Error()+": "))
	}
	return result, process.Release()
}

// SuperviseAndReport is [Supervise] in the process that [Up] started: what came of the
// start goes to [Up], as one line of JSON on the descriptor that it gave.
func SuperviseAndReport(ctx context.Context, dir Dir, program string, w io.Writer) error {
	syscall.CloseOnExec(reportFile) // or the services would hold it
	report := os.NewFile(reportFile, "report")
	defer report.Close()
	reported := false
	send := func(result Result) {
		reported = true
		_ = json.NewEncoder(report).Encode(result) // who started it may be gone
	}
	err := superviseToTheEnd(ctx, dir, program, w, send)
	if err != nil && !reported {
		send(Result{Already: errors.Is(err, errRunning), Error: err.Error()})
	}
	return err
}

// superviseToTheEnd is [Supervise] but for the lock, which ends with the process: who
// finds it free can rely on it that the process is gone.
func superviseToTheEnd(ctx context.Context, dir Dir, program string, w io.Writer, ready func(Result)) error {
	if err := dir.make(); err != nil {
		return err
	}
	if _, err := dir.lock(ctx); err != nil {
		return err
	}
	return dir.supervise(ctx, program, w, ready)
}

// IsRunning reports whether err says that the sandbox is up already.
func IsRunning(err error) bool { return errors.Is(err, errRunning) }

// Down ends the sandbox in dir and waits until it has ended. It reports whether there
// was anything to end.
func Down(ctx context.Context, dir Dir) (bool, error) {
	pid, err := dir.supervisor()
	if err != nil || pid == 0 {
		return false, err
	}
	if err := signal(pid, syscall.SIGTERM); err != nil {
		return false, err
	}
	ended := func() bool {
		now, err := dir.supervisor()
		return err == nil && now != pid
	}
	bounded, cancel := context.WithTimeout(ctx, stopWithin)
	defer cancel()
	if poll(bounded, 20*time.Millisecond, ended) == nil {
		return true, nil
	}
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if err := signal(pid, syscall.SIGKILL); err != nil {
		return false, err
	}
	last, cancelLast := context.WithTimeout(ctx, 5*time.Second)
	defer cancelLast()
	return true, poll(last, 20*time.Millisecond, ended)
}

func signal(pid int, s syscall.Signal) error {
	if err := syscall.Kill(pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("ending the supervisor, process %d: %w", pid, err)
	}
	return nil
}
