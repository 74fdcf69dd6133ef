package component

import "path/filepath"

// BuildP3 compiles the package pkg in dir with TinyGo or Go as they are to a component of WASI 0.3,
// whose exports are those of the world in the directory wit.
func BuildP3(toolchain Toolchain, wit, world, dir, pkg, wasm string, flags ...string) error {
	if toolchain != TinyGo {
		return BuildExports(wit, world, dir, pkg, wasm, flags...)
	}
	tools, err := WasmTools()
	if err != nil {
		return err
	}
	if wit, err = filepath.Abs(wit); err != nil {
		return err
	}
	return buildTinyGo(dir, pkg, wasm, []string{"WASMTOOLS=" + tools}, append(flags, "-wit-package", wit, "-wit-world", world)...)
}
