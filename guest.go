//go:build wasm || tinygo.wasm

package wasio

import "runtime"

// A mutex is a [sync.Mutex] for a program with one thread, whose goroutines give way only
// where they call something. It is there to be fast: with the Go toolchain a sync.Mutex
// is a quarter of what a short write to a buffer takes.
type mutex struct{ held bool }

func (m *mutex) Lock() {
	if !m.held {
		m.held = true
		return
	}
	m.wait()
}

// wait is Lock where m is held.
//
//go:noinline
func (m *mutex) wait() {
	for m.held {
		runtime.Gosched()
	}
	m.held = true
}

func (m *mutex) Unlock() { m.held = false }

// A flag is an [atomic.Bool] for such a program, where Go would make a call.
type flag struct{ set bool }

func (f *flag) Load() bool    { return f.set }
func (f *flag) Store(to bool) { f.set = to }

// Here a trap ends the program, and nothing is deferred, which takes longer than the lock.

// pass is transfer, under the lock.
func (w *Writer) pass(p []byte, t task) (n int, err error) {
	w.mu.Lock()
	n, err = w.transfer(p, t)
	w.mu.Unlock()
	return n, err
}

// atOnce is atOnceLocked, if nobody has the lock: nothing else runs until it returns.
func (w *Writer) atOnce(p []byte) bool {
	if w == nil || w.mu.held {
		return false
	}
	return w.atOnceLocked(p)
}

// writeLocked is write, and unlocks b.
//
//go:noinline
func (b *BufWriter) writeLocked(p []byte) (n int, err error) {
	n, err = b.write(p)
	b.mu.Unlock()
	return n, err
}

// passLocked is pass, and unlocks b.
func (b *BufWriter) passLocked(p []byte, t task) (n int, err error) {
	n, err = b.pass(p, t)
	b.mu.Unlock()
	return n, err
}
