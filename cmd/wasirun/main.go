// Wasirun builds a Go program for WebAssembly and runs it on a model of a WASI 0.2 host.
//
// Usage:
//
//	wasirun [flags] ./package [arguments]
//	wasirun [flags] guest.wasm [arguments]
//	GOOS=wasip1 GOARCH=wasm go test -exec "wasirun [flags]" [packages]
//
// Wasirun builds a package with the go command for GOOS=wasip1 GOARCH=wasm, or with TinyGo if
// the flag -tinygo is set. It runs a WebAssembly file as it is, whatever its name: a core
// module built with Go, or a component with wasi:cli/run built with TinyGo (-target=wasip2) or
// componentize-go. The program's standard streams are those of wasirun, whether the program
// uses them through wasi:cli or through package os.
//
// Before it runs a program, wasirun compiles it to machine code: on all processors if it has built
// the program itself, and otherwise on one, because a file may be invalid and make the compiler
// panic, from which wasirun can recover only on one processor. For a Go program of 3 MB that takes
// nearly two seconds on one processor, and about one on two.
//
// A program has no files. The flag -dir lets a core module use the files below a directory, under
// the names that they have for wasirun. It is for trusted programs only: a program can make a
// symbolic link and leave the directory by it.
//
// The host is the strict model that the tests of wasio use. It stops a program that breaks the
// protocol or would wait forever, and reports why. Flags such as -permit, -flush, -delay and -fail
// make the host slow or make it fail, and -as makes it imitate a real one. The flag -h lists all.
//
// The flag -trace prints each host call to standard error, as text or, with -trace=json, as lines of
// JSON. With -trace=perfetto:trace.json it writes that file, in which https://ui.perfetto.dev and
// chrome://tracing show when the program waited: they have a track for the calls that may wait, and
// one for each stream. A picture is in docs/trace.md of the module github.com/wasio-dev/wasio.
//
// The exit code is the program's own, or 255 if that is greater, or
//
//	124  the timeout set by -timeout expired
//	125  wasirun could not run the program, for example because it does not compile
//	130  wasirun was interrupted while it built the program
//	134  the program broke the protocol of its host, or crashed
//
// The flag -torture runs the program on an easy host, and then on many hard ones: each that -as
// imitates, and some fifty that permit few bytes, make the program wait, lose what it does not
// flush, or fail. It prints on which of them the program traps or hangs, or differs in its
// output, its exit code or the handles that it leaves, with the flags that reproduce it. The
// exit code is 1 if that happens on a host that does not fail. On a host that fails, a correct
// program may differ, too.
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
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/wasio-dev/wasio/internal/engine"
	"github.com/wasio-dev/wasio/internal/host"
)

// Exit codes in addition to those of the guest.
const (
	exitTimeout = 124
	exitFailed  = 125
	exitStopped = 130
	exitTrap    = 134
)

// maxExit is the greatest exit code that every system can pass on. Most systems drop the upper
// bits of a greater one, which can make it 0.
const maxExit = 255

var errInterrupted = errors.New("interrupted")

// maxHandles limits the handles that a guest may hold. A guest that holds more fails to
// drop them.
const maxHandles = 1 << 16

const usage = `usage: wasirun [flags] ./package|guest.wasm [arguments]
Runs a Go package, a core module or a component on a model of a WASI 0.2 host.

`

const usageEnd = `
Exit code: that of the guest, or 124 for -timeout, 125 if it could not be run,
130 for an interrupt while it was built, 134 if it trapped or crashed.
`

// printUsage prints how wasirun is used, on one screen.
func printUsage(w io.Writer, flags *flag.FlagSet) {
	fmt.Fprint(w, usage)
	flags.VisitAll(func(f *flag.Flag) {
		value, text := flag.UnquoteUsage(f)
		fmt.Fprintf(w, "  -%-15s %s\n", strings.TrimSpace(f.Name+" "+value), text)
	})
	fmt.Fprint(w, usageEnd)
}

