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

// realloc stands in for that of package runtime, which a program's bindings link. The host must
// ask for memory only in calls of package componentize.
//
//go:linkname realloc go.bytecodealliance.org/pkg/wit/runtime.cabiRealloc
func realloc(unsafe.Pointer, uintptr, uintptr, uintptr) unsafe.Pointer {
	panic("asked for memory")
}
