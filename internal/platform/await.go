//go:build wasm || tinygo.wasm

package platform

import (
	monotonicclock "github.com/wasio-dev/wasio/generated/wasi/clocks/monotonic-clock"
	"github.com/wasio-dev/wasio/generated/wasi/io/poll"
)

const (
	minRecheck int64 = 2_000_000 // the longest that the first wait lasts
	maxRecheck       = minRecheck << 3
)

// alarm is the pollable of a clock, or 0. All waits of the program share it until it fires, so
// most of them make no host call for a clock.
var alarm poll.Pollable

// await waits until p is ready, or for bound nanoseconds or maxRecheck at most, and reports
// whether p is ready. When a clock wakes poll, it looks at p itself, even if the host lost
// the wake-up.
func await(p poll.Pollable, bound int64, round int) (ready bool) {
	old := alarm != 0
	if old && bound < maxRecheck {
		alarm.ResourceDrop() // it may fire too late
		old = false
	}
	if !old {
		alarm = subscribe(min(bound, minRecheck<<min(round, 3)))
	}
	ready, fired := pollTwo(p, alarm)
	if fired {
		alarm.ResourceDrop()
		alarm = 0
		if old && !ready { // it may have fired before p was made
			return await(p, bound, round)
		}
	}
	// A host that cannot wait, as jco in a page without JSPI, returns neither (the WIT forbids it).
	// That counts as a wait that returned at once, or else the Writer would wait forever.
	return ready || !fired
}

// subscribe returns the pollable of a clock that is ready after d nanoseconds.
func subscribe(d int64) poll.Pollable {
	return monotonicclock.SubscribeDuration(monotonicclock.Duration(d))
}
