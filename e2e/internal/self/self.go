// Package self runs tasks in copies of the running program. Each of these processes can be killed,
// and gives its guest a standard output that belongs to the guest alone.
package self

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/wasio-dev/wasio/e2e/internal/wasmtime"
)

// variable is the environment variable that makes a copy of the program perform a task.
const variable = "WASIO_E2E_TASK"

// ExitTrap is the exit code of a task whose guest traps.
const ExitTrap = 134

// A Task is the work of such a process. Exactly one of Run, Exec and Compile is set.
type Task struct {
	Run     *wasmtime.Run `json:",omitempty"`
	Exec    []string      `json:",omitempty"` // the command line of a program to execute
	Compile *Compile      `json:",omitempty"`

	FileLimit *uint64 `json:",omitempty"` // the maximum size of files
	Memory    string  `json:",omitempty"` // the file to which Run writes its peak memory
}

// A Compile task compiles a component for Wasmtime.
type Compile struct {
	From, To string
	Optimize bool
}

// Command returns the command that performs t in a copy of the running program.
func (t Task) Command(ctx context.Context) (*exec.Cmd, error) {
	text, err := json.Marshal(t)
	if err != nil {
		return nil, err
	}
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, program)
	command.Env = append(os.Environ(), variable+"="+string(text))
	return command, nil
}

// Main performs the task of this process, if it has one, and exits.
func Main() {
	text, ok := os.LookupEnv(variable)
	if !ok {
		return
	}
	var t Task
	if err := json.Unmarshal([]byte(text), &t); err != nil {
		panic(err)
	}
	os.Unsetenv(variable)
	exit, err := t.do()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		exit = ExitTrap
	}
	os.Exit(exit)
}

// do performs the task and returns the exit code of the process.
func (t *Task) do() (exit int, err error) {
	if t.FileLimit != nil {
		// Without the signal, a write beyond the limit fails instead of ending the process.
		signal.Ignore(syscall.SIGXFSZ)
		limit := syscall.Rlimit{Cur: *t.FileLimit, Max: *t.FileLimit}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
			return 0, err
		}
	}
	switch {
	case t.Compile != nil:
		component, err := os.ReadFile(t.Compile.From)
		if err != nil {
			return 0, err
		}
		return 0, wasmtime.Compile(component, t.Compile.To, t.Compile.Optimize)
	case t.Exec != nil:
		program, err := exec.LookPath(t.Exec[0])
		if err != nil {
			return 0, err
		}
		return 0, syscall.Exec(program, t.Exec, os.Environ())
	case t.Run != nil:
		signal.Ignore(syscall.SIGPIPE) // as the wasmtime command does
		go reportOnTerm()
		exit, err := t.Run.Do()
		if t.Memory != "" {
			err = errors.Join(err, os.WriteFile(t.Memory, peakMemory(), 0o600))
		}
		return exit, err
	}
	return 0, errors.New("nothing to do")
}

// peakMemory returns the peak memory of this process in KiB. The resource usage that the
// parent gets would include the parent's own memory from before the exec.
func peakMemory() []byte {
	status, _ := os.ReadFile("/proc/self/status")
	_, after, _ := bytes.Cut(status, []byte("\nVmHWM:"))
	peak, _, _ := bytes.Cut(after, []byte("kB"))
	return bytes.TrimSpace(peak)
}

// reportOnTerm waits for SIGTERM, which a process gets when its time limit expires. It then
// reports the calls of the callback and exits.
func reportOnTerm() {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	<-term
	fmt.Fprintln(os.Stderr, wasmtime.Calls())
	os.Exit(ExitTrap)
}
