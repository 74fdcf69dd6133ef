//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// cancelWhole makes the end of cmd's context kill cmd and the processes that it starts: the go
// command leaves its linker running, and a shell may lose an interrupt between fork and exec.
func cancelWhole(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
