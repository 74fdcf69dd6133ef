//go:build !wasm && !tinygo.wasm

package wasio

import (
	"github.com/wasio-dev/wasio/internal/host"
	"github.com/wasio-dev/wasio/internal/native"
)

// Off wasm no host provides the functions that package generated imports: package native
// has their bodies. This is how package wasiotest puts a stream in the place of a standard one.
func init() {
	var own [2]uint32 // the handles of the process, as far as they are known
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

// transfer is transferLocked with the lock, which it unlocks even if the model of a host
// panics because of a forbidden call.
func (w *Writer) transfer(p []byte, flush bool) (n int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.transferLocked(p, flush)
}
