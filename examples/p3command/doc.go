// P3command is a command of WASI 0.3, for the unmodified Go toolchain or TinyGo. It prints a
// table with package fmt and logs with package log. A program takes three steps:
//
//  1. The world, in wit/world.wit, says what the component imports and exports.
//
//  2. The entry is the export wasi:cli/run, the function run in main.go. The name has the
//     version that the world has. Nobody calls main in a component.
//
//  3. Build and run, with wasm-tools 1.262 or newer (`cargo install wasm-tools`):
//
//     WASMTOOLS=$(command -v wasm-tools) tinygo build -target=wasip2 -wit-package wit -wit-world app -o app.wasm .
//     wasmtime run app.wasm
//
// With Go, the adapter for preview 1 comes from npm, and realloc.go gives it memory:
//
//	npm install --no-save --prefix /tmp/jco @bytecodealliance/jco
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -ldflags=-checklinkname=0 -o core.wasm .
//	wasm-tools component embed wit -w app core.wasm -o core.wasm
//	wasm-tools component new --adapt wasi_snapshot_preview1=/tmp/jco/node_modules/@bytecodealliance/jco/lib/wasi_snapshot_preview1.reactor.wasm core.wasm -o app.wasm
//	wasmtime run app.wasm
//
// In a clone of wasio,
//
//	go -C e2e run ./componentize -C ../examples/p3command -w app build
//
// does the same and writes main.wasm. It installs what it needs.
package main
