//go:build wasm || tinygo.wasm

package wasio

import "runtime"

// trapUnwinds is explained in lock_native.go.
const trapUnwinds = false

// With a single thread nothing need be atomic. The Go toolchain makes a call on wasm of
// each operation in package sync/atomic.
type (
	atomicInt64          = cell[int64]
	atomicUint32         = cell[uint32]
	atomicPointer[T any] = cell[*T]
)

type cell[T any] struct{ v T }

func (c *cell[T]) Load() T   { return c.v }
func (c *cell[T]) Store(v T) { c.v = v }

// A mutex is a lock that goroutines get in the order in which they asked for it: one that
// writes in a loop does not keep the others out.
type mutex struct {
	next    uint32 // the ticket of the next Lock
	serving uint32 // the ticket of the goroutine that holds the lock, or will
}

func (m *mutex) Lock() {
	ticket := m.next
	m.next++
	if m.serving != ticket {
		m.wait(ticket)
	}
}

// wait is the slow path of Lock, out of line to keep Lock small enough to be inlined.
//
//go:noinline
func (m *mutex) wait(ticket uint32) {
	for m.serving != ticket {
		runtime.Gosched()
	}
}

func (m *mutex) Unlock() { m.serving++ }
