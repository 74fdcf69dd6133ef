//go:build tinygo.wasm

package platform

import (
	"unsafe"

	monotonicclock "github.com/wasio-dev/wasio/generated/wasi/clocks/monotonic-clock"
	"github.com/wasio-dev/wasio/generated/wasi/io/poll"
	"go.bytecodealliance.org/cm"
)

// These functions return a list or a string. The packages in generated lack them, since the Go
// toolchain would refuse them.

//go:wasmimport wasi:io/poll@0.2.0 poll
//go:noescape
func pollList(in *poll.Pollable, n uint32, ready *cm.List[uint32])

//go:wasmimport wasi:io/error@0.2.0 [method]error.to-debug-string
//go:noescape
func toDebugString(e uint32, text *string)

// Await waits until p is ready, or for bound nanoseconds at most, and reports whether p is
// ready. It may return earlier. It is called for wait number round, counted from 0, since the
// stream last moved a byte.
func Await(p poll.Pollable, bound int64, round int) (ready bool) { return await(p, bound, round) }

// TextOf returns the first line of the host's text for a failure.
func TextOf(err uint32) string {
	var text string
	toDebugString(err, &text)
	return firstLine(text)
}

// UseLimits is for the Go toolchain: with TinyGo all waits are bounded.
func UseLimits() {}

// pollTwo waits until p or clock is ready.
func pollTwo(p, clock poll.Pollable) (ready, fired bool) {
	both := [2]poll.Pollable{p, clock}
	var indices cm.List[uint32]
	pollList(&both[0], 2, &indices)
	for _, i := range indices.Slice() { // in no promised order
		ready, fired = ready || i == 0, fired || i == 1
	}
	return ready, fired
}

// Pause returns after d nanoseconds.
func Pause(d int64) {
	clock := subscribe(d)
	clock.Block()
	clock.ResourceDrop()
}

// Now returns the time of a clock that only goes forward, in nanoseconds, and never 0.
func Now() int64 { return int64(monotonicclock.Now()) + 1 }

// CopyShort is copy into a dst that has room for src. On Wasmtime, copy is a call out of the
// guest, which takes some 15 ns. In that time this loop copies 100 bytes.
func CopyShort(dst, src []byte) int {
	n := len(src)
	if n < 8 || n > 256 {
		return copy(dst, src)
	}
	d, s := unsafe.Pointer(unsafe.SliceData(dst)), unsafe.Pointer(unsafe.SliceData(src))
	for i := 0; i < n-8; i += 8 {
		*(*uint64)(unsafe.Add(d, i)) = *(*uint64)(unsafe.Add(s, i))
	}
	*(*uint64)(unsafe.Add(d, n-8)) = *(*uint64)(unsafe.Add(s, n-8)) // may overlap the last
	return n
}
