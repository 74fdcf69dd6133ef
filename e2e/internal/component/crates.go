package component

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// Cache returns the directory for whatever takes long to build: $WASIO_CACHE, or else wasio in
// the user's cache directory.
func Cache() (string, error) {
	if dir := os.Getenv("WASIO_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	user, err := os.UserCacheDir()
	return filepath.Join(user, "wasio"), err
}

// WitBindgen installs wit-bindgen, the generator of bindings that componentize-go contains,
// unless the cache has it, and returns the path of the program. The build does not optimize, which
// would take minutes. The version matches v0.2.1 of go.bytecodealliance.org/pkg.
var WitBindgen = sync.OnceValues(func() (string, error) {
	const crate, version = "wit-bindgen-cli", "0.58.0"
	cache, err := Cache()
	if err != nil {
		return "", err
	}
	root := filepath.Join(cache, crate+"-"+version)
	path := filepath.Join(root, "bin", "wit-bindgen")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	env := []string{
		"CARGO_PROFILE_RELEASE_OPT_LEVEL=0", "CARGO_PROFILE_RELEASE_PANIC=abort",
		"CARGO_PROFILE_RELEASE_LTO=off", "CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16",
	}
	err = Command("", env, "cargo", "install", crate, "--version", version, "--locked",
		"--no-default-features", "--features", "go,async", "--root", root)
	if err != nil {
		err = fmt.Errorf("needs Rust with cargo, to install %s: %w", crate, err)
	}
	return path, err
})

// Wasmtime21 builds hosts/wasmtime21, which has the standard output of wasmtime issue 8781,
// and returns the path of the program. Cargo keeps what it has built in the user's cache.
var Wasmtime21 = sync.OnceValues(func() (string, error) {
	cache, err := Cache()
	if err != nil {
		return "", err
	}
	// For cargo, a crate in another clone is another crate.
	source := filepath.Join(cache, "wasmtime21-source")
	for _, name := range []string{"Cargo.toml", "Cargo.lock", "src/main.rs"} {
		if err := update(filepath.Join(source, name), filepath.Join("hosts/wasmtime21", name)); err != nil {
			return "", err
		}
	}
	target := filepath.Join(cache, "wasmtime21-target")
	err = Command(source, []string{"CARGO_TARGET_DIR=" + target}, "cargo", "build", "--release", "--locked")
	return filepath.Join(target, "release", "wasmtime21"), err
})

// update copies a file, unless the copy is there.
func update(to, from string) error {
	want, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if have, err := os.ReadFile(to); err == nil && bytes.Equal(have, want) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
		return err
	}
	return os.WriteFile(to, want, 0o666)
}

// Serve returns the command that serves a component on an address with the command
// wasmtime. Once it listens, it prints "Serving HTTP on http://" with the address.
func Serve(address, wasm string, options ...string) ([]string, error) {
	program, err := Wasmtime()
	return ServeWith(program, address, wasm, options...), err
}

// ServeWith is Serve with another program wasmtime.
func ServeWith(program, address, wasm string, options ...string) []string {
	command := append([]string{program, "serve", "-S", "cli", "-O", "pooling-allocator=n", "--addr", address}, options...)
	return append(command, wasm)
}

// Reuse has the options of Serve for instances that answer many requests. By default each
// answers one.
var Reuse = []string{"--max-instance-reuse-count", "1000000", "--idle-instance-timeout", "60s"}
