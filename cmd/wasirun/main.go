// Wasirun builds a Go program for WebAssembly and runs it on a host for WASI 0.2 that
// can be made hard to please.
//
//	wasirun [flags] ./package [arguments]
//	wasirun [flags] guest.wasm [arguments]
//
// The package is built with the local Go for GOOS=wasip1 GOARCH=wasm, or the module is
// taken as it is. What the program writes through wasi:io streams, and what it writes
// through os.Stdout, goes to the standard output of wasirun. The host is the strict
// model that wasio is tested with: it ends a program that breaks the protocol, or that
// would wait for ever, and says why.
//
// The exit code is the program's own, or
//
//	124  the time of -timeout is over
//	125  wasirun could not run it: bad flags, a package that does not compile, …
//	134  it broke the protocol of its host, or crashed
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/wasio-dev/wasio/internal/engine"
	"github.com/wasio-dev/wasio/internal/host"
)

// Exit codes beside the guest's own.
const (
	exitTimeout = 124
	exitFailed  = 125
	exitTrap    = 134
)

// maxHandles is how many handles a guest may hold. One that holds more has forgotten to
// drop them.
const maxHandles = 1 << 16

const usage = `usage: wasirun [flags] ./package|guest.wasm [arguments]

Wasirun builds a Go package for GOOS=wasip1 and runs it on a model of a WASI 0.2 host.

Flags:
`

const usageEnd = `
Examples:
  wasirun ./examples/hello
  wasirun -trace ./examples/log                        what the guest and its host say to each other
  wasirun -permit 1 -stall 3 ./examples/log            one byte at a time, after three waits
  wasirun -as wasmtime-file -stats ./examples/json     a host that makes guests wait, and what it costs
  wasirun -fail write:2=disk-full ./examples/bufio     how the guest takes a failure
  wasirun -timeout 10s guest.wasm argument             a module that is built already

The exit code is the guest's; 124: timeout; 125: could not be run; 134: trap or crash.
`

func main() {
	// A reader that goes away is told to the guest, as hosts do, and does not end
	// this process.
	signal.Ignore(syscall.SIGPIPE)
	os.Exit(run(os.Args[1:]))
}

func run(args []string) int {
	c, err := parse(args, os.Stdout)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	var exit int
	if err == nil {
		exit, err = c.run()
	}
	var trap *host.Trap
	switch {
	case err == nil:
		return exit
	case errors.As(err, &trap):
		fmt.Fprintln(os.Stderr, "wasirun:", trap)
		return exitTrap
	case errors.Is(err, engine.ErrCrash):
		fmt.Fprintln(os.Stderr, "wasirun:", err)
		return exitTrap
	case errors.Is(err, context.DeadlineExceeded):
		fmt.Fprintln(os.Stderr, "wasirun: timeout after", c.timeout)
		return exitTimeout
	default:
		fmt.Fprintln(os.Stderr, "wasirun:", strings.ReplaceAll(err.Error(), "\n", `\n`)) // one line
		return exitFailed
	}
}

// command is a command line.
type command struct {
	target  string   // a package or a module
	args    []string // the guest's
	trace   bool
	stats   bool
	timeout time.Duration
	memory  uint
	streams behavior
}

func parse(args []string, help io.Writer) (*command, error) {
	c := &command{}
	flags := flag.NewFlagSet("wasirun", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.BoolVar(&c.trace, "trace", false, "print each host call and its result to stderr as it happens")
	flags.BoolVar(&c.stats, "stats", false, "print to stderr, at the end, the host calls by kind, the bytes and the waits")
	flags.DurationVar(&c.timeout, "timeout", 0, "end the guest after this `time`; 0: never")
	flags.UintVar(&c.memory, "memory", 0, "let the guest have this many `MiB` of memory at most; 0: 4096")
	c.streams.define(flags)
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(help, usage)
		flags.SetOutput(help)
		flags.PrintDefaults()
		fmt.Fprint(help, usageEnd)
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%w (wasirun -h shows the flags)", err)
	case flags.Arg(0) == "":
		return nil, errors.New("no package given (wasirun -h shows how)")
	case c.memory > 4096:
		return nil, fmt.Errorf("-memory %d: a module has 4096 MiB at most", c.memory)
	case c.timeout < 0:
		return nil, fmt.Errorf("-timeout %v is negative", c.timeout)
	}
	if err := c.streams.check(); err != nil {
		return nil, err
	}
	c.target, c.args = flags.Arg(0), flags.Args()[1:]
	return c, nil
}

func (c *command) run() (int, error) {
	module, err := load(c.target)
	if err != nil {
		return 0, err
	}
	ctx := context.Background()
	if c.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.timeout)
		defer cancel()
	}
	options := host.Options{Clock: engine.Clock(ctx), Handles: maxHandles}
	watch := watcher{out: os.Stderr, trace: c.trace, color: wantsColor(os.Stderr)}
	if c.trace || c.stats {
		options.OnCall = watch.call
	}
	if c.stats {
		defer watch.printStats()
	}
	h := host.New(options)
	h.SetStdio(host.Stdout, c.streams.plan().Behavior(), os.Stdout, host.IsTerminal(os.Stdout))
	h.SetStdio(host.Stderr, c.streams.plan().Behavior(), os.Stderr, host.IsTerminal(os.Stderr))
	guest := engine.Guest{
		Module: module,
		Args:   append([]string{c.target}, c.args...),
		Host:   h,
		// Not as files: wazero would make those non-blocking, and what is written to
		// them here would fail when a pipe is full.
		Stdin:       struct{ io.Reader }{os.Stdin},
		Stdout:      struct{ io.Writer }{os.Stdout},
		Stderr:      struct{ io.Writer }{os.Stderr},
		MemoryPages: uint32(c.memory * 16),
	}
	ended := make(chan struct{})
	var exit int
	go func() {
		defer close(ended)
		exit, err = engine.Run(ctx, guest)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
		// A guest that waits for a file of this process, such as standard input, is
		// not to be stopped, only to be left.
		return 0, ctx.Err()
	}
	if err != nil && !errors.As(err, new(*host.Trap)) && !errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("%s: %w", c.target, err)
	}
	return exit, err
}

// load returns the module that the target is, or that it is compiled to.
func load(target string) ([]byte, error) {
	if strings.HasSuffix(target, ".wasm") {
		return os.ReadFile(target)
	}
	if strings.Contains(target, "...") {
		return nil, fmt.Errorf("%s is a pattern, not a package", target)
	}
	dir, err := os.MkdirTemp("", "wasirun")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "guest.wasm")
	build := exec.Command("go", "build", "-o", out, "--", target)
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	said, err := build.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("cannot build %s: %s", target, firstError(string(said), err))
	}
	module, err := os.ReadFile(out)
	if err != nil || bytes.HasPrefix(module, []byte("!<arch>\n")) {
		return nil, fmt.Errorf("%s is a library, not a program (package main)", target)
	}
	return module, nil
}

// firstError returns what the go command complains of first: a line that is not the
// name of a package, the notice of a download, or empty.
func firstError(said string, err error) string {
	for line := range strings.Lines(said) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "# ") && !strings.HasPrefix(line, "go: downloading ") {
			return line
		}
	}
	return err.Error()
}
