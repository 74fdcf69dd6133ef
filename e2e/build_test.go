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
	"github.com/wasio-dev/wasio/e2e/internal/wasmtime"
)

// A guest is a program made ready to run everywhere.
type guest struct {
	native   string // a program for this machine
	compiled string // a component, compiled for Wasmtime
	wasm     string // the component
	script   string // the component, transpiled by jco for Node
}

// workshop builds guests, each once in a run of the tests.
var workshop struct {
	sync.Mutex
	folder string // everything that is made goes here
	guests map[string]func() (*guest, error)
}

// scratch returns a new path in the workshop's folder.
func scratch(name string) string {
	workshop.Lock()
	defer workshop.Unlock()
	if workshop.folder == "" {
		folder, err := os.MkdirTemp("", "wasio-e2e")
		if err != nil {
			panic(err)
		}
		workshop.folder = folder
	}
	folder, err := os.MkdirTemp(workshop.folder, "")
	if err != nil {
		panic(err)
	}
	return filepath.Join(folder, name)
}

// build returns the guest that the package is, with the toolchain; "" is for this
// machine.
func build(pkg string, with component.Toolchain) (*guest, error) {
	workshop.Lock()
	if workshop.guests == nil {
		workshop.guests = make(map[string]func() (*guest, error))
	}
	key := pkg + " " + string(with)
	once, ok := workshop.guests[key]
	if !ok {
		once = sync.OnceValues(func() (*guest, error) {
			g, err := construct(pkg, with)
			if err != nil {
				err = fmt.Errorf("%s with %s: %w", pkg, with, err)
			}
			return g, err
		})
		workshop.guests[key] = once
	}
	workshop.Unlock()
	return once()
}

// construct does what build does once.
func construct(pkg string, with component.Toolchain) (*guest, error) {
	out := scratch(filepath.Base(pkg))
	g := &guest{native: out, wasm: out + ".wasm", compiled: out + ".compiled"}
	if with == "" {
		return g, component.Command("", nil, "go", "build", "-o", g.native, pkg)
	}
	if err := component.Build(with, "", pkg, g.wasm); err != nil {
		return nil, err
	}
	return g, g.prepare()
}

// prepare compiles the component for the hosts.
func (g *guest) prepare() error {
	p := process{task: task{Compile: &compile{g.wasm, g.compiled}}, limit: time.Minute}
	if r, err := p.run(); err != nil || r.exit != 0 {
		return fmt.Errorf("wasmtime compile: %w: %s", err, r.stderr)
	}
	// `jco run` transpiles, writes a script, and runs it with Node. The script stays
	// for the other runs. This one has no arguments, with which no guest does much.
	transpiled := filepath.Join(filepath.Dir(g.wasm), "jco")
	g.script = filepath.Join(transpiled, "_run.js")
	return component.Command("", nil, "node", jco, "run", "--jco-dir", transpiled, "--jco-import", "setup.mjs", g.wasm)
}

const jco = "node_modules/@bytecodealliance/jco/dist/jco.js"

// need skips the test if a tool is not there that the toolchain needs or the hosts do.
// On CI that is a failure.
func need(t *testing.T, with component.Toolchain) {
	t.Helper()
	if f, err := os.Open(tested); err == nil {
		f.Close()
	}
	missing := func(what string) {
		t.Helper()
		if os.Getenv("CI") == "true" {
			t.Fatal(what)
		}
		t.Skip(what)
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
	if _, err := exec.LookPath("tinygo"); err != nil && with == component.TinyGo {
		missing("needs TinyGo: PATH=$(../.ci/tinygo):$PATH, or install TinyGo 0.41 and wasm-tools")
	}
}
