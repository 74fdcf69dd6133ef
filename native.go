//go:build !wasm && !tinygo.wasm

package wasio

import "github.com/wasio-dev/wasio/internal/host"

// Off wasm no host provides the functions that package generated imports: package host has
// their bodies. This is how package wasiotest puts a stream in the place of a standard one.
func init() {
	host.SwapWriter = func(fd int, handle uint32) (before uint32) {
		w := Stdout()
		if fd == host.Stderr {
			w = Stderr()
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.err, w.state, w.waits, w.reason = nil, fresh, waits{}, nil
		w.deadline.Store(0)
		w.recheck.Store(0)
		return w.handle.Swap(handle)
	}
}
