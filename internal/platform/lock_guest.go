//go:build wasm || tinygo.wasm

package platform

import "runtime"

// TrapUnwinds is explained in lock_native.go.
const TrapUnwinds = false

// With a single thread nothing need be atomic. The Go toolchain makes a call on wasm of
// each operation in package sync/atomic.
type (
	Int64          = cell[int64]
	Uint32         = cell[uint32]
	Pointer[T any] = cell[*T]
)

// A cell holds a value of a field.
type cell[T any] struct{ v T }

func (c *cell[T]) Load() T   { return c.v }
func (c *cell[T]) Store(v T) { c.v = v }

// A Mutex is a lock that goroutines get in the order in which they asked for it: one that
// writes in a loop does not keep the others out.
type Mutex struct {
	next    uint32 // the ticket of the next Lock
	serving uint32 // the ticket of the goroutine that holds the lock, or will
}

// Lock locks m.
func (m *Mutex) Lock() {
	ticket := m.next
	m.next++
	if m.serving != ticket {
		m.wait(ticket)
	}
}

// wait is the slow path of Lock, out of line to keep Lock small enough to be inlined.
//
//go:noinline
func (m *Mutex) wait(ticket uint32) {
	for m.serving != ticket {
		runtime.Gosched()
	}
}

// Unlock unlocks m.
func (m *Mutex) Unlock() { m.serving++ }
