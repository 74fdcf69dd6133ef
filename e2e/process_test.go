package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// A reader says how a process's standard output is read.
type reader struct {
	File string // it is this file, instead of a pipe
	Late bool   // the pipe is read only after the end
	Stop *int   // the pipe is closed after so many bytes
}

// A process is something to run with a time limit.
type process struct {
	task   task
	env    []string // added to the environment
	stdout reader
	limit  time.Duration

	// trace, if it is not nil, finds out what the process did last, by running it
	// again if it must.
	trace func() string
}

// A result is what a process leaves behind.
type result struct {
	exit           int
	stdout, stderr []byte
}

// run runs the process in a test binary of its own. The error is one of running it, or
// says what it did last before its time was over.
func (p *process) run() (*result, error) {
	text, err := json.Marshal(p.task)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := exec.Command(self)
	command.Env = append(append(os.Environ(), taskVariable+"="+string(text)), p.env...)
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var stderr bytes.Buffer
	command.Stderr = &stderr

	stdout, err := p.stdout.open()
	if err != nil {
		return nil, err
	}
	command.Stdout = stdout.write
	err = command.Start()
	stdout.write.Close()
	if err != nil {
		return nil, err
	}
	stdout.start()

	signal := func(s syscall.Signal) func() { return func() { syscall.Kill(-command.Process.Pid, s) } }
	// With the first the process may still say something.
	over := time.AfterFunc(p.limit, signal(syscall.SIGTERM))
	dead := time.AfterFunc(p.limit+2*time.Second, signal(syscall.SIGKILL))
	err = command.Wait()
	dead.Stop()
	inTime := over.Stop()

	r := &result{exit: command.ProcessState.ExitCode(), stdout: stdout.finish(), stderr: stderr.Bytes()}
	if !inTime {
		said := fmt.Sprintf("killed after %v\nstdout: %s\nstderr: %s", p.limit, tail(r.stdout), tail(r.stderr))
		if p.trace != nil {
			said += "\n" + p.trace()
		}
		return r, errors.New(said)
	}
	if err != nil && !errors.As(err, new(*exec.ExitError)) {
		return r, err
	}
	return r, nil
}

// A capture is a standard output, and what has been read of it.
type capture struct {
	reader
	read, write *os.File
	done        chan []byte
}

func (r reader) open() (c *capture, err error) {
	c = &capture{reader: r, done: make(chan []byte, 1)}
	if r.File != "" {
		c.write, err = os.Create(r.File)
	} else {
		c.read, c.write, err = os.Pipe()
	}
	return c, err
}

func (c *capture) start() {
	if c.read != nil && !c.Late {
		go c.take()
	}
}

func (c *capture) take() {
	defer c.read.Close()
	var r io.Reader = c.read
	if c.Stop != nil {
		r = io.LimitReader(r, int64(*c.Stop))
	}
	all, _ := io.ReadAll(r)
	c.done <- all
}

func (c *capture) finish() []byte {
	if c.read == nil {
		all, _ := os.ReadFile(c.File)
		return all
	}
	if c.Late {
		c.take()
	}
	return <-c.done
}

// tail returns the end of what a guest has written, for a message.
func tail(p []byte) string {
	const most = 2000
	if len(p) <= most {
		return fmt.Sprintf("%q", p)
	}
	return fmt.Sprintf("%d bytes, the last %q", len(p), p[len(p)-most:])
}
