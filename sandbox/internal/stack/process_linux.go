package stack

import "syscall"

// childAttributes puts a child in a group of its own, so that Ctrl-C reaches the
// supervisor alone, which then ends its children in order. The kernel kills the child
// if the supervisor is gone.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