func main() {
	// If the reader of standard output goes away, the guest gets an error, as on other hosts.
	// SIGPIPE must not end this process.
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
		return min(exit, maxExit)
	case errors.Is(err, errInterrupted):
		fmt.Fprintln(os.Stderr, "wasirun:", err)
		return exitStopped
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
	dirs    []string
	torture bool
	json    bool
	streams behavior
}

// parse parses a command line. If the command line asks for help, parse prints the usage to
// help and returns [flag.ErrHelp].
func parse(args []string, help io.Writer) (*command, error) {
	c := &command{}
	flags := flag.NewFlagSet("wasirun", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.BoolVar(&c.tinygo, "tinygo", false, "build the package with TinyGo")
	flags.Var(&c.trace, "trace", "print each call; =json as JSON, =perfetto:file for Perfetto")
	flags.BoolVar(&c.stats, "stats", false, "print statistics of calls and streams to stderr at the end")
	flags.DurationVar(&c.timeout, "timeout", 0, "stop the guest after this `time`")
	flags.UintVar(&c.memory, "memory", 0, "limit the memory of the guest to this many `MiB`, at most 4096")
	flags.Func("dir", "let a core module use this `directory`", c.addDir)
	flags.BoolVar(&c.torture, "torture", false, "run it on many hard hosts and report where it differs")
	flags.BoolVar(&c.json, "json", false, "print the findings of -torture as lines of JSON")
	c.streams.defineFlags(flags)
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		printUsage(help, flags)
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%w (run wasirun -h for usage)", err)
	case flags.Arg(0) == "":
		return nil, errors.New("no package given (run wasirun -h for usage)")
	case c.memory > 4096:
		return nil, fmt.Errorf("-memory %d: the maximum is 4096 MiB", c.memory)
	case c.timeout < 0:
		return nil, fmt.Errorf("-timeout %v is negative", c.timeout)
	case c.json && !c.torture:
		return nil, errors.New("-json needs -torture (see -trace=json)")
	}
	flags.Visit(func(f *flag.Flag) {
		if c.torture && !slices.Contains(tortureFlags, f.Name) {
			err = fmt.Errorf("-torture and -%s do not go together", f.Name)
		}
	})
	if err != nil {
		return nil, err
	}
	c.target, c.args = flags.Arg(0), flags.Args()[1:]
	return c, nil
}

// addDir adds a directory that the guest may use.
func (c *command) addDir(name string) error {
	dir, err := filepath.Abs(name)
	if err != nil {
		return err
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return errors.New("not a directory")
	}
	c.dirs = append(c.dirs, dir)
	return nil
}

// run builds the target if it is a package, and runs it.
func (c *command) run() (int, error) {
	module, err := load(c.target, c.tinygo)
	if err != nil {
		return 0, err
	}
	if c.torture {
		var progress io.Writer = io.Discard
		if host.IsTerminal(os.Stderr) {
			progress = os.Stderr
		}
		return c.runTorture(module, os.Stdout, progress)
	}
	ctx := context.Background()
	if c.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.timeout)
		defer cancel()
	}
	options := host.Options{Clock: engine.Clock(ctx)}
	watch := watcher{out: os.Stderr, trace: c.trace, color: wantsColor(os.Stderr)}
	if name := c.trace.file(); name != "" {
		f, err := os.Create(name)
		if err != nil {
			return 0, err
		}
		defer f.Close()
		watch.line = newTimeline(f)
	}
	if c.trace != "" || c.stats {
		options.OnCall = watch.record
	}
	var ended atomic.Bool
	stdout, stderr := &outlet{os.Stdout, &ended}, &outlet{os.Stderr, &ended}
	stdin := host.NewFeed(os.Stdin)
	h := host.New(options)
	h.SetStdin(host.Plan{End: host.EndSilent}, stdin) // as Wasmtime's
	for _, fd := range []struct {
		n    int
		file *outlet
	}{{host.Stdout, stdout}, {host.Stderr, stderr}} {
		plan := c.streams.plan()
		plan.Terminal, plan.Handles = host.IsTerminal(fd.file.file), maxHandles
		h.SetStdio(fd.n, plan, fd.file)
	}
	guest := engine.Guest{
		Module:      module,
		Args:        append([]string{c.target}, c.args...),
		Host:        h,
		Dirs:        c.dirs,
		Stdin:       stdin,
		Stdout:      &tracedFile{stdout, 1, options},
		Stderr:      &tracedFile{stderr, 2, options},
		MemoryPages: uint32(c.memory * 16),
		Trusted:     !isModule(c.target), // wasirun has built it
	}
	type result struct {
		exit int
		err  error
	}
	done := make(chan result, 1)
	go func() {
		exit, err := engine.Run(ctx, guest)
		h.Exit()
		done <- result{exit, err}
	}()
	var r result
	select {
	case r = <-done:
	case <-ctx.Done():
		// A guest that reads a file of this process, such as standard input, cannot be stopped.
		// It ends with the process; until then its output and calls are ignored.
		r.err = ctx.Err()
	}
	ended.Store(true)
	err = watch.end()
	if c.stats {
		watch.printStats()
	}
	if r.err == nil && err != nil { // the error of the guest says more
		return 0, err
	}
	return r.exit, c.named(r.err)
}

