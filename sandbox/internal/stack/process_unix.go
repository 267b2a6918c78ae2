//go:build unix && !linux

package stack

import "syscall"

// childAttributes puts a child in a group of its own, so that Ctrl-C reaches the
// supervisor alone, which then ends its children in order. A supervisor that is killed
// leaves its children behind on this system.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
