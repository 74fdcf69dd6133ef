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
	asks := 1
	if round == 0 {
		d := max(vain.Load(), 1) - 1
		if d <= maxVain {
			asks, d = maxAsks, d+aVain
		}
		vain.Store(d)
	}
	for range asks {
		if p.Ready() {
			if asks > 1 {
				vain.Store(0)
			}
			return true
		}
	}
	Pause(min(MinPause<<min(round, 8), MaxPause, bound))
	return false
}

// A pause takes a millisecond on most hosts, in which another thread of the host can take many
// writes. So the first wait since a byte moved asks again and again before it pauses, which takes
// some 0.17 ms on Wasmtime 48. If all threads of the host share a core, that is in vain; then only
// one wait in aVain does so.
const (
	maxAsks = 250
	aVain   = 8
	maxVain = 3 * aVain
)

// vain counts waits that asked again and again in vain: aVain for each, less one for each wait
// since.
var vain Uint32

// Pause returns after d nanoseconds.
func Pause(d int64) { time.Sleep(time.Duration(d)) }

var start = time.Now()

// Now returns the time of a clock that only goes forward, in nanoseconds, and never 0.
func Now() int64 { return int64(time.Since(start)) + 1 }

// CopyShort is copy into a dst that has room for src.
func CopyShort(dst, src []byte) int { return copy(dst, src) }
