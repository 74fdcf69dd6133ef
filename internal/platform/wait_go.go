//go:build !tinygo.wasm

package platform

import (
	"time"

	"github.com/wasio-dev/wasio/generated/wasi/io/poll"
)

// awaitPausing is Await without poll, which the Go toolchain cannot import because it returns a
// list. It checks whether p is ready, and pauses if not.
func awaitPausing(p poll.Pollable, bound int64, round int) (ready bool) {
	if bound == Never {
		p.Block()
		return true
	}
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
