package host

import "time"

// A flow is what the streams of both directions have in common, as a state machine: how they
// make a guest wait, and how they fail. It knows the time, and neither handles nor the host,
// which holds its lock while it calls a method.
type flow struct {
	Plan
	clock   *hostClock
	arrived func() <-chan struct{} // of a source that is not scripted; see arrival

	closed  bool
	pending *Fault         // to be reported by the next operation
	moved   uint64         // bytes
	left    uint64         // of the bytes that the script said are there, or permitted; 0: it must be asked
	calls   map[string]int // by point

	waitsLeft int           // how many waits there are yet before there are bytes
	stalledAt time.Duration // when the present wait could begin
	waited    bool          // whether it has begun
	waitsDone int
}

func (h *Host) newFlow(p Plan) flow {
	p.script = ScriptOf(p)
	p.Background = p.Background || p.LoseWakeups || p.Premature
	return flow{Plan: p, clock: &h.clock, calls: make(map[string]int)}
}

// faultAt counts a call that comes to a point, and returns the fault planned for it, if any.
func (f *flow) faultAt(at string) *Fault {
	f.calls[at]++
	if f.over() {
		return nil
	}
	return f.script.Fault(at, f.calls[at], f.moved)
}

// over reports whether the stream is closed, or has failed and not reported it.
func (f *flow) over() bool { return f.closed || f.pending != nil }

// strike takes the stream down.
func (f *flow) strike(fault *Fault) {
	if fault == nil {
		return
	}
	f.waitsLeft = 0
	if fault.Closed && fault.Then != ThenWorks {
		f.closed = true
	} else {
		f.pending = fault
	}
}

// report returns the failure that an operation reports, or nil, and brings about what follows.
func (f *flow) report() *Fault {
	fault := f.pending
	if f.closed {
		return &Fault{Closed: true}
	}
	if fault != nil && fault.Then == ThenClosed {
		f.closed = true
	}
	if fault != nil && fault.Then == ThenWorks {
		f.pending = nil
	}
	return fault
}

// stall makes the guest wait so often.
func (f *flow) stall(waits int) {
	f.waitsLeft, f.waited, f.stalledAt = waits, false, f.clock.Now()
}

// advance ends the present wait if it has lasted long enough. If there is another one, that
// begins when the guest waits, or at once if the stream needs no guest for that.
func (f *flow) advance() {
	if f.waitsLeft > 0 && (f.waited || f.Background && f.Delay > 0) && f.remaining() <= 0 {
		f.stall(f.waitsLeft - 1)
		f.waitsDone++
	}
	f.waited = f.waited || f.waitsLeft > 0 && f.Background
}

// stalled reports whether the guest must wait yet.
func (f *flow) stalled() bool { return f.waitsLeft > 0 || f.arrival() != nil }

// offer asks the script how many bytes there are if none are left, and returns how many are.
func (f *flow) offer() uint64 {
	if f.left == 0 {
		f.left = f.script.Permit(f.moved)
		if f.left == 0 {
			f.stall(1)
			f.waited = f.Background
		}
	}
	return f.left
}

// arrival returns a channel that is closed once the stream has bytes, has ended or has
// failed, or nil if it has, or if only its script says when.
func (f *flow) arrival() <-chan struct{} {
	if f.arrived == nil || f.over() {
		return nil
	}
	return f.arrived()
}

// remaining returns how long it takes the stream yet to have or permit bytes, or to report
// an error.
func (f *flow) remaining() time.Duration {
	switch {
	case f.over():
		return 0
	case f.waitsLeft > 0 && f.Delay == never:
		return never
	case f.waitsLeft > 0:
		return f.stalledAt + f.Delay - f.clock.Now()
	case f.arrival() != nil:
		return never
	}
	return 0
}

// wait passes time, as a blocking function does, until the stream is ready as far as is known now.
func (f *flow) wait() {
	for interrupted := true; interrupted; {
		arrival := f.arrival() // before the rest, as bytes may arrive in between
		d := f.remaining()
		if d > 0 && f.losesWakeup() {
			fail(hangs)
		}
		interrupted = d > 0 && f.clock.pass(d, arrival, f.clock.interrupts.count())
	}
	f.waited = true
}

// losesWakeup reports whether the wake-up of the present wait is lost.
func (f *flow) losesWakeup() bool {
	return f.LoseWakeups && (f.LoseAt == 0 || f.LoseAt == f.waitsDone+1)
}

// spin notes that the guest has asked in vain. A stream that makes progress by itself lets it.
func (f *flow) spin() {
	if !f.Background {
		f.clock.spin()
	}
}
