package host

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// A Clock tells a host the time, and lets time pass.
type Clock interface {
	Now() time.Duration // since a fixed moment

	// Sleep returns when d has passed, or when one of the channels is closed.
	Sleep(d time.Duration, wake, interrupt <-chan struct{})
}

// wallClock is Go's own clock. Inside a testing/synctest bubble it is that of the bubble.
type wallClock struct{ start time.Time }

func (c wallClock) Now() time.Duration { return time.Since(c.start) }

func (c wallClock) Sleep(d time.Duration, wake, interrupt <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-wake:
	case <-interrupt:
	}
}

// VirtualClock is a clock on which time passes only when somebody sleeps, and then
// at once. The zero value is ready to use.
type VirtualClock struct{ now atomic.Int64 }

// Now returns the sum of all sleeps so far.
func (c *VirtualClock) Now() time.Duration { return time.Duration(c.now.Load()) }

// Sleep moves the clock forward by d. If d is the longest duration, it waits for a channel.
func (c *VirtualClock) Sleep(d time.Duration, wake, interrupt <-chan struct{}) {
	if d < never {
		c.now.Add(int64(d))
		return
	}
	select {
	case <-wake:
	case <-interrupt:
	}
}

// never is longer than any wait.
const never time.Duration = math.MaxInt64

// hostClock is the clock of a host for its streams and pollables. Callers of its methods hold
// the lock of the host, which guards the other fields.
type hostClock struct {
	Clock
	mu         *sync.Mutex // of the host
	spins      int         // how often the guest has asked in vain since its last wait
	spun       time.Duration
	sleeps     int // how many calls are waiting
	interrupts interrupts
}

// The reason of a trap, or its beginning, if the guest hangs.
const (
	hangs = "the guest hangs: it waits for a wake-up that never comes"
	spins = "the guest spins: "
)

// pass unlocks the host while d passes. It returns earlier if wake is closed, or at the next
// interrupt after the first since ones.
func (c *hostClock) pass(d time.Duration, wake <-chan struct{}, since uint64) {
	if d == never && wake == nil {
		fail(hangs)
	}
	c.spins = 0
	c.sleeps++
	interrupt := c.interrupts.await(since)
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		c.sleeps--
		c.interrupts.stop(interrupt)
	}()
	c.Sleep(d, wake, interrupt)
}

// interrupts counts the interrupts of a host, and has a channel for each call that the next one
// ends. It has a lock of its own, because a sink that blocks in Write holds the lock of the host.
type interrupts struct {
	mu    sync.Mutex
	n     atomic.Uint64
	wakes map[chan struct{}]bool
}

// await returns a channel that is closed by the next interrupt after the first since ones. The
// goroutine that waits makes the channel: time passes in a testing/synctest bubble only while its
// goroutines wait for channels of the bubble.
func (i *interrupts) await(since uint64) chan struct{} {
	wake := make(chan struct{})
	i.mu.Lock()
	defer i.mu.Unlock()
	if since != i.n.Load() {
		close(wake)
	} else {
		i.wakes[wake] = true
	}
	return wake
}

// stop releases a channel of await.
func (i *interrupts) stop(wake chan struct{}) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.wakes, wake)
}

// Interrupt makes calls of Block return at once, as after a spurious wake-up: each one that waits
// now, and each one that will wait on a pollable made before.
func (h *Host) Interrupt() {
	i := &h.clock.interrupts
	i.mu.Lock()
	defer i.mu.Unlock()
	i.n.Add(1)
	for wake := range i.wakes {
		close(wake)
	}
	clear(i.wakes)
}

// A guest spins if it asks more than maxSpins times in a row without waiting. If aPause goes by,
// that is a wait, too: the guest may have paused by another clock.
const (
	maxSpins = 100_000
	aPause   = time.Millisecond
)

// spin records that the guest has asked in vain.
func (c *hostClock) spin() {
	now := c.Now()
	if now-c.spun >= aPause {
		c.spins = 0
	}
	c.spun = now
	if c.spins++; c.spins > maxSpins {
		fail(spins+"it asked %d times in a row without waiting on a pollable", maxSpins)
	}
}

// Clock returns the clock of the host.
func (h *Host) Clock() Clock { return h.clock.Clock }

// Now is monotonic-clock.now, in nanoseconds.
func (h *Host) Now() uint64 {
	c := h.begin(OpNow, 0)
	defer h.end(&c)
	c.Result, c.Value = Instant, uint64(h.clock.Now())
	return c.Value
}

// SubscribeDuration is monotonic-clock.subscribe-duration.
func (h *Host) SubscribeDuration(ns uint64) uint32 {
	return h.timer(OpSubscribeDuration, h.clock.Now(), ns)
}

// SubscribeInstant is monotonic-clock.subscribe-instant.
func (h *Host) SubscribeInstant(ns uint64) uint32 { return h.timer(OpSubscribeInstant, 0, ns) }

// timer adds a pollable that is ready at a time, or never if the clock cannot count so far.
func (h *Host) timer(op Op, from time.Duration, ns uint64) uint32 {
	c := h.begin(op, 0)
	defer h.end(&c)
	c.Arg = ns
	p := h.newPollable()
	p.at = never
	if ns < uint64(never-max(from, 0)) {
		p.at = from + time.Duration(ns)
	}
	return c.handle(h.add(p))
}
