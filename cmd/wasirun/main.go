// Wasirun builds a Go program for WebAssembly and runs it on a model of a WASI 0.2 host.
//
// Usage:
//
//	wasirun [flags] ./package [arguments]
//	wasirun [flags] guest.wasm [arguments]
//
// Wasirun builds a package with the go command for GOOS=wasip1 GOARCH=wasm, or with TinyGo
// if the flag -tinygo is set. It runs a file as it is: a core module that Go made, or a
// component with wasi:cli/run that TinyGo (-target=wasip2) or componentize-go made. Output
// that the program writes to wasi:io streams or to os.Stdout goes to the standard output of
// wasirun, whose standard input the program has as wasi:cli/stdin and as os.Stdin.
//
// The host is the strict model that the tests of wasio use. It stops a program that breaks
// the protocol or would wait forever, and reports why. Flags make it slow or make it fail.
//
// The exit code is the program's own, or
//
//	124  the timeout set by -timeout expired
//	125  wasirun could not run the program, for example because it does not compile
//	134  the program broke the protocol of its host, or crashed
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
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/wasio-dev/wasio/internal/engine"
	"github.com/wasio-dev/wasio/internal/host"
)

// Exit codes in addition to those of the guest.
const (
	exitTimeout = 124
	exitFailed  = 125
	exitTrap    = 134
)

// maxHandles limits the handles that a guest may hold. A guest that holds more fails to
// drop them.
const maxHandles = 1 << 16

const usage = `usage: wasirun [flags] ./package|guest.wasm [arguments]

Wasirun builds a Go package for GOOS=wasip1, or takes a core module or a component, and
runs it on a model of a WASI 0.2 host.

Flags:
`

const usageEnd = `
Examples:
  wasirun ./examples/hello
  wasirun -trace ./examples/log                        show every host call
  wasirun -tinygo -trace=json ./examples/log           the same of a TinyGo program, for other programs to read
  wasirun -permit 0,0,0,1 ./examples/log              accept one byte at a time, after three waits
  wasirun -as wasmtime-file -stats ./examples/json     imitate a host that makes guests wait
  wasirun -fail write:2=disk-full ./examples/bufio     fail the second write
  wasirun -timeout 10s guest.wasm argument             run a module or a component, with a time limit

The exit code is the guest's own, or
  124  the timeout expired
  125  the guest could not be run
  134  the guest trapped or crashed
`

func main() {
	// If the reader of standard output goes away, the guest gets an error, as on other
	// hosts. The signal must not end this process.
	signal.Ignore(syscall.SIGPIPE)
	os.Exit(run(os.Args[1:]))
}

// run runs a command line and returns the exit code.
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
		fmt.Fprintln(os.Stderr, "wasirun:", strings.ReplaceAll(err.Error(), "\n", `\n`))
		return exitFailed
	}
}

// A command is a parsed command line.
type command struct {
	target  string   // a package or a module
	args    []string // the arguments of the guest
	tinygo  bool
	trace   traceMode
	stats   bool
	timeout time.Duration
	memory  uint
	streams behavior
}

// parse parses a command line. If it asks for help, parse prints that to help and returns
// [flag.ErrHelp].
func parse(args []string, help io.Writer) (*command, error) {
	c := &command{}
	flags := flag.NewFlagSet("wasirun", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.BoolVar(&c.tinygo, "tinygo", false, "build the package with TinyGo")
	flags.Var(&c.trace, "trace", "print each host call and its result to stderr as it happens; with -trace=json as a JSON object a line")
	flags.BoolVar(&c.stats, "stats", false, "print statistics of host calls, streams and waits to stderr at the end")
	flags.DurationVar(&c.timeout, "timeout", 0, "stop the guest after this `time`; 0 means never")
	flags.UintVar(&c.memory, "memory", 0, "limit the memory of the guest to this many `MiB`; 0 means 4096")
	c.streams.defineFlags(flags)
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(help, usage)
		flags.SetOutput(help)
		flags.PrintDefaults()
		fmt.Fprint(help, usageEnd)
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%w (run wasirun -h for usage)", err)
	case flags.Arg(0) == "":
		return nil, errors.New("no package given (run wasirun -h for usage)")
	case c.memory > 4096:
		return nil, fmt.Errorf("-memory %d: the maximum is 4096 MiB", c.memory)
	case c.timeout < 0:
		return nil, fmt.Errorf("-timeout %v is negative", c.timeout)
	}
	c.target, c.args = flags.Arg(0), flags.Args()[1:]
	return c, nil
}

