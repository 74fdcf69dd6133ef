//go:build !wasm && !tinygo.wasm

package wasio

import (
	"sync"

	// Off wasm no host imports the generated functions; this package has their bodies.
	_ "github.com/wasio-dev/wasio/internal/host"
)

type mutex = sync.Mutex

// pass passes p to the host. Here a trap of the host is a panic, after which the Writer
// must not stay locked: a test may close it, deferred.
func (w *Writer) pass(p []byte, how manner) (n int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.passLocked(p, how)
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
