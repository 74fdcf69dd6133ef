package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// A stdoutMode says where the standard output of a process goes. By default it is a pipe, read
// as the process writes.
type stdoutMode struct {
	File string // if not empty, standard output is this file
	Late bool   // the pipe is read after the process has ended
	Stop *int   // if not nil, the pipe is closed after this many bytes

	// If not 0, the pipe is read once the process has written to standard error, or after this time.
	Patience time.Duration

	Discard bool // the output is thrown away
}

// A process is a task to run with a time limit.
type process struct {
	task   task
	env    []string  // added to the environment
	dir    string    // the directory that the guest sees, if any
	stdin  io.Reader // if not nil; a file is passed on, and others are copied to a pipe
	stdout stdoutMode
	limit  time.Duration

	// trace, if not nil, describes what the process did last. It may run the process
	// again to find out.
	trace func() string
}

// A result is the outcome of a process.
type result struct {
	exit           int
	stdout, stderr []byte
	cpu            time.Duration // of processors
	impatient      bool          // whether the reader of standard output has run out of patience
}

// A report collects what a process writes to standard error.
type report struct {
	text  []byte
	begun chan struct{} // closed at the first byte
}

func (r *report) Write(p []byte) (int, error) {
	if len(r.text) == 0 {
		close(r.begun)
	}
	r.text = append(r.text, p...)
	return len(p), nil
}

// run runs the process, which starts as a copy of the test binary. If the time limit expires,
// the error says what the process did last.
func (p *process) run() (*result, error) {
	command, err := p.task.Command(context.Background())
	if err != nil {
		return nil, err
	}
	command.Env = append(command.Env, p.env...)
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Stdin = p.stdin
	stderr := report{begun: make(chan struct{})}
	command.Stderr = &stderr

	stdout, err := p.stdout.open()
	if err != nil {
		return nil, err
	}
	command.Stdout = stdout.write
	stdout.start(stderr.begun)
	err = command.Start()
	stdout.write.Close()
	if err != nil {
		return nil, err
	}

	signal := func(s syscall.Signal) func() { return func() { syscall.Kill(-command.Process.Pid, s) } }
	// After SIGTERM, the process may still report what it was doing.
	term := time.AfterFunc(p.limit, signal(syscall.SIGTERM))
	kill := time.AfterFunc(p.limit+2*time.Second, signal(syscall.SIGKILL))
	err = command.Wait()
	kill.Stop()
	inTime := term.Stop()

	state := command.ProcessState
	r := &result{state.ExitCode(), stdout.finish(), stderr.text, state.UserTime() + state.SystemTime(), stdout.impatient}
	if !inTime {
		message := fmt.Sprintf("killed after %v\nstdout: %s\nstderr: %s", p.limit, tail(r.stdout), tail(r.stderr))
		if p.trace != nil {
			message += "\n" + p.trace()
		}
		return r, errors.New(message)
	}
	if err != nil && !errors.As(err, new(*exec.ExitError)) {
		return r, err
	}
	return r, nil
}

// A capture collects a standard output.
type capture struct {
	stdoutMode
	read, write *os.File
	done        chan []byte
	impatient   bool // set before done is sent to
}

// open opens the file or pipe for a standard output.
func (m stdoutMode) open() (c *capture, err error) {
	c = &capture{stdoutMode: m, done: make(chan []byte, 1)}
	if m.File != "" {
		c.write, err = os.Create(m.File)
	} else {
		c.read, c.write, err = os.Pipe()
	}
	return c, err
}

// start starts to read the pipe, unless c.Late is set. If nothing is to be read, it closes the
// pipe.
func (c *capture) start(reported <-chan struct{}) {
	switch {
	case c.read == nil || c.Late:
	case c.Patience > 0:
		go func() {
			select {
			case <-reported:
			case <-time.After(c.Patience):
				c.impatient = true
			}
			c.readPipe()
		}()
	case c.Stop != nil && *c.Stop == 0:
		c.readPipe()
	default:
		go c.readPipe()
	}
}

// readPipe reads the pipe to its end, or to c.Stop, and closes it.
func (c *capture) readPipe() {
	defer c.read.Close()
	var r io.Reader = c.read
	if c.Stop != nil {
		r = io.LimitReader(r, int64(*c.Stop))
	}
	var all []byte
	if c.Discard {
		io.Copy(io.Discard, r)
	} else {
		all, _ = io.ReadAll(r)
	}
	c.done <- all
}

// finish returns the whole output. It is called once, when the process has ended.
func (c *capture) finish() []byte {
	if c.read == nil {
		if c.Discard {
			return nil
		}
		all, _ := os.ReadFile(c.File)
		return all
	}
	if c.Late {
		c.readPipe()
	}
	return <-c.done
}

// tail returns the end of an output, formatted for a message.
func tail(p []byte) string {
	const limit = 2000
	if len(p) <= limit {
		return fmt.Sprintf("%q", p)
	}
	return fmt.Sprintf("%d bytes, the last %q", len(p), p[len(p)-limit:])
}
