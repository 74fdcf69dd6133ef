package host

import (
	"math"
	"slices"
	"sync"
	"time"
)

// pollable waits for a stream, or for a time where there is none.
type pollable struct {
	flow     *flow
	children *int // of the handle of the stream
	at       time.Duration
	latched  bool
	since    uint64 // how many interrupts there were when it was made, or last ended a wait
}

// never is longer than anything that comes to pass.
const never time.Duration = math.MaxInt64

// remaining returns how long it takes the stream yet to have or permit bytes, or to report
// an error.
func (h *Host) remaining(f *flow) time.Duration {
	switch {
	case f.over():
		return 0
	case f.waits > 0 && f.Delay == never:
		return never
	case f.waits > 0:
		return f.since + f.Delay - h.options.Clock.Now()
	case f.arrival() != nil:
		return never
	}
	return 0
}

// left returns how long until the pollable is ready; 0 or less: it is.
func (h *Host) left(p *pollable) time.Duration {
	switch {
	case p.latched:
		return 0
	case p.flow == nil && p.at == never:
		return never
	case p.flow == nil:
		return p.at - h.options.Clock.Now()
	case p.flow.Premature:
		return 0
	default:
		return h.remaining(p.flow)
	}
}

const hangs = "the guest hangs: it waits for a wake-up that never comes"

// seen notes that the guest was told that the pollable is ready.
func (h *Host) seen(p *pollable) {
	if p.flow == nil || p.latched {
		return
	}
	p.latched = p.flow.Latch
	p.flow.waited = true
	h.spins = 0
}

// sleep passes time until the stream is ready, as far as the host knows now.
func (h *Host) sleep(f *flow) {
	arrival := f.arrival() // before the rest, as bytes may arrive in between
	if d := h.remaining(f); d > 0 {
		if f.losesWakeup() {
			h.fail(hangs)
		}
		h.pass(d, arrival)
	}
	f.waited = true
}

// losesWakeup reports whether the wake-up of the present wait is lost.
func (f *flow) losesWakeup() bool {
	return f.LoseWakeups && (f.LoseAt == 0 || f.LoseAt == f.ended+1)
}

// pass lets time go by without holding the lock, or less if there is an arrival.
func (h *Host) pass(d time.Duration, arrival <-chan struct{}) {
	if d == never && arrival == nil {
		h.fail(hangs)
	}
	h.spins = 0
	h.mu.Unlock()
	defer h.mu.Lock()
	h.options.Clock.Sleep(d, arrival)
}

// Ready is pollable.ready.
func (h *Host) Ready(handle uint32) bool {
	c := h.begin(OpReady, handle)
	defer h.end(&c)
	p := lookup[*pollable](h, handle)
	if h.left(p) > 0 || p.flow != nil && p.flow.NeverReady {
		if p.flow != nil {
			h.spin(p.flow)
		}
		return c.bool(false)
	}
	h.seen(p)
	return c.bool(true)
}

// Block is pollable.block.
func (h *Host) Block(handle uint32) {
	c := h.begin(OpBlock, handle)
	defer h.end(&c)
	for {
		p := lookup[*pollable](h, handle) // each time, as another goroutine may have dropped it
		d, arrival := h.wakes(p)
		if d <= 0 {
			h.seen(p)
			c.done()
			return
		}
		if h.passUnlessInterrupted(p.since, d, arrival) {
			p.since = h.blocks.count()
			c.done()
			return
		}
	}
}

// blocks are the calls of Block that wait now. A channel that is closed ends each of them.
type blocks struct {
	mu         sync.Mutex
	interrupts uint64
	wakes      []chan struct{}
}

// count returns how many interrupts there were.
func (b *blocks) count() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.interrupts
}

// add adds a call on a pollable that was made after so many interrupts. One that came since
// then ends the call at once.
func (b *blocks) add(wake chan struct{}, since uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if since != b.interrupts {
		close(wake)
		return
	}
	b.wakes = append(b.wakes, wake)
}

func (b *blocks) remove(wake chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.Index(b.wakes, wake); i >= 0 {
		b.wakes = slices.Delete(b.wakes, i, i+1)
	}
}

func (b *blocks) interrupt() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.interrupts++
	for _, wake := range b.wakes {
		close(wake)
	}
	clear(b.wakes)
	b.wakes = b.wakes[:0]
}

// Interrupt makes every call of [Host.Block] that waits, or will wait on a pollable that was made
// before, return at once, as after a spurious wake-up.
func (h *Host) Interrupt() { h.blocks.interrupt() }

