package host

import "time"

// A Result is what the fallible functions of streams return: [Done], or [Permit]
// with a number of bytes, or [Closed], or [LastOperationFailed] with an
// error handle that the guest must drop.
type Result struct {
	Kind  ResultKind
	Value uint64
}

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

// flow is what the streams of both directions have in common: how they make a guest wait,
// and how they fail.
type flow struct {
	Behavior
	arrived func() <-chan struct{} // of a source that is not scripted; see arrival

	closed  bool
	pending *Fault // to be reported by the next operation
	moved   uint64 // bytes
	calls   [faultPoints]int

	waits  int           // how often the guest must wait yet before there are bytes
	waited bool          // whether it has waited since it was last told so
	since  time.Duration // when that was
	ended  int           // how many waits were over
}

func newFlow(b Behavior) flow {
	if b.Script == nil {
		b.Script = Plan{}.Behavior().Script
	}
	b.Background = b.Background || b.LoseWakeups || b.Premature
	return flow{Behavior: b}
}

// faultAt returns the fault at a point that the stream has come to, if there is one.
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
	f.waits = 0
	if fault.Closed && fault.Then != ThenWorks {
		f.closed = true
	} else {
		f.pending = fault
	}
}

// reports reports whether the stream is closed or has failed, and if so sets the result.
func (h *Host) reports(f *flow, c *Call) bool {
	switch {
	case f.closed:
		c.Result = Closed
	case f.pending != nil:
		if f.pending.Closed {
			c.Result = Closed
		} else {
			c.Result, c.Value = LastOperationFailed, uint64(h.add(&failure{f.pending.Text}))
		}
		switch f.pending.Then {
		case ThenClosed:
			f.closed = true
		case ThenWorks:
			f.pending = nil
		}
	default:
		return false
	}
	return true
}

// stalled reports whether the guest must wait yet.
func (h *Host) stalled(f *flow) bool {
	if f.waits > 0 && (f.waited || f.Background && f.Delay > 0) && h.remaining(f) <= 0 {
		f.waits--
		f.ended++
		f.waited, f.since = false, h.options.Clock.Now()
	}
	if f.waits > 0 {
		f.waited = f.waited || f.Background // to be told of it once is all that it takes
	}
	return f.waits > 0 || f.arrival() != nil
}

// ask returns how many bytes the script says there are.
func (h *Host) ask(f *flow) uint64 {
	n := f.Script.Permit(f.moved)
	if n == 0 {
		f.stall(1, h.options.Clock.Now())
		f.waited = f.Background
	}
	return n
}

func (f *flow) stall(waits int, now time.Duration) {
	f.waits, f.waited, f.since = waits, false, now
}

// arrival returns a channel that is closed once the stream has bytes, has ended or has
// failed, or nil if it has, or if only its script says when.
func (f *flow) arrival() <-chan struct{} {
	if f.arrived == nil || f.over() {
		return nil
	}
	return f.arrived()
}

// maxSpins is how often a guest may ask again without waiting until it counts as one that would
// do so for ever. A guest that pauses in between, by a clock that is not the host's, waits.
const (
	maxSpins = 100_000
	aPause   = time.Millisecond
)

func (h *Host) spin(f *flow) {
	now := h.options.Clock.Now()
	if now-h.spun >= aPause {
		h.spins = 0
	}
	h.spun = now
	if h.spins++; h.spins > maxSpins && !f.Background {
		h.fail("the guest spins: it asked %d times in a row without waiting on a pollable", maxSpins)
	}
}

// subscribe returns the handle of a pollable of a stream, of which a handle has the children.
func (h *Host) subscribe(f *flow, children *int) uint32 {
	p := h.addPollable(pollable{flow: f, children: children, since: h.blocks.count()})
	*children++
	return p
}
