//go:build tinygo.wasm

package platform

import (
	"unsafe"

	monotonicclock "github.com/wasio-dev/wasio/generated/wasi/clocks/monotonic-clock"
	ioerror "github.com/wasio-dev/wasio/generated/wasi/io/error"
	"github.com/wasio-dev/wasio/generated/wasi/io/poll"
	"go.bytecodealliance.org/cm"
)

// These functions return a list or a string. In package generated the Go toolchain would
// refuse them.

//go:wasmimport wasi:io/poll@0.2.0 poll
//go:noescape
func pollList(in *poll.Pollable, n uint32, ready *cm.List[uint32])

//go:wasmimport wasi:io/error@0.2.0 [method]error.to-debug-string
//go:noescape
func toDebugString(e uint32, text *string)

const (
	minRecheck int64 = 2_000_000

	// DefaultRecheck is how long a wait lasts at most before a Writer looks at its stream
	// again, unless the program says otherwise. The first wait lasts minRecheck at most.
	DefaultRecheck = minRecheck << 2

	// Bounded reports whether DefaultRecheck is a bound.
	Bounded = true
)

// alarm is the pollable of a clock, or 0. All waits of the program share it until it
// fires, so that most of them make no host call for it.
var alarm poll.Pollable

// AwaitWithin waits until p is ready, or for bound nanoseconds or DefaultRecheck at most,
// and reports whether p is ready. When a clock wakes poll, it looks at p itself, even if
// the host lost the wake-up.
func AwaitWithin(p poll.Pollable, bound int64, round int) (ready bool) {
	old := alarm != 0
	if old && bound < DefaultRecheck {
		alarm.ResourceDrop() // it may be too late
		old = false
	}
	if !old {
		alarm = subscribe(min(bound, minRecheck<<min(round, 2)))
	}
	both := [2]poll.Pollable{p, alarm}
	var indices cm.List[uint32]
	pollList(&both[0], 2, &indices)
	fired := false
	for _, i := range indices.Slice() { // in no promised order
		ready, fired = ready || i == 0, fired || i == 1
	}
	if fired {
		alarm.ResourceDrop()
		alarm = 0
		if old && !ready { // it may have fired before p was there
			return AwaitWithin(p, bound, round)
		}
	}
	return ready
}

// subscribe returns the pollable of a clock that is ready after d nanoseconds.
func subscribe(d int64) poll.Pollable {
	return monotonicclock.SubscribeDuration(monotonicclock.Duration(d))
}

// Pause returns after d nanoseconds.
func Pause(d int64) {
	clock := subscribe(d)
	clock.Block()
	clock.ResourceDrop()
}

// Now returns the time of a clock that only goes forward, in nanoseconds, and never 0.
func Now() int64 { return int64(monotonicclock.Now()) + 1 }

// TextOf returns the host's text for a failure.
func TextOf(e ioerror.Error) string {
	var text string
	toDebugString(cm.Reinterpret[uint32](e), &text)
	return text
}

// CopyShort is copy into a dst that has room for src. Copy is one instruction of
// WebAssembly, for which Wasmtime leaves the guest: that takes some 15 ns, in which this
// loop copies 100 bytes.
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
