//go:build wasm || tinygo.wasm

package main

// getStdin returns an own<input-stream>.
//
//go:wasmimport wasi:cli/stdin@0.2.0 get-stdin
func getStdin() uint32