// passUnlessInterrupted is pass for Block. It reports whether Interrupt ended it. The
// goroutine that waits makes the channel that wakes it, as in a testing/synctest bubble only
// a channel of the bubble lets time pass.
func (h *Host) passUnlessInterrupted(since uint64, d time.Duration, arrival <-chan struct{}) (interrupted bool) {
	if d == never && arrival == nil {
		h.fail(hangs)
	}
	interrupt := make(chan struct{})
	h.blocks.add(interrupt, since)
	defer h.blocks.remove(interrupt)
	wake, stop := either(arrival, interrupt)
	defer stop()
	h.pass(d, wake)
	select {
	case <-interrupt:
		return true
	default:
		return false
	}
}

// either returns a channel that is closed once a, which may be nil, or b is. The caller must
// call stop when it no longer waits.
func either(a, b <-chan struct{}) (c <-chan struct{}, stop func()) {
	if a == nil {
		return b, func() {}
	}
	both, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		select {
		case <-a:
		case <-b:
		case <-stopped:
		}
		close(both)
	}()
	return both, func() { close(stopped) }
}

// wakes returns how long until the pollable wakes somebody who waits on it, and the arrival
// that does so before, if any.
func (h *Host) wakes(p *pollable) (d time.Duration, arrival <-chan struct{}) {
	if p.flow != nil {
		arrival = p.flow.arrival() // before the rest, as bytes may arrive in between
	}
	d = h.left(p)
	if d > 0 && p.flow != nil && p.flow.losesWakeup() {
		return never, nil
	}
	return d, arrival
}

// Poll is poll.poll: it waits until one of the pollables is ready and returns the
// indices of all that are.
func (h *Host) Poll(handles []uint32) []uint32 {
	c := h.begin(OpPoll, 0)
	defer h.end(&c)
	c.Arg = uint64(len(handles))
	if len(handles) == 0 {
		h.fail("poll of an empty list")
	}
	for {
		var ready []uint32
		first := never
		var arrival <-chan struct{} // of the last that has one: only standard input does
		for i, handle := range handles {
			p := lookup[*pollable](h, handle)
			// A wake-up for one makes the host look at them all, so that one
			// which was lost is found.
			if h.left(p) <= 0 {
				h.seen(p)
				ready = append(ready, uint32(i))
			}
			d, a := h.wakes(p)
			first = min(first, d)
			if a != nil {
				arrival = a
			}
		}
		if ready != nil {
			c.done()
			return ready
		}
		h.pass(first, arrival)
	}
}

// DropPollable is [resource-drop]pollable.
func (h *Host) DropPollable(handle uint32) {
	c := h.begin(OpDropPollable, handle)
	defer h.end(&c)
	p := lookup[*pollable](h, handle)
	if p.children != nil {
		*p.children--
	}
	delete(h.table, handle)
	h.spare = append(h.spare, p)
	c.done()
}

// Now is monotonic-clock.now, in nanoseconds.
func (h *Host) Now() uint64 {
	c := h.begin(OpNow, 0)
	defer h.end(&c)
	now := uint64(h.options.Clock.Now())
	c.Result, c.Value = Instant, now
	return now
}

// SubscribeDuration is monotonic-clock.subscribe-duration.
func (h *Host) SubscribeDuration(nanoseconds uint64) uint32 {
	c := h.begin(OpSubscribeDuration, 0)
	defer h.end(&c)
	return h.timer(&c, h.options.Clock.Now(), nanoseconds)
}

// SubscribeInstant is monotonic-clock.subscribe-instant.
func (h *Host) SubscribeInstant(nanoseconds uint64) uint32 {
	c := h.begin(OpSubscribeInstant, 0)
	defer h.end(&c)
	return h.timer(&c, 0, nanoseconds)
}

// timer adds a pollable for a time, or for never where the clock cannot count so far.
func (h *Host) timer(c *Call, from time.Duration, nanoseconds uint64) uint32 {
	c.Arg = nanoseconds
	at := never
	if nanoseconds < uint64(never-max(from, 0)) {
		at = from + time.Duration(nanoseconds)
	}
	return c.handle(h.addPollable(pollable{at: at}))
}

// addPollable does not allocate if one was dropped before: a guest that waits a million
// times costs the host nothing.
func (h *Host) addPollable(p pollable) uint32 {
	var place *pollable
	if n := len(h.spare); n > 0 {
		place, h.spare = h.spare[n-1], h.spare[:n-1]
	} else {
		place = new(pollable)
	}
	*place = p
	return h.add(place)
}
