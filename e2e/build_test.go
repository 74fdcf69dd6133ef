package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/wasio-dev/wasio/e2e/internal/component"
	"github.com/wasio-dev/wasio/e2e/internal/self"
	"github.com/wasio-dev/wasio/e2e/internal/wasmtime"
)

// A guest holds the files that were built from a package: either native, or the others.
type guest struct {
	native   string // the program for this machine
	wasm     string // the component
	compiled string // the component, compiled for Wasmtime 44
	script   string // the component, transpiled by jco for Node
}

// A memo has the result of a function for each key, and calls the function once.
type memo[T any] struct{ results sync.Map }

func (m *memo[T]) get(key string, f func() (T, error)) (T, error) {
	once, _ := m.results.LoadOrStore(key, sync.OnceValues(f))
	return once.(func() (T, error))()
}

var (
	guests     memo[*guest] // by package and toolchain
	components memo[string] // their files, by package and toolchain
	compiled   memo[string] // for a command wasmtime, by its name and the file of the component
)

// builds holds the directory for all files of the tests, once there is one.
var builds struct {
	sync.Mutex
	dir string
}

// tempPath returns the path of a file with this name in a new temporary directory.
func tempPath(name string) string {
	builds.Lock()
	defer builds.Unlock()
	if builds.dir == "" {
		dir, err := os.MkdirTemp("", "wasio-e2e")
		if err != nil {
			panic(err)
		}
		builds.dir = dir
	}
	dir, err := os.MkdirTemp(builds.dir, "")
	if err != nil {
		panic(err)
	}
	return filepath.Join(dir, name)
}

// build builds the package with the toolchain, or for this machine if the toolchain is
// empty. It builds each guest once per run of the tests.
func build(pkg string, toolchain component.Toolchain) (*guest, error) {
	return buildOnce(pkg, toolchain, buildUncached)
}

// buildOnce is build with another function that builds the package.
func buildOnce(pkg string, toolchain component.Toolchain, build func(pkg string, toolchain component.Toolchain) (*guest, error)) (*guest, error) {
	return guests.get(pkg+" "+string(toolchain), func() (*guest, error) {
		g, err := build(pkg, toolchain)
		if err != nil {
			err = fmt.Errorf("%s with %s: %w", pkg, toolchain, err)
		}
		return g, err
	})
}

// buildComponent builds the component of a package once per run of the tests.
func buildComponent(pkg string, toolchain component.Toolchain) (wasm string, err error) {
	return components.get(pkg+" "+string(toolchain), func() (string, error) {
		wasm := tempPath(filepath.Base(pkg) + ".wasm")
		return wasm, component.Build(toolchain, "", pkg, wasm)
	})
}

// buildUncached does the work of build.
func buildUncached(pkg string, toolchain component.Toolchain) (*guest, error) {
	if toolchain == "" {
		g := &guest{native: tempPath(filepath.Base(pkg))}
		return g, component.Command("", nil, "go", "build", "-o", g.native, pkg)
	}
	wasm, err := buildComponent(pkg, toolchain)
	if err != nil {
		return nil, err
	}
	g := &guest{wasm: wasm}
	return g, g.prepare()
}

// prepare compiles the component for the hosts.
func (g *guest) prepare() error {
	if err := g.compile(); err != nil {
		return err
	}
	// The command jco run transpiles the component, writes a script and runs it, here with
	// true. The tests run the script with Node later.
	transpiled := filepath.Join(filepath.Dir(g.wasm), "jco")
	g.script = filepath.Join(transpiled, "_run.js")
	run := jcoCommand("run", "--jco-dir", transpiled, "--jco-import", "setup.mjs", g.wasm)
	return component.Command("", []string{"JCO_RUN_PATH=true"}, run[0], run[1:]...)
}

// compile is prepare without jco.
func (g *guest) compile() error {
	g.compiled = g.wasm + ".compiled"
	p := process{task: task{Compile: &self.Compile{From: g.wasm, To: g.compiled}}, limit: 5 * time.Minute}
	if r, err := p.run(); err != nil || r.exit != 0 {
		return fmt.Errorf("wasmtime compile: %w: %s", err, r.stderr)
	}
	_, err := compileFor(wasmtime48, g.wasm)
	return err
}

// compileFor compiles a component for a command wasmtime, once per run of the tests, since it
// takes seconds. It returns the path of the result.
func compileFor(engine software, wasm string) (path string, err error) {
	return compiled.get(string(engine)+" "+wasm, func() (string, error) {
		command, err := commands[engine]()
		if err != nil {
			return "", err
		}
		path := tempPath("compiled.cwasm")
		// The guests are busy with their host, so it pays to compile them in half the time.
		args := []string{"compile", "-o", path, "-O", "opt-level=0"}
		if engine != wasmtime36 { // which has no other way to allocate registers
			args = append(args, "-C", "cranelift-regalloc_algorithm=single_pass")
		}
		return path, component.Command("", nil, command, append(args, wasm)...)
	})
}

// jcoCommand returns the command line of jco. Its own modules, which run for a second, are worth
// no optimization. The guest runs in another process.
func jcoCommand(args ...string) []string {
	return append([]string{"node", "--liftoff-only", "node_modules/@bytecodealliance/jco/dist/jco.js"}, args...)
}

// requireTools skips the test if a tool is missing that the toolchain or the hosts need.
// On CI it fails the test instead.
func requireTools(t *testing.T, toolchain component.Toolchain) {
	t.Helper()
	missing := func(message string) { t.Helper(); missing(t, message) }
	if f, err := os.Open(stampFile); err == nil {
		f.Close()
	}
	if !wasmtime.Available {
		missing("needs cgo for Wasmtime: install a C compiler, and set CGO_ENABLED=1")
	}
	if _, err := exec.LookPath("node"); err != nil {
		missing("needs Node for jco: install Node 20 or newer, with npm")
	}
	if err := component.Install(); err != nil {
		missing(fmt.Sprintf("needs jco: run `npm install` in e2e (%v)", err))
	}
	if _, err := component.Wasmtime(); err != nil {
		missing(fmt.Sprintf("needs the command wasmtime: %v", err))
	}
	if _, err := component.WasmTools(); err != nil {
		missing(fmt.Sprintf("needs wasm-tools: %v", err))
	}
	if _, err := exec.LookPath("tinygo"); err != nil && toolchain == component.TinyGo {
		missing("needs TinyGo: PATH=$(../.ci/tinygo):$PATH, or install TinyGo 0.42 and wasm-tools")
	}
}

// missing skips the test, or fails it on CI.
func missing(t *testing.T, message string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(message)
	}
	t.Skip(message)
}
