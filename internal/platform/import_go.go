//go:build !tinygo.wasm

package platform

import (
	"time"

	"github.com/wasio-dev/wasio/generated/wasi/io/poll"
)

// The Go toolchain refuses to import functions that return a list or a string, so poll is
// not used here.

const (
	// DefaultRecheck is how long a wait lasts at most before a Writer looks at its stream
	// again, unless the program says otherwise.
	DefaultRecheck int64 = Never

	// Bounded reports whether DefaultRecheck is a bound.
	Bounded = false
)

// AwaitWithin reports whether p is ready. If not, it first pauses, for longer the more
// rounds there were before, and at most for bound nanoseconds.
func AwaitWithin(p poll.Pollable, bound int64, round int) (ready bool) {
	if ready = p.Ready(); !ready {
		Pause(min(MinPause<<min(round, 8), MaxPause, bound))
	}
	return ready
}

// Pause returns after d nanoseconds.
func Pause(d int64) { time.Sleep(time.Duration(d)) }

var start = time.Now()

// Now returns the time of a clock that only goes forward, in nanoseconds, and never 0.
func Now() int64 { return int64(time.Since(start)) + 1 }

// CopyShort is copy into a dst that has room for src.
func CopyShort(dst, src []byte) int { return copy(dst, src) }
