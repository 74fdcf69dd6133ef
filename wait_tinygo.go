//go:build tinygo.wasm

package wasio

import (
	ioerror "github.com/wasio-dev/wasio/generated/wasi/io/error"
	"github.com/wasio-dev/wasio/generated/wasi/io/poll"
	"go.bytecodealliance.org/cm"
)

// Functions that return a list or a string, which is why they are not in generated: the
// Go toolchain would refuse them.

//go:wasmimport wasi:io/poll@0.2.0 poll
//go:noescape
func pollList(in *poll.Pollable, n uint32, ready *cm.List[uint32])

//go:wasmimport wasi:io/error@0.2.0 [method]error.to-debug-string
//go:noescape
func toDebugString(e uint32, text *string)

// defaultRecheck is how many nanoseconds a wait may last that has no limit; 0: any.
const defaultRecheck = 100_000_000

// awaitDefault waits until p is ready, or for defaultRecheck, and reports whether p is
// ready.
func awaitDefault(p poll.Pollable) bool { return awaitBounded(p, defaultRecheck, 0) }

// awaitBounded waits until p is ready, or as long as the bound, and reports whether p is
// ready.
func awaitBounded(p poll.Pollable, bound uint64, _ int) bool {
	timeout := after(bound)
	both := [2]poll.Pollable{p, timeout}
	var ready cm.List[uint32]
	pollList(&both[0], 2, &ready)
	timeout.ResourceDrop()
	return *ready.Data() == 0 // the indices are in order, and there is one at least
}

// textOf returns what the host says of a failure, or "".
func textOf(e ioerror.Error) string {
	var text string
	toDebugString(cm.Reinterpret[uint32](e), &text)
	return text
}
