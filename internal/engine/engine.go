// Package engine runs WebAssembly guests on wazero. The model host of internal/host
// provides their WASI 0.2 imports.
//
// A guest is a core module for WASI preview 1, built by GOOS=wasip1 go build, that may
// also import functions of wasi:io, wasi:cli and wasi:clocks, or a component with
// wasi:cli/run. It is not trusted.
package engine

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	"github.com/tetratelabs/wazero/sys"
	"github.com/wasio-dev/wasio/internal/host"
	"github.com/wasio-dev/wasio/internal/wasm"
)

// A Guest is a program to run, with its arguments, host and standard streams.
type Guest struct {
	Module []byte   // a core module, or a component
	Args   []string // the first is the program's name
	Host   *host.Host

	// Stdin, Stdout and Stderr are the standard streams of preview 1, which package os
	// uses in a guest of Go's. Those of WASI 0.2 are the Host's.
	Stdin          io.Reader
	Stdout, Stderr io.Writer

	// Dirs are directories that a core module may use, under the same names. They are
	// absolute. If there are any, the working directory is that of this process.
	Dirs []string

	MemoryPages uint32                  // memory limit in pages of 64 KiB; 0 means no limit
	Cache       wazero.CompilationCache // may be nil

	// Trusted makes several goroutines compile the module. A panic of the engine in one of
	// them, which an invalid module may cause, ends the process.
	Trusted bool
}

// Magic is what modules and components begin with.
const Magic = "\x00asm"

// Run runs a guest to completion and returns its exit code. If the guest violates the
// contract of its host, the error is a [*host.Trap]. If ctx is done first, it is the
// error of ctx. Any other error is a single line that a terminal can show: it wraps
// [ErrCrash] if the guest crashed, or says why the guest could not be run.
func Run(ctx context.Context, g Guest) (exit int, err error) {
	defer func() {
		// wazero panics when it compiles some invalid modules.
		if r := recover(); r != nil {
			exit, err = 0, fmt.Errorf("invalid module: the engine failed: %s", printable(fmt.Sprint(r)))
		}
	}()
	module, start := g.Module, entry{name: "_start"}
	component := bytes.HasPrefix(g.Module, []byte(wasm.ComponentHeader))
	if component {
		start.results = oneI32
		module, start.name, err = program(g.Module)
	} else {
		err = checkHeader(g.Module)
	}
	if err == nil {
		module, err = checked(module)
	}
	if err != nil {
		return 0, err
	}
	config := wazero.NewRuntimeConfig().WithCloseOnContextDone(true).WithMemoryCapacityFromMax(false)
	if g.MemoryPages > 0 {
		config = config.WithMemoryLimitPages(g.MemoryPages)
	}
	if g.Cache != nil {
		config = config.WithCompilationCache(g.Cache)
	}
	// The runtime must outlive ctx, so that it can still be closed.
	runtime := wazero.NewRuntimeWithConfig(context.WithoutCancel(ctx), config)
	defer runtime.Close(context.WithoutCancel(ctx))

	workers := 1
	if g.Trusted {
		workers = goruntime.GOMAXPROCS(0)
	}
	compiled, err := runtime.CompileModule(experimental.WithCompilationWorkers(ctx, workers), module)
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	if err != nil {
		return 0, fmt.Errorf("invalid module: %w", firstLine(err))
	}
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, runtime); err != nil {
		return 0, err
	}
	if err := provideImports(ctx, runtime, compiled, &g, component); err != nil {
		return 0, err
	}
	if f := compiled.ExportedFunctions()[start.name]; f == nil || !start.is(f) {
		return 0, fmt.Errorf("not a program: the module exports no function %q of the right type", start.name)
	}
	initialize := entry{name: "_initialize"}
	initializes := compiled.ExportedFunctions()[initialize.name]
	if component && initializes != nil && !initialize.is(initializes) {
		return 0, fmt.Errorf("not a program: the function %q does not have the right type", initialize.name)
	}
	clock := g.Host.Clock()
	// A Go program ends if its nanotime is 0.
	moduleConfig := wazero.NewModuleConfig().
		WithName("").WithStartFunctions().WithArgs(g.Args...).
		WithStdin(g.Stdin).WithStdout(g.Stdout).WithStderr(g.Stderr).
		WithRandSource(rand.Reader).WithSysWalltime().
		WithNanotime(func() int64 { return int64(g.Host.Clock().Now()) + 1 }, 1).
		WithNanosleep(func(ns int64) { clock.Sleep(time.Duration(ns), nil, nil) })
	if len(g.Dirs) > 0 {
		if component {
			return 0, errors.New("a component, which gets no directories")
		}
		if moduleConfig, err = withDirs(moduleConfig, g.Dirs); err != nil {
			return 0, err
		}
	}
	m, err := runtime.InstantiateModule(
		experimental.WithMemoryAllocator(ctx, experimental.MemoryAllocatorFunc(allocate)), compiled, moduleConfig)
	if err != nil {
		// The start section may exit or trap like _start.
		exit, ended := outcome(ctx, err)
		if errors.Is(ended, ErrCrash) && !strings.HasPrefix(err.Error(), "start ") {
			ended = fmt.Errorf("cannot instantiate the module: %w", firstLine(err))
		}
		return exit, ended
	}
	if component && initializes != nil { // wit-component calls it, too
		if _, err := m.ExportedFunction(initialize.name).Call(ctx); err != nil {
			return outcome(ctx, err)
		}
	}
	result, err := m.ExportedFunction(start.name).Call(ctx)
	if exit, err = outcome(ctx, err); err == nil && len(result) > 0 {
		if exit = int(uint32(result[0])); exit > 1 {
			return 0, fmt.Errorf("%w: wasi:cli/run returned %d, which is not a result", ErrCrash, exit)
		}
	}
	return exit, err
}

