//go:build !wasm && !tinygo.wasm

package wasio

import (
	"sync"

	// Off wasm no host imports the generated functions; this package has their bodies.
	_ "github.com/wasio-dev/wasio/internal/host"
)

type mutex = sync.Mutex

// Here a trap of the host is a panic, after which nothing must stay locked: a test may
// close a Writer in a deferred call.

// pass is passLocked, under the lock.
func (w *Writer) pass(p []byte, flush bool) (n int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.passLocked(p, flush)
}

// push is pushLocked, under the lock.
func (w *Writer) push(p []byte) (n int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pushLocked(p)
}

// writeLocked is write, and unlocks b.
func (b *BufWriter) writeLocked(p []byte) (n int, err error) {
	defer b.mu.Unlock()
	return b.write(p)
}

// passLocked is pass with a flush, and unlocks b.
func (b *BufWriter) passLocked(p []byte) (n int, err error) {
	defer b.mu.Unlock()
	return b.pass(p, true)
}
