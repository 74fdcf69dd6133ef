// Package engine runs WebAssembly guests on wazero, with the model host of
// internal/host as the provider of what they import from WASI 0.2.
//
// A guest is a core module for WASI preview 1, as GOOS=wasip1 go build makes it, that
// imports functions of wasi:io, wasi:cli and wasi:clocks besides. It is not trusted.
package engine

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	goruntime "runtime"
	"slices"
	"strings"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	"github.com/tetratelabs/wazero/sys"
	"github.com/wasio-dev/wasio/internal/host"
)

// A Guest is a module and what it is run with.
type Guest struct {
	Module []byte
	Args   []string // the first is the program's name
	Host   *host.Host

	// The standard streams of preview 1, which the guest's own os.Stdout leads to.
	Stdin          io.Reader
	Stdout, Stderr io.Writer

	MemoryPages uint32                  // the most memory, in pages of 64 KiB; 0: no limit
	Cache       wazero.CompilationCache // may be nil
}

var (
	magic     = []byte("\x00asm")
	coreV1    = []byte("\x00asm\x01\x00\x00\x00")
	component = []byte("\x00asm\x0d\x00\x01\x00")
)

// Run runs a guest to its end and returns its exit code. The error is a [*host.Trap] if
// the guest broke the contract, the context's if that ended first, and otherwise one
// line that says why the guest could not be run, or what stopped it ([ErrCrash]).
func Run(ctx context.Context, g Guest) (exit int, err error) {
	if err := checkHeader(g.Module); err != nil {
		return 0, err
	}
	config := wazero.NewRuntimeConfig().WithCloseOnContextDone(true).WithMemoryCapacityFromMax(false)
	if g.MemoryPages > 0 {
		config = config.WithMemoryLimitPages(g.MemoryPages)
	}
	if g.Cache != nil {
		config = config.WithCompilationCache(g.Cache)
	}
	// The runtime outlives ctx, so that it can be closed when ctx is done.
	runtime := wazero.NewRuntimeWithConfig(context.WithoutCancel(ctx), config)
	defer runtime.Close(context.WithoutCancel(ctx))

	module, err := runtime.CompileModule(experimental.WithCompilationWorkers(ctx, goruntime.GOMAXPROCS(0)), g.Module)
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	if err != nil {
		return 0, fmt.Errorf("not a valid module: %w", firstLine(err))
	}
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, runtime); err != nil {
		return 0, err
	}
	if err := mount(ctx, runtime, module, g.Host); err != nil {
		return 0, err
	}
	clock := Clock(ctx)
	m, err := runtime.InstantiateModule(ctx, module, wazero.NewModuleConfig().
		WithName("").WithStartFunctions().WithArgs(g.Args...).
		WithStdin(g.Stdin).WithStdout(g.Stdout).WithStderr(g.Stderr).
		WithRandSource(rand.Reader).WithSysWalltime().WithSysNanotime().
		WithNanosleep(func(ns int64) { clock.Sleep(time.Duration(ns)) }))
	if err != nil {
		// A start section can run all that _start can.
		if exit, end := outcome(ctx, err); !errors.Is(end, ErrCrash) {
			return exit, end
		}
		return 0, fmt.Errorf("cannot be instantiated: %w", firstLine(err))
	}
	start := m.ExportedFunction("_start")
	if start == nil || len(start.Definition().ParamTypes()) > 0 {
		return 0, errors.New("a library, not a program: it exports no function _start without parameters")
	}
	_, err = start.Call(ctx)
	return outcome(ctx, err)
}

// ErrCrash is what a guest ends in that the engine stops: it runs into an unreachable
// instruction, say, or out of its memory.
var ErrCrash = errors.New("the guest crashed")

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

// Clock returns the wall clock for a host whose guest runs until ctx is done: a sleep
// ends then, and the guest with it.
func Clock(ctx context.Context) host.Clock { return contextClock{ctx, time.Now()} }

type contextClock struct {
	ctx   context.Context
	start time.Time
}

func (c contextClock) Now() time.Duration { return time.Since(c.start) }

func (c contextClock) Sleep(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.ctx.Done():
		panic(c.ctx.Err())
	}
}

func checkHeader(module []byte) error {
	switch {
	case bytes.HasPrefix(module, coreV1):
		return nil
	case bytes.HasPrefix(module, component):
		return errors.New("a component, not a core module (build the guest with GOOS=wasip1 GOARCH=wasm go build)")
	case bytes.HasPrefix(module, magic):
		return errors.New("a WebAssembly binary of an unknown version")
	}
	return errors.New("not a WebAssembly module")
}

// mount provides the functions that the module imports from WASI 0.2, under the version
// that it asks for: they are the same in every 0.2.x.
func mount(ctx context.Context, runtime wazero.Runtime, module wazero.CompiledModule, h *host.Host) error {
	builders := make(map[string]wazero.HostModuleBuilder)
	names := make(map[string]bool)
	for _, imported := range module.ImportedFunctions() {
		from, name, _ := imported.Import()
		if from == wasi_snapshot_preview1.ModuleName || names[from+"#"+name] {
			continue
		}
		names[from+"#"+name] = true
		wit, version, _ := strings.Cut(from, "@")
		f, ok := functions[wit][name]
		if !ok || !strings.HasPrefix(version, "0.2.") {
			return fmt.Errorf("the guest imports something unknown: %s of %s", name, from)
		}
		if builders[from] == nil {
			builders[from] = runtime.NewHostModuleBuilder(from)
		}
		builders[from].NewFunctionBuilder().
			WithGoModuleFunction(goFunction(f, h), f.params, f.results).Export(name)
	}
	for _, b := range builders {
		if _, err := b.Instantiate(ctx); err != nil {
			return err
		}
	}
	return nil
}

func goFunction(f function, h *host.Host) api.GoModuleFunc {
	return func(ctx context.Context, mod api.Module, stack []uint64) {
		g := instance{host: h, memory: noMemory{}}
		if m := mod.ExportedMemory("memory"); m != nil {
			g.memory = m
		}
		g.realloc = func(size, align uint32) (uint32, bool) {
			realloc := mod.ExportedFunction("cabi_realloc")
			if realloc == nil || !isRealloc(realloc.Definition()) {
				return 0, false
			}
			r, err := realloc.Call(ctx, 0, 0, uint64(align), uint64(size))
			if err != nil {
				panic(err)
			}
			return uint32(r[0]), true
		}
		f.call(&g, stack)
	}
}

// isRealloc reports whether a function has the type of cabi_realloc.
func isRealloc(f api.FunctionDefinition) bool {
	return slices.Equal(f.ParamTypes(), []api.ValueType{i32, i32, i32, i32}) &&
		slices.Equal(f.ResultTypes(), []api.ValueType{i32})
}

// noMemory is the memory of a module that exports none.
type noMemory struct{}

func (noMemory) Read(_, _ uint32) ([]byte, bool) { return nil, false }

// firstLine leaves out the stack trace that wazero appends.
func firstLine(err error) error {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return errors.New(line)
}
