package host

import "time"

// A pollable is ready when a stream is ready or, if flow is nil, at a time.
type pollable struct {
	clock   *hostClock
	flow    *flow
	parent  *parent // the handle of the stream
	at      time.Duration
	latched bool
	since   uint64 // how many interrupts there were when it was made, or last ended a wait
}

func (*pollable) kind() string { return "pollable" }

// A parent is a handle of a stream that may have pollables.
type parent struct{ pollables int }

func (p parent) live() int { return p.pollables }

// newPollable does not allocate if one was dropped before, since a guest may wait a million times.
func (h *Host) newPollable() *pollable {
	p := h.spare
	if p == nil {
		p = new(pollable)
	}
	h.spare = nil
	*p = pollable{clock: &h.clock, since: h.clock.interrupts.n.Load()}
	return p
}

// watch makes p a pollable of a stream.
func (p *pollable) watch(f *flow, handle *parent) *pollable {
	p.flow, p.parent = f, handle
	handle.pollables++
	return p
}

// wakes returns how long until the pollable wakes a call that waits on it, 0 or less if it is
// ready, and the arrival that may do so earlier, if any.
func (p *pollable) wakes() (d time.Duration, arrival <-chan struct{}) {
	switch {
	case p.latched || p.flow != nil && p.flow.Premature:
		return 0, nil
	case p.flow != nil:
		return p.flow.wakes()
	case p.at == never:
		return never, nil
	}
	return p.at - p.clock.Now(), nil
}

// tell records that the guest was told that the pollable is ready.
func (p *pollable) tell() {
	if p.flow == nil || p.latched {
		return
	}
	p.latched = p.flow.Latch
	p.flow.waited = true
	p.clock.spins = 0
}

// Ready is pollable.ready.
func (h *Host) Ready(handle uint32) bool {
	c := h.begin(OpReady, handle)
	defer h.end(&c)
	p := lookup[*pollable](h, handle)
	switch d, _ := p.wakes(); {
	case d <= 0 && (p.flow == nil || !p.flow.NeverReady):
		p.tell()
		c.Value = 1
	case p.flow != nil:
		p.flow.spin()
	}
	c.Result = Bool
	return c.Value == 1
}

// Block is pollable.block.
func (h *Host) Block(handle uint32) {
	c := h.begin(OpBlock, handle)
	defer h.end(&c)
	for {
		p := lookup[*pollable](h, handle) // each time, since another goroutine may have dropped it
		d, arrival := p.wakes()
		if d <= 0 {
			p.tell()
			break
		}
		since := p.since
		h.clock.pass(d, arrival, since)
		if n := h.clock.interrupts.n.Load(); n != since {
			p.since = n
			break
		}
	}
	c.done()
}

// Poll is poll.poll: it waits until one of the pollables is ready and returns the
// indices of all that are.
func (h *Host) Poll(handles []uint32) (ready []uint32) {
	c := h.begin(OpPoll, 0)
	defer h.end(&c)
	c.Arg = uint64(len(handles))
	if len(handles) == 0 {
		fail("poll of an empty list")
	}
	for {
		first := never
		var arrival <-chan struct{} // of the last pollable that has one: only standard input does
		for i, handle := range handles {
			p := lookup[*pollable](h, handle)
			// A wake-up for one makes the host look at all of them, so it finds a stream
			// whose wake-up was lost.
			d, a := p.wakes()
			if d <= 0 {
				p.tell()
				ready = append(ready, uint32(i))
			}
			first = min(first, d)
			if a != nil {
				arrival = a
			}
		}
		if ready != nil {
			c.done()
			return ready
		}
		h.clock.pass(first, arrival, h.clock.interrupts.n.Load())
	}
}

// DropPollable is [resource-drop]pollable.
func (h *Host) DropPollable(handle uint32) {
	drop(h, OpDropPollable, handle, func(h *Host, p *pollable) {
		if p.parent != nil {
			p.parent.pollables--
		}
		h.spare = p
	})
}
