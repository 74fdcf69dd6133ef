//go:build !wasm && !tinygo.wasm

package platform

import (
	"sync"
	"sync/atomic"

	"github.com/wasio-dev/wasio/generated/wasi/io/poll"
	"github.com/wasio-dev/wasio/internal/native"
)

// TrapsPanic reports whether a trap is a panic, from which a test may recover.
const TrapsPanic = true

// These types are for fields that are read without a lock.
type (
	Int64          = atomic.Int64
	Uint32         = atomic.Uint32
	Pointer[T any] = atomic.Pointer[T]
)

// A guard is the lock of the fields of a Mutex, held for a moment at a time.
type guard struct {
	sync.Mutex
	outside bool   // see ParkOutside
	as      *Mutex // see ParkAs
}

// A turn is a channel that is closed when the turn comes, or a lock that is unlocked then.
//
// In a [testing/synctest] bubble, a goroutine that waits for a channel made in the bubble is
// durably blocked, so time passes. A goroutine that waits for a sync.Mutex is not: it may wait
// for the world outside of the bubble, which must not close the bubble's channels anyway.
type turn struct {
	mu      sync.Mutex
	channel chan struct{} // nil if mu is used
}

func (t *turn) init(m *Mutex) {
	t.channel = nil // of the last time
	if m.parksOutside() {
		t.mu.Lock()
	} else {
		t.channel = make(chan struct{})
	}
}

func (t *turn) wait() {
	if t.channel != nil {
		<-t.channel
	} else {
		t.mu.Lock()
		defer t.mu.Unlock()
	}
}

func (t *turn) give() {
	if t.channel != nil {
		close(t.channel)
	} else {
		t.mu.Unlock()
	}
}

// parksOutside reports what ParkOutside and ParkAs have set. The guard of m is locked.
func (m *Mutex) parksOutside() bool {
	if as := m.guard.as; as != nil {
		as.guard.Lock()
		defer as.guard.Unlock()
		return as.guard.outside
	}
	return m.guard.outside
}

// ParkOutside sets whether a goroutine of a [testing/synctest] bubble that waits for m waits
// for the world outside of the bubble, as it does for a stream of the process.
func (m *Mutex) ParkOutside(outside bool) {
	m.guard.Lock()
	defer m.guard.Unlock()
	m.guard.outside = outside
}

// ParkAs makes m follow the ParkOutside of another Mutex, or its own if other is nil.
func (m *Mutex) ParkAs(other *Mutex) {
	m.guard.Lock()
	defer m.guard.Unlock()
	m.guard.as = other
}

// Interrupt ends the waits under way for all streams on the host of the given output stream.
func Interrupt(stream uint32) { native.Interrupt(stream) }

// Await waits until p is ready, or for bound nanoseconds at most, and reports whether p is
// ready. It may return earlier. The waits since the stream last moved a byte were round.
func Await(p poll.Pollable, bound int64, round int) (ready bool) {
	return awaitPausing(p, bound, round)
}

// TextOf returns the first line of the host's text for a failure.
func TextOf(err uint32) string { return firstLine(native.TextOf(err)) }

// UseLimits is for guests.
func UseLimits() {}
