//go:build !tinygo.wasm

package wasio

import (
	ioerror "github.com/wasio-dev/wasio/generated/wasi/io/error"
	"github.com/wasio-dev/wasio/generated/wasi/io/poll"
)

// What takes functions that return a list or a string is done without them here: the Go
// toolchain refuses to import them.

// defaultRecheck is how many nanoseconds a wait may last that has no limit; 0: any.
const defaultRecheck = 0

// await waits until p is ready, but not much longer than the bound if that is not 0, and
// reports whether it is ready. The round is how often it was not.
func await(p poll.Pollable, bound uint64, round int) bool {
	if bound == 0 {
		p.Block()
		return true
	}
	if p.Ready() {
		return true
	}
	pause := after(min(minPause<<min(round, 8), maxPause, bound))
	pause.Block()
	pause.ResourceDrop()
	return false
}

// textOf returns what the host says of a failure, or "".
func textOf(ioerror.Error) string { return "" }