// withDirs gives a module directories, under their own names, and a working directory.
func withDirs(config wazero.ModuleConfig, dirs []string) (wazero.ModuleConfig, error) {
	wd, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	files := wazero.NewFSConfig()
	for _, dir := range dirs {
		files = files.WithDirMount(dir, filepath.ToSlash(dir))
	}
	return config.WithFSConfig(files).WithEnv("PWD", filepath.ToSlash(wd)), nil
}

// An entry is a function without parameters that the engine calls.
type entry struct {
	name    string
	results []api.ValueType
}

// is reports whether f has the type of the entry.
func (e entry) is(f api.FunctionDefinition) bool {
	return len(f.ParamTypes()) == 0 && slices.Equal(f.ResultTypes(), e.results)
}

// ErrCrash reports that the engine stopped the guest, for example at an unreachable
// instruction or an access beyond its memory.
var ErrCrash = errors.New("the guest crashed")

// outcome returns the results of [Run] for the error err of a call into the guest.
func outcome(ctx context.Context, err error) (int, error) {
	var exit *sys.ExitError
	var trap *host.Trap
	switch {
	case err == nil:
		return 0, nil
	case errors.As(err, &trap):
		return 0, trap
	case ctx.Err() != nil:
		return 0, ctx.Err()
	case errors.As(err, &exit):
		return int(exit.ExitCode()), nil
	}
	return 0, fmt.Errorf("%w: %w", ErrCrash, firstLine(err))
}

// Clock returns a wall clock for the host of a guest that runs under ctx. Once ctx is
// done, a sleep stops the guest.
func Clock(ctx context.Context) host.Clock { return contextClock{ctx, time.Now()} }

type contextClock struct {
	ctx   context.Context
	start time.Time
}

func (c contextClock) Now() time.Duration { return time.Since(c.start) }

func (c contextClock) Sleep(d time.Duration, wake, interrupt <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-wake:
	case <-interrupt:
	case <-c.ctx.Done():
		panic(c.ctx.Err())
	}
}

func checkHeader(module []byte) error {
	switch {
	case bytes.HasPrefix(module, []byte(wasm.ModuleHeader)):
		return nil
	case bytes.HasPrefix(module, []byte(Magic)):
		return errors.New("unknown version of WebAssembly")
	}
	return errors.New("not a WebAssembly module")
}

// provideImports instantiates host modules with the WASI 0.2 functions that module
// imports. It accepts every version 0.2.x, since these functions are the same in all.
func provideImports(ctx context.Context, runtime wazero.Runtime, module wazero.CompiledModule, g *Guest, inComponent bool) error {
	caller := &instance{host: g.Host, guest: g}
	builders := make(map[string]wazero.HostModuleBuilder)
	names := make(map[string]bool)
	for _, imported := range module.ImportedFunctions() {
		from, name, _ := imported.Import()
		if from == wasi_snapshot_preview1.ModuleName || names[from+"#"+name] {
			continue
		}
		names[from+"#"+name] = true
		f, err := functionOf(imported, inComponent)
		if err != nil {
			return err
		}
		if builders[from] == nil {
			builders[from] = runtime.NewHostModuleBuilder(from)
		}
		builders[from].NewFunctionBuilder().
			WithGoModuleFunction(goFunction(name, f, caller), f.params, f.results).Export(name)
	}
	for _, b := range builders {
		if _, err := b.Instantiate(ctx); err != nil {
			return err
		}
	}
	return nil
}

// goFunction returns f as a wazero host function that g calls. As on Wasmtime, it traps
// if cabi_realloc calls it ("cannot leave component instance").
func goFunction(name string, f function, g *instance) api.GoModuleFunc {
	return func(ctx context.Context, mod api.Module, stack []uint64) {
		if g.inRealloc {
			g.host.Violate(host.OpOther, "cabi_realloc calls %s: it may not call the host", name)
		}
		if g.memory == nil {
			g.bind(ctx, mod)
		}
		f.call(g, stack)
	}
}

// bind finds what the ABI needs of the exports of a module. It does so once, as wazero makes
// a new stack for each function that it is asked for.
func (g *instance) bind(ctx context.Context, mod api.Module) {
	g.memory = noMemory{}
	if m := mod.ExportedMemory("memory"); m != nil {
		g.memory = m
	}
	realloc := mod.ExportedFunction("cabi_import_realloc") // as wit-component prefers it
	if realloc == nil {
		realloc = mod.ExportedFunction("cabi_realloc")
	}
	g.realloc = func(size, align uint32) (uint32, bool) {
		if realloc == nil || !isRealloc(realloc.Definition()) {
			return 0, false
		}
		g.inRealloc = true
		r, err := realloc.Call(ctx, 0, 0, uint64(align), uint64(size))
		g.inRealloc = false
		if err != nil {
			panic(err)
		}
		return uint32(r[0]), true
	}
}

// isRealloc reports whether f has the type of cabi_realloc.
func isRealloc(f api.FunctionDefinition) bool {
	return slices.Equal(f.ParamTypes(), []api.ValueType{i32, i32, i32, i32}) &&
		slices.Equal(f.ResultTypes(), []api.ValueType{i32})
}

// noMemory is the memory of a module that exports none.
type noMemory struct{}

func (noMemory) Read(_, _ uint32) ([]byte, bool) { return nil, false }

// firstLine returns err without the stack trace that wazero appends.
func firstLine(err error) error {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return errors.New(printable(line))
}

// printable returns text, which may contain names from the guest, with escapes in place of
// characters that a terminal does not print.
func printable(text string) string {
	var b strings.Builder
	for _, r := range text {
		if strconv.IsPrint(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
	}
	return b.String()
}
