//go:build wasip1 && !tinygo.wasm

package main

import (
	"unsafe"

	_ "github.com/wasio-dev/wasio/componentize"
)

//go:wasmexport wasi:cli/run@0.2.0#run
func run() (failed int32) {
	main()
	return 0
}

// realloc stands in for that of package runtime, which the bindings of a program link. The host
// must not ask for memory but for the calls of package componentize.
//
//go:linkname realloc go.bytecodealliance.org/pkg/wit/runtime.cabiRealloc
func realloc(unsafe.Pointer, uintptr, uintptr, uintptr) unsafe.Pointer {
	panic("asked for memory")
}
