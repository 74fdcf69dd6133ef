package component

import "path/filepath"

// reactor is the adapter for preview 1 that jco contains. See Install.
const reactor = "node_modules/@bytecodealliance/jco/lib/wasi_snapshot_preview1.reactor.wasm"

// BuildP3 compiles the package pkg in dir with TinyGo or Go as they are to a component of WASI 0.3,
// whose exports are those of the world in the directory wit.
func BuildP3(toolchain Toolchain, wit, world, dir, pkg, wasm string, flags ...string) error {
	tools, err := WasmTools()
	if err != nil {
		return err
	}
	if wit, err = filepath.Abs(wit); err != nil {
		return err
	}
	if toolchain == TinyGo {
		args := append([]string{"build", "-target=wasip2", "-wit-package", wit, "-wit-world", world, "-o", wasm}, flags...)
		return Command(dir, []string{"WASMTOOLS=" + tools}, "tinygo", append(args, pkg)...)
	}
	core := wasm + ".core"
	args := append([]string{"build", "-buildmode=c-shared", "-ldflags=-checklinkname=0", "-o", core}, flags...)
	if err := Command(dir, GoEnv, "go", append(args, pkg)...); err != nil {
		return err
	}
	if err := Command("", nil, tools, "component", "embed", wit, "--world", world, core, "-o", core); err != nil {
		return err
	}
	return Command("", nil, tools, "component", "new", "--adapt", "wasi_snapshot_preview1="+reactor, core, "-o", wasm)
}
