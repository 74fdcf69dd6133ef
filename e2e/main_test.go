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

// taskVariable is the environment variable that makes the test binary do a task instead
// of running tests. A guest gets a process of its own, so that it can be killed, and so
// that standard output is the guest's alone.
const taskVariable = "WASIO_E2E_TASK"

// tested is a file that need opens and the end of the tests makes anew. So go test sees an
// input that has changed while they ran, and does not keep the result: it does not know
// that guests are inputs too.
const tested = "node_modules/.tested"

// exitTrap is the exit code of a task whose guest traps.
const exitTrap = 134

// A task is what such a process does: one of the first three.
type task struct {
	Run     *wasmtime.Run `json:",omitempty"`
	Exec    []string      `json:",omitempty"` // become this program
	Compile *compile      `json:",omitempty"`

	FileLimit *uint64 `json:",omitempty"` // no file gets larger than this
	Memory    string  `json:",omitempty"` // a file to which a Run writes how much memory it had
}

type compile struct{ From, To string }

func TestMain(m *testing.M) {
	text, ok := os.LookupEnv(taskVariable)
	if !ok {
		code := m.Run()
		os.RemoveAll(workshop.folder)
		os.WriteFile(tested, nil, 0o644)
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

func (t *task) do() (exit int, err error) {
	if t.FileLimit != nil {
		// Going beyond it is an error then, and not the end of the process.
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
		go tellOnTerm()
		exit, err := t.Run.Do()
		if t.Memory != "" {
			err = errors.Join(err, os.WriteFile(t.Memory, peakMemory(), 0o600))
		}
		return exit, err
	}
	return 0, errors.New("nothing to do")
}

// peakMemory returns the most memory that the process has had, in KiB. What the parent
// could learn of it when it has ended counts the parent's own, from before the exec.
func peakMemory() []byte {
	status, _ := os.ReadFile("/proc/self/status")
	_, after, _ := bytes.Cut(status, []byte("\nVmHWM:"))
	peak, _, _ := bytes.Cut(after, []byte("kB"))
	return bytes.TrimSpace(peak)
}

// tellOnTerm is for a guest whose time is over.
func tellOnTerm() {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	<-term
	fmt.Fprintln(os.Stderr, wasmtime.Calls())
	os.Exit(exitTrap)
}
