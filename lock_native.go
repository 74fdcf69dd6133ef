//go:build !wasm && !tinygo.wasm

package wasio

import (
	"sync"
	"sync/atomic"

	"github.com/wasio-dev/wasio/internal/host"
)

// trapUnwinds reports whether a trap of the host is a panic, after which nothing must stay
// locked. In a guest a trap is the end, and a deferred call costs more than the lock.
const trapUnwinds = true

type (
	atomicInt64          = atomic.Int64
	atomicUint32         = atomic.Uint32
	atomicPointer[T any] = atomic.Pointer[T]
)

// A mutex is a lock that goroutines get in the order in which they asked for it. Unlike a
// goroutine that waits for a [sync.Mutex], one that waits for it is durably blocked in
// the sense of [testing/synctest].
type mutex struct {
	mu      sync.Mutex
	turn    sync.Cond
	next    uint32 // the ticket of the next Lock
	serving uint32 // the ticket of the goroutine that holds the lock, or will
}

func (m *mutex) Lock() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.turn.L = &m.mu
	ticket := m.next
	m.next++
	for m.serving != ticket {
		m.turn.Wait()
	}
}

func (m *mutex) Unlock() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.serving++
	m.turn.Broadcast()
}

// Off wasm no host provides the functions that package generated imports: package host has
// their bodies. This is how package wasiotest puts a stream in the place of a standard one.
func init() {
	host.SwapWriter = func(fd int, handle uint32) (before uint32) {
		w := Stdout()
		if fd == host.Stderr {
			w = Stderr()
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.err, w.state, w.waits, w.reason = nil, fresh, waits{}, nil
		w.deadline.Store(0)
		w.recheck.Store(0)
		return w.handle.Swap(handle)
	}
}
