package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"

	"github.com/wasio-dev/wasio/e2e/internal/wasmtime"
)

// taskVariable is the environment variable that makes the test binary perform a task instead
// of running tests. Each guest runs in a separate process, which can be killed and whose
// standard output belongs to the guest alone.
const taskVariable = "WASIO_E2E_TASK"

// stampFile is a file that requireTools opens and TestMain rewrites after the tests. To go
// test, it is an input that changed during the tests, so their result is not cached. Caching
// would be wrong, because go test does not know that the guests are inputs too.
const stampFile = "node_modules/.tested"

// exitTrap is the exit code of a task whose guest traps.
const exitTrap = 134

// A task is the work of such a process. One of Run, Exec and Compile is set.
type task struct {
	Run     *wasmtime.Run `json:",omitempty"`
	Exec    []string      `json:",omitempty"` // the command line of a program to execute
	Compile *compile      `json:",omitempty"`

	FileLimit *uint64 `json:",omitempty"` // the maximum size of files
	Memory    string  `json:",omitempty"` // the file to which Run writes its peak memory
}

// A compile task compiles a component for Wasmtime.
type compile struct{ From, To string }

func TestMain(m *testing.M) {
	text, ok := os.LookupEnv(taskVariable)
	if !ok {
		code := m.Run()
		os.RemoveAll(builds.dir)
		os.WriteFile(stampFile, nil, 0o644)
		os.Exit(code)
	}
	var t task
	if err := json.Unmarshal([]byte(text), &t); err != nil {
		panic(err)
	}
	os.Unsetenv(taskVariable)
	exit, err := t.do()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		exit = exitTrap
	}
	os.Exit(exit)
}

// do performs the task and returns the exit code of the process.
func (t *task) do() (exit int, err error) {
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
		return 0, wasmtime.Compile(component, t.Compile.To)
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
	os.Exit(exitTrap)
}
