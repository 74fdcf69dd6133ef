package component

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// A Toolchain compiles guests.
type Toolchain string

const (
	TinyGo Toolchain = "TinyGo"
	Go     Toolchain = "Go"

	// Componentize is Go, as componentize-go calls it. See Componentized.
	Componentize Toolchain = "Go, componentize-go"

	// GoUnraised is Go without the step that raises the initial memory.
	GoUnraised Toolchain = "Go without raised memory"
)

// Toolchains lists the toolchains that users of wasio have.
var Toolchains = []Toolchain{TinyGo, Go, Componentize}

// memoryPages is the initial memory of a guest compiled by Go. The 128 MiB suffice for the
// largest Write of the tests.
const memoryPages = 2048

// GoEnv is the environment that makes go build compile core modules.
var GoEnv = []string{"GOOS=wasip1", "GOARCH=wasm"}

// commandWIT is the directory with the world of a command, which is named app.
const commandWIT = "../examples/componentize/wit"

// Build compiles the package pkg in dir, a command, to the component wasm, with flags for
// go build or tinygo build. Like every function of this package, it must be called in the
// directory e2e.
func Build(toolchain Toolchain, dir, pkg, wasm string, flags ...string) error {
	return BuildWIT("../wit", toolchain, dir, pkg, wasm, flags...)
}

// BuildWIT is Build for a package whose imports are in the world imports of the directory
// wit, which matters to Go only.
func BuildWIT(wit string, toolchain Toolchain, dir, pkg, wasm string, flags ...string) error {
	switch toolchain {
	case TinyGo:
		return buildTinyGo(dir, pkg, wasm, nil, flags...)
	case Componentize:
		return BuildApp(commandWIT, dir, pkg, wasm, flags...)
	}
	core := wasm + ".core"
	args := append([]string{"build", "-o", core}, flags...)
	if err := Command(dir, GoEnv, "go", append(args, pkg)...); err != nil {
		return err
	}
	if toolchain == Go {
		module, err := os.ReadFile(core)
		if err != nil {
			return err
		}
		if module, err = RaiseMemory(module, memoryPages); err != nil {
			return err
		}
		if err := os.WriteFile(core, module, 0o600); err != nil {
			return err
		}
	}
	return newComponent(wit, "imports", core, wasm, "command")
}

// buildTinyGo is Build with [TinyGo], with env added to the environment.
func buildTinyGo(dir, pkg, wasm string, env []string, flags ...string) error {
	// With the default, TinyGo spends a third of its time in its garbage collector.
	env = append(env, "GOGC=400")
	args := append([]string{"build", "-target=wasip2", "-o", wasm}, flags...)
	return Command(dir, env, "tinygo", append(args, pkg)...)
}

// BuildApp is Build with [Componentize] for a package whose imports are in the world app of the
// directory wit.
func BuildApp(wit, dir, pkg, wasm string, flags ...string) error {
	overlay, err := exportMain(dir, pkg, wasm+".overlay")
	if err != nil {
		return err
	}
	return BuildExports(wit, "app", dir, pkg, wasm, append(flags, overlay)...)
}

// BuildExports does what `componentize-go -w world build` does, with tools from package
// registries: it compiles the package pkg in dir, whose exports are those of the world in the
// directory wit, to the component wasm. The program is initialized by init functions only: main
// is not called.
func BuildExports(wit, world, dir, pkg, wasm string, flags ...string) error {
	core := wasm + ".core"
	args := append([]string{"build", "-buildmode=c-shared", "-ldflags=-checklinkname=0", "-o", core}, flags...)
	if err := Command(dir, GoEnv, "go", append(args, pkg)...); err != nil {
		return err
	}
	return newComponent(wit, world, core, wasm, "reactor")
}

// BuildServer compiles the server of the benchmark, which answers through package guests/bodies,
// with TinyGo or Componentize, with flags for tinygo build or go build.
func BuildServer(toolchain Toolchain, wasm string, flags ...string) error {
	const wit, world = "../examples/httpbody/wit", "httpbody"
	if toolchain == TinyGo {
		flags = append(flags, "-wit-package", wit, "-wit-world", world)
		return Build(toolchain, "", "./guests/bodies/tinygo", wasm, flags...)
	}
	overlay, err := Overlay(wasm+".overlay",
		"../examples/httpserver/export_wasi_http_incoming_handler/handler.go", "guests/bodies/componentize/handler.go")
	if err != nil {
		return err
	}
	return BuildExports(wit, world, "", "github.com/wasio-dev/wasio/examples/httpserver", wasm, append(flags, overlay)...)
}

// newComponent makes a component of a core module, with the adapter for preview 1 for a command
// or for a reactor, which is a program with exports.
func newComponent(wit, world, core, wasm, adapter string) error {
	tools, err := WasmTools()
	if err != nil {
		return err
	}
	if err := Command("", nil, tools, "component", "embed", wit, "--world", world, core, "-o", core); err != nil {
		return err
	}
	return Command("", nil, tools, "component", "new", "--adapt",
		"wasi_snapshot_preview1="+adapters+"wasi_snapshot_preview1."+adapter+".wasm", core, "-o", wasm)
}

// adapters is the directory of the adapters for preview 1 that jco contains. See Install.
const adapters = "node_modules/@bytecodealliance/jco/lib/"

// exportMain returns the flag for go build that adds package command to the package pkg,
// so that its main function is an export. It writes the file overlay, which the flag names.
func exportMain(dir, pkg, overlay string) (flag string, err error) {
	list := exec.Command("go", "list", "-f", "{{.Dir}}", pkg)
	list.Dir, list.Env = dir, append(os.Environ(), GoEnv...)
	target, err := list.Output()
	if err != nil {
		return "", fmt.Errorf("go list %s: %w", pkg, err)
	}
	return Overlay(overlay, filepath.Join(string(bytes.TrimSpace(target)), "command_export.go"), "internal/component/command/command.go")
}

// Overlay returns the flag for go build that replaces the file target, which need not exist, by
// source. It writes the file overlay, which the flag names.
func Overlay(overlay, target, source string) (flag string, err error) {
	if target, err = filepath.Abs(target); err != nil {
		return "", err
	}
	if source, err = filepath.Abs(source); err != nil {
		return "", err
	}
	text, err := json.Marshal(map[string]map[string]string{"Replace": {target: source}})
	if err != nil {
		return "", err
	}
	return "-overlay=" + overlay, os.WriteFile(overlay, text, 0o600)
}

// Command runs a tool in dir, with env added to the environment. If the tool fails, the
// error contains its output.
func Command(dir string, env []string, name string, args ...string) error {
	c := exec.Command(name, args...)
	c.Dir = dir
	c.Env = append(os.Environ(), env...)
	output, err := c.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, bytes.TrimSpace(output))
	}
	return nil
}

// Chromium returns the path of the program.
func Chromium() (string, error) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		err = errors.New("needs Chromium: apt-get install --no-install-recommends chromium")
	}
	return path, err
}

// Install installs the version of jco in the lockfile, unless it is installed already.
var Install = sync.OnceValue(func() error {
	lock, err := os.Stat("package-lock.json")
	if err != nil {
		return err
	}
	installed, err := os.Stat("node_modules/.package-lock.json")
	if err == nil && !installed.ModTime().Before(lock.ModTime()) {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	// npm ci would fail: it requires the lockfile to list the binary packages that a
	// dependency of jco names for other platforms, and not all of them exist.
	return Command("", nil, "npm", "install", "--no-save", "--no-audit", "--no-fund")
})
