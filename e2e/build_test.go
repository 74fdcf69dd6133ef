package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wasio-dev/wasio/e2e/internal/component"
	"github.com/wasio-dev/wasio/e2e/internal/wasmtime"
)

// A toolchain makes guests.
type toolchain string

const (
	tinyGo toolchain = "TinyGo"
	stdGo  toolchain = "Go"

	// goAsItIs is Go without the step that raises the memory.
	goAsItIs toolchain = "Go, memory as it is"
)

var toolchains = []toolchain{tinyGo, stdGo}

// memoryPages is the initial memory of a guest that Go has compiled: 128 MiB, enough for
// the largest Write here.
const memoryPages = 2048

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
func build(pkg string, with toolchain) (*guest, error) {
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
func construct(pkg string, with toolchain) (*guest, error) {
	out := scratch(filepath.Base(pkg))
	g := &guest{native: out, wasm: out + ".wasm", compiled: out + ".compiled"}
	switch with {
	case "":
		return g, command("go", "build", "-o", g.native, pkg)
	case tinyGo:
		if err := command("tinygo", "build", "-target=wasip2", "-o", g.wasm, pkg); err != nil {
			return nil, err
		}
	case stdGo, goAsItIs:
		core := out + ".core.wasm"
		if err := command("env", "GOOS=wasip1", "GOARCH=wasm", "go", "build", "-o", core, pkg); err != nil {
			return nil, err
		}
		if with == stdGo {
			if err := raiseMemory(core, memoryPages); err != nil {
				return nil, err
			}
		}
		if err := command("node", "component.mjs", "../wit", "imports", core, g.wasm); err != nil {
			return nil, err
		}
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
	return command("node", jco, "run", "--jco-dir", transpiled, "--jco-import", "setup.mjs", g.wasm)
}

func raiseMemory(file string, pages uint32) error {
	module, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if module, err = component.RaiseMemory(module, pages); err != nil {
		return err
	}
	return os.WriteFile(file, module, 0o600)
}

// command runs a tool, which must succeed.
func command(name string, args ...string) error {
	said, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, bytes.TrimSpace(said))
	}
	return nil
}

const jco = "node_modules/@bytecodealliance/jco/dist/jco.js"

// installed makes sure once that jco is as the lockfile says.
var installed = sync.OnceValue(func() error {
	lock, err := os.Stat("package-lock.json")
	if err != nil {
		return err
	}
	have, err := os.Stat("node_modules/.package-lock.json")
	if err == nil && !have.ModTime().Before(lock.ModTime()) {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	// Not `npm ci`: it wants the lockfile to have every binary package of other
	// platforms that some dependency of jco's names, and not all of them exist.
	return command("npm", "install", "--no-save", "--no-audit", "--no-fund")
})

// need skips the test if a tool is not there that the toolchain needs or the hosts do.
// On CI that is a failure.
func need(t *testing.T, with toolchain) {
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
	if err := installed(); err != nil {
		missing(fmt.Sprintf("needs jco: run `npm install` in e2e (%v)", err))
	}
	if _, err := exec.LookPath("tinygo"); err != nil && with == tinyGo {
		missing("needs TinyGo: PATH=$(../.ci/tinygo):$PATH, or install TinyGo 0.41 and wasm-tools")
	}
}
