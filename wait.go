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

// awaitDefault waits until p is ready, without limit, and returns true.
func awaitDefault(p poll.Pollable) bool {
	p.Block()
	return true
}

// awaitBounded looks whether p is ready, and if not pauses for a time that grows with
// the round. It reports whether p was ready.
func awaitBounded(p poll.Pollable, bound uint64, round int) bool {
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
