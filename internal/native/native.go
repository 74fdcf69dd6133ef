// Package native makes a native program a guest of the model: it has the bodies of the functions
// that the packages in generated import. Each standard stream of the process has a host of its
// own, and so has each stream of a test.
package native

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"

	"github.com/wasio-dev/wasio/internal/host"
)

// A handle of a native program has the number of its host in the bits above [host.MaxHandle].
// The number of clock is 0.
const maxHosts = 1 << 32 / (host.MaxHandle + 1)

// clock is the host of the functions that belong to no stream.
var clock = host.New(host.Options{})

var (
	exposed   [maxHosts]atomic.Pointer[host.Host]
	lately    atomic.Uint32    // wraps around, so that no number is reused soon
	standards [2]atomic.Uint32 // the bases of the hosts of standard output and error
)

// Expose makes the handles of h usable by the generated bindings of this process, with
// base added to each. [Withdraw] undoes it. Expose fails in a guest, and if too many hosts are
// exposed.
func Expose(h *host.Host) (base uint32, err error) {
	if runtime.GOARCH == "wasm" {
		return 0, errors.New("a guest gets its streams from its own host; this works on other platforms only")
	}
	for range maxHosts - 1 {
		if i := 1 + lately.Add(1)%(maxHosts-1); exposed[i].CompareAndSwap(nil, h) {
			return i * (host.MaxHandle + 1), nil
		}
	}
	return 0, fmt.Errorf("too many streams in use; the maximum is %d", maxHosts-1-len(standards))
}

// Withdraw undoes the Expose that returned base.
func Withdraw(base uint32) { exposed[base/(host.MaxHandle+1)].Store(nil) }

// owner finds the host of a handle, and the handle in it.
func owner(handle uint32) (h *host.Host, base, own uint32) {
	base, own = handle&^host.MaxHandle, handle&host.MaxHandle
	if base == 0 {
		return clock, base, own
	}
	if h = exposed[base/(host.MaxHandle+1)].Load(); h == nil {
		panic(&host.Trap{Reason: "a handle of a host that is gone"})
	}
	return h, base, own
}

// Interrupt interrupts the host of an exposed stream, see [host.Host.Interrupt]: a guest that
// waits checks the deadline that was set meanwhile. It has no effect if the host is gone or
// handle is 0.
func Interrupt(handle uint32) {
	if h := exposed[handle/(host.MaxHandle+1)].Load(); h != nil {
		h.Interrupt()
	}
}

// TextOf returns the result of error.to-debug-string for an exposed error.
func TextOf(handle uint32) string {
	h, _, own := owner(handle)
	return h.DebugString(own)
}

// Standard returns the host of a standard stream of this process, [host.Stdout] or [host.Stderr],
// and the base with which it is exposed.
func Standard(fd int) (h *host.Host, base uint32) {
	h, base, _ = owner(standards[fd-1].Load())
	return h, base
}

// SwapStandard gives a standard stream of this process the host that is exposed with base, and
// returns the base of the host that it had.
func SwapStandard(fd int, base uint32) (before uint32) { return standards[fd-1].Swap(base) }

// SwapWriter is set by package wasio. It resets the Writer on a standard stream to its state in a
// new program, gives it the handle, and returns the handle that it had.
var SwapWriter func(fd int, handle uint32) (before uint32)
