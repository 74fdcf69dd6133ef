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

// A Toolchain makes guests.
type Toolchain string

const (
	TinyGo Toolchain = "TinyGo"
	Go     Toolchain = "Go"

	// GoAsItIs is Go without the step that raises the memory.
	GoAsItIs Toolchain = "Go, memory as it is"
)

// Toolchains are those that users have.
var Toolchains = []Toolchain{TinyGo, Go}

// memoryPages is the initial memory of a guest that Go has compiled: 128 MiB, enough for
// the largest Write here.
const memoryPages = 2048

// GoEnv is the environment in which go build makes core modules.
var GoEnv = []string{"GOOS=wasip1", "GOARCH=wasm"}

// Build makes a component, the file wasm, of a package in the folder, with flags for
// go build or tinygo build. It runs in the folder e2e, as all functions here do.
func Build(with Toolchain, folder, pkg, wasm string, flags ...string) error {
	if with == TinyGo {
		args := append([]string{"build", "-target=wasip2", "-o", wasm}, flags...)
		return Command(folder, nil, "tinygo", append(args, pkg)...)
	}
	core := wasm + ".core"
	args := append([]string{"build", "-o", core}, flags...)
	if err := Command(folder, GoEnv, "go", append(args, pkg)...); err != nil {
		return err
	}
	if with == Go {
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
	return Command("", nil, "node", "component.mjs", "../wit", "imports", core, wasm)
}

// Command runs a tool, which must succeed, in the folder and with additions to the
// environment.
func Command(folder string, env []string, name string, args ...string) error {
	c := exec.Command(name, args...)
	c.Dir = folder
	c.Env = append(os.Environ(), env...)
	said, err := c.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, bytes.TrimSpace(said))
	}
	return nil
}

// Install makes sure once that jco is as the lockfile says.
var Install = sync.OnceValue(func() error {
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
	return Command("", nil, "npm", "install", "--no-save", "--no-audit", "--no-fund")
})
