//go:build !wasm && !tinygo.wasm

package platform

import (
	"sync"
	"sync/atomic"
)

// TrapUnwinds reports whether a trap of the host is a panic, after which nothing must stay
// locked. In a guest a trap is the end, and a deferred call costs more than the lock.
const TrapUnwinds = true

// These are what package sync/atomic calls them, for fields that are read without a lock.
type (
	Int64          = atomic.Int64
	Uint32         = atomic.Uint32
	Pointer[T any] = atomic.Pointer[T]
)

// A Mutex is a lock that goroutines get in the order in which they asked for it. Unlike a
// goroutine that waits for a [sync.Mutex], one that waits for it is durably blocked in
// the sense of [testing/synctest].
type Mutex struct {
	mu      sync.Mutex
	turn    sync.Cond
	next    uint32 // the ticket of the next Lock
	serving uint32 // the ticket of the goroutine that holds the lock, or will
}

// Lock locks m.
func (m *Mutex) Lock() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.turn.L = &m.mu
	ticket := m.next
	m.next++
	for m.serving != ticket {
		m.turn.Wait()
	}
}

// Unlock unlocks m.
func (m *Mutex) Unlock() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.serving++
	m.turn.Broadcast()
}
