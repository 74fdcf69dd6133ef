//go:build !wasm && !tinygo.wasm

package wasio

import (
	"sync"
	"sync/atomic"

	// Off wasm no host imports the generated functions; this package has their bodies.
	_ "github.com/wasio-dev/wasio/internal/host"
)

type (
	mutex = sync.Mutex
	flag  = atomic.Bool
)

// Here a trap of the host is a panic, after which nothing must stay locked: a test may
// close a Writer in a deferred call.

// pass is transfer, under the lock.
func (w *Writer) pass(p []byte, t task) (n int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.transfer(p, t)
}

// atOnce is atOnceLocked, under the lock.
func (w *Writer) atOnce(p []byte) bool {
	if w == nil {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.atOnceLocked(p)
}

// writeLocked is write, and unlocks b.
func (b *BufWriter) writeLocked(p []byte) (n int, err error) {
	defer b.mu.Unlock()
	return b.write(p)
}

// passLocked is pass, and unlocks b.
func (b *BufWriter) passLocked(p []byte, t task) (n int, err error) {
	defer b.mu.Unlock()
	return b.pass(p, t)
}
