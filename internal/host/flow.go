package host

import "time"

// A Behavior is how a stream behaves where the contract leaves it a choice. The zero
// value is a synchronous host: it permits 1 MiB, or has as many bytes, never
// stalls and never fails.
type Behavior struct {
	Script Script // nil: that of an empty [Plan]
	Traits
}

// Traits are the part of a Behavior that does not change over time.
type Traits struct {
	// Delay is how long a guest that must wait waits, by the host's clock. The longest
	// duration is for ever.
	Delay time.Duration

	// Hold keeps what was written until a flush is complete; it is lost if the
	// stream goes before that, or fails.
	Hold bool

	// HoldLine keeps what was written after the last newline until a newline or a flush
	// comes, or until it is too long, as a LineWriter of Rust does. Hold goes before it.
	HoldLine bool

	// DropWaits makes the drop of an output stream wait until what was written has been
	// taken: until check-write would permit something again.
	DropWaits bool

	// WorksAgain lets an output stream go on after an error of its sink, once that was
	// reported.
	WorksAgain bool

	// Background lets the stream make progress while nobody waits on a pollable of
	// it. By default it does not, as file streams of Wasmtime do not.
	Background bool

	// Latch makes a pollable that was ready once stay ready for ever.
	Latch bool

	// NeverReady makes pollable.ready return false always; block works.
	NeverReady bool

	// Premature makes a pollable ready at once, though the stream takes Delay to permit
	// anything. It implies Background.
	Premature bool

	// LoseWakeups makes a stream that becomes ready wake nobody who waits on its
	// pollable alone, or in a blocking function, as in Wasmtime 21 and 22 (issue
	// 8781). It implies Background.
	LoseWakeups bool

	// LoseAt, if not 0, limits LoseWakeups to one wait, counted from 1.
	LoseAt int

	// End says which operations find the end of an input stream.
	End End
}

// An End says which operations on an input stream find that it has ended, or that its reader
// has failed. The script still says how long the guest must wait for that.
type End uint8

const (
	// EndKnown lets any operation find the end as soon as no byte is left, as the body of
	// an HTTP request does.
	EndKnown End = iota

	// EndWhenRead lets only an operation that asks for a byte find the end. Then any
	// operation reports it. TCP sockets of Wasmtime are like that.
	EndWhenRead

	// EndSilent is EndWhenRead, except that an operation that asks for no byte reports
	// nothing after that either. Standard input of Wasmtime is like that.
	EndSilent
)

// A flow is what the streams of both directions have in common, as a state machine: how they
// make a guest wait, and how they fail. It knows the time, and neither handles nor the host,
// which holds its lock while it calls a method.
type flow struct {
	Behavior
	clock   *hostClock
	arrived func() <-chan struct{} // of a source that is not scripted; see arrival

	closed  bool
	pending *Fault // to be reported by the next operation
	moved   uint64 // bytes
	left    uint64 // of the bytes that the script said are there, or permitted; 0: it must be asked
	calls   [faultPoints]int

	waitsLeft int           // how many waits there are yet before there are bytes
	stalledAt time.Duration // when the present wait could begin
	waited    bool          // whether it has begun
	waitsDone int
}

func (h *Host) newFlow(b Behavior) flow {
	if b.Script == nil {
		b.Script = Plan{}.Behavior().Script
	}
	b.Background = b.Background || b.LoseWakeups || b.Premature
	return flow{Behavior: b, clock: &h.clock}
}

// faultAt counts a call that comes to a point, and returns the fault planned for it, if any.
func (f *flow) faultAt(at Point) *Fault {
	f.calls[at]++
	if f.over() {
		return nil
	}
	return f.Script.Fault(at, f.calls[at], f.moved)
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
		f.left = f.Script.Permit(f.moved)
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
	arrival := f.arrival() // before the rest, as bytes may arrive in between
	if d := f.remaining(); d > 0 {
		if f.losesWakeup() {
			fail(hangs)
		}
		f.clock.pass(d, arrival, nil)
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
