//go:build wasm || tinygo.wasm

package platform

import "sync"

// TrapsPanic is for native programs. A trap ends a guest.
const TrapsPanic = false

// A guest has a single thread, so its fields need not be atomic. With Go on wasm each operation
// of sync/atomic would be a call.
type (
	Int64          = cell[int64]
	Uint32         = cell[uint32]
	Pointer[T any] = cell[*T]
)

// A cell holds the value of a field.
type cell[T any] struct{ v T }

func (c *cell[T]) Load() T   { return c.v }
func (c *cell[T]) Store(v T) { c.v = v }

type guard struct{}

func (*guard) Lock()   {}
func (*guard) Unlock() {}

// A turn is a lock that stays locked until the turn comes.
type turn struct{ mu sync.Mutex }

func (t *turn) init(*Mutex) { t.mu.Lock() }
func (t *turn) give()       { t.mu.Unlock() }

func (t *turn) wait() {
	t.mu.Lock()
	defer t.mu.Unlock()
}

// ParkOutside is for native programs.
func (*Mutex) ParkOutside(bool) {}

// ParkAs is for native programs.
func (*Mutex) ParkAs(*Mutex) {}

// Interrupt is for native programs: while the host blocks a guest, no goroutine can call it.
func Interrupt(uint32) {}
