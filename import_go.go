//go:build !tinygo.wasm

package wasio

import (
	"time"

	ioerror "github.com/wasio-dev/wasio/generated/wasi/io/error"
	"github.com/wasio-dev/wasio/generated/wasi/io/poll"
)

// The Go toolchain refuses to import functions that return a list or a string, so poll
// and to-debug-string are not used here.

// defaultRecheck is how long a wait lasts at most before the Writer looks at the stream
// again.
const defaultRecheck int64 = never

// awaitWithin reports whether p is ready. If not, it first pauses, for longer the more
// rounds there were before, and at most for bound nanoseconds.
func awaitWithin(p poll.Pollable, bound int64, round int) (ready bool) {
	if ready = p.Ready(); !ready {
		pause(min(minPause<<min(round, 8), maxPause, bound))
	}
	return ready
}

// pause returns after d nanoseconds.
func pause(d int64) { time.Sleep(time.Duration(d)) }

var start = time.Now()

// now returns the time of a clock that only goes forward, in nanoseconds, and never 0.
func now() int64 { return int64(time.Since(start)) + 1 }

// textOf returns a text for a failure, not the host's.
func textOf(ioerror.Error) string { return "last operation failed" }

// copyShort is copy into a dst that has room for src.
func copyShort(dst, src []byte) int { return copy(dst, src) }
