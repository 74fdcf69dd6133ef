package component

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"sync"
)

// A Toolchain compiles guests.
type Toolchain string

const (
	TinyGo Toolchain = "TinyGo"
	Go     Toolchain = "Go"

	// GoUnraised is Go without the step that raises the initial memory.
	GoUnraised Toolchain = "Go without raised memory"
)

// Toolchains lists the toolchains that users of wasio have.
var Toolchains = []Toolchain{TinyGo, Go}

// memoryPages is the initial memory of a guest compiled by Go. The 128 MiB suffice for the
// largest Write of the tests.
const memoryPages = 2048

// GoEnv is the environment that makes go build compile core modules.
var GoEnv = []string{"GOOS=wasip1", "GOARCH=wasm"}

// Build compiles the package pkg in dir to the component wasm, with flags for go build or
// tinygo build. Like every function of this package, it must be called in the directory
// e2e.
func Build(toolchain Toolchain, dir, pkg, wasm string, flags ...string) error {
	return BuildWIT("../wit", toolchain, dir, pkg, wasm, flags...)
}

// BuildWIT is Build for a package whose imports are in the world imports of the directory
// wit, which matters to Go only.
func BuildWIT(wit string, toolchain Toolchain, dir, pkg, wasm string, flags ...string) error {
	if toolchain == TinyGo {
		args := append([]string{"build", "-target=wasip2", "-o", wasm}, flags...)
		return Command(dir, nil, "tinygo", append(args, pkg)...)
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
	return Command("", nil, "node", "component.mjs", wit, "imports", core, wasm)
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
