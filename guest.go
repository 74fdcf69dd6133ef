//go:build wasm || tinygo.wasm

package wasio

import "runtime"

// A mutex is a [sync.Mutex] for a program with one thread, whose goroutines give way only
// where they call something. It is there to be fast: with the Go toolchain a sync.Mutex
// is a quarter of what a short write to a buffer takes.
type mutex struct{ held bool }

func (m *mutex) Lock() {
	for m.held {
		runtime.Gosched()
	}
	m.held = true
}

func (m *mutex) Unlock() { m.held = false }

// Here a trap ends the program, and nothing is deferred, which takes longer than the lock.

// pass is passLocked, under the lock.
func (w *Writer) pass(p []byte, flush bool) (n int, err error) {
	w.mu.Lock()
	n, err = w.passLocked(p, flush)
	w.mu.Unlock()
	return n, err
}

// push is pushLocked, under the lock.
func (w *Writer) push(p []byte) (n int, err error) {
	w.mu.Lock()
	n, err = w.pushLocked(p)
	w.mu.Unlock()
	return n, err
}

// writeLocked is write, and unlocks b.
//
//go:noinline
func (b *BufWriter) writeLocked(p []byte) (n int, err error) {
	n, err = b.write(p)
	b.mu.Unlock()
	return n, err
}

// passLocked is pass with a flush, and unlocks b.
func (b *BufWriter) passLocked(p []byte) (n int, err error) {
	n, err = b.pass(p, true)
	b.mu.Unlock()
	return n, err
}
