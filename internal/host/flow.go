package host

import "time"

// A flow is the state machine that input and output streams have in common: how they make a guest
// wait, and how they fail. It knows the clock, but no handles and no Host. A Host holds its lock
// while it calls a method.
type flow struct {
	Plan
	clock   *hostClock
	arrived func() <-chan struct{} // of a source that is not scripted; see arrival

	closed  bool
	pending *Fault         // to be reported by the next operation
	moved   uint64         // bytes
	left    uint64         // bytes that the script has offered and nobody has used; 0: ask again
	calls   map[string]int // by point

	waitsLeft int           // waits until there are bytes
	stalledAt time.Duration // when the present wait could begin
	waited    bool          // whether the present wait has begun
	waitsDone int
}

func (h *Host) newFlow(p Plan) flow {
	if p.script == nil {
		p.script = &planned{plan: p}
	}
	p.Background = p.Background || p.LoseWakeups || p.Premature
	return flow{Plan: p, clock: &h.clock, calls: make(map[string]int)}
}

// faultAt counts that the stream reaches a point, and returns the fault planned there, if any.
func (f *flow) faultAt(at string) *Fault {
	f.calls[at]++
	if f.over() {
		return nil
	}
	return f.script.Fault(at, f.calls[at], f.moved)
}

// over reports whether the stream is closed, or has failed without having reported it.
func (f *flow) over() bool { return f.closed || f.pending != nil }

// strike makes the stream fail or close, unless fault is nil.
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

// report returns the failure that an operation must report, or nil, and enters the state that
// follows the report.
func (f *flow) report() *Fault {
	fault := f.pending
	switch {
	case f.closed:
		return &Fault{Closed: true}
	case fault == nil:
	case fault.Then == ThenClosed:
		f.closed = true
	case fault.Then == ThenWorks:
		f.pending = nil
	}
	return fault
}

// stall makes the guest wait the given number of times.
func (f *flow) stall(waits int) {
	f.waitsLeft, f.waited, f.stalledAt = waits, false, f.clock.Now()
}

// advance ends the present wait if it has lasted long enough. The next one begins when the guest
// waits, or at once if the stream makes progress in the background.
func (f *flow) advance() {
	if f.waitsLeft > 0 && (f.waited || f.Background && f.Delay > 0) && f.remaining() <= 0 {
		f.stall(f.waitsLeft - 1)
		f.waitsDone++
	}
	f.waited = f.waited || f.waitsLeft > 0 && f.Background
}

// stalled reports whether the guest must still wait.
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

// arrival returns a channel that is closed when the stream gets bytes, ends or fails. It returns
// nil if that has happened, or if the script alone says when.
func (f *flow) arrival() <-chan struct{} {
	if f.arrived == nil || f.over() {
		return nil
	}
	return f.arrived()
}

// remaining returns how long it will take until the stream has or permits bytes, or reports an
// error.
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

// wakes returns how long until the stream wakes a call that waits for it, and the arrival that
// may do so earlier, if any.
func (f *flow) wakes() (d time.Duration, arrival <-chan struct{}) {
	arrival = f.arrival() // first, because bytes may arrive in between
	d = f.remaining()
	if d > 0 && f.LoseWakeups && (f.LoseAt == 0 || f.LoseAt == f.waitsDone+1) {
		return never, nil
	}
	return d, arrival
}

// wait waits as a blocking function does: until the stream is ready.
func (f *flow) wait() {
	for d, arrival := f.wakes(); d > 0; d, arrival = f.wakes() {
		f.clock.pass(d, arrival, f.clock.interrupts.n.Load())
	}
	f.waited = true
}

// maxSpurious is how often in a row a stream may be ready without bytes before a blocking function
// traps. It is Wasmtime's limit.
const maxSpurious = 11

// try calls attempt until it succeeds, with a wait before each further call, or only once unless
// waits is set. If it never succeeds, the reason of the trap says what the stream does not do.
func (f *flow) try(waits bool, fails string, attempt func() (ok bool)) {
	for range maxSpurious + f.waitsLeft {
		switch {
		case attempt():
			return
		case !waits:
			f.spin()
			return
		}
		f.wait()
	}
	fail("the stream is ready but %s", fails)
}

// spin records that the guest has asked in vain. If the stream makes progress by itself, the guest
// may do that.
func (f *flow) spin() {
	if !f.Background {
		f.clock.spin()
	}
}
