package host

import (
	"math"
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
	mu    *sync.Mutex // of the host
	spins int         // how often the guest has asked in vain since it last waited
	spun  time.Duration
}

const hangs = "the guest hangs: it waits for a wake-up that never comes"

// pass lets time go by without the lock: d, or less if a channel is closed before that.
func (c *hostClock) pass(d time.Duration, wake, interrupt <-chan struct{}) {
	if d == never && wake == nil {
		fail(hangs)
	}
	c.spins = 0
	c.mu.Unlock()
	defer c.mu.Lock()
	c.Sleep(d, wake, interrupt)
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
