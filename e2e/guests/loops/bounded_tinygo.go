//go:build tinygo.wasm

package loops

import (
	monotonicclock "github.com/wasio-dev/wasio/generated/wasi/clocks/monotonic-clock"
	"github.com/wasio-dev/wasio/generated/wasi/io/poll"
	"go.bytecodealliance.org/cm"
)

//go:wasmimport wasi:io/poll@0.2.0 poll
//go:noescape
func pollList(in *poll.Pollable, n uint32, ready *cm.List[uint32])

// clock bounds waits until it fires, as the clock of wasio does.
var clock poll.Pollable

// blockBounded waits until p is ready, or the clock fires.
func blockBounded(p poll.Pollable) {
	if clock == 0 {
		clock = monotonicclock.SubscribeDuration(2_000_000)
	}
	both := [2]poll.Pollable{p, clock}
	var ready cm.List[uint32]
	pollList(&both[0], 2, &ready)
	for _, i := range ready.Slice() {
		if i == 1 {
			clock.ResourceDrop()
			clock = 0
		}
	}
}