// run builds the target if it is a package, and runs it.
func (c *command) run() (int, error) {
	module, err := load(c.target, c.tinygo)
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
	if c.trace != "" || c.stats {
		options.OnCall = watch.record
	}
	if c.stats {
		defer watch.printStats()
	}
	// The wrapper hides that this is a file. wazero would make a file non-blocking, so that
	// writes by this process would fail on a full pipe.
	file := func(fd uint32, f *os.File) io.Writer { return &tracedFile{f, fd, options} }
	stdin := host.NewFeed(os.Stdin)
	h := host.New(options)
	h.SetStdin(host.Plan{End: host.EndSilent}, stdin) // as Wasmtime's
	h.SetStdio(host.Stdout, c.streams.of(os.Stdout), os.Stdout)
	h.SetStdio(host.Stderr, c.streams.of(os.Stderr), os.Stderr)
	guest := engine.Guest{
		Module:      module,
		Args:        append([]string{c.target}, c.args...),
		Host:        h,
		Stdin:       stdin,
		Stdout:      file(1, os.Stdout),
		Stderr:      file(2, os.Stderr),
		MemoryPages: uint32(c.memory * 16),
	}
	done := make(chan struct{})
	var exit int
	go func() {
		defer close(done)
		exit, err = engine.Run(ctx, guest)
		h.Exit()
	}()
	select {
	case <-done:
	case <-ctx.Done():
		// A guest that reads a file of this process, such as standard input, cannot be
		// stopped. It ends with the process.
		return 0, ctx.Err()
	}
	if err != nil && !errors.As(err, new(*host.Trap)) && !errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("%s: %w", c.target, err)
	}
	return exit, err
}

// load returns the module in the file target, or builds the package target.
func load(target string, tinygo bool) ([]byte, error) {
	if strings.HasSuffix(target, ".wasm") {
		if tinygo {
			return nil, fmt.Errorf("-tinygo: %s is a file, not a package", target)
		}
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
	var build *exec.Cmd
	if tinygo {
		if _, err := exec.LookPath("tinygo"); err != nil {
			return nil, errors.New("-tinygo: TinyGo is not on the PATH; https://tinygo.org/getting-started/install says how to install it")
		}
		build = exec.Command("tinygo", "build", "-target=wasip2", "-o", out, target)
	} else {
		if world := componentizeWorld(target); world != "" {
			return nil, fmt.Errorf("%s is a program for componentize-go, whose main is not called: run what componentize-go -w %s build makes of it", target, world)
		}
		build = exec.Command("go", "build", "-o", out, "--", target)
		build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	}
	output, err := build.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("cannot build %s: %s", target, firstError(string(output), err))
	}
	module, err := os.ReadFile(out)
	if err != nil || bytes.HasPrefix(module, []byte("!<arch>\n")) {
		return nil, fmt.Errorf("%s is not a main package", target)
	}
	return module, nil
}

// componentizeWorld returns the world of a program for componentize-go in a directory, which
// has its bindings from wit-bindgen, or "" if there is none.
func componentizeWorld(dir string) string {
	module, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil || !bytes.Contains(module, []byte("go.bytecodealliance.org/pkg ")) {
		return ""
	}
	files, _ := filepath.Glob(filepath.Join(dir, "wit", "*.wit"))
	for _, file := range files {
		text, _ := os.ReadFile(file)
		if world := regexp.MustCompile(`(?m)^\s*world\s+%?([a-zA-Z0-9-]+)`).FindSubmatch(text); world != nil {
			return string(world[1])
		}
	}
	return ""
}

// firstError returns the first error in the output of the go command, or the text of err
// if there is none. It skips package headers, notices of downloads and empty lines.
func firstError(output string, err error) string {
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "# ") && !strings.HasPrefix(line, "go: downloading ") {
			return line
		}
	}
	return err.Error()
}
