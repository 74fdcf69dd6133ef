//go:build wasip1

// Package main has the export by which a host runs a component that componentize-go makes
// of a command. There main is not called. The build adds this file to the package of a
// guest, so that the same guests run in all ways.
package main

// A component links the package runtime wherever its bindings are from wit-bindgen. It has
// cabi_realloc, without which the adapter and Go's allocator disagree about the memory.
import (
	_ "github.com/wasio-dev/wasio/componentize"
	_ "go.bytecodealliance.org/pkg/wit/runtime"
)

//go:wasmexport wasi:cli/run@0.2.0#run
func exportRun() (failed int32) {
	main()
	return 0
}
