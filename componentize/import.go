//go:build wasip1 && !tinygo.wasm

package componentize

import (
	"unsafe"

	"github.com/wasio-dev/wasio/generated/wasi/io/poll"
	"github.com/wasio-dev/wasio/internal/platform"
)

// In the canonical ABI, for a result that is a list or a string, the host asks the program for
// memory, once, by calling a function that the component names. Then it stores address and
// length at ret, as two uint32. The function is the export cabi_import_realloc of the core
// module, if there is one, and cabi_realloc if not (wit-component). Package runtime of
// go.bytecodealliance.org/pkg/wit exports only cabi_realloc, which allocates. If that starts a
// garbage collection, the collector asks the host for the time, and the host traps: a program
// may not call the host while the host asks for memory. Besides, that memory stays allocated.
//
// So while a call of this package is under way, its result goes to static memory: nothing is
// allocated, and the host is not called. Only one call is under way at a time, since the host
// blocks the program. All other requests come from other bindings, and go to package runtime.

//go:wasmimport wasi:io/poll@0.2.0 poll
func pollList(in unsafe.Pointer, n uint32, ret unsafe.Pointer)

//go:wasmimport wasi:io/error@0.2.0 [method]error.to-debug-string
func toDebugString(err uint32, ret unsafe.Pointer)

//go:linkname cabiRealloc go.bytecodealliance.org/pkg/wit/runtime.cabiRealloc
func cabiRealloc(old unsafe.Pointer, oldSize, align, size uintptr) unsafe.Pointer

// runtimeRealloc is cabiRealloc. In a program without package runtime, the variable makes the
// link fail. With a direct call the linker would make an invalid module instead.
var runtimeRealloc = cabiRealloc

// sbrk grows the memory of the program by size bytes, which the garbage collector does not know
// of.
//
//go:linkname sbrk runtime.sbrk
func sbrk(size uintptr) unsafe.Pointer

var (
	asked bool // a call of this package is under way, and the host may still ask for its memory
	ret   struct{ address, length uint32 }
	list  [2]poll.Pollable
	small [4 << 10 / 8]uint64 // aligned for all types
	room  = unsafe.Slice((*byte)(unsafe.Pointer(&small)), unsafe.Sizeof(small))
)

//go:nosplit
//go:wasmexport cabi_import_realloc
func cabiImportRealloc(old unsafe.Pointer, oldSize, align, size uintptr) unsafe.Pointer {
	if !asked {
		return runtimeRealloc(old, oldSize, align, size)
	}
	asked = false
	if size > uintptr(len(room)) {
		room = unsafe.Slice((*byte)(sbrk(size)), size) // kept for the next text
	}
	return unsafe.Pointer(unsafe.SliceData(room))
}

func init() { platform.UseHost(pollTwo, textOf) }

// pollTwo waits until p or clock is ready.
func pollTwo(p, clock poll.Pollable) (ready, fired bool) {
	list = [2]poll.Pollable{p, clock}
	asked = true
	pollList(unsafe.Pointer(&list), 2, unsafe.Pointer(&ret))
	for _, i := range unsafe.Slice((*uint32)(result()), ret.length) { // in no promised order
		ready, fired = ready || i == 0, fired || i == 1
	}
	return ready, fired
}

// textOf returns the host's text for a failure.
func textOf(err uint32) string {
	asked = true
	toDebugString(err, unsafe.Pointer(&ret))
	return string(unsafe.Slice((*byte)(result()), ret.length))
}

// result returns the address of the list or the string that a call has returned.
func result() unsafe.Pointer {
	asked = false // a host that returns nothing may not have asked for memory
	return unsafe.Pointer(unsafe.SliceData(room))
}
