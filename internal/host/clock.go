package host

import (
	"math"
	"slices"
	"sync"
	"time"
)

// A Clock is what a host measures and passes time with.
type Clock interface {
	Now() time.Duration // since some moment that stays the same

	// Sleep returns when d has passed, or when one of the channels is closed.
	Sleep(d time.Duration, wake, interrupt <-chan struct{})
}

// wallClock is Go's own clock. Inside a testing/synctest bubble it is the bubble's.
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
type VirtualClock struct {
	mu  sync.Mutex
	now time.Duration
}

// Now returns the sum of all sleeps so far.
func (c *VirtualClock) Now() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Sleep moves the clock forward by d. If d is the longest duration, it waits for a channel.
func (c *VirtualClock) Sleep(d time.Duration, wake, interrupt <-chan struct{}) {
	if d == never {
		select {
		case <-wake:
		case <-interrupt:
		}
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now += d
}

// never is longer than any wait.
const never time.Duration = math.MaxInt64

// hostClock is the clock of a host for its streams and pollables. Whoever calls a method holds
// the lock of the host, which guards the other fields.
type hostClock struct {
	Clock
	mu         *sync.Mutex // of the host
	spins      int         // how often the guest has asked in vain since it last waited
	spun       time.Duration
	sleeps     int // how many calls wait now
	interrupts interrupts
}

const hangs = "the guest hangs: it waits for a wake-up that never comes"

// pass lets time go by without the lock: d, or less if wake is closed before that, or if there
// is another interrupt than the first since ones.
func (c *hostClock) pass(d time.Duration, wake <-chan struct{}, since uint64) (interrupted bool) {
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
		interrupted = c.interrupts.stop(interrupt)
	}()
	c.Sleep(d, wake, interrupt)
	return
}

// interrupts are those of a host, and the calls that one ends. They have a lock of their own, as a
// sink may block while it is written to.
type interrupts struct {
	mu    sync.Mutex
	n     uint64
	wakes []chan struct{}
}

func (i *interrupts) count() uint64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.n
}

// await returns a channel that the next interrupt after the first since ones closes. The goroutine
// that waits makes it: only a channel of its testing/synctest bubble lets time pass.
func (i *interrupts) await(since uint64) chan struct{} {
	wake := make(chan struct{})
	i.mu.Lock()
	defer i.mu.Unlock()
	if since != i.n {
		close(wake)
	} else {
		i.wakes = append(i.wakes, wake)
	}
	return wake
}

// stop ends what await began, and reports whether there was an interrupt.
func (i *interrupts) stop(wake chan struct{}) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	at := slices.Index(i.wakes, wake)
	if at >= 0 {
		i.wakes = slices.Delete(i.wakes, at, at+1)
	}
	return at < 0
}

// Interrupt makes every call of Block that waits, or will wait on a pollable that was made
// before, return at once, as after a spurious wake-up.
func (h *Host) Interrupt() {
	i := &h.clock.interrupts
	i.mu.Lock()
	defer i.mu.Unlock()
	i.n++
	for _, wake := range i.wakes {
		close(wake)
	}
	clear(i.wakes)
	i.wakes = i.wakes[:0]
}

// A guest spins if it asks more than maxSpins times without waiting. One that pauses in between,
// by a clock that is not the host's, waits.
const (
	maxSpins = 100_000
	aPause   = time.Millisecond
)

// spin notes that the guest has asked in vain.
func (c *hostClock) spin() {
	now := c.Now()
	if now-c.spun >= aPause {
		c.spins = 0
	}
	c.spun = now
	if c.spins++; c.spins > maxSpins {
		fail("the guest spins: it asked %d times in a row without waiting on a pollable", maxSpins)
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
func (h *Host) SubscribeDuration(nanoseconds uint64) uint32 {
	return h.timer(OpSubscribeDuration, h.clock.Now(), nanoseconds)
}

// SubscribeInstant is monotonic-clock.subscribe-instant.
func (h *Host) SubscribeInstant(nanoseconds uint64) uint32 {
	return h.timer(OpSubscribeInstant, 0, nanoseconds)
}

// timer adds a pollable for a time, or for never where the clock cannot count so far.
func (h *Host) timer(op Op, from time.Duration, nanoseconds uint64) uint32 {
	c := h.begin(op, 0)
	defer h.end(&c)
	c.Arg = nanoseconds
	p := h.newPollable()
	p.at = never
	if nanoseconds < uint64(never-max(from, 0)) {
		p.at = from + time.Duration(nanoseconds)
	}
	return c.handle(h.add(p))
}
