//go:build !wasm && !tinygo.wasm

package wasio

import (
	"github.com/wasio-dev/wasio/internal/host"
	"github.com/wasio-dev/wasio/internal/native"
)

// Natively package internal/native has the bodies of the functions that the packages in
// generated import from a host. Through SwapWriter, package wasiotest replaces the standard
// streams.
func init() {
	var own [2]uint32 // the handles of the process's own streams; 0 if not known yet
	native.SwapWriter = func(fd int, handle uint32) (before uint32) {
		w := Stdout()
		if fd == host.Stderr {
			w = Stderr()
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.condition = condition{}
		w.deadline.Store(0)
		w.recheck.Store(0)
		before = w.handle.Swap(handle)
		if own[fd-1] == 0 {
			own[fd-1] = before
		}
		w.mu.ParkOutside(handle == own[fd-1])
		return before
	}
}
