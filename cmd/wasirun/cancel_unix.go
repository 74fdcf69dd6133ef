//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// cancelWhole makes the end of cmd's context interrupt cmd and the processes that it starts: the
// go command leaves its linker running.
func cancelWhole(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
}