// named returns err prefixed with the name of the guest, unless err is a trap or a timeout,
// whose text is about the guest anyway.
func (c *command) named(err error) error {
	if err == nil || errors.As(err, new(*host.Trap)) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("%s: %w", c.target, err)
}

// load returns the module in the file target, or builds the package target.
func load(target string, tinygo bool) ([]byte, error) {
	if isModule(target) {
		if tinygo {
			return nil, fmt.Errorf("-tinygo: %s is a file, not a package", target)
		}
		return os.ReadFile(target)
	}
	if strings.Contains(target, "...") {
		return nil, fmt.Errorf("%s is a pattern, not a package", target)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	module, err := build(ctx, target, tinygo)
	if ctx.Err() != nil {
		return nil, errInterrupted
	}
	return module, err
}

// isModule reports whether the target is a file to run, judging by its name or by its first
// bytes: the go command chooses the names of the files that it runs with -exec.
func isModule(target string) bool {
	if strings.HasSuffix(target, ".wasm") {
		return true
	}
	if info, err := os.Stat(target); err != nil || !info.Mode().IsRegular() {
		return false
	}
	f, err := os.Open(target)
	if err != nil {
		return false
	}
	defer f.Close()
	begin := make([]byte, len(engine.Magic))
	_, err = io.ReadFull(f, begin)
	return err == nil && string(begin) == engine.Magic
}

// build builds the package target, and returns its module. If ctx is done, it ends the build.
func build(ctx context.Context, target string, tinygo bool) ([]byte, error) {
	dir, err := os.MkdirTemp("", "wasirun")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "guest.wasm")
	var cmd *exec.Cmd
	if tinygo {
		if _, err := exec.LookPath("tinygo"); err != nil {
			return nil, errors.New("-tinygo: TinyGo is not on the PATH; https://tinygo.org/getting-started/install says how to install it")
		}
		cmd = exec.CommandContext(ctx, "tinygo", "build", "-target=wasip2", "-o", out, target)
	} else {
		if world := componentizeWorld(target); world != "" {
			return nil, fmt.Errorf("%s is a program for componentize-go, which does not call main: build it with componentize-go -w %s build, and run the result", target, world)
		}
		cmd = exec.CommandContext(ctx, "go", "build", "-o", out, "--", target)
		cmd.Env = []string{"GOOS=wasip1", "GOARCH=wasm"}
	}
	// What an interrupted build leaves behind is removed with dir.
	cmd.Env = append(append(os.Environ(), cmd.Env...), "GOTMPDIR="+dir, "TMPDIR="+dir)
	cancelWhole(cmd)
	cmd.WaitDelay = 5 * time.Second
	output, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("cannot build %s: %s", target, firstError(string(output), err))
	}
	module, err := os.ReadFile(out)
	if err != nil || bytes.HasPrefix(module, []byte("!<arch>\n")) {
		return nil, fmt.Errorf("%s is not a main package", target)
	}
	return module, nil
}

// componentizeWorld returns the world of the program in dir if that is one for componentize-go,
// which has bindings by wit-bindgen, or "".
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
